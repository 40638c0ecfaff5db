#include "model/tokenizer/byte_level.h"

#include <fmt/format.h>

#include <array>

#include "model/tokenizer/hash_tables.h"
#include "model/tokenizer/merging.h"
#include "model/tokenizer/pattern_cutter.h"
#include "model/tokenizer/pre_tokenizer.h"
#include "model/tokenizer/token_kinds.h"
#include "model/tokenizer/unicode.h"

namespace freehold::model {
namespace {

// A longer word is cut: positions inside a word take 32 bits.
constexpr size_t kWordBytesMax = size_t{1} << 30;

/// GPT-2's alphabet: printable Latin-1 stands for itself, the 68 other bytes for U+0100 on.
class ByteAlphabet {
 public:
  ByteAlphabet() {
    bytes_.fill(-1);
    int16_t next = 256;
    for (int16_t byte = 0; byte < 256; ++byte) {
      const bool itself = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
      bytes_[static_cast<size_t>(itself ? byte : next++)] = byte;
    }
  }
  /// Appends the bytes that `text` stands for; false where a character is not of the alphabet.
  bool decode(std::string_view text, std::string& bytes) const {
    for (size_t at = 0; at < text.size();) {
      const base::DecodedRune rune = base::decode_utf8(text.substr(at, 4));
      if (!rune.valid || rune.value >= bytes_.size() || bytes_[rune.value] < 0) return false;
      bytes.push_back(static_cast<char>(bytes_[rune.value]));
      at += rune.length;
    }
    return true;
  }

 private:
  std::array<int16_t, 256 + 68> bytes_;
};

/// What the class below is made of.
struct ByteLevelTables {
  const PreTokenizer* rules = nullptr;
  TokenKinds kinds;
  TokenTable table;
  MergeTable merges;
  std::array<int32_t, 256> byte_tokens{};
  std::shared_ptr<const PatternRules> patterns;  // in place of rules' scanner, where there are any
  bool normalizes_nfc = false;
  bool whole_words_first = false;
  std::optional<TokenId> bos, eos;
  bool adds_bos = false;
  bool adds_eos = false;
};

class ByteLevelTokenizer final : public Tokenizer {
 public:
  explicit ByteLevelTokenizer(ByteLevelTables tables) : tables_(std::move(tables)) {}

  std::string with_guards(std::string_view text, std::string_view guard) const override {
    return tables_.kinds.with_guards(text, guard);
  }
  std::vector<TokenId> encode_guarded(std::string_view text, SpecialTokens special,
                                      std::string_view guard) const override {
    EncodeScratch scratch(text.size());
    return encode_around_specials(tables_.kinds, text, special, guard,
                                  [&](std::string_view piece, bool, std::vector<TokenId>& tokens) {
                                    encode_piece(piece, scratch, tokens);
                                  });
  }
  std::string token_bytes(TokenId token) const override {
    if (token < 0 || static_cast<size_t>(token) >= tables_.table.size()) return {};
    return std::string(tables_.table.bytes_of(token));
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
    if (tables_.patterns == nullptr) return fmt::format("bpe/{}", tables_.rules->name);
    return fmt::format(
        "bpe/pcre2 {}",
        base::printable(fmt::format("{}", fmt::join(tables_.patterns->expressions(), " then "))));
  }

 private:
  void encode_piece(std::string_view piece, EncodeScratch& scratch,
                    std::vector<TokenId>& tokens) const {
    if (tables_.normalizes_nfc && !unicode::is_surely_nfc(piece)) {
      piece = scratch.rewritten.emplace_back(unicode::to_nfc(piece));
    }
    if (tables_.patterns != nullptr) {
      encode_words(PatternCutter(*tables_.patterns, piece), scratch, tokens);
    } else {
      encode_words(WordCutter(tables_.rules->rules, piece), scratch, tokens);
    }
  }

  template <class Cutter>
  void encode_words(Cutter&& cutter, EncodeScratch& scratch, std::vector<TokenId>& tokens) const {
    for (std::string_view whole = cutter.next(); !whole.empty(); whole = cutter.next()) {
      for (; !whole.empty(); whole.remove_prefix(std::min(whole.size(), kWordBytesMax))) {
        const std::string_view word = whole.substr(0, kWordBytesMax);
        if (scratch.cache.append(word, tokens)) continue;
        const size_t first = tokens.size();
        encode_word(word, scratch, tokens);
        scratch.cache.remember(word, first, tokens.size());
      }
    }
  }

  void encode_word(std::string_view word, EncodeScratch& scratch,
                   std::vector<TokenId>& tokens) const {
    if (tables_.whole_words_first) {
      const int32_t whole = tables_.table.find(word);
      if (whole >= 0 && !tables_.kinds.is_special(whole)) {
        tokens.push_back(whole);
        return;
      }
    }
    std::vector<Symbol>& symbols = scratch.symbols;
    symbols.clear();
    for (size_t at = 0; at < word.size(); ++at) {
      // A byte without a token is left out, and its neighbours become neighbours: what the
      // `tokenizers` package does without an unknown token.
      const int32_t token = tables_.byte_tokens[static_cast<uint8_t>(word[at])];
      if (token >= 0) symbols.push_back({token, static_cast<uint32_t>(at), 1});
    }
    scratch.merger.merge(symbols, [this](const Symbol& left, const Symbol& right) {
      return tables_.merges.find(left.token, right.token);
    });
    for (const Symbol& symbol : symbols) tokens.push_back(symbol.token);
  }

