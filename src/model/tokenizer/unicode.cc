#include "model/tokenizer/unicode.h"

#include <algorithm>
#include <vector>

namespace freehold::model::unicode {
namespace {

// Hangul syllables are composed by arithmetic (The Unicode Standard, section 3.12).
constexpr char32_t kSyllables = 0xAC00, kLeads = 0x1100, kVowels = 0x1161, kTails = 0x11A7;
constexpr char32_t kLeadCount = 19, kVowelCount = 21, kTailCount = 28;
constexpr char32_t kSyllableCount = kLeadCount * kVowelCount * kTailCount;

uint8_t combining_class(char32_t code) {
  if (code < 0x300) return 0;
  const CombiningRange* end = kCombining + kCombiningCount;
  const CombiningRange* found = std::upper_bound(
      kCombining, end, code,
      [](char32_t value, const CombiningRange& range) { return value < range.first; });
  if (found == kCombining) return 0;
  --found;
  return code <= found->last ? found->combining_class : 0;
}

/// A code point on its way through normalization.
struct Piece {
  char32_t code;
  uint8_t combining_class;
};

void append_decomposed(std::vector<Piece>& pieces, char32_t code) {
  if (code >= kSyllables && code < kSyllables + kSyllableCount) {
    const char32_t syllable = code - kSyllables;
    pieces.push_back({kLeads + syllable / (kVowelCount * kTailCount), 0});
    pieces.push_back({kVowels + syllable % (kVowelCount * kTailCount) / kTailCount, 0});
    if (syllable % kTailCount != 0) pieces.push_back({kTails + syllable % kTailCount, 0});
    return;
  }
  const Decomposition* end = kDecompositions + kDecompositionCount;
  const Decomposition* found =
      std::lower_bound(kDecompositions, end, code,
                       [](const Decomposition& row, char32_t value) { return row.code < value; });
  if (found == end || found->code != code) {
    pieces.push_back({code, combining_class(code)});
    return;
  }
  for (size_t i = 0; i < found->length; ++i) {
    const char32_t part = kDecomposed[found->start + i];
    pieces.push_back({part, combining_class(part)});
  }
}

/// The primary composite of two code points, or 0.
char32_t compose(char32_t first, char32_t second) {
  if (first >= kLeads && first < kLeads + kLeadCount && second >= kVowels &&
      second < kVowels + kVowelCount) {
    return kSyllables + ((first - kLeads) * kVowelCount + (second - kVowels)) * kTailCount;
  }
  if (first >= kSyllables && first < kSyllables + kSyllableCount &&
      (first - kSyllables) % kTailCount == 0 && second > kTails && second < kTails + kTailCount) {
    return first + (second - kTails);
  }
  const Composition* end = kCompositions + kCompositionCount;
  const Composition* found =
      std::lower_bound(kCompositions, end, std::pair(first, second),
                       [](const Composition& row, const std::pair<char32_t, char32_t>& key) {
                         return std::pair(row.first, row.second) < key;
                       });
  return found != end && found->first == first && found->second == second ? found->composite : 0;
}

/// Sorts each run of combining marks by class, keeping the order of equals.
void order_marks(std::vector<Piece>& pieces) {
  for (size_t start = 0; start < pieces.size();) {
    if (pieces[start].combining_class == 0) {
      ++start;
      continue;
    }
    size_t end = start;
    while (end < pieces.size() && pieces[end].combining_class != 0) ++end;
    std::stable_sort(
        pieces.begin() + static_cast<std::ptrdiff_t>(start),
        pieces.begin() + static_cast<std::ptrdiff_t>(end),
        [](const Piece& a, const Piece& b) { return a.combining_class < b.combining_class; });
    start = end;
  }
}

/// Canonical composition in place; pieces are decomposed and ordered.
void compose_all(std::vector<Piece>& pieces) {
  constexpr size_t kNone = ~size_t{0};
  size_t starter = kNone, kept = 0;
  int last_class = -1;  // of the last piece kept after the starter; -1: none was
  for (const Piece piece : pieces) {
    if (starter != kNone && last_class < piece.combining_class) {
      if (const char32_t composite = compose(pieces[starter].code, piece.code)) {
        pieces[starter].code = composite;
        continue;
      }
    }
    if (piece.combining_class == 0) {
      starter = kept;
      last_class = -1;
    } else {
      last_class = piece.combining_class;
    }
    pieces[kept++] = piece;
  }
  pieces.resize(kept);
}

void flush(std::vector<Piece>& pieces, std::string& out) {
  order_marks(pieces);
  compose_all(pieces);
  for (const Piece& piece : pieces) base::append_utf8(out, piece.code);
  pieces.clear();
}

}  // namespace

bool is_surely_nfc(std::string_view text) {
  // U+0000 … U+00BF are inert and their UTF-8 has no byte above 0xC2.
  return std::none_of(text.begin(), text.end(),
                      [](char byte) { return static_cast<uint8_t>(byte) >= 0xC3; });
}

std::string to_nfc(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::vector<Piece> pieces;
  for (size_t at = 0; at < text.size();) {
    const auto byte = static_cast<uint8_t>(text[at]);
    const base::DecodedRune rune =
        byte < 0x80 ? base::DecodedRune{byte, 1, true} : base::decode_utf8(text.substr(at, 4));
    if (!rune.valid) {
      flush(pieces, out);
      out.push_back(text[at]);
    } else if (rune.value < 0x80) {
      // ASCII starts afresh; it stays in `pieces` because a mark may follow it.
      flush(pieces, out);
      pieces.push_back({rune.value, 0});
    } else {
      append_decomposed(pieces, rune.value);
    }
    at += rune.length;
  }
  flush(pieces, out);
  return out;
}

bool is_decimal(char32_t code) {
  const char32_t* const end = kDecimalZeros + kDecimalZeroCount;
  const char32_t* const after = std::upper_bound(kDecimalZeros, end, code);
  return after != kDecimalZeros && code - after[-1] < 10;
}

bool is_connector(char32_t code) {
  return std::binary_search(kConnectors, kConnectors + kConnectorCount, code);
}

namespace {

/// Grapheme_Cluster_Break, with Extended_Pictographic and Indic_Conjunct_Break where those are told
/// apart too (a linker extends).
enum class Cluster : uint8_t {
  kOther,
  kCr,
  kLf,
  kControl,
  kJoiner,
  kLinker,
  kExtend,
  kSpacingMark,
  kPrepend,
  kRegional,
  kLeading,
  kVowel,
  kTrailing,
  kPictograph,
  kConsonant,
  kLeadingVowel,
  kLeadingVowelTrailing
};

Cluster cluster_of(char32_t code) {
  if (code >= 0xAC00 && code < 0xD7A4) {
    return (code - 0xAC00) % 28 == 0 ? Cluster::kLeadingVowel : Cluster::kLeadingVowelTrailing;
  }
  const ClusterRange* const end = kClusters + kClusterCount;
  const ClusterRange* const after = std::upper_bound(
      kClusters, end, code,
      [](char32_t value, const ClusterRange& range) { return value < range.first; });
  if (after == kClusters || code > after[-1].last) return Cluster::kOther;
  return static_cast<Cluster>(after[-1].kind);
}

bool extends(Cluster kind) {
  return kind == Cluster::kExtend || kind == Cluster::kLinker || kind == Cluster::kJoiner;
}

/// What the rules remember of a cluster's characters so far.
struct ClusterSoFar {
  Cluster last = Cluster::kOther;
  size_t regionals = 0;     // at its end
  bool pictograph = false;  // then only what extends (GB11)
  bool consonant = false;   // then only what extends or links (GB9c)
  bool linked = false;      // … with a linker among them

