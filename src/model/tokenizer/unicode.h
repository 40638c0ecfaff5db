#pragma once
// What tokenizers ask of Unicode 16.0: general categories as bits, white space, NFC and clusters.
// Pure functions over generated tables; any thread.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/text.h"
#include "model/tokenizer/unicode_tables.h"

namespace freehold::model::unicode {

/// Bits of a code point's class. Lm and Lo are letters with neither case bit.
enum Class : uint8_t {
  kLetter = 1,       ///< L
  kMark = 2,         ///< M
  kNumber = 4,       ///< N
  kPunctuation = 8,  ///< P
  kSymbol = 16,      ///< S
  kSpace = 32,       ///< White_Space, what \s means
  kUpper = 64,       ///< Lu, Lt
  kLower = 128       ///< Ll
};

/// Class bits of `code`; 0 for what is none of them (controls, unassigned, surrogates, beyond).
inline uint8_t class_of(char32_t code) {
  if (code >= 0x110000) return 0;
  return kClassBlocks[kClassIndex[code / kClassBlock] * kClassBlock + code % kClassBlock];
}

/// One code point of a text and its class. A byte that is not UTF-8 counts as U+FFFD (a symbol)
/// of length 1, so every text has one defined reading.
struct Rune {
  char32_t code = 0;
  uint8_t bits = 0;
  uint8_t length = 1;

  bool is(uint8_t classes) const { return (bits & classes) != 0; }
};

/// The code point at `position`, which is inside `text`.
inline Rune rune_at(std::string_view text, size_t position) {
  const auto byte = static_cast<uint8_t>(text[position]);
  if (byte < 0x80) return {byte, kClassBlocks[kClassIndex[0] * kClassBlock + byte], 1};
  const base::DecodedRune decoded = base::decode_utf8(text.substr(position, 4));
  if (!decoded.valid) return {0xFFFD, kSymbol, 1};
  return {decoded.value, class_of(decoded.value), decoded.length};
}

/// Nd: a digit of a positional system (not Ⅷ, ½ or ²).
bool is_decimal(char32_t code);
/// Pc: what joins words as an underscore does.
bool is_connector(char32_t code);

/// Normalization form C (UAX #15). Bytes that are not UTF-8 stay as they are and separate what is
/// around them. Linear in the text, apart from sorting runs of combining marks.
std::string to_nfc(std::string_view text);

/// True where to_nfc would surely change nothing (no byte of 0xC3 or above); cheap.
bool is_surely_nfc(std::string_view text);

/// Bytes of the first extended grapheme cluster of `text`, which is not empty (UAX #29).
size_t cluster_length(std::string_view text);

}  // namespace freehold::model::unicode
