// str.upper() and str.lower() for the letters whose case is an offset or a pair: ASCII, Latin-1,
// Latin Extended-A, Greek, Cyrillic, Armenian, full-width. Others stay as they are.

#include "base/text.h"
#include "model/template/runtime.h"

namespace freehold::model::jinja {
namespace {

/// A stretch of code points: `first`…`last`, whose other case is `offset` away; pairs: even and odd
/// neighbours (or odd and even) are upper and lower.
struct CaseRange {
  char32_t first, last;
  int32_t offset;
};

// From UnicodeData.txt, simple mappings, upper case ranges.
constexpr CaseRange kUpperRanges[] = {
    {'A', 'Z', 32},         {0xC0, 0xD6, 32},     {0xD8, 0xDE, 32},     {0x386, 0x386, 38},
    {0x388, 0x38A, 37},     {0x38C, 0x38C, 64},   {0x38E, 0x38F, 63},   {0x391, 0x3A1, 32},
    {0x3A3, 0x3AB, 32},     {0x400, 0x40F, 80},   {0x410, 0x42F, 32},   {0x531, 0x556, 48},
    {0x178, 0x178, -121},   {0x2160, 0x216F, 16}, {0x24B6, 0x24CF, 26}, {0xFF21, 0xFF3A, 32},
    {0x10400, 0x10427, 40},
};
struct PairRange {
  char32_t first, last;  // first is upper case, first + 1 its lower case, and so on
};
constexpr PairRange kPairs[] = {
    {0x100, 0x12F},   {0x132, 0x137},   {0x139, 0x148}, {0x14A, 0x177}, {0x179, 0x17E},
    {0x1CD, 0x1DC},   {0x1DE, 0x1EF},   {0x1F8, 0x21F}, {0x222, 0x233}, {0x370, 0x373},
    {0x3D8, 0x3EF},   {0x460, 0x481},   {0x48A, 0x4BF}, {0x4C1, 0x4CE}, {0x4D0, 0x52F},
    {0x1E00, 0x1E95}, {0x1EA0, 0x1EFF},
};

char32_t lower_of(char32_t code) {
  for (const CaseRange& range : kUpperRanges) {
    if (code >= range.first && code <= range.last) {
      return static_cast<char32_t>(static_cast<int32_t>(code) + range.offset);
    }
  }
  for (const PairRange& range : kPairs) {
    if (code >= range.first && code <= range.last) {
      return (code - range.first) % 2 == 0 ? code + 1 : code;
    }
  }
  return code;
}

char32_t upper_of(char32_t code) {
  if (code == 0xB5) return 0x39C;   // micro sign
  if (code == 0x3C2) return 0x3A3;  // final sigma
  if (code == 0x131) return 'I';
  if (code == 0x17F) return 'S';
  for (const CaseRange& range : kUpperRanges) {
    const auto upper = static_cast<char32_t>(static_cast<int32_t>(code) - range.offset);
    if (upper >= range.first && upper <= range.last) return upper;
  }
  for (const PairRange& range : kPairs) {
    if (code >= range.first && code <= range.last) {
      return (code - range.first) % 2 == 1 ? code - 1 : code;
    }
  }
  return code;
}

}  // namespace

std::string to_upper(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const base::DecodedRune rune = base::decode_utf8(text.substr(at, 4));
    if (!rune.valid) {
      out.push_back(text[at]);
    } else if (rune.value == 0xDF) {
      out += "SS";
    } else {
      base::append_utf8(out, upper_of(rune.value));
    }
    at += rune.length;
  }
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const base::DecodedRune rune = base::decode_utf8(text.substr(at, 4));
    if (!rune.valid) {
      out.push_back(text[at]);
    } else if (rune.value == 0x130) {
      out += "i\u0307";
    } else {
      base::append_utf8(out, lower_of(rune.value));
    }
    at += rune.length;
  }
  return out;
}

}  // namespace freehold::model::jinja
