#include "model/tokenizer/sentence_piece.h"

#include <fmt/format.h>

#include <array>
#include <bit>

#include "model/tokenizer/hash_tables.h"
#include "model/tokenizer/merging.h"
#include "model/tokenizer/token_kinds.h"

namespace freehold::model {
namespace {

constexpr std::string_view kSpace = "\xE2\x96\x81";  // ▁, U+2581
constexpr size_t kPieceBytesMax = size_t{1} << 30;   // positions inside a word take 32 bits

/// Bytes that the first byte of a UTF-8 sequence announces. Not a check: a broken sequence makes
/// one symbol with what follows, as the field's other engines cut it.
size_t announced_length(char first) {
  constexpr uint8_t kLengths[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4};
  return kLengths[static_cast<uint8_t>(first) >> 4];
}

/// Scores as merge ranks: the higher the score, the lower the rank; equal stay equal.
int32_t rank_of(float score) {
  const auto bits = std::bit_cast<int32_t>(score == 0 ? 0.0f : score);
  const int32_t ascending = bits >= 0 ? bits : static_cast<int32_t>(0x80000000u) - bits;
  return -ascending;  // finite floats never reach INT32_MIN
}

std::string with_spaces(std::string_view text) {
  std::string spaced;
  spaced.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const bool space = text.substr(at, kSpace.size()) == kSpace;
    spaced.push_back(space ? ' ' : text[at]);
    at += space ? kSpace.size() : 1;
  }
  return spaced;
}

struct SentencePieceTables {
  TokenKinds kinds;
  TokenTable table;            // texts as the vocabulary has them, ▁ for a space
  std::vector<int32_t> ranks;  // by token, where scores say what is merged first
  MergeTable merges;           // by pair, where the file lists merges
  bool lists_merges = false;
  std::vector<bool> written_out;     // user-defined or special: bytes are the text as it is
  std::array<int32_t, 256> bytes{};  // byte tokens, or the unknown token, or -1
  std::vector<int16_t> byte_of;      // by token; -1: not a byte token
  std::vector<uint64_t> joints;      // bitmap: (byte before ▁, byte after it) inside some token
  size_t token_bytes_max = 0;
  bool specials_hold_spaces = false;  // a token written out has ▁ in its text
  std::optional<TokenId> bos, eos;
  bool adds_bos = false;
  bool adds_eos = false;
  bool adds_space_prefix = false;
};

size_t joint_of(std::string_view text, size_t space) {
  return (static_cast<size_t>(static_cast<uint8_t>(text[space - 1])) << 8) |
         static_cast<uint8_t>(text[space + kSpace.size()]);
}

class SentencePieceTokenizer final : public Tokenizer {
 public:
  explicit SentencePieceTokenizer(SentencePieceTables tables) : tables_(std::move(tables)) {}

