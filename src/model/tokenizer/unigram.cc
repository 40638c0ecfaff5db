#include "model/tokenizer/unigram.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/text.h"
#include "model/tokenizer/charsmap.h"
#include "model/tokenizer/hash_tables.h"
#include "model/tokenizer/token_kinds.h"

namespace freehold::model {

namespace {

constexpr std::string_view kSpace = "\xE2\x96\x81";  // ▁, U+2581
/// A longer piece would make the walk over a long text slow; pieces in use have at most 64 bytes.
constexpr size_t kPieceBytesMax = 256;
/// Below the lowest score by this much: what a character without a piece costs (sentencepiece).
constexpr double kUnknownPenalty = 10.0;

/// The pieces as a trie, so that all pieces at one place are found in one walk.
class PieceTrie {
 public:
  /// `pieces` are sorted and different.
  void build(const std::vector<std::pair<std::string_view, int32_t>>& pieces) {
    nodes_.push_back({});
    struct Range {
      size_t first, last, depth;
      uint32_t node;
    };
    std::vector<Range> open{{0, pieces.size(), 0, 0}};
    for (size_t next = 0; next < open.size(); ++next) {
      Range range = open[next];
      if (range.first < range.last && pieces[range.first].first.size() == range.depth) {
        nodes_[range.node].token = pieces[range.first].second;
        ++range.first;
      }
      nodes_[range.node].first_edge = static_cast<uint32_t>(edges_.size());
      while (range.first < range.last) {
        const char byte = pieces[range.first].first[range.depth];
        size_t end = range.first;
        while (end < range.last && pieces[end].first[range.depth] == byte) ++end;
        const auto child = static_cast<uint32_t>(nodes_.size());
        edges_.push_back({static_cast<uint8_t>(byte), child});
        nodes_.push_back({});
        open.push_back({range.first, end, range.depth + 1, child});
        range.first = end;
      }
      nodes_[range.node].edges =
          static_cast<uint32_t>(edges_.size()) - nodes_[range.node].first_edge;
    }
  }

  /// Calls found(token, bytes) for every piece at the start of `text`, shortest first.
  template <class Found>
  void walk(std::string_view text, Found&& found) const {
    uint32_t node = 0;
    for (size_t at = 0; at < text.size(); ++at) {
      const Node& here = nodes_[node];
      const auto begin = edges_.begin() + here.first_edge;
      const auto end = begin + here.edges;
      const auto edge =
          std::lower_bound(begin, end, static_cast<uint8_t>(text[at]),
                           [](const Edge& value, uint8_t byte) { return value.byte < byte; });
      if (edge == end || edge->byte != static_cast<uint8_t>(text[at])) return;
      node = edge->node;
      if (nodes_[node].token >= 0) found(nodes_[node].token, at + 1);
    }
  }

 private:
  struct Node {
    int32_t token = -1;
    uint32_t first_edge = 0;
    uint32_t edges = 0;
  };
  struct Edge {
    uint8_t byte;
    uint32_t node;
  };
  std::vector<Node> nodes_;
  std::vector<Edge> edges_;
};

struct UnigramTables {
  TokenKinds kinds;
  TokenTable table;
  PieceTrie trie;
  Charsmap charsmap;
  std::vector<double> scores;
  bool adds_in_floats = true;  // as sentencepiece does; tokenizers adds in doubles
  std::optional<UnigramSteps> steps;
  std::vector<int16_t> byte_of;      // by token; -1: not a byte token
  std::array<int32_t, 256> bytes{};  // byte tokens, or -1
  std::vector<bool> written_out;
  bool has_bytes = false;
  double unknown_score = 0;
  TokenId unknown = 0;
  std::optional<TokenId> bos, eos;
  bool adds_bos = false;
  bool adds_eos = false;
  bool adds_space_prefix = true;
  bool removes_extra_spaces = true;
};

class UnigramTokenizer final : public Tokenizer {
 public:
  explicit UnigramTokenizer(UnigramTables tables) : tables_(std::move(tables)) {}