  void take(Cluster kind) {
    regionals = kind == Cluster::kRegional ? regionals + 1 : 0;
    pictograph = kind == Cluster::kPictograph || (pictograph && extends(kind));
    linked = kind != Cluster::kConsonant && consonant &&
             (kind == Cluster::kLinker || (linked && extends(kind)));
    consonant = kind == Cluster::kConsonant || (consonant && extends(kind));
    last = kind;
  }

  /// Rules GB3 to GB13: whether `next` belongs to it.
  bool joins(Cluster next) const {
    using enum Cluster;
    if (last == kCr) return next == kLf;
    if (last == kLf || last == kControl || next == kCr || next == kLf || next == kControl) {
      return false;
    }
    if (extends(next) || next == kSpacingMark || last == kPrepend) return true;
    const bool vowel_follows = next == kVowel || next == kTrailing;
    if (last == kLeading) {
      return next == kLeading || next == kVowel || next == kLeadingVowel ||
             next == kLeadingVowelTrailing;
    }
    if (last == kLeadingVowel || last == kVowel) return vowel_follows;
    if (last == kLeadingVowelTrailing || last == kTrailing) return next == kTrailing;
    if (next == kConsonant && consonant && linked) return true;
    if (next == kPictograph && pictograph && last == kJoiner) return true;
    return next == kRegional && regionals % 2 == 1;
  }
};

}  // namespace

size_t cluster_length(std::string_view text) {
  Rune rune = rune_at(text, 0);
  ClusterSoFar cluster;
  cluster.take(cluster_of(rune.code));
  size_t at = rune.length;
  for (; at < text.size(); at += rune.length) {
    rune = rune_at(text, at);
    const Cluster kind = cluster_of(rune.code);
    if (!cluster.joins(kind)) break;
    cluster.take(kind);
  }
  return at;
}

}  // namespace freehold::model::unicode
