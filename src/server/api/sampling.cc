#include "server/api/sampling.h"

#include <fmt/format.h>

#include "base/random.h"
#include "base/text.h"

namespace freehold::server {

ApiResult<Asked> start_asked(Call& call, std::string_view model) {
  Asked asked;
  auto opened = call.services.host.open(std::string(model));
  if (!opened.ok()) {
    ApiError error = api_error(opened.error());
    // A name that no model can have is a model that is not there.
    if (opened.error().code == ErrorCode::kUsage) error.status = 404;
    error.param = "model";
    if (error.status == 404) error.code = "model_not_found";
    return error;
  }
  asked.model = *opened;
  asked.sampling = asked.model->sampling;
  asked.stops = asked.model->stops;
  asked.tokens_max = asked.model->tokens_max;
  asked.sampling.seed = asked.model->seed ? *asked.model->seed : TRY(base::system_entropy());
  return asked;
}

ApiStatus read_sampling(const base::JsonValue& body, Asked& asked) {
  runtime::SamplingOptions& sampling = asked.sampling;
  const struct {
    const Parameter& row;
    float* value;
  } numbers[] = {{kTemperature, &sampling.temperature},
                 {kTopP, &sampling.top_p},
                 {kMinP, &sampling.min_p},
                 {kTypicalP, &sampling.typical},
                 {kFrequency, &sampling.frequency_penalty},
                 {kPresence, &sampling.presence_penalty},
                 {kRepeat, &sampling.repeat_penalty}};
  for (const auto& number : numbers) {
    if (const auto given = body.find_number(number.row.name)) {
      *number.value = static_cast<float>(*given);
    }
  }
  if (const auto given = body.find_unsigned(kTopK.name)) {
    sampling.top_k = static_cast<uint32_t>(*given);
  }
  if (const auto given = body.find_unsigned(kRepeatLast.name)) {
    sampling.penalty_last_tokens = static_cast<uint32_t>(*given);
  }
  // Any whole number is a seed; negative ones as their two's complement.
  if (const base::JsonValue* seed = find_given(body, kSeed.name)) {
    const auto plain = seed->as_unsigned();
    sampling.seed = plain ? *plain : static_cast<uint64_t>(*seed->as_integer());
  }
  return Nothing{};
}

ApiStatus read_logit_bias(const base::JsonValue& body, Asked& asked) {
  const base::JsonValue* biases = find_given(body, "logit_bias");
  if (biases == nullptr) return Nothing{};
  const size_t vocabulary = asked.model->header->parameters().vocabulary;
  for (const base::JsonMember& member : biases->members()) {
    const auto token = base::parse_integer(member.key);
    const auto bias = member.value.as_number();
    const bool fine = token.ok() && *token >= 0 && static_cast<uint64_t>(*token) < vocabulary &&
                      bias && *bias >= -100 && *bias <= 100;
    if (!fine) {
      return ApiError{.message = fmt::format("'logit_bias': {} is no token below {} with a bias "
                                             "from -100 to 100",
                                             base::printable(member.key), vocabulary),
                      .param = "logit_bias",
                      .code = "invalid_value"};
    }
    asked.sampling.logit_bias.emplace_back(static_cast<int32_t>(*token), static_cast<float>(*bias));
  }
  return Nothing{};
}

}  // namespace freehold::server
