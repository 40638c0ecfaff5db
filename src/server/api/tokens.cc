// POST /tokenize, /detokenize and /apply-template.

#include <fmt/format.h>

#include "server/api/messages_in.h"
#include "server/api/sampling.h"

namespace freehold::server {

namespace {

constexpr Parameter kModel{"model", Kind::kString, Use::kHonoured, 0, 0, true, "a model's name"};

constexpr Parameter kTokenizeParameters[] = {
    kModel,
    {"content", Kind::kString, Use::kHonoured, 0, 0, false, "a text; llama-server's name for it"},
    {"prompt", Kind::kString, Use::kHonoured, 0, 0, false, "a text; vLLM's name for it"},
    {"messages", Kind::kArray, Use::kHonoured, 0, 0, false, "a conversation instead of a text"},
    {"parse_special", Kind::kBool, Use::kHonoured, 0, 0, false,
     "whether the model's marks in the text are marks; default true"},
};
constexpr Parameter kDetokenizeParameters[] = {
    kModel,
    {"tokens", Kind::kArray, Use::kHonoured, 0, 0, true, "token numbers"},
};
constexpr Parameter kTemplateParameters[] = {
    kModel,
    {"messages", Kind::kArray, Use::kHonoured, 0, 0, true, "the conversation"},
};

ApiStatus tokenize(Call& call, const base::JsonValue& body) {
  const Asked asked = TRY(start_asked(call, *body.find_string("model")));
  const ServedModel& model = *asked.model;
  const auto content = body.find_string("content");
  const auto prompt = body.find_string("prompt");
  const base::JsonValue* messages = find_given(body, "messages");
  if ((content ? 1 : 0) + (prompt ? 1 : 0) + (messages != nullptr ? 1 : 0) != 1) {
    return ApiError{.message = "give one of 'content', 'prompt' and 'messages'",
                    .param = "content",
                    .code = "invalid_value"};
  }
  std::vector<model::TokenId> tokens;
  if (messages != nullptr) {
    model::ChatInput input;
    input.messages = TRY(read_messages(*messages));
    tokens = TRY(model.prompt(std::move(input))).tokens;
  } else {
    const bool special = body.find_bool("parse_special").value_or(true);
    tokens = model.tokenizer->encode(
        content ? *content : *prompt,
        special ? model::SpecialTokens::kParse : model::SpecialTokens::kPlainText);
  }
  std::string text;
  base::JsonWriter json(text);
  json.begin_object().key("tokens").begin_array();
  for (const model::TokenId token : tokens) json.value(token);
  json.end_array();
  // Each asker's own shape: llama-server answers with the tokens alone.
  if (!content) json.field("count", tokens.size()).field("max_model_len", model.context);
  json.end_object();
  call.send({.body = std::move(text)});
  return Nothing{};
}

ApiStatus detokenize(Call& call, const base::JsonValue& body) {
  const Asked asked = TRY(start_asked(call, *body.find_string("model")));
  const size_t vocabulary = asked.model->tokenizer->vocabulary_size();
  std::string bytes;
  for (const base::JsonValue& one : body.find_elements("tokens")) {
    const auto token = one.as_unsigned();
    if (!token || *token >= vocabulary) {
      return ApiError{.message = fmt::format("'tokens': a token number is below {}", vocabulary),
                      .param = "tokens",
                      .code = "invalid_value"};
    }
    bytes += asked.model->tokenizer->token_bytes(static_cast<model::TokenId>(*token));
  }
  std::string text;
  base::JsonWriter json(text);
  json.begin_object().field("content", bytes).field("prompt", bytes).end_object();
  call.send({.body = std::move(text)});
  return Nothing{};
}

ApiStatus apply_template(Call& call, const base::JsonValue& body) {
  const Asked asked = TRY(start_asked(call, *body.find_string("model")));
  model::ChatInput input;
  input.messages = TRY(read_messages(*body.find("messages")));
  const std::string prompt = TRY(asked.model->prompts->chat_text(std::move(input)));
  std::string text;
  base::JsonWriter json(text);
  json.begin_object().field("prompt", prompt).end_object();
  call.send({.body = std::move(text)});
  return Nothing{};
}

}  // namespace

const Endpoint& tokenize_endpoint() {
  static constexpr Endpoint kEndpoint{.summary = "A text's or a conversation's tokens",
                                      .parameters = kTokenizeParameters,
                                      .handle = tokenize};
  return kEndpoint;
}

const Endpoint& detokenize_endpoint() {
  static constexpr Endpoint kEndpoint{
      .summary = "The text of tokens", .parameters = kDetokenizeParameters, .handle = detokenize};
  return kEndpoint;
}

const Endpoint& apply_template_endpoint() {
  static constexpr Endpoint kEndpoint{.summary = "A conversation as the model's template writes it",
                                      .parameters = kTemplateParameters,
                                      .handle = apply_template};
  return kEndpoint;
}

}  // namespace freehold::server
