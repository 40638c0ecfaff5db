#include "server/metrics.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace freehold::server {

namespace {

/// A label's value: backslash, quote and line end are written with a backslash.
std::string label_text(std::string_view text) {
  std::string safe;
  for (const char letter : text) {
    if (letter == '\\' || letter == '"') safe += '\\';
    if (letter == '\n') {
      safe += "\\n";
    } else {
      safe += letter;
    }
  }
  return safe;
}

void describe(std::string& text, std::string_view name, std::string_view type,
              std::string_view help) {
  text += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void gauge(std::string& text, std::string_view name, std::string_view help, double value) {
  describe(text, name, "gauge", help);
  text += fmt::format("{} {}\n", name, base::shortest(value));
}

void counter(std::string& text, std::string_view name, std::string_view help, uint64_t value) {
  describe(text, name, "counter", help);
  text += fmt::format("{} {}\n", name, value);
}

}  // namespace

void Histogram::add(double value) {
  const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  ++counts_[static_cast<size_t>(at)];
  sum_ += value;
}

void Histogram::write(std::string& text, const std::string& name, const std::string& labels) const {
  const std::string comma = labels.empty() ? "" : ",";
  uint64_t count = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    count += counts_[i];
    const std::string bound = i < bounds_.size() ? base::shortest(bounds_[i]) : "+Inf";
    text += fmt::format("{}_bucket{{{}{}le=\"{}\"}} {}\n", name, labels, comma, bound, count);
  }
  const std::string braces = labels.empty() ? "" : "{" + labels + "}";
  text += fmt::format("{}_sum{} {}\n{}_count{} {}\n", name, braces, base::shortest(sum_), name,
                      braces, count);
}

/// Bounds in seconds: from a cached prompt on a small model to a long one on a streamed model.
Metrics::PerModel::PerModel()
    : queue({0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300}),
      first_token({0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}),
      per_token({0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10}),
      whole({0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900}) {}

void Metrics::count_request(const std::string& path, int status) {
  const std::lock_guard lock(mutex_);
  ++requests_[{path, status}];
}

void Metrics::count_answer(const AnswerMetrics& answer) {
  const std::lock_guard lock(mutex_);
  PerModel& model = models_[answer.model];
  model.prompt_tokens += answer.prompt_tokens;
  model.reused_tokens += answer.reused_tokens;
  model.answer_tokens += answer.answer_tokens;
  model.queue.add(answer.queue_s);
  model.first_token.add(answer.first_token_s);
  if (answer.answer_tokens > 1) {
    model.per_token.add((answer.whole_s - answer.first_token_s) /
                        static_cast<double>(answer.answer_tokens - 1));
  }
  model.whole.add(answer.whole_s);
}

void Metrics::count_load() {
  const std::lock_guard lock(mutex_);
  ++loads_;
}

void Metrics::count_unload() {
  const std::lock_guard lock(mutex_);
  ++unloads_;
}

void Metrics::set_load(size_t running, size_t waiting, double cache_share, size_t models) {
  const std::lock_guard lock(mutex_);
  running_ = running;
  waiting_ = waiting;
  cache_share_ = cache_share;
  loaded_ = models;
}

std::string Metrics::text() const {
  const std::lock_guard lock(mutex_);
  std::string text;
  describe(text, "freehold_http_requests_total", "counter", "Requests answered, by route.");
  for (const auto& [key, count] : requests_) {
    text += fmt::format("freehold_http_requests_total{{route=\"{}\",status=\"{}\"}} {}\n",
                        label_text(key.first), key.second, count);
  }
  gauge(text, "freehold_requests_running", "Answers under way.", static_cast<double>(running_));
  gauge(text, "freehold_requests_waiting", "Answers that wait for a slot.",
        static_cast<double>(waiting_));
  gauge(text, "freehold_models_loaded", "Models in memory.", static_cast<double>(loaded_));
  gauge(text, "freehold_kv_cache_usage_ratio", "Share of the fullest model's cache in use.",
        cache_share_);
  counter(text, "freehold_model_loads_total", "Models loaded.", loads_);
  counter(text, "freehold_model_unloads_total", "Models unloaded.", unloads_);
  const auto each = [&](std::string_view name, std::string_view type, std::string_view help,
                        const auto& write) {
    describe(text, name, type, help);
    for (const auto& [model, numbers] : models_) {
      write(std::string(name), fmt::format("model=\"{}\"", label_text(model)), numbers);
    }
  };
  const auto total = [&](std::string_view name, std::string_view help, uint64_t PerModel::*value) {
    each(name, "counter", help,
         [&](const std::string& series, const std::string& labels, const PerModel& numbers) {
           text += fmt::format("{}{{{}}} {}\n", series, labels, numbers.*value);
         });
  };
  const auto histogram = [&](std::string_view name, std::string_view help,
                             Histogram PerModel::*value) {
    each(name, "histogram", help,
         [&](const std::string& series, const std::string& labels, const PerModel& numbers) {
           (numbers.*value).write(text, series, labels);
         });
  };
  total("freehold_prompt_tokens_total", "Tokens of prompts.", &PerModel::prompt_tokens);
  total("freehold_prefix_cache_hit_tokens_total", "Tokens of prompts computed before.",
        &PerModel::reused_tokens);
  total("freehold_generation_tokens_total", "Tokens of answers.", &PerModel::answer_tokens);
  histogram("freehold_request_queue_seconds", "From a request to its slot.", &PerModel::queue);
  histogram("gen_ai_server_time_to_first_token_seconds", "From a request to its first token.",
            &PerModel::first_token);
  histogram("gen_ai_server_time_per_output_token_seconds",
            "Between tokens, on average of an answer.", &PerModel::per_token);
  histogram("gen_ai_server_request_duration_seconds", "From a request to its last token.",
            &PerModel::whole);
  return text;
}

}  // namespace freehold::server
