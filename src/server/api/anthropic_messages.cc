// POST /v1/messages and /v1/messages/count_tokens, as Anthropic's clients speak them.

#include <fmt/format.h>

#include "base/text.h"
#include "server/api/messages_in.h"
#include "server/api/openai_shape.h"

namespace freehold::server {

namespace {

constexpr Parameter kModel{"model", Kind::kString, Use::kHonoured, 0, 0, true, "a model's name"};
constexpr Parameter kMessages{"messages", Kind::kArray, Use::kHonoured,    0,
                              0,          true,         "the conversation"};
constexpr Parameter kSystem{
    "system", Kind::kAny, Use::kHonoured, 0, 0, false, "a text, or parts of text"};

constexpr Parameter kParameters[] = {
    kModel,
    kMessages,
    kSystem,
    {"max_tokens", Kind::kInteger, Use::kHonoured, 1, kCountMax, true},
    {"stream", Kind::kBool},
    {"stop_sequences", Kind::kStrings},
    kTemperature,
    kTopP,
    kTopK,
    {"metadata", Kind::kObject, Use::kAccepted},
    {"service_tier", Kind::kString, Use::kAccepted},
    {"tools", Kind::kArray, Use::kRefused},
    {"tool_choice", Kind::kObject, Use::kRefused},
    {"thinking", Kind::kObject, Use::kHonoured, 0, 0, false, "type enabled or disabled"},
};

constexpr Parameter kCountParameters[] = {
    kModel,
    kMessages,
    kSystem,
    {"tools", Kind::kArray, Use::kRefused},
    {"tool_choice", Kind::kObject, Use::kRefused},
    {"thinking", Kind::kObject, Use::kHonoured},
};

std::string_view stop_reason(JobFinish finish) {
  if (finish == JobFinish::kStopString) return "stop_sequence";
  return finish == JobFinish::kStop ? "end_turn" : "max_tokens";
}

/// Events of a stream: thoughts and text are blocks, opened when their first piece comes.
class MessageWriter final : public AnswerWriter {
 public:
  MessageWriter(std::string model, uint64_t prompt_tokens)
      : model_(std::move(model)), id_(make_id("msg_")), prompt_tokens_(prompt_tokens) {}

  std::string start() override;
  std::string delta(const Delta& delta) override;
  std::string finish(uint32_t choice, const Completed& answer) override;
  std::string end(std::span<const Completed>) override {
    return sse_event(R"({"type":"message_stop"})", "message_stop");
  }
  std::string failure(const ApiError& error) override {
    return sse_event(error_json(error, Dialect::kAnthropic), "error");
  }
  std::string whole(std::span<const Completed> answers) override;

 private:
  enum class Block { kNone, kThought, kText };
  void begin(base::JsonWriter& json) const;
  std::string open_block(Block block);
  std::string close_block();

