#include "model/tokenizer/charsmap.h"

#include "base/bytes.h"
#include "base/text.h"

namespace freehold::model {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// A unit of the double array (Yata's darts-clone): the label and the leaf mark are compared at
// once.
bool has_leaf(uint32_t unit) { return ((unit >> 8) & 1u) != 0; }
uint32_t value_of(uint32_t unit) { return unit & 0x7FFFFFFFu; }
uint32_t label_of(uint32_t unit) { return unit & 0x800000FFu; }
uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }

}  // namespace

Result<Charsmap> Charsmap::create(std::string_view blob) {
  Charsmap map;
  if (blob.empty()) return map;
  const uint64_t trie_bytes = blob.size() < 4 ? 0 : base::load_le<uint32_t>(blob.data());
  if (blob.size() < 4 || trie_bytes % 4 != 0 || trie_bytes > blob.size() - 4 ||
      (trie_bytes < blob.size() - 4 && blob.back() != '\0')) {
    return Error{ErrorCode::kDamaged, "tokenizer: the character map's lengths do not fit",
                 "The file's vocabulary is not consistent; fetch the model again."};
  }
  map.units_.resize(trie_bytes / 4);
  for (size_t i = 0; i < map.units_.size(); ++i) {
    map.units_[i] = base::load_le<uint32_t>(blob.data() + 4 + 4 * i);
  }
  map.replacements_ = blob.substr(4 + trie_bytes);
  return map;
}

template <class Found>
void Charsmap::walk(std::string_view text, Found&& found) const {
  if (units_.empty()) return;
  size_t node = offset_of(units_[0]);
  for (size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<uint8_t>(text[at]);
    node ^= byte;
    if (byte == 0 || node >= units_.size() || label_of(units_[node]) != byte) return;
    const uint32_t unit = units_[node];
    node ^= offset_of(unit);
    if (node >= units_.size()) return;
    if (!has_leaf(unit)) continue;
    const uint32_t value = value_of(units_[node]);
    if (value < replacements_.size() && !found(at + 1, value)) return;
  }
}

std::optional<std::string_view> Charsmap::shortest(std::string_view text) const {
  std::optional<std::string_view> mapped;
  walk(text, [&](size_t, size_t value) {
    mapped = replacements_.c_str() + value;  // its NUL is there: checked above
    return false;
  });
  return mapped;
}

std::string_view Charsmap::first(std::string_view text, size_t& length) const {
  size_t found_bytes = 0;
  size_t found_at = 0;
  walk(text, [&](size_t bytes, size_t value) {
    found_bytes = bytes;
    found_at = value;
    return true;
  });
  if (found_bytes > 0) {
    length = found_bytes;
    return replacements_.c_str() + found_at;
  }
  const base::DecodedRune rune = base::decode_utf8(text.substr(0, 4));
  length = rune.valid ? rune.length : 1;
  return rune.valid ? text.substr(0, length) : kReplacement;
}

}  // namespace freehold::model
