#pragma once
// From a conversation or a text to the tokens a model is asked to continue: the chat template, the
// guards around what people wrote, the model's BOS. Immutable after create(); any thread. The
// tokenizer outlives it.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/template/chat_template.h"
#include "model/tokenizer/tokenizer.h"

namespace freehold::model {

struct Prompt {
  std::vector<TokenId> tokens;
  bool thinks = false;  // the template began a thought (thinking.h)
};

class PromptMaker {
 public:
  /// `template_source` is Jinja; nothing: conversations become plain lines. kDamaged and kRefused
  /// as ChatTemplate::parse().
  static Result<PromptMaker> create(const Tokenizer& tokenizer,
                                    std::optional<std::string_view> template_source);

  bool has_template() const { return template_.has_value(); }

  /// Bos and eos of `input` are filled in here. Without a template the messages are lines of plain
  /// text. kDamaged where the template makes nothing of them, else as ChatTemplate::render().
  Result<Prompt> chat(ChatInput input) const;
  /// The text that chat() encodes, without the guards.
  Result<std::string> chat_text(ChatInput input) const;
  /// A text without a template. kParse where whoever wrote it writes the model's marks by hand.
  Prompt text(std::string_view text, SpecialTokens special) const;

 private:
  explicit PromptMaker(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}
  Result<std::string> guard_messages(std::vector<ChatMessage>& messages) const;
  Result<std::string> render(ChatInput& input) const;
  std::vector<TokenId> encode(std::string_view text, SpecialTokens special,
                              std::string_view guard) const;

  const Tokenizer* tokenizer_;
  std::optional<ChatTemplate> template_;
};

}  // namespace freehold::model
