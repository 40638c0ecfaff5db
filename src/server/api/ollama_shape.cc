#include "server/api/ollama_shape.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/calendar.h"
#include "base/text.h"

namespace freehold::server {

namespace {

constexpr int64_t kSecond_ns = 1'000'000'000;

constexpr Parameter kOptionTable[] = {
    kTemperature,
    kTopP,
    kTopK,
    kMinP,
    kTypicalP,
    kFrequency,
    kPresence,
    kRepeat,
    {"repeat_last_n", Kind::kInteger, Use::kHonoured, -1, kCountMax},
    kSeed,
    {"stop", Kind::kStrings},
    {"num_predict", Kind::kInteger, Use::kHonoured, -2, kCountMax},
    {"num_ctx", Kind::kInteger, Use::kHonoured, 1, kCountMax},
    // How it is computed, which changes no answer here.
    {"num_keep", Kind::kInteger, Use::kAccepted},
    {"num_batch", Kind::kInteger, Use::kAccepted},
    {"num_gpu", Kind::kInteger, Use::kAccepted},
    {"num_thread", Kind::kInteger, Use::kAccepted},
    {"main_gpu", Kind::kInteger, Use::kAccepted},
    {"use_mmap", Kind::kBool, Use::kAccepted},
    {"numa", Kind::kBool, Use::kAccepted},
};

ApiStatus read_options(const base::JsonValue& options, Asked& asked) {
  TRY(check_parameters(options, kOptionTable));
  TRY(read_sampling(options, asked));
  if (options.find_integer("repeat_last_n") == -1) asked.sampling.penalty_last_tokens = 1 << 24;
  if (const base::JsonValue* stop = find_given(options, "stop")) asked.stops = read_strings(*stop);
  if (const auto tokens = options.find_integer("num_predict")) {
    asked.tokens_max = *tokens > 0 ? static_cast<uint64_t>(*tokens) : 0;
  }
  const auto context = options.find_unsigned("num_ctx");
  if (context && *context > asked.model->context) {
    return ApiError{.message = fmt::format("'num_ctx' is {} and this server's context is {}; start "
                                           "it with a larger --context",
                                           *context, asked.model->context),
                    .param = "num_ctx"};
  }
  return Nothing{};
}

}  // namespace

ApiResult<int64_t> read_keep_alive(const base::JsonValue& value) {
  static constexpr double kMost_s = 1e9;
  const auto nanoseconds = [](double seconds) {
    return static_cast<int64_t>(std::clamp(seconds, -1.0, kMost_s) * 1e9);
  };
  if (const auto seconds = value.as_number()) return nanoseconds(*seconds);
  const std::string_view text = value.as_string().value_or("");
  const struct {
    std::string_view unit;
    double seconds;
  } units[] = {{"ms", 1e-3}, {"h", 3600}, {"m", 60}, {"s", 1}, {"", 1}};
  for (const auto& unit : units) {
    if (!text.ends_with(unit.unit)) continue;
    const auto number = base::parse_number(text.substr(0, text.size() - unit.unit.size()));
    if (number.ok()) return nanoseconds(*number * unit.seconds);
  }
  return ApiError{.message = "'keep_alive' is no duration: write seconds, or as in 5m",
                  .param = "keep_alive"};
}

ApiStatus read_ollama_common(const base::JsonValue& body, Asked& asked) {
  if (const base::JsonValue* options = find_given(body, "options")) {
    TRY(read_options(*options, asked));
  }
  if (const base::JsonValue* keep = find_given(body, "keep_alive")) {
    asked.keep_ns = TRY(read_keep_alive(*keep));
  }
  asked.stream = body.find_bool("stream").value_or(true);
  return Nothing{};
}

std::string time_text(int64_t wall_ns) {
  const int64_t seconds = wall_ns / kSecond_ns;
  const base::Date date = base::date_of(seconds);
  const int64_t time = seconds % 86'400;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", date.year, date.month, date.day,
                     time / 3600, time / 60 % 60, time % 60, wall_ns % kSecond_ns);
}

void write_ollama_end(base::JsonWriter& json, const JobReport& report) {
  const bool length = report.finish == JobFinish::kLength || report.finish == JobFinish::kContext;
  json.field("done", true).field("done_reason", length ? "length" : "stop");
  json.field("total_duration", report.ended_ns - report.submitted_ns);
  json.field("load_duration", report.started_ns - report.submitted_ns);
  json.field("prompt_eval_count", report.counts.prompt_tokens);
  json.field("prompt_eval_duration", report.first_token_ns - report.started_ns);
  json.field("eval_count", report.counts.answer_tokens);
  json.field("eval_duration", report.ended_ns - report.first_token_ns);
}

}  // namespace freehold::server