  ByteLevelTables tables_;
};

Error damaged(std::string what) {
  return Error{
      ErrorCode::kDamaged, "tokenizer: " + std::move(what),
      "The file's vocabulary is not consistent; fetch the model again or convert it anew."};
}

/// Bytes of every token; those that text can become are findable.
Status fill_tokens(const Vocabulary& vocabulary, const ByteAlphabet& alphabet,
                   ByteLevelTables& tables) {
  const size_t count = vocabulary.tokens.size();
  size_t text_bytes = 0;
  for (const std::string_view token : vocabulary.tokens) text_bytes += token.size();
  tables.table.reserve(count, text_bytes);
  std::string bytes;
  std::vector<int32_t> later;  // written out in texts; findable too, because merges may name them
  for (size_t token = 0; token < count; ++token) {
    const std::string_view text = vocabulary.tokens[token];
    const auto id = static_cast<int32_t>(token);
    bytes.clear();
    const TokenType type = vocabulary.type(token);
    const bool written_out = type == TokenType::kUserDefined || tables.kinds.is_special(id);
    const bool in_alphabet = !written_out && alphabet.decode(text, bytes);
    tables.table.append(in_alphabet ? std::string_view(bytes) : text);
    if (written_out) later.push_back(id);
    if (!in_alphabet || text.empty()) continue;
    const Insertion insertion = tables.table.index(id);
    if (insertion == Insertion::kColliding) return damaged("token texts made to collide");
    if (insertion == Insertion::kKnown) {
      return damaged(fmt::format("token {} has the same text as another", token));
    }
  }
  for (const int32_t id : later) {
    if (tables.table.index(id) == Insertion::kColliding) {
      return damaged("token texts made to collide");
    }
  }
  for (size_t byte = 0; byte < 256; ++byte) {
    const char value = static_cast<char>(byte);
    tables.byte_tokens[byte] = tables.table.find(std::string_view(&value, 1));
  }
  return {};
}

Status fill_merges(const Vocabulary& vocabulary, const ByteAlphabet& alphabet,
                   ByteLevelTables& tables) {
  tables.merges.reserve(vocabulary.merges.size());
  std::string bytes;
  for (size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    const std::string_view merge = vocabulary.merges[rank];
    const size_t space = merge.find(' ', 1);
    bytes.clear();
    if (space == std::string_view::npos || !alphabet.decode(merge.substr(0, space), bytes)) {
      return damaged(fmt::format("merge {} is not two tokens", rank));
    }
    const size_t left_bytes = bytes.size();
    if (!alphabet.decode(merge.substr(space + 1), bytes) || bytes.size() == left_bytes) {
      return damaged(fmt::format("merge {} is not two tokens", rank));
    }
    const std::string_view both = bytes;
    const int32_t left = tables.table.find(both.substr(0, left_bytes));
    const int32_t right = tables.table.find(both.substr(left_bytes));
    const int32_t merged = tables.table.find(both);
    if (left < 0 || right < 0 || merged < 0) {
      return damaged(fmt::format("merge {} names a token that the vocabulary does not have", rank));
    }
    if (tables.kinds.is_special(merged)) continue;  // plain text never becomes a control token
    if (tables.merges.insert(left, right, {static_cast<int32_t>(rank), merged}) ==
        Insertion::kColliding) {
      return damaged("merges made to collide");
    }
  }
  return {};
}

std::optional<TokenId> to_token(const std::optional<uint64_t>& id) {
  if (!id.has_value()) return std::nullopt;
  return static_cast<TokenId>(*id);
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> create_byte_level(const Vocabulary& vocabulary) {
  ByteLevelTables tables;
  tables.rules = find_pre_tokenizer(vocabulary.pre.empty() ? "default" : vocabulary.pre);
  if (tables.rules == nullptr) {
    return Error{ErrorCode::kRefused,
                 fmt::format("the model's pre-tokenizer '{}' is not known here", vocabulary.pre),
                 "Text would be cut into other tokens than the model was trained on."};
  }
  if (!vocabulary.patterns.empty()) {
    tables.patterns = TRY(PatternRules::create(vocabulary.patterns));
  }
  if (vocabulary.merges.size() > size_t{1} << 24) {
    return Error{ErrorCode::kRefused,
                 fmt::format("tokenizer: {} merges, more than the limit of {}",
                             vocabulary.merges.size(), size_t{1} << 24),
                 {}};
  }
  // Encoders call them [CLS] and [SEP].
  tables.bos = to_token(vocabulary.bos ? vocabulary.bos : vocabulary.cls);
  tables.eos = to_token(vocabulary.eos ? vocabulary.eos : vocabulary.separator);
  tables.kinds = TRY(TokenKinds::create(vocabulary, tables.eos));
  tables.normalizes_nfc =
      vocabulary.normalizes_nfc.value_or(tables.rules->normal_form == NormalForm::kNfc);
  tables.whole_words_first = vocabulary.whole_words_first.value_or(tables.rules->whole_words_first);
  const ByteAlphabet alphabet;
  TRY(fill_tokens(vocabulary, alphabet, tables));
  TRY(fill_merges(vocabulary, alphabet, tables));
  tables.adds_eos = tables.eos.has_value() && vocabulary.adds_eos.value_or(false);
  tables.adds_bos = tables.bos.has_value() && vocabulary.adds_bos.value_or(tables.rules->adds_bos);
  return std::unique_ptr<Tokenizer>(std::make_unique<ByteLevelTokenizer>(std::move(tables)));
}

}  // namespace freehold::model
