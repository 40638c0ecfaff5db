#pragma once
// Text helpers: UTF-8, numbers as people type them, sizes in binary units. No locale anywhere.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace freehold::base {

/// One decoded code point. `length` bytes were used (at least 1); `valid` is false where they are
/// not UTF-8 (then length is 1 and value the byte).
struct DecodedRune {
  char32_t value = 0;
  uint8_t length = 1;
  bool valid = false;
};

/// Decodes the code point at the start of `text`, which is not empty. Overlong forms, surrogates
/// and values above U+10FFFF are invalid (RFC 3629).
DecodedRune decode_utf8(std::string_view text);

/// Appends `rune` to `text` as UTF-8.
void append_utf8(std::string& text, char32_t rune);

/// How many bytes at the end of `text` begin a UTF-8 sequence that is not complete yet (0 to 3).
size_t incomplete_utf8_tail(std::string_view text);

/// "3G", "512M", "64K" or plain bytes to bytes (binary units).
Result<uint64_t> parse_size(std::string_view text);

/// Whole-string decimal numbers.
Result<int64_t> parse_integer(std::string_view text);
Result<double> parse_number(std::string_view text);

/// The shortest text that reads back as the same number.
std::string shortest(double value);
std::string shortest(float value);

/// 1234567 bytes as "1.2 MB" (decimal units, as drives and downloads count).
std::string human_bytes(uint64_t bytes);

/// Single-character edits between two short words (Levenshtein, 1966), for "did you mean".
size_t edit_distance(std::string_view a, std::string_view b);

/// Outside text for a terminal: in quotes, control characters and bytes that are not UTF-8 as \x1b,
/// cut with an ellipsis after `length_max` bytes.
std::string printable(std::string_view text, size_t length_max = 80);

/// ASCII letters in lower case; all else as it is.
char lower_case(char c);
std::string lower_case(std::string_view text);

/// `text` without the characters of `blanks` at its ends.
std::string_view trimmed(std::string_view text, std::string_view blanks);

/// Whole-string decimal number up to 2^64 - 1.
Result<uint64_t> parse_unsigned(std::string_view text);

/// Pieces of `text` between `separator`s; empty pieces kept.
std::vector<std::string_view> split(std::string_view text, char separator);

/// Bytes of base64 with the usual alphabet and padding (RFC 4648); nothing where it is not that.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace freehold::base
