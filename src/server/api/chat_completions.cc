// POST /v1/chat/completions, as OpenAI's clients speak it.

#include <fmt/format.h>

#include "base/text.h"
#include "server/api/messages_in.h"
#include "server/api/openai_shape.h"

namespace freehold::server {

namespace {

constexpr Parameter kParameters[] = {
    {"model", Kind::kString, Use::kHonoured, 0, 0, true, "a model's name"},
    {"messages", Kind::kArray, Use::kHonoured, 0, 0, true, "the conversation"},
    {"stream", Kind::kBool},
    {"stream_options", Kind::kObject},
    {"max_tokens", Kind::kInteger, Use::kHonoured, 1, kCountMax},
    {"max_completion_tokens", Kind::kInteger, Use::kHonoured, 1, kCountMax},
    {"n", Kind::kInteger, Use::kHonoured, 1, 8},
    {"stop", Kind::kStrings},
    kTemperature,
    kTopP,
    kTopK,
    kMinP,
    kTypicalP,
    kFrequency,
    kPresence,
    kRepeat,
    kRepeatLast,
    kSeed,
    {"logit_bias", Kind::kObject, Use::kHonoured, 0, 0, false, "not together with logprobs"},
    {"logprobs", Kind::kBool},
    {"top_logprobs", Kind::kInteger, Use::kHonoured, 0, 20},
    {"response_format", Kind::kObject, Use::kHonoured, 0, 0, false, "type text only"},
    {"chat_template_kwargs", Kind::kObject, Use::kHonoured, 0, 0, false,
     "variables of the model's template"},
    {"user", Kind::kString, Use::kAccepted},
    {"metadata", Kind::kObject, Use::kAccepted},
    {"service_tier", Kind::kString, Use::kAccepted},
    {"safety_identifier", Kind::kString, Use::kAccepted},
    {"prompt_cache_key", Kind::kString, Use::kAccepted},
    {"prompt_cache_retention", Kind::kString, Use::kAccepted},
    {"store", Kind::kBool, Use::kRefused},
    {"tools", Kind::kArray, Use::kRefused},
    {"tool_choice", Kind::kAny, Use::kRefused},
    {"parallel_tool_calls", Kind::kBool, Use::kRefused},
    {"functions", Kind::kArray, Use::kRefused},
    {"function_call", Kind::kAny, Use::kRefused},
    {"reasoning_effort", Kind::kString, Use::kRefused},
    {"verbosity", Kind::kString, Use::kRefused},
    {"modalities", Kind::kArray, Use::kRefused},
    {"audio", Kind::kObject, Use::kRefused},
    {"prediction", Kind::kObject, Use::kRefused},
    {"web_search_options", Kind::kObject, Use::kRefused},
};

class ChatWriter final : public AnswerWriter {
 public:
  ChatWriter(std::shared_ptr<const ServedModel> model, int64_t created_s, bool usage,
             uint32_t choices)
      : model_(std::move(model)),
        id_(make_id("chatcmpl-")),
        created_s_(created_s),
        usage_(usage),
        choices_(choices) {}

  std::string start() override;
  std::string delta(const Delta& delta) override;
  std::string finish(uint32_t choice, const Completed& answer) override;
  std::string end(std::span<const Completed> answers) override;
  std::string failure(const ApiError& error) override {
    return sse_event(error_json(error, Dialect::kOpenAi));
  }
  std::string whole(std::span<const Completed> answers) override;

 private:
  void begin(base::JsonWriter& json, std::string_view object) const;
  void write_logprobs(base::JsonWriter& json,
                      std::span<const std::vector<runtime::TokenLikelihood>> likelihoods) const;
  void write_token(base::JsonWriter& json, const runtime::TokenLikelihood& one) const;

