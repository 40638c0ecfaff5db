#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace freehold::base {

namespace {

bool is_continuation(char byte) { return (static_cast<uint8_t>(byte) & 0xC0u) == 0x80u; }

/// Bytes a sequence should have by its first byte; 0 where no sequence starts so.
uint8_t sequence_length(uint8_t first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return 2;
  if (first >= 0xE0 && first <= 0xEF) return 3;
  if (first >= 0xF0 && first <= 0xF4) return 4;
  return 0;
}

template <class Number>
Result<Number> parse_whole(std::string_view text, const char* kind) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) {
    return Error{ErrorCode::kUsage, fmt::format("'{}' is not {}", text, kind), {}};
  }
  return value;
}

template <class Number>
std::string shortest_of(Number value) {
  char buffer[64];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value);
  CHECK(error == std::errc{});
  return std::string(buffer, end);
}

}  // namespace

DecodedRune decode_utf8(std::string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  const uint8_t length = sequence_length(first);
  const DecodedRune invalid{first, 1, false};
  if (length == 0 || text.size() < length) return invalid;
  if (length == 1) return {first, 1, true};
  char32_t value = first & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if (!is_continuation(text[i])) return invalid;
    value = (value << 6) | (static_cast<uint8_t>(text[i]) & 0x3Fu);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (overlong || surrogate || value > 0x10FFFF) return invalid;
  return {value, length, true};
}

void append_utf8(std::string& text, char32_t rune) {
  const auto put = [&text](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (rune < 0x80) {
    put(rune);
  } else if (rune < 0x800) {
    put(0xC0 | (rune >> 6));
    put(0x80 | (rune & 0x3F));
  } else if (rune < 0x10000) {
    put(0xE0 | (rune >> 12));
    put(0x80 | ((rune >> 6) & 0x3F));
    put(0x80 | (rune & 0x3F));
  } else {
    put(0xF0 | (rune >> 18));
    put(0x80 | ((rune >> 12) & 0x3F));
    put(0x80 | ((rune >> 6) & 0x3F));
    put(0x80 | (rune & 0x3F));
  }
}

size_t incomplete_utf8_tail(std::string_view text) {
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const char byte = text[text.size() - back];
    if (is_continuation(byte)) continue;
    return sequence_length(static_cast<uint8_t>(byte)) > back ? back : 0;
  }
  return 0;
}

Result<uint64_t> parse_size(std::string_view text) {
  const Error bad{ErrorCode::kUsage, fmt::format("'{}' is not a size", text),
                  "write plain bytes, or a number with K, M, G or T (binary units), as in 3G"};
  if (text.empty()) return bad;
  uint64_t unit = 1;
  std::string_view digits = text;
  switch (text.back()) {
    case 'K':
    case 'k':
      unit = 1ull << 10;
      break;
    case 'M':
    case 'm':
      unit = 1ull << 20;
      break;
    case 'G':
    case 'g':
      unit = 1ull << 30;
      break;
    case 'T':
    case 't':
      unit = 1ull << 40;
      break;
    default:
      break;
  }
  if (unit != 1) digits.remove_suffix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number,
                                            std::chars_format::fixed);
  if (error != std::errc{} || end != digits.data() + digits.size()) return bad;
  const double bytes = number * static_cast<double>(unit);
  if (!(bytes >= 0) || bytes > 0x1p62) return bad;
  return static_cast<uint64_t>(bytes);
}

Result<int64_t> parse_integer(std::string_view text) {
  return parse_whole<int64_t>(text, "a whole number");
}

Result<double> parse_number(std::string_view text) { return parse_whole<double>(text, "a number"); }

std::string shortest(double value) { return shortest_of(value); }
std::string shortest(float value) { return shortest_of(value); }

std::string human_bytes(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 999.95 && unit < 5) {
    value /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string printable(std::string_view text, size_t length_max) {
  std::string out = "'";
  while (!text.empty()) {
    if (out.size() > length_max) {
      out += "…";
      break;
    }
    const DecodedRune rune = decode_utf8(text);
    const bool control = rune.value < 0x20 || (rune.value >= 0x7F && rune.value < 0xA0);
    if (rune.valid && !control) {
      out += text.substr(0, rune.length);
    } else {
      for (const char byte : text.substr(0, rune.length)) {
        out += fmt::format("\\x{:02x}", static_cast<uint8_t>(byte));
      }
    }
    text.remove_prefix(rune.length);
  }
  return out + "'";
}

Result<uint64_t> parse_unsigned(std::string_view text) {
  return parse_whole<uint64_t>(text, "a whole number from 0 to 2^64 - 1");
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  while (true) {
    const size_t at = text.find(separator);
    pieces.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return pieces;
    text.remove_prefix(at + 1);
  }
}

char lower_case(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = lower_case(c);
  return lower;
}

std::string_view trimmed(std::string_view text, std::string_view blanks) {
  const size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  uint32_t group = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    constexpr std::string_view kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t left = text.size() - at;
    const bool padding = text[at] == '=' && (left == 1 || (left == 2 && text[at + 1] == '='));
    const size_t value = padding ? 0 : kAlphabet.find(text[at]);
    if (value == std::string_view::npos) return std::nullopt;
    group = (group << 6) | static_cast<uint32_t>(value);
    if (at % 4 != 3) continue;
    for (const int shift : {16, 8, 0}) bytes.push_back(static_cast<char>((group >> shift) & 0xFF));
    group = 0;
  }
  if (text.ends_with("==")) {
    bytes.resize(bytes.size() - 2);
  } else if (text.ends_with('=')) {
    bytes.resize(bytes.size() - 1);
  }
  return bytes;
}

}  // namespace freehold::base