  std::string model_;
  std::string id_;
  uint64_t prompt_tokens_ = 0;
  Block block_ = Block::kNone;
  int index_ = -1;
};

void MessageWriter::begin(base::JsonWriter& json) const {
  json.field("id", id_).field("type", "message").field("role", "assistant");
  json.field("model", model_);
}

std::string MessageWriter::start() {
  std::string text;
  base::JsonWriter json(text);
  json.begin_object().field("type", "message_start").key("message").begin_object();
  begin(json);
  json.key("content").begin_array().end_array();
  json.key("stop_reason").null().key("stop_sequence").null().key("usage").begin_object();
  json.field("input_tokens", prompt_tokens_).field("output_tokens", 0).end_object();
  json.end_object().end_object();
  return sse_event(text, "message_start");
}

std::string MessageWriter::open_block(Block block) {
  if (block == block_) return {};
  std::string all = close_block();
  block_ = block;
  ++index_;
  std::string text;
  base::JsonWriter json(text);
  json.begin_object().field("type", "content_block_start").field("index", index_);
  json.key("content_block").begin_object();
  if (block == Block::kThought) {
    json.field("type", "thinking").field("thinking", "").field("signature", "");
  } else {
    json.field("type", "text").field("text", "");
  }
  json.end_object().end_object();
  return all + sse_event(text, "content_block_start");
}

std::string MessageWriter::close_block() {
  if (block_ == Block::kNone) return {};
  block_ = Block::kNone;
  return sse_event(fmt::format(R"({{"type":"content_block_stop","index":{}}})", index_),
                   "content_block_stop");
}

std::string MessageWriter::delta(const Delta& delta) {
  if (delta.text.empty()) return {};
  const std::string opened = open_block(delta.thought ? Block::kThought : Block::kText);
  std::string text;
  base::JsonWriter json(text);
  json.begin_object().field("type", "content_block_delta").field("index", index_);
  json.key("delta").begin_object();
  json.field("type", delta.thought ? "thinking_delta" : "text_delta");
  json.field(delta.thought ? "thinking" : "text", delta.text).end_object().end_object();
  return opened + sse_event(text, "content_block_delta");
}

void write_stop(base::JsonWriter& json, const JobReport& report) {
  json.field("stop_reason", stop_reason(report.finish)).key("stop_sequence");
  report.finish == JobFinish::kStopString ? json.value(report.stop_string) : json.null();
}

std::string MessageWriter::finish(uint32_t, const Completed& answer) {
  std::string all = index_ < 0 ? open_block(Block::kText) : std::string();
  all += close_block();
  std::string text;
  base::JsonWriter json(text);
  json.begin_object().field("type", "message_delta").key("delta").begin_object();
  write_stop(json, answer.report);
  json.end_object().key("usage").begin_object();
  json.field("output_tokens", answer.report.counts.answer_tokens).end_object().end_object();
  return all + sse_event(text, "message_delta");
}

std::string MessageWriter::whole(std::span<const Completed> answers) {
  const Completed& answer = answers.front();
  std::string text;
  base::JsonWriter json(text);
  json.begin_object();
  begin(json);
  json.key("content").begin_array();
  if (!answer.thought.empty()) {
    json.begin_object().field("type", "thinking").field("thinking", answer.thought);
    json.field("signature", "").end_object();
  }
  json.begin_object().field("type", "text").field("text", answer.text).end_object().end_array();
  write_stop(json, answer.report);
  const runtime::RequestCounts& counts = answer.report.counts;
  json.key("usage").begin_object().field("input_tokens", counts.prompt_tokens);
  json.field("cache_read_input_tokens", counts.reused_tokens);
  json.field("output_tokens", counts.answer_tokens).end_object().end_object();
  return text;
}

ApiResult<model::Prompt> read_prompt(const ServedModel& model, const base::JsonValue& body) {
  model::ChatInput input;
  if (const base::JsonValue* system = find_given(body, "system")) {
    std::string text = TRY(read_content(*system, "system"));
    input.messages.push_back({"system", std::move(text), {}});
  }
  for (model::ChatMessage& message : TRY(read_messages(*body.find("messages")))) {
    if (message.role != "user" && message.role != "assistant") {
      return ApiError{.message = "'messages': a role is user or assistant", .param = "messages"};
    }
    // Fields beside role and content (cache_control) are none of the template's.
    message.more.clear();
    input.messages.push_back(std::move(message));
  }
  if (const base::JsonValue* thinking = find_given(body, "thinking")) {
    const auto type = thinking->find_string("type");
    if (type != "enabled" && type != "disabled") {
      return ApiError{.message = "'thinking': its type is enabled or disabled",
                      .param = "thinking"};
    }
    // The names that templates in use look for.
    input.variables.push_back({"enable_thinking", {type == "enabled"}});
    input.variables.push_back({"thinking", {type == "enabled"}});
  }
  return TRY(model.prompt(std::move(input)));
}

ApiStatus answer_message(Call& call, const base::JsonValue& body) {
  Asked asked = TRY(start_asked(call, *body.find_string("model")));
  TRY(read_sampling(body, asked));
  asked.tokens_max = *body.find_unsigned("max_tokens");
  if (const base::JsonValue* stops = find_given(body, "stop_sequences")) {
    asked.stops = read_strings(*stops);
  }
  asked.stream = body.find_bool("stream").value_or(false);
  model::Prompt prompt = TRY(read_prompt(*asked.model, body));
  asked.prompt = std::move(prompt.tokens);
  asked.thinks = prompt.thinks;
  asked.splits_thoughts = true;
  auto writer = std::make_unique<MessageWriter>(asked.model->name, asked.prompt.size());
  return start_answer(call, std::move(asked), std::move(writer));
}

ApiStatus count(Call& call, const base::JsonValue& body) {
  const Asked asked = TRY(start_asked(call, *body.find_string("model")));
  const model::Prompt prompt = TRY(read_prompt(*asked.model, body));
  std::string text;
  base::JsonWriter json(text);
  json.begin_object().field("input_tokens", prompt.tokens.size()).end_object();
  call.send({.body = std::move(text)});
  return Nothing{};
}

}  // namespace

const Endpoint& anthropic_messages_endpoint() {
  static constexpr Endpoint kEndpoint{.summary = "Answers a conversation, in Anthropic's shape",
                                      .dialect = Dialect::kAnthropic,
                                      .parameters = kParameters,
                                      .handle = answer_message};
  return kEndpoint;
}

const Endpoint& anthropic_count_endpoint() {
  static constexpr Endpoint kEndpoint{.summary = "How many tokens a conversation is",
                                      .dialect = Dialect::kAnthropic,
                                      .parameters = kCountParameters,
                                      .handle = count};
  return kEndpoint;
}

}  // namespace freehold::server
