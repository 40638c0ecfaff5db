// POST /v1/completions, as OpenAI's clients speak it: text that goes on, without a template.

#include <fmt/format.h>

#include "server/api/openai_shape.h"

namespace freehold::server {

namespace {

constexpr Parameter kParameters[] = {
    {"model", Kind::kString, Use::kHonoured, 0, 0, true, "a model's name"},
    {"prompt", Kind::kAny, Use::kHonoured, 0, 0, true, "a text, or an array of token numbers"},
    {"stream", Kind::kBool},
    {"stream_options", Kind::kObject},
    {"max_tokens", Kind::kInteger, Use::kHonoured, 1, kCountMax},
    {"n", Kind::kInteger, Use::kHonoured, 1, 8},
    {"stop", Kind::kStrings},
    {"echo", Kind::kBool},
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
    {"logit_bias", Kind::kObject},
    {"user", Kind::kString, Use::kAccepted},
    {"suffix", Kind::kString, Use::kRefused},
    {"logprobs", Kind::kInteger, Use::kRefused},
    {"best_of", Kind::kInteger, Use::kRefused},
};

/// The API's own default.
constexpr uint64_t kTokensMax = 16;

class TextWriter final : public AnswerWriter {
 public:
  TextWriter(std::string model, int64_t created_s, bool usage, std::string echo, uint32_t choices)
      : model_(std::move(model)),
        id_(make_id("cmpl-")),
        echo_(std::move(echo)),
        created_s_(created_s),
        usage_(usage),
        choices_(choices) {}

  std::string start() override {
    std::string all;
    for (uint32_t choice = 0; choice < choices_ && !echo_.empty(); ++choice) {
      all += sse_event(chunk(choice, echo_, {}));
    }
    return all;
  }
  std::string delta(const Delta& delta) override {
    return sse_event(chunk(delta.choice, delta.text, {}));
  }
  std::string finish(uint32_t choice, const Completed& answer) override {
    return sse_event(chunk(choice, "", openai_finish(answer.report.finish)));
  }
  std::string end(std::span<const Completed> answers) override;
  std::string failure(const ApiError& error) override {
    return sse_event(error_json(error, Dialect::kOpenAi));
  }
  std::string whole(std::span<const Completed> answers) override;

 private:
  void begin(base::JsonWriter& json) const;
  static void write_choice(base::JsonWriter& json, size_t index, std::string_view text,
                           std::string_view finish);
  std::string chunk(uint32_t choice, std::string_view text, std::string_view finish) const;

  std::string model_;
  std::string id_;
  std::string echo_;
  int64_t created_s_ = 0;
  bool usage_ = false;
  uint32_t choices_ = 1;
};

void TextWriter::begin(base::JsonWriter& json) const {
  json.begin_object().field("id", id_).field("object", "text_completion");
  json.field("created", created_s_).field("model", model_);
}

void TextWriter::write_choice(base::JsonWriter& json, size_t index, std::string_view text,
                              std::string_view finish) {
  json.begin_object().field("index", index).field("text", text).key("logprobs").null();
  json.key("finish_reason");
  finish.empty() ? json.null() : json.value(finish);
  json.end_object();
}

std::string TextWriter::chunk(uint32_t choice, std::string_view text,
                              std::string_view finish) const {
  std::string line;
  base::JsonWriter json(line);
  begin(json);
  json.key("choices").begin_array();
  write_choice(json, choice, text, finish);
  json.end_array().end_object();
  return line;
}

std::string TextWriter::end(std::span<const Completed> answers) {
  return openai_end(usage_, answers, [this](base::JsonWriter& json) { begin(json); });
}

std::string TextWriter::whole(std::span<const Completed> answers) {
  std::string text;
  base::JsonWriter json(text);
  begin(json);
  json.key("choices").begin_array();
  for (size_t i = 0; i < answers.size(); ++i) {
    write_choice(json, i, echo_ + answers[i].text, openai_finish(answers[i].report.finish));
  }
  json.end_array();
  write_usage(json, usage_of(answers));
  json.end_object();
  return text;
}

ApiError bad_prompt(std::string message) {
  return {.message = std::move(message), .param = "prompt", .code = "invalid_value"};
}

/// A text, or token numbers; an array of one of these is that one.
ApiStatus read_prompt(const base::JsonValue& prompt, Asked& asked) {
  if (const auto text = prompt.as_string()) {
    asked.prompt = asked.model->prompts->text(*text, model::SpecialTokens::kParse).tokens;
    return Nothing{};
  }
  const auto elements = prompt.elements();
  if (elements.size() == 1 && !elements[0].is_number()) return read_prompt(elements[0], asked);
  if (elements.size() > 1 && !elements[0].is_number()) {
    return bad_prompt("several prompts in one request are not there yet: send one each");
  }
  const size_t vocabulary = asked.model->header->parameters().vocabulary;
  for (const base::JsonValue& one : elements) {
    const auto token = one.as_unsigned();
    if (!token || *token >= vocabulary) {
      return bad_prompt(fmt::format("a token number is below {}", vocabulary));
    }
    asked.prompt.push_back(static_cast<model::TokenId>(*token));
  }
  if (asked.prompt.empty()) return bad_prompt("it is a text or an array of token numbers");
  return Nothing{};
}

ApiStatus handle(Call& call, const base::JsonValue& body) {
  Asked asked = TRY(start_asked(call, *body.find_string("model")));
  asked.tokens_max = kTokensMax;
  TRY(read_openai_common(body, asked));
  const bool usage = TRY(wants_usage(body));
  TRY(read_prompt(*body.find("prompt"), asked));
  std::string echo;
  if (body.find_bool("echo").value_or(false)) {
    for (const model::TokenId token : asked.prompt) {
      if (!asked.model->tokenizer->is_control(token)) {
        echo += asked.model->tokenizer->token_bytes(token);
      }
    }
  }
  auto writer =
      std::make_unique<TextWriter>(asked.model->name, call.services.clock.wall_ns() / 1'000'000'000,
                                   usage, std::move(echo), asked.choices);
  return start_answer(call, std::move(asked), std::move(writer));
}

}  // namespace

const Endpoint& completions_endpoint() {
  static constexpr Endpoint kEndpoint{.summary = "Goes on from a text, without a template",
                                      .parameters = kParameters,
                                      .handle = handle};
  return kEndpoint;
}

}  // namespace freehold::server
