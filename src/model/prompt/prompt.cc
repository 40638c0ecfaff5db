#include "model/prompt/prompt.h"

#include "model/prompt/thinking.h"

namespace freehold::model {

Result<PromptMaker> PromptMaker::create(const Tokenizer& tokenizer,
                                        std::optional<std::string_view> template_source) {
  PromptMaker maker(tokenizer);
  if (template_source) maker.template_ = TRY(ChatTemplate::parse(*template_source));
  return maker;
}

/// Keeps the model's own marks in what people wrote from becoming marks: "<|im_end|>" in a question
/// is ten characters. An answer of the model's is given back as it came. Returns the guard.
Result<std::string> PromptMaker::guard_messages(std::vector<ChatMessage>& messages) const {
  std::vector<std::string_view> texts;
  for (const ChatMessage& message : messages) texts.push_back(message.content);
  const std::string guard = TRY(choose_guard(texts));
  for (ChatMessage& message : messages) {
    if (message.role == "assistant") continue;
    message.content = tokenizer_->with_guards(message.content, guard);
  }
  return guard;
}

Result<std::string> PromptMaker::render(ChatInput& input) const {
  const auto text_of = [&](std::optional<TokenId> token) {
    return token ? tokenizer_->token_bytes(*token) : std::string();
  };
  input.bos_token = text_of(tokenizer_->bos());
  input.eos_token = text_of(tokenizer_->eos());
  std::string text = TRY(template_->render(input));
  if (text.empty()) {
    return Error{ErrorCode::kDamaged, "the model's chat template makes nothing of the messages",
                 "--raw completes the text without it"};
  }
  return text;
}

Result<std::string> PromptMaker::chat_text(ChatInput input) const {
  if (template_) return render(input);
  std::string text;
  for (const ChatMessage& message : input.messages) {
    if (!text.empty()) text += "\n";
    text += message.content;
  }
  return text;
}

Result<Prompt> PromptMaker::chat(ChatInput input) const {
  if (!template_) {
    return text(TRY(chat_text(std::move(input))), SpecialTokens::kPlainText);
  }
  const std::string guard = TRY(guard_messages(input.messages));
  const std::string rendered = TRY(render(input));
  return Prompt{encode(rendered, SpecialTokens::kParse, guard), opens_thinking(rendered)};
}

Prompt PromptMaker::text(std::string_view text, SpecialTokens special) const {
  return Prompt{encode(text, special, {}), false};
}

std::vector<TokenId> PromptMaker::encode(std::string_view text, SpecialTokens special,
                                         std::string_view guard) const {
  auto tokens = tokenizer_->encode_guarded(text, special, guard);
  const auto bos = tokenizer_->bos();
  if (tokenizer_->adds_bos() && bos && (tokens.empty() || tokens[0] != *bos)) {
    tokens.insert(tokens.begin(), *bos);
  }
  return tokens;
}

}  // namespace freehold::model
