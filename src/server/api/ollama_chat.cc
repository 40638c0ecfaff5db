// POST /api/chat and /api/generate, as Ollama's clients speak them: lines of JSON.

#include "server/api/messages_in.h"
#include "server/api/ollama_shape.h"

namespace freehold::server {

namespace {

constexpr Parameter kModel{"model", Kind::kString, Use::kHonoured, 0, 0, true, "a model's name"};

constexpr Parameter kChatParameters[] = {
    kModel,         {"messages", Kind::kArray, Use::kHonoured, 0, 0, true, "the conversation"},
    kOllamaOptions, kOllamaKeepAlive,
    kOllamaStream,  kOllamaThink,
    kOllamaFormat,  {"tools", Kind::kArray, Use::kRefused},
};

constexpr Parameter kGenerateParameters[] = {
    kModel,
    {"prompt", Kind::kString, Use::kHonoured, 0, 0, true, "a text"},
    {"system", Kind::kString},
    {"raw", Kind::kBool, Use::kHonoured, 0, 0, false, "without the model's template"},
    kOllamaOptions,
    kOllamaKeepAlive,
    kOllamaStream,
    kOllamaThink,
    kOllamaFormat,
    {"suffix", Kind::kString, Use::kRefused},
    {"images", Kind::kArray, Use::kRefused},
    {"context", Kind::kArray, Use::kRefused},
    {"template", Kind::kString, Use::kRefused},
};

/// Whether pieces are a message of a conversation or a bare response.
enum class Shape { kChat, kGenerate };

class LineWriter final : public AnswerWriter {
 public:
  LineWriter(Shape shape, std::string model, base::Clock& clock)
      : shape_(shape), model_(std::move(model)), clock_(clock) {}

  std::string_view stream_type() const override { return "application/x-ndjson"; }
  std::string start() override { return {}; }
  std::string delta(const Delta& delta) override {
    if (delta.text.empty()) return {};
    return line(delta.thought ? "" : delta.text, delta.thought ? delta.text : "", nullptr);
  }
  std::string finish(uint32_t, const Completed& answer) override {
    return line("", "", &answer.report);
  }
  std::string end(std::span<const Completed>) override { return {}; }
  std::string failure(const ApiError& error) override {
    return error_json(error, Dialect::kOllama) + "\n";
  }
  std::string whole(std::span<const Completed> answers) override {
    const Completed& answer = answers.front();
    return line(answer.text, answer.thought, &answer.report);
  }

 private:
  std::string line(std::string_view text, std::string_view thought, const JobReport* report) const;

  Shape shape_;
  std::string model_;
  base::Clock& clock_;
};

std::string LineWriter::line(std::string_view text, std::string_view thought,
                             const JobReport* report) const {
  std::string out;
  base::JsonWriter json(out);
  json.begin_object().field("model", model_).field("created_at", time_text(clock_.wall_ns()));
  if (shape_ == Shape::kChat) {
    json.key("message").begin_object().field("role", "assistant").field("content", text);
    if (!thought.empty()) json.field("thinking", thought);
    json.end_object();
  } else {
    json.field("response", text);
    if (!thought.empty()) json.field("thinking", thought);
  }
  if (report == nullptr) {
    json.field("done", false);
  } else {
    write_ollama_end(json, *report);
  }
  json.end_object();
  return out + "\n";
}

/// A question without words only loads the model, or with keep_alive 0 lets it go.
ApiStatus load_only(Call& call, const Asked& asked, Shape shape) {
  const bool leaves = asked.keep_ns == 0;
  if (leaves) call.services.host.unload(asked.model->name);
  std::string text;
  base::JsonWriter json(text);
  json.begin_object().field("model", asked.model->name);
  json.field("created_at", time_text(call.services.clock.wall_ns()));
  if (shape == Shape::kChat) {
    json.key("message").begin_object().field("role", "assistant").field("content", "").end_object();
  } else {
    json.field("response", "");
  }
  json.field("done", true).field("done_reason", leaves ? "unload" : "load").end_object();
  call.send({.body = text + "\n"});
  return Nothing{};
}

ApiStatus start(Call& call, Asked asked, model::ChatInput input, const base::JsonValue& body,
                Shape shape) {
  if (const auto think = body.find_bool("think")) {
    // The names that templates in use look for.
    input.variables.push_back({"enable_thinking", {*think}});
    input.variables.push_back({"thinking", {*think}});
  }
  model::Prompt prompt = TRY(asked.model->prompt(std::move(input)));
  asked.prompt = std::move(prompt.tokens);
  asked.thinks = prompt.thinks;
  asked.splits_thoughts = true;
  auto writer = std::make_unique<LineWriter>(shape, asked.model->name, call.services.clock);
  return start_answer(call, std::move(asked), std::move(writer));
}

ApiStatus chat(Call& call, const base::JsonValue& body) {
  Asked asked = TRY(start_asked(call, *body.find_string("model")));
  TRY(read_ollama_common(body, asked));
  const base::JsonValue& messages = *body.find("messages");
  if (messages.elements().empty()) return load_only(call, asked, Shape::kChat);
  model::ChatInput input;
  input.messages = TRY(read_messages(messages));
  return start(call, std::move(asked), std::move(input), body, Shape::kChat);
}

ApiStatus generate(Call& call, const base::JsonValue& body) {
  Asked asked = TRY(start_asked(call, *body.find_string("model")));
  TRY(read_ollama_common(body, asked));
  const std::string prompt(*body.find_string("prompt"));
  if (prompt.empty()) return load_only(call, asked, Shape::kGenerate);
  if (body.find_bool("raw").value_or(false)) {
    asked.prompt = asked.model->prompts->text(prompt, model::SpecialTokens::kParse).tokens;
    auto writer =
        std::make_unique<LineWriter>(Shape::kGenerate, asked.model->name, call.services.clock);
    return start_answer(call, std::move(asked), std::move(writer));
  }
  model::ChatInput input;
  const std::string instruction(body.find_string("system").value_or(""));
  if (!instruction.empty()) input.messages.push_back({"system", instruction, {}});
  input.messages.push_back({"user", prompt, {}});
  return start(call, std::move(asked), std::move(input), body, Shape::kGenerate);
}

}  // namespace

const Endpoint& ollama_chat_endpoint() {
  static constexpr Endpoint kEndpoint{.summary = "Answers a conversation, in Ollama's shape",
                                      .dialect = Dialect::kOllama,
                                      .parameters = kChatParameters,
                                      .handle = chat};
  return kEndpoint;
}

const Endpoint& ollama_generate_endpoint() {
  static constexpr Endpoint kEndpoint{.summary = "Answers a text, in Ollama's shape",
                                      .dialect = Dialect::kOllama,
                                      .parameters = kGenerateParameters,
                                      .handle = generate};
  return kEndpoint;
}

}  // namespace freehold::server