  std::string with_guards(std::string_view text, std::string_view guard) const override {
    return tables_.kinds.with_guards(text, guard);
  }
  std::vector<TokenId> encode_guarded(std::string_view text, SpecialTokens special,
                                      std::string_view guard) const override {
    // A ▁ in the text and a space are one and the same to SentencePiece, for tokens such as a run
    // of spaces too.
    std::string unescaped;
    if (!tables_.specials_hold_spaces && text.find(kSpace) != std::string_view::npos) {
      unescaped = with_spaces(text);
      text = unescaped;
    }
    EncodeScratch scratch(text.size());
    return encode_around_specials(
        tables_.kinds, text, special, guard,
        [&](std::string_view piece, bool follows_token, std::vector<TokenId>& tokens) {
          encode_piece(piece, follows_token, scratch, tokens);
        });
  }
  std::string token_bytes(TokenId token) const override {
    if (token < 0 || static_cast<size_t>(token) >= tables_.table.size()) return {};
    const auto index = static_cast<size_t>(token);
    if (tables_.byte_of[index] >= 0) {
      return std::string(1, static_cast<char>(tables_.byte_of[index]));
    }
    const std::string_view text = tables_.table.bytes_of(token);
    if (tables_.written_out[index]) return std::string(text);
    return with_spaces(text);
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
  std::string description() const override { return "spm"; }

 private:
  void encode_piece(std::string_view piece, bool follows_token, EncodeScratch& scratch,
                    std::vector<TokenId>& tokens) const {
    std::string& escaped = scratch.rewritten.emplace_back();
    escaped.reserve(piece.size() + piece.size() / 2 + 8);
    if (tables_.adds_space_prefix && follows_token) escaped += kSpace;
    for (const char byte : piece) {
      if (byte == ' ') {
        escaped += kSpace;
      } else {
        escaped.push_back(byte);
      }
    }
    std::string_view rest = escaped;
    while (!rest.empty()) {
      const std::string_view word = rest.substr(0, std::min(word_end(rest), kPieceBytesMax));
      rest.remove_prefix(word.size());
      if (scratch.cache.append(word, tokens)) continue;
      const size_t first = tokens.size();
      encode_word(word, scratch, tokens);
      scratch.cache.remember(word, first, tokens.size());
    }
  }

  /// No merge reaches across a ▁ that no token has at such a place, so the text falls apart there.
  size_t word_end(std::string_view text) const {
    for (size_t at = text.find(kSpace, 1); at != std::string_view::npos;
         at = text.find(kSpace, at + 1)) {
      if (may_be_inside_symbol(text, at)) continue;
      if (at + kSpace.size() == text.size()) return at_end_joint(text, at) ? text.size() : at;
      const size_t joint = joint_of(text, at);
      if ((tables_.joints[joint / 64] >> (joint % 64) & 1) == 0) return at;
    }
    return text.size();
  }
  /// In broken UTF-8 a first byte may announce more bytes than there are before `at`.
  static bool may_be_inside_symbol(std::string_view text, size_t at) {
    for (size_t back = 1; back <= std::min<size_t>(at, 3); ++back) {
      if (announced_length(text[at - back]) > back) return true;
    }
    return false;
  }
  /// A ▁ that ends the text could still end a token, such as ",▁".
  bool at_end_joint(std::string_view text, size_t space) const {
    const auto before = static_cast<uint8_t>(text[space - 1]);
    return tables_.joints[65536 / 64 + before / 64] >> (before % 64) & 1;
  }

  void encode_word(std::string_view word, EncodeScratch& scratch,
                   std::vector<TokenId>& tokens) const {
    std::vector<Symbol>& symbols = scratch.symbols;
    symbols.clear();
    for (size_t at = 0; at < word.size();) {
      const size_t length = std::min(announced_length(word[at]), word.size() - at);
      symbols.push_back({tables_.table.find(word.substr(at, length)), static_cast<uint32_t>(at),
                         static_cast<uint32_t>(length)});
      at += length;
    }
    if (tables_.lists_merges) {
      scratch.merger.merge(symbols, [this](const Symbol& left, const Symbol& right) -> Merge {
        if (left.token < 0 || right.token < 0) return {};
        return tables_.merges.find(left.token, right.token);
      });
    } else {
      scratch.merger.merge(symbols, [this, word](const Symbol& left, const Symbol& right) -> Merge {
        const size_t length = left.length + right.length;
        if (length > tables_.token_bytes_max) return {};
        const int32_t token = tables_.table.find(word.substr(left.start, length));
        if (token < 0) return {};
        return {tables_.ranks[static_cast<size_t>(token)], token};
      });
    }
    for (const Symbol& symbol : symbols) {
      if (symbol.token >= 0) {
        tokens.push_back(symbol.token);
        continue;
      }
      for (const char byte : word.substr(symbol.start, symbol.length)) {
        const int32_t token = tables_.bytes[static_cast<uint8_t>(byte)];
        if (token >= 0) tokens.push_back(token);
      }
    }
  }

  SentencePieceTables tables_;
};

Error damaged(std::string what) {
  return Error{
      ErrorCode::kDamaged, "tokenizer: " + std::move(what),
      "The file's vocabulary is not consistent; fetch the model again or convert it anew."};
}

/// Notes every ▁ that is not a token's first character.
void note_joints(std::string_view text, std::vector<uint64_t>& joints) {
  if (text.empty()) return;
  for (size_t at = text.find(kSpace, 1); at != std::string_view::npos;
       at = text.find(kSpace, at + 1)) {
    if (at + kSpace.size() < text.size()) {
      const size_t joint = joint_of(text, at);
      joints[joint / 64] |= uint64_t{1} << (joint % 64);
      continue;
    }
    // The token ends with ▁: whatever follows, these two may join.
    const auto before = static_cast<uint8_t>(text[at - 1]);
    joints[65536 / 64 + before / 64] |= uint64_t{1} << (before % 64);
    for (size_t word = 0; word < 4; ++word) joints[before * 4u + word] = ~uint64_t{0};
  }
}

Status fill_tables(const Vocabulary& vocabulary, SentencePieceTables& tables) {
  const size_t count = vocabulary.tokens.size();
  size_t text_bytes = 0;
  for (const std::string_view token : vocabulary.tokens) text_bytes += token.size();
  tables.table.reserve(count, text_bytes);
  tables.ranks.resize(count);
  tables.written_out.resize(count);
  tables.byte_of.assign(count, -1);
  tables.joints.assign((65536 + 256) / 64, 0);
  tables.bytes.fill(vocabulary.unknown.has_value() ? static_cast<int32_t>(*vocabulary.unknown)
                                                   : -1);
  for (size_t token = 0; token < count; ++token) {
    const std::string_view text = vocabulary.tokens[token];
    const auto id = static_cast<int32_t>(token);
    tables.table.append(text);
    if (!tables.lists_merges) {
      tables.ranks[token] = rank_of(static_cast<float>(vocabulary.scores[token]));
    }
    const TokenType type = vocabulary.type(token);
    const bool special = tables.kinds.is_special(id);
    tables.written_out[token] = special || type == TokenType::kUserDefined;
    if (tables.written_out[token] && text.find(kSpace) != std::string_view::npos) {
      tables.specials_hold_spaces = true;
    }
    if (type == TokenType::kByte) {
      const uint8_t byte = *byte_of_token(text);  // check_vocabulary() saw to it
      tables.byte_of[token] = byte;
      tables.bytes[byte] = id;
      continue;
    }
    if (special || text.empty()) continue;
    const Insertion insertion = tables.table.index(id);
    if (insertion == Insertion::kColliding) return damaged("token texts made to collide");
    if (insertion == Insertion::kKnown) {
      return damaged(fmt::format("token {} has the same text as another", token));
    }
    tables.token_bytes_max = std::max(tables.token_bytes_max, text.size());
    note_joints(text, tables.joints);
  }
  return {};
}

Status fill_merges(const Vocabulary& vocabulary, SentencePieceTables& tables) {
  tables.merges.reserve(vocabulary.merges.size());
  std::string both;
  for (size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    const std::string_view merge = vocabulary.merges[rank];
    const size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == merge.size()) {
      return damaged(fmt::format("merge {} is not two tokens", rank));
    }
    const std::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
    both.assign(left);
    both.append(right);
    const int32_t first = tables.table.find(left);
    const int32_t second = tables.table.find(right);
    const int32_t merged = tables.table.find(both);
    if (first < 0 || second < 0 || merged < 0) {
      return damaged(fmt::format("merge {} names a token that the vocabulary does not have", rank));
    }
    if (tables.merges.insert(first, second, {static_cast<int32_t>(rank), merged}) ==
        Insertion::kColliding) {
      return damaged("merges made to collide");
    }
  }
  return {};
}

std::optional<TokenId> to_token(const std::optional<uint64_t>& id, uint64_t fallback,
                                size_t count) {
  const uint64_t token = id.value_or(fallback);
  if (token >= count) return std::nullopt;
  return static_cast<TokenId>(token);
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> create_sentence_piece(const Vocabulary& vocabulary) {
  const size_t count = vocabulary.tokens.size();
  if (vocabulary.merges.empty() && vocabulary.scores.size() != count) {
    return damaged("a vocabulary of this kind needs a score for every token, or merges");
  }
  if (vocabulary.merges.size() > size_t{1} << 24) {
    return Error{ErrorCode::kRefused,
                 fmt::format("tokenizer: {} merges, more than the limit of {}",
                             vocabulary.merges.size(), size_t{1} << 24),
                 {}};
  }
  SentencePieceTables tables;
  tables.lists_merges = !vocabulary.merges.empty();
  // Ids that files of this kind may leave out (llama's own).
  const bool llama = vocabulary.model == "llama";
  const bool assumes = llama && vocabulary.assumes_llama_ids;
  tables.bos = to_token(vocabulary.bos, assumes ? 1 : count, count);
  tables.eos = to_token(vocabulary.eos, assumes ? 2 : count, count);
  tables.kinds = TRY(TokenKinds::create(vocabulary, tables.eos));
  TRY(fill_tables(vocabulary, tables));
  if (tables.lists_merges) TRY(fill_merges(vocabulary, tables));
  for (const int32_t token : tables.bytes) {
    if (token < 0) return damaged("some bytes have no token and there is no unknown token");
  }
  tables.adds_eos = tables.eos.has_value() && vocabulary.adds_eos.value_or(false);
  tables.adds_bos = tables.bos.has_value() && vocabulary.adds_bos.value_or(true);
  tables.adds_space_prefix = vocabulary.adds_space_prefix.value_or(llama);
  return std::unique_ptr<Tokenizer>(std::make_unique<SentencePieceTokenizer>(std::move(tables)));
}

}  // namespace freehold::model
