#include "server/api/openai_shape.h"

#include <fmt/format.h>

#include "base/random.h"
#include "base/text.h"

namespace freehold::server {

namespace {

constexpr size_t kStopsMax = 16;

}  // namespace

std::string make_id(std::string_view prefix) {
  const auto high = base::system_entropy();
  const auto low = base::system_entropy();
  return fmt::format("{}{:08x}{:016x}", prefix, high.ok() ? static_cast<uint32_t>(*high) : 0,
                     low.ok() ? *low : 0);
}

std::string_view openai_finish(JobFinish finish) {
  return finish == JobFinish::kLength || finish == JobFinish::kContext ? "length" : "stop";
}

void write_usage(base::JsonWriter& json, const Usage& usage) {
  json.key("usage").begin_object();
  json.field("prompt_tokens", usage.prompt).field("completion_tokens", usage.answer);
  json.field("total_tokens", usage.prompt + usage.answer);
  json.key("prompt_tokens_details")
      .begin_object()
      .field("cached_tokens", usage.reused)
      .end_object();
  json.end_object();
}

std::string openai_end(bool usage, std::span<const Completed> answers,
                       const std::function<void(base::JsonWriter&)>& begin) {
  std::string all;
  if (usage) {
    std::string text;
    base::JsonWriter json(text);
    begin(json);
    json.key("choices").begin_array().end_array();
    write_usage(json, usage_of(answers));
    json.end_object();
    all = sse_event(text);
  }
  return all + "data: [DONE]\n\n";
}

ApiStatus read_openai_common(const base::JsonValue& body, Asked& asked) {
  TRY(read_sampling(body, asked));
  TRY(read_logit_bias(body, asked));
  if (const base::JsonValue* stop = find_given(body, "stop")) asked.stops = read_strings(*stop);
  if (asked.stops.size() > kStopsMax) {
    return ApiError{.message = fmt::format("'stop' has {} texts; {} is the most",
                                           asked.stops.size(), kStopsMax),
                    .param = "stop",
                    .code = "invalid_value"};
  }
  for (const char* name : {"max_tokens", "max_completion_tokens"}) {
    if (const auto given = body.find_unsigned(name)) asked.tokens_max = *given;
  }
  if (const auto given = body.find_unsigned("n")) asked.choices = static_cast<uint32_t>(*given);
  asked.stream = body.find_bool("stream").value_or(false);
  return Nothing{};
}

ApiResult<bool> wants_usage(const base::JsonValue& body) {
  const base::JsonValue* options = find_given(body, "stream_options");
  if (options == nullptr) return false;
  for (const base::JsonMember& member : options->members()) {
    const bool known = member.key == "include_usage" || member.key == "include_obfuscation";
    if (!known || !member.value.as_bool()) {
      return ApiError{.message = fmt::format("'stream_options': {} is not understood",
                                             base::printable(member.key)),
                      .param = "stream_options",
                      .code = "invalid_value"};
    }
  }
  return options->find_bool("include_usage").value_or(false);
}

}  // namespace freehold::server