  std::string with_guards(std::string_view text, std::string_view guard) const override {
    return tables_.kinds.with_guards(text, guard);
  }
  std::vector<TokenId> encode_guarded(std::string_view text, SpecialTokens special,
                                      std::string_view guard) const override {
    std::vector<Step> steps;
    return encode_around_specials(
        tables_.kinds, text, special, guard,
        [&](std::string_view piece, bool follows_token, std::vector<TokenId>& tokens) {
          encode_piece(piece, follows_token, steps, tokens);
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
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const bool space = text.substr(at, kSpace.size()) == kSpace;
      out.push_back(space ? ' ' : text[at]);
      at += space ? kSpace.size() : 1;
    }
    return out;
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
  std::string description() const override { return "unigram"; }

 private:
  /// The best way to a place: where its last piece started and what it is.
  struct Step {
    double score = -std::numeric_limits<double>::infinity();
    uint32_t from = 0;
    TokenId token = -1;  // -1: not reached
  };

  void encode_piece(std::string_view piece, bool follows_token, std::vector<Step>& steps,
                    std::vector<TokenId>& tokens) const {
    if (!tables_.steps) {
      encode_normal(normalize(piece, follows_token), steps, tokens);
      return;
    }
    const UnigramWords words =
        prepare_words(*tables_.steps, tables_.charsmap, piece, tokens.empty());
    size_t start = 0;
    for (const size_t end : words.ends) {
      encode_normal(std::string_view(words.text).substr(start, end - start), steps, tokens);
      start = end;
    }
  }

  /// Characters mapped, spaces written as ▁: sentencepiece's Normalizer::Normalize.
  std::string normalize(std::string_view text, bool follows_token) const {
    const bool removes = tables_.removes_extra_spaces;
    std::string out;
    out.reserve(text.size() + text.size() / 4 + kSpace.size());
    if (tables_.adds_space_prefix && follows_token) out += kSpace;
    const size_t prefix = out.size();
    bool after_space = removes;
    for (size_t at = 0; at < text.size();) {
      size_t length = 0;
      std::string_view made = tables_.charsmap.first(text.substr(at), length);
      at += length;
      while (after_space && made.starts_with(' ')) made.remove_prefix(1);
      if (made.empty()) continue;
      for (const char byte : made) {
        if (byte == ' ') {
          out += kSpace;
        } else {
          out.push_back(byte);
        }
      }
      after_space = removes && made.back() == ' ';
    }
    while (removes && out.size() > prefix && std::string_view(out).ends_with(kSpace)) {
      out.resize(out.size() - kSpace.size());
    }
    return out.size() == prefix ? std::string() : out;
  }

  void encode_normal(std::string_view text, std::vector<Step>& steps,
                     std::vector<TokenId>& tokens) const {
    if (text.empty()) return;
    steps.assign(text.size() + 1, Step{});
    steps[0] = {0, 0, 0};
    for (size_t at = 0; at < text.size();) {
      const base::DecodedRune rune = base::decode_utf8(text.substr(at, 4));
      const size_t one = rune.valid ? rune.length : 1;
      const Step here = steps[at];
      bool has_one = false;
      const auto reach = [&](size_t bytes, double score, TokenId token) {
        double sum = here.score + score;
        if (tables_.adds_in_floats) sum = static_cast<float>(sum);
        Step& there = steps[at + bytes];
        if (there.token >= 0 && sum <= there.score) return;
        there = {sum, static_cast<uint32_t>(at), token};
      };
      tables_.trie.walk(text.substr(at), [&](TokenId token, size_t bytes) {
        reach(bytes, tables_.scores[static_cast<size_t>(token)], token);
        has_one = has_one || bytes == one;
      });
      if (!has_one) reach(one, tables_.unknown_score, tables_.unknown);
      at += one;
    }
    append_path(text, steps, tokens);
  }

  void append_path(std::string_view text, const std::vector<Step>& steps,
                   std::vector<TokenId>& tokens) const {
    const size_t first = tokens.size();
    bool after_unknown = false;
    // From the end to the start; turned around below.
    for (size_t at = text.size(); at > 0; at = steps[at].from) {
      const TokenId token = steps[at].token;
      const bool unknown = token == tables_.unknown;
      if (unknown && tables_.has_bytes) {
        for (size_t byte = at; byte > steps[at].from; --byte) {
          tokens.push_back(tables_.bytes[static_cast<uint8_t>(text[byte - 1])]);
        }
      } else if (!unknown || !after_unknown) {
        tokens.push_back(token);  // a run of unknown characters is one
      }
      after_unknown = unknown;
    }
    std::reverse(tokens.begin() + static_cast<std::ptrdiff_t>(first), tokens.end());
  }

  UnigramTables tables_;
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

Status fill_pieces(const Vocabulary& vocabulary, UnigramTables& tables) {
  const size_t count = vocabulary.tokens.size();
  size_t text_bytes = 0;
  for (const std::string_view token : vocabulary.tokens) text_bytes += token.size();
  tables.table.reserve(count, text_bytes);
  tables.byte_of.assign(count, -1);
  tables.bytes.fill(-1);
  tables.written_out.resize(count);
  tables.scores.resize(count);
  std::vector<std::pair<std::string_view, int32_t>> pieces;
  double lowest = 0;
  for (size_t index = 0; index < count; ++index) {
    const auto token = static_cast<int32_t>(index);
    const std::string_view text = vocabulary.tokens[index];
    tables.table.append(text);
    const double score = vocabulary.scores[index];
    tables.scores[index] = tables.adds_in_floats ? static_cast<float>(score) : score;
    const TokenType type = vocabulary.type(index);
    const bool special = tables.kinds.is_special(token);
    tables.written_out[index] = special || type == TokenType::kUserDefined;
    if (type == TokenType::kByte) {
      const uint8_t byte = *byte_of_token(text);  // check_vocabulary() saw to it
      tables.byte_of[index] = byte;
      tables.bytes[byte] = token;
      continue;
    }
    if (special || type == TokenType::kUnused || text.empty()) continue;
    if (text.size() > kPieceBytesMax) {
      return Error{ErrorCode::kRefused,
                   fmt::format("tokenizer: token {} has {} bytes, more than the limit of {}", index,
                               text.size(), kPieceBytesMax),
                   {}};
    }
    lowest = std::min(lowest, tables.scores[index]);
    pieces.emplace_back(text, token);
  }
  std::sort(pieces.begin(), pieces.end());
  for (size_t i = 1; i < pieces.size(); ++i) {
    if (pieces[i].first == pieces[i - 1].first) {
      return damaged(fmt::format("token {} has the same text as another", pieces[i].second));
    }
  }
  tables.trie.build(pieces);
  tables.unknown_score = lowest - kUnknownPenalty;
  if (tables.adds_in_floats) tables.unknown_score = static_cast<float>(tables.unknown_score);
  tables.has_bytes = std::all_of(tables.bytes.begin(), tables.bytes.end(),
                                 [](int32_t token) { return token >= 0; });
  return {};
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> create_unigram(const Vocabulary& vocabulary) {
  if (vocabulary.scores.size() != vocabulary.tokens.size()) {
    return damaged("a vocabulary of this kind needs a score for every token");
  }
  UnigramTables tables;
  tables.bos = to_token(vocabulary.bos);
  tables.eos = to_token(vocabulary.eos);
  tables.kinds = TRY(TokenKinds::create(vocabulary, tables.eos));
  tables.charsmap = TRY(Charsmap::create(vocabulary.charsmap));
  std::optional<TokenId> unknown = to_token(vocabulary.unknown);
  for (size_t i = 0; i < vocabulary.tokens.size() && !unknown; ++i) {
    if (vocabulary.type(i) == TokenType::kUnknown) unknown = static_cast<TokenId>(i);
  }
  if (!unknown) return damaged("a vocabulary of this kind needs an unknown token");
  tables.unknown = *unknown;
  tables.steps = vocabulary.unigram_steps;
  tables.adds_in_floats = !tables.steps.has_value();
  TRY(fill_pieces(vocabulary, tables));
  tables.adds_eos = tables.eos.has_value() && vocabulary.adds_eos.value_or(true);
  tables.adds_bos = tables.bos.has_value() && vocabulary.adds_bos.value_or(false);
  tables.adds_space_prefix = vocabulary.adds_space_prefix.value_or(true);
  tables.removes_extra_spaces = vocabulary.removes_extra_spaces.value_or(true);
  return std::unique_ptr<Tokenizer>(std::make_unique<UnigramTokenizer>(std::move(tables)));
}

}  // namespace freehold::model