  std::shared_ptr<const ServedModel> model_;
  std::string id_;
  int64_t created_s_ = 0;
  bool usage_ = false;
  uint32_t choices_ = 1;
};

void ChatWriter::begin(base::JsonWriter& json, std::string_view object) const {
  json.begin_object().field("id", id_).field("object", object).field("created", created_s_);
  json.field("model", model_->name);
}

void ChatWriter::write_token(base::JsonWriter& json, const runtime::TokenLikelihood& one) const {
  const std::string bytes = model_->tokenizer->token_bytes(one.token);
  json.field("token", bytes).field("logprob", one.logarithm).key("bytes").begin_array();
  for (const char byte : bytes) json.value(static_cast<unsigned>(static_cast<unsigned char>(byte)));
  json.end_array();
}

void ChatWriter::write_logprobs(
    base::JsonWriter& json,
    std::span<const std::vector<runtime::TokenLikelihood>> likelihoods) const {
  json.key("logprobs");
  if (likelihoods.empty()) {
    json.null();
    return;
  }
  json.begin_object().key("content").begin_array();
  for (const auto& token : likelihoods) {
    json.begin_object();
    write_token(json, token.front());
    json.key("top_logprobs").begin_array();
    for (size_t i = 1; i < token.size(); ++i) {
      json.begin_object();
      write_token(json, token[i]);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().end_object();
}

std::string ChatWriter::start() {
  std::string all;
  for (uint32_t choice = 0; choice < choices_; ++choice) {
    std::string text;
    base::JsonWriter json(text);
    begin(json, "chat.completion.chunk");
    json.key("choices").begin_array().begin_object().field("index", choice);
    json.key("delta").begin_object().field("role", "assistant").key("content").null().end_object();
    json.key("logprobs").null().key("finish_reason").null();
    json.end_object().end_array().end_object();
    all += sse_event(text);
  }
  return all;
}

std::string ChatWriter::delta(const Delta& delta) {
  std::string text;
  base::JsonWriter json(text);
  begin(json, "chat.completion.chunk");
  json.key("choices").begin_array().begin_object().field("index", delta.choice);
  json.key("delta").begin_object();
  json.field(delta.thought ? "reasoning_content" : "content", delta.text).end_object();
  write_logprobs(json, delta.likelihoods);
  json.key("finish_reason").null().end_object().end_array().end_object();
  return sse_event(text);
}

std::string ChatWriter::finish(uint32_t choice, const Completed& answer) {
  std::string text;
  base::JsonWriter json(text);
  begin(json, "chat.completion.chunk");
  json.key("choices").begin_array().begin_object().field("index", choice);
  json.key("delta").begin_object().end_object().key("logprobs").null();
  json.field("finish_reason", openai_finish(answer.report.finish));
  json.end_object().end_array().end_object();
  return sse_event(text);
}

std::string ChatWriter::end(std::span<const Completed> answers) {
  return openai_end(usage_, answers,
                    [this](base::JsonWriter& json) { begin(json, "chat.completion.chunk"); });
}

std::string ChatWriter::whole(std::span<const Completed> answers) {
  std::string text;
  base::JsonWriter json(text);
  begin(json, "chat.completion");
  json.key("choices").begin_array();
  for (size_t i = 0; i < answers.size(); ++i) {
    const Completed& answer = answers[i];
    json.begin_object().field("index", i).key("message").begin_object();
    json.field("role", "assistant").field("content", answer.text);
    if (!answer.thought.empty()) json.field("reasoning_content", answer.thought);
    json.key("refusal").null().end_object();
    write_logprobs(json, answer.likelihoods);
    json.field("finish_reason", openai_finish(answer.report.finish)).end_object();
  }
  json.end_array();
  write_usage(json, usage_of(answers));
  json.end_object();
  return text;
}

ApiStatus read_logprobs(const base::JsonValue& body, Asked& asked) {
  const auto top = body.find_unsigned("top_logprobs");
  const bool wanted = body.find_bool("logprobs").value_or(false);
  if (top && !wanted) {
    return ApiError{.message = "'top_logprobs' needs 'logprobs': true",
                    .param = "top_logprobs",
                    .code = "invalid_value"};
  }
  if (!wanted) return Nothing{};
  // The two together give the last layer's weights away.
  if (!asked.sampling.logit_bias.empty()) {
    return ApiError{.message = "'logprobs' and 'logit_bias' are not answered together",
                    .param = "logit_bias",
                    .code = "unsupported_combination"};
  }
  asked.likeliest = static_cast<uint32_t>(top.value_or(0));
  return Nothing{};
}

ApiStatus check_response_format(const base::JsonValue& body) {
  const base::JsonValue* format = find_given(body, "response_format");
  if (format == nullptr || format->find_string("type") == "text") return Nothing{};
  return ApiError{
      .message = fmt::format("'response_format': type {} is not there yet; only text is",
                             base::printable(format->find_string("type").value_or(""))),
      .param = "response_format",
      .code = "unsupported_parameter"};
}

ApiStatus handle(Call& call, const base::JsonValue& body) {
  Asked asked = TRY(start_asked(call, *body.find_string("model")));
  TRY(read_openai_common(body, asked));
  TRY(read_logprobs(body, asked));
  TRY(check_response_format(body));
  const bool usage = TRY(wants_usage(body));
  model::ChatInput input;
  input.messages = TRY(read_messages(*body.find("messages")));
  if (const base::JsonValue* variables = find_given(body, "chat_template_kwargs")) {
    input.variables = std::get<model::TemplateObject>(template_value(*variables).value);
  }
  model::Prompt prompt = TRY(asked.model->prompt(std::move(input)));
  asked.prompt = std::move(prompt.tokens);
  asked.thinks = prompt.thinks;
  asked.splits_thoughts = true;
  auto writer = std::make_unique<ChatWriter>(
      asked.model, call.services.clock.wall_ns() / 1'000'000'000, usage, asked.choices);
  return start_answer(call, std::move(asked), std::move(writer));
}

}  // namespace

const Endpoint& chat_completions_endpoint() {
  static constexpr Endpoint kEndpoint{
      .summary = "Answers a conversation", .parameters = kParameters, .handle = handle};
  return kEndpoint;
}

}  // namespace freehold::server
