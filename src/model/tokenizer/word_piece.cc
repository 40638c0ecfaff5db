#include "model/tokenizer/word_piece.h"

#include <fmt/format.h>

#include "base/text.h"
#include "model/tokenizer/bert_text.h"
#include "model/tokenizer/hash_tables.h"
#include "model/tokenizer/token_kinds.h"
#include "model/tokenizer/unicode.h"

namespace freehold::model {

namespace {

constexpr std::string_view kWordStart = "\xE2\x96\x81";  // ▁, U+2581
/// A word of more characters is one unknown token (max_input_chars_per_word).
constexpr size_t kWordRunesMax = 100;

struct WordPieceTables {
  TokenKinds kinds;
  TokenTable table;  // texts as the vocabulary has them
  size_t token_bytes_max = 0;
  TokenId unknown = 0;
  BertCase letter_case = BertCase::kUncased;
  std::optional<TokenId> bos, eos;
  bool adds_bos = false;
  bool adds_eos = false;
};

class WordPieceTokenizer final : public Tokenizer {
 public:
  explicit WordPieceTokenizer(WordPieceTables tables) : tables_(std::move(tables)) {}

  std::string with_guards(std::string_view text, std::string_view guard) const override {
    return tables_.kinds.with_guards(text, guard);
  }
  std::vector<TokenId> encode_guarded(std::string_view text, SpecialTokens special,
                                      std::string_view guard) const override {
    return encode_around_specials(
        tables_.kinds, text, special, guard,
        [&](std::string_view piece, bool, std::vector<TokenId>& tokens) {
          const std::string normal = normalize_bert(piece, tables_.letter_case);
          for (std::string_view rest = normal; !rest.empty();) {
            const std::string_view word = rest.substr(0, bert_word_length(rest));
            rest.remove_prefix(word.size());
            if (!unicode::rune_at(word, 0).is(unicode::kSpace)) encode_word(word, tokens);
          }
        });
  }
  std::string token_bytes(TokenId token) const override {
    if (token < 0 || static_cast<size_t>(token) >= tables_.table.size()) return {};
    const std::string_view text = tables_.table.bytes_of(token);
    if (!text.starts_with(kWordStart)) return std::string(text);
    std::string bytes(1, ' ');
    bytes += text.substr(kWordStart.size());
    return bytes;
  }
  bool is_control(TokenId token) const override { return tables_.kinds.is_control(token); }
  bool ends_generation(TokenId token) const override {
    return tables_.kinds.ends_generation(token);
  }
  size_t vocabulary_size() const override { return tables_.table.size(); }
  std::optional<TokenId> bos() const override { return tables_.bos; }
  std::optional<TokenId> eos() const override { return tables_.eos; }
  bool adds_bos() const override { return tables_.adds_bos; }
  bool adds_eos() const override { return tables_.adds_eos; }
  std::string description() const override {
    return tables_.letter_case == BertCase::kCased ? "wordpiece/cased" : "wordpiece/uncased";
  }

 private:
  /// The longest piece at the start of `rest`, or -1. `length` gets its bytes of `rest`.
  TokenId longest_piece(std::string_view rest, bool starts_word, size_t& length) const {
    const size_t lead = starts_word ? kWordStart.size() : 0;
    std::string text(starts_word ? kWordStart : std::string_view());
    text += rest.substr(0, tables_.token_bytes_max - std::min(lead, tables_.token_bytes_max));
    while (text.size() > lead) {
      const int32_t token = tables_.table.find(text);
      if (token >= 0) {
        length = text.size() - lead;
        return token;
      }
      text.pop_back();
    }
    return -1;
  }

  void encode_word(std::string_view word, std::vector<TokenId>& tokens) const {
    size_t runes = 0;
    for (size_t at = 0; at < word.size(); at += unicode::rune_at(word, at).length) ++runes;
    const size_t first = tokens.size();
    if (runes <= kWordRunesMax) {
      for (size_t at = 0; at < word.size();) {
        size_t length = 0;
        const TokenId token = longest_piece(word.substr(at), at == 0, length);
        if (token < 0) break;
        tokens.push_back(token);
        at += length;
        if (at == word.size()) return;
      }
    }
    // A word that does not come out whole is unknown as a whole.
    tokens.resize(first);
    tokens.push_back(tables_.unknown);
  }

  WordPieceTables tables_;
};

Error damaged(std::string what) {
  return Error{
      ErrorCode::kDamaged, "tokenizer: " + std::move(what),
      "The file's vocabulary is not consistent; fetch the model again or convert it anew."};
}

std::optional<TokenId> to_token(const std::optional<uint64_t>& id) {
  if (!id.has_value()) return std::nullopt;
  return static_cast<TokenId>(*id);
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> create_word_piece(const Vocabulary& vocabulary) {
  WordPieceTables tables;
  const bool lower = vocabulary.lower_case.value_or(vocabulary.pre != "bert-cased");
  tables.letter_case = lower ? BertCase::kUncased : BertCase::kCased;
  if (vocabulary.strips_accents.value_or(lower) != lower) {
    return Error{ErrorCode::kRefused,
                 "tokenizer: letter case and accents are not treated alike, which is not there yet",
                 "use another model"};
  }
  tables.bos = to_token(vocabulary.bos);
  if (!tables.bos) tables.bos = to_token(vocabulary.cls);
  tables.eos = to_token(vocabulary.eos ? vocabulary.eos : vocabulary.separator);
  // Older files name neither.
  for (size_t index = 0; index < vocabulary.tokens.size(); ++index) {
    const auto token = static_cast<TokenId>(index);
    if (!tables.bos && vocabulary.tokens[index] == "[CLS]") tables.bos = token;
    if (!tables.eos && vocabulary.tokens[index] == "[SEP]") tables.eos = token;
  }
  tables.kinds = TRY(TokenKinds::create(vocabulary, tables.eos));
  size_t text_bytes = 0;
  for (const std::string_view token : vocabulary.tokens) text_bytes += token.size();
  tables.table.reserve(vocabulary.tokens.size(), text_bytes);
  std::optional<TokenId> unknown = to_token(vocabulary.unknown);
  for (size_t index = 0; index < vocabulary.tokens.size(); ++index) {
    const auto token = static_cast<int32_t>(index);
    const std::string_view text = vocabulary.tokens[index];
    tables.table.append(text);
    if (!unknown && text == "[UNK]") unknown = token;
    if (text.empty() || tables.kinds.is_special(token)) continue;
    const Insertion insertion = tables.table.index(token);
    if (insertion == Insertion::kColliding) return damaged("token texts made to collide");
    if (insertion == Insertion::kKnown) {
      return damaged(fmt::format("token {} has the same text as another", token));
    }
    tables.token_bytes_max = std::max(tables.token_bytes_max, text.size());
  }
  if (!unknown) return damaged("a vocabulary of this kind needs an unknown token");
  tables.unknown = *unknown;
  tables.adds_eos = tables.eos.has_value() && vocabulary.adds_eos.value_or(true);
  tables.adds_bos = tables.bos.has_value() && vocabulary.adds_bos.value_or(true);
  return std::unique_ptr<Tokenizer>(std::make_unique<WordPieceTokenizer>(std::move(tables)));
}

}  // namespace freehold::model
