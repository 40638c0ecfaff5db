#include "model/tokenizer/token_kinds.h"

#include <algorithm>

#include "model/tokenizer/unicode.h"

namespace freehold::model {
namespace {

struct EndMark {
  std::string_view text;
  bool user_defined_counts;  // "</s>" is a strike-through tag in gemma's user-defined tokens
};

// End marks by their text, for files whose metadata names only one of several. Sources: the chat
// templates of the families in the comments.
constexpr EndMark kEndMarks[] = {
    {"<|im_end|>", true},             // ChatML: qwen, smollm
    {"<|endoftext|>", true},          // gpt-2, qwen, phi
    {"<|eot_id|>", true},             // llama-3
    {"<|eom_id|>", true},             // llama-3, tool calls
    {"<|end_of_text|>", true},        // llama-3, granite
    {"<|eot|>", true},                // llama-4
    {"<|end|>", true},                // phi-3
    {"<|return|>", true},             // gpt-oss
    {"<|call|>", true},               // gpt-oss
    {"<end_of_turn>", true},          // gemma
    {"<turn|>", true},                // gemma-4
    {"<eos>", false},                 // gemma
    {"</s>", false},                  // llama-2, mistral
    {"<EOT>", true},                  // codellama
    {"[EOT]", true},                  // kimi
    {"[EOS]", true},                  // kimi
    {"<end_of_utterance>", true},     // smolvlm
    {"<｜end▁of▁sentence｜>", true},  // deepseek
    {"<|fim_pad|>", true},            // qwen-coder: what follows is another file's
    {"<|repo_name|>", true},          // qwen-coder
    {"<|file_sep|>", true},           // qwen-coder
};

bool is_end_mark(std::string_view text, TokenType type) {
  if (type != TokenType::kControl && type != TokenType::kUserDefined) return false;
  return std::any_of(std::begin(kEndMarks), std::end(kEndMarks), [&](const EndMark& mark) {
    return mark.text == text && (type == TokenType::kControl || mark.user_defined_counts);
  });
}

/// In gpt-oss "<|end|>" closes a message, not the answer; its vocabulary has the two that do.
std::optional<size_t> message_end_of_harmony(const Vocabulary& vocabulary) {
  bool has_return = false, has_call = false;
  std::optional<size_t> end;
  for (size_t token = 0; token < vocabulary.tokens.size(); ++token) {
    if (vocabulary.type(token) == TokenType::kNormal) continue;
    const std::string_view text = vocabulary.tokens[token];
    has_return = has_return || text == "<|return|>";
    has_call = has_call || text == "<|call|>";
    if (text == "<|end|>") end = token;
  }
  return has_return && has_call ? end : std::nullopt;
}

/// Phi-3's marks take the white space behind them along; a GGUF has no place to say so. Its
/// vocabulary is llama-2's with placeholders, which no other family has.
bool is_phi3(const Vocabulary& vocabulary) {
  return vocabulary.model == "llama" && vocabulary.strips.empty() &&
         std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(), "<|placeholder1|>") !=
             vocabulary.tokens.end();
}

bool strips_in_phi3(std::string_view text, TokenType type) {
  if (type != TokenType::kControl && type != TokenType::kUserDefined) return false;
  return text != "<unk>" && text != "<s>" && text != "<|endoftext|>";
}

}  // namespace

std::string without_guards(std::string_view text, std::string_view guard) {
  std::string bare;
  bare.reserve(text.size());
  while (!text.empty()) {
    const size_t end = std::min(text.find(guard), text.size());
    bare += text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + guard.size()));
  }
  return bare;
}

std::string TokenKinds::with_guards(std::string_view text, std::string_view guard) const {
  std::string guarded;
  for (size_t at = 0; at < text.size();) {
    const SpecialTokenFinder::Match match = all_.find(text, at);
    const size_t end = match.length == 0 ? text.size() : match.start;
    guarded += text.substr(at, end - at);
    at = end + match.length;
    if (match.length == 0) break;
    const std::string_view written = text.substr(match.start, match.length);
    const size_t first = is_special(match.token) ? unicode::rune_at(written, 0).length : 0;
    guarded += written.substr(0, first);
    if (first > 0) guarded += guard;
    guarded += written.substr(first);
  }
  return guarded;
}

size_t spaces_trimmed(std::string_view text) {
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    const unicode::Rune rune = unicode::rune_at(text, at);
    at += rune.length;
    if (!rune.is(unicode::kSpace)) end = at;
  }
  return end;
}

size_t leading_spaces(std::string_view text) {
  size_t end = 0;
  while (end < text.size() && unicode::rune_at(text, end).is(unicode::kSpace)) {
    end += unicode::rune_at(text, end).length;
  }
  return end;
}

Result<TokenKinds> TokenKinds::create(const Vocabulary& vocabulary, std::optional<TokenId> eos) {
  TokenKinds kinds;
  const size_t count = vocabulary.tokens.size();
  kinds.bits_.assign(count, 0);
  const bool phi3 = is_phi3(vocabulary);
  for (size_t token = 0; token < count; ++token) {
    const TokenType type = vocabulary.type(token);
    uint8_t& bits = kinds.bits_[token];
    const uint8_t strips = vocabulary.strips.empty() ? uint8_t{0} : vocabulary.strips[token];
    if ((strips & Vocabulary::kStripsLeft) != 0) bits |= kStripsLeftBit;
    if ((strips & Vocabulary::kStripsRight) != 0) bits |= kStripsRightBit;
    if (phi3 && strips_in_phi3(vocabulary.tokens[token], type)) bits |= kStripsRightBit;
    if (type == TokenType::kNormal || type == TokenType::kByte) continue;
    if (type == TokenType::kControl || type == TokenType::kUnknown) bits |= kSpecialBit;
    if ((bits & kSpecialBit) != 0 || type == TokenType::kUnused) bits |= kControlBit;
    if (is_end_mark(vocabulary.tokens[token], type)) bits |= kControlBit | kEndBit | kSpecialBit;
  }
  std::optional<uint64_t> end_of_text;
  if (eos.has_value()) end_of_text = static_cast<uint64_t>(*eos);
  for (const auto& id : {end_of_text, vocabulary.eot, vocabulary.eom}) {
    if (id.has_value()) kinds.bits_[*id] |= kControlBit | kEndBit | kSpecialBit;
  }
  if (const auto end = message_end_of_harmony(vocabulary)) {
    if (end_of_text != *end) kinds.bits_[*end] &= static_cast<uint8_t>(~kEndBit);
  }
  std::vector<std::pair<std::string_view, int32_t>> all, user_defined;
  for (size_t token = 0; token < count; ++token) {
    const bool special = (kinds.bits_[token] & kSpecialBit) != 0;
    if (!special && vocabulary.type(token) != TokenType::kUserDefined) continue;
    all.emplace_back(vocabulary.tokens[token], static_cast<int32_t>(token));
    if (!special) user_defined.push_back(all.back());
  }
  kinds.all_ = TRY(SpecialTokenFinder::create(all));
  kinds.user_defined_ = TRY(SpecialTokenFinder::create(user_defined));
  return kinds;
}

}  // namespace freehold::model
