#include "model/template/lexer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/template/value.h"

namespace freehold::model::jinja {
namespace {

bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }
bool is_name_start(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
         static_cast<uint8_t>(byte) >= 0x80;
}

/// Jinja splits lines at \r\n, \r and \n and joins them with \n; one newline at the end goes.
std::string with_plain_newlines(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t at = 0; at < source.size(); ++at) {
    if (source[at] == '\r') {
      if (at + 1 < source.size() && source[at + 1] == '\n') ++at;
      text.push_back('\n');
    } else {
      text.push_back(source[at]);
    }
  }
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : text_(source) {}

  Result<std::vector<Token>> run() {
    while (at_ < text_.size()) TRY(step());
    push(TokenKind::kEnd, {});
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return text_.substr(at_); }
  bool starts(std::string_view what) const { return rest().substr(0, what.size()) == what; }

  /// Moves forward and keeps line and column.
  void advance(size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) {
      if (text_[at_ + i] == '\n') {
        ++line_;
        line_start_ = at_ + i + 1;
      }
    }
    at_ += bytes;
  }
  uint32_t column() const { return static_cast<uint32_t>(at_ - line_start_ + 1); }
  void push(TokenKind kind, std::string text) {
    tokens_.push_back({kind, line_, column(), std::move(text)});
  }
  Error error(std::string_view what) const { return syntax_error(line_, column(), what); }

  /// Text up to the next delimiter, and what the delimiter begins.
  Status step() {
    size_t begin = at_;
    while (begin + 1 < text_.size()) {
      begin = text_.find('{', begin);
      if (begin == std::string_view::npos || begin + 1 >= text_.size()) break;
      const char next = text_[begin + 1];
      if (next == '{' || next == '%' || next == '#') break;
      ++begin;
    }
    if (begin == std::string_view::npos || begin + 1 >= text_.size()) {
      add_data(rest());
      advance(text_.size() - at_);
      return {};
    }
    const char opener = text_[begin + 1];
    const char sign = begin + 2 < text_.size() ? text_[begin + 2] : '\0';
    add_data(before_tag(text_.substr(at_, begin - at_), sign, opener));
    advance(begin - at_);
    const size_t opener_bytes = sign == '-' || sign == '+' ? 3 : 2;
    if (opener == '#') return skip_comment(opener_bytes);
    if (opener == '%' && is_raw(opener_bytes)) return take_raw(opener_bytes);
    push(opener == '{' ? TokenKind::kPrintBegin : TokenKind::kBlockBegin, {});
    advance(opener_bytes);
    return take_tag(opener == '{');
  }

  /// {%- strips all white space before it; {% what is before it on its line, if only white space.
  std::string_view before_tag(std::string_view data, char sign, char opener) const {
    if (sign == '-') return strip(data, {}, false, true);
    if (sign == '+' || opener == '{') return data;
    const size_t newline = data.rfind('\n');
    if (newline == std::string_view::npos && !line_starting_) return data;
    const size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    return strip(data.substr(line), {}, true, false).empty() ? data.substr(0, line) : data;
  }

  void add_data(std::string_view data) {
    if (!data.empty()) push(TokenKind::kData, std::string(data));
  }

  /// Behind a tag's end: -%} takes all white space, %} one newline, }} nothing.
  void after_tag(bool strip_all, bool trim_newline) {
    const size_t start = at_;
    if (strip_all) {
      const std::string_view left = strip(rest(), {}, true, false);
      advance(rest().size() - left.size());
    } else if (trim_newline && starts("\n")) {
      advance(1);
    }
    line_starting_ = at_ > start && text_[at_ - 1] == '\n';
  }

  Status skip_comment(size_t opener_bytes) {
    const size_t end = text_.find("#}", at_ + opener_bytes);
    if (end == std::string_view::npos) return error("a comment has no end");
    const char sign = end > at_ + opener_bytes - 1 ? text_[end - 1] : '\0';
    advance(end + 2 - at_);
    after_tag(sign == '-', sign != '+');
    return {};
  }

  /// Length of `name` as a whole tag from `at`, "{% raw %}" without its opener; 0 where it is not.
  size_t raw_tag(size_t at, std::string_view name, char* end_sign) const {
    const size_t start = at;
    while (at < text_.size() && is_python_space(static_cast<uint8_t>(text_[at]))) ++at;
    if (text_.substr(at, name.size()) != name) return 0;
    at += name.size();
    while (at < text_.size() && is_python_space(static_cast<uint8_t>(text_[at]))) ++at;
    *end_sign = at < text_.size() ? text_[at] : '\0';
    if (*end_sign == '-' || *end_sign == '+') ++at;
    return text_.substr(at, 2) == "%}" ? at + 2 - start : 0;
  }
  bool is_raw(size_t opener_bytes) const {
    char sign = '\0';
    return raw_tag(at_ + opener_bytes, "raw", &sign) != 0;
  }
  Status take_raw(size_t opener_bytes) {
    char sign = '\0';
    advance(opener_bytes + raw_tag(at_ + opener_bytes, "raw", &sign));
    after_tag(sign == '-', sign != '+');
    for (size_t end = text_.find("{%", at_); end != std::string_view::npos;
         end = text_.find("{%", end + 1)) {
      const char begin_sign = end + 2 < text_.size() ? text_[end + 2] : '\0';
      const size_t opener = begin_sign == '-' || begin_sign == '+' ? 3 : 2;
      const size_t length = raw_tag(end + opener, "endraw", &sign);
      if (length == 0) continue;
      add_data(before_tag(text_.substr(at_, end - at_), begin_sign, '%'));
      advance(end + opener + length - at_);
      after_tag(sign == '-', sign != '+');
      return {};
    }
    return error("{% raw %} has no {% endraw %}");
  }

  /// Tokens inside {{ }} or {% %}, its end included.
  Status take_tag(bool print) {
    const std::string_view end = print ? "}}" : "%}";
    std::string open;  // brackets that wait for their end
    while (at_ < text_.size()) {
      if (open.empty() && take_end(print, end)) return {};
      const char byte = text_[at_];
      if (is_python_space(static_cast<uint8_t>(byte))) {
        advance(1);
      } else if (byte == '"' || byte == '\'') {
        TRY(take_string(byte));
      } else if (is_digit(byte)) {
        take_number();
      } else if (is_name_start(byte)) {
        size_t length = 1;
        while (at_ + length < text_.size() &&
               (is_name_start(text_[at_ + length]) || is_digit(text_[at_ + length]))) {
          ++length;
        }
        push(TokenKind::kName, std::string(rest().substr(0, length)));
        advance(length);
      } else {
        TRY(take_operator(open));
      }
    }
    return error(print ? "{{ has no }}" : "{% has no %}");
  }

  bool take_end(bool print, std::string_view end) {
    const bool signed_end = (starts("-") || (!print && starts("+"))) && at_ + 1 < text_.size() &&
                            text_.substr(at_ + 1, 2) == end;
    if (!signed_end && !starts(end)) return false;
    const char sign = signed_end ? text_[at_] : '\0';
    push(print ? TokenKind::kPrintEnd : TokenKind::kBlockEnd, {});
    advance(end.size() + (signed_end ? 1 : 0));
    after_tag(sign == '-', !print && sign != '+');
    return true;
  }

  Status take_operator(std::string& open) {
    constexpr std::string_view kTwo[] = {"//", "**", "==", "!=", ">=", "<="};
    constexpr std::string_view kOne = "+-/*%~[](){}<>=.:|,;";
    for (const std::string_view two : kTwo) {
      if (!starts(two)) continue;
      push(TokenKind::kOperator, std::string(two));
      advance(2);
      return {};
    }
    const char byte = text_[at_];
    if (kOne.find(byte) == std::string_view::npos) {
      return error(fmt::format("unexpected character '{}'", byte));
    }
    if (byte == '(' || byte == '[' || byte == '{') open.push_back(byte);
    if (byte == ')' || byte == ']' || byte == '}') {
      const char opener = byte == ')' ? '(' : byte == ']' ? '[' : '{';
      if (open.empty() || open.back() != opener) return error(fmt::format("unexpected '{}'", byte));
      open.pop_back();
    }
    push(TokenKind::kOperator, std::string(1, byte));
    advance(1);
    return {};
  }

  void take_number() {
    const auto digits = [&](size_t from) {
      while (from < text_.size() && (is_digit(text_[from]) || text_[from] == '_')) ++from;
      return from;
    };
    size_t end = digits(at_);
    bool real = false;
    if (end + 1 < text_.size() && text_[end] == '.' && is_digit(text_[end + 1])) {
      end = digits(end + 1);
      real = true;
    }
    if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
      size_t exponent = end + 1;
      if (exponent < text_.size() && (text_[exponent] == '+' || text_[exponent] == '-')) ++exponent;
      if (exponent < text_.size() && is_digit(text_[exponent])) {
        end = digits(exponent);
        real = true;
      }
    }
    std::string number(text_.substr(at_, end - at_));
    number.erase(std::remove(number.begin(), number.end(), '_'), number.end());
    push(real ? TokenKind::kFloat : TokenKind::kInteger, std::move(number));
    advance(end - at_);
  }

  Status take_string(char quote) {
    std::string value;
    size_t at = at_ + 1;
    for (; at < text_.size() && text_[at] != quote; ++at) {
      if (text_[at] != '\\') {
        value.push_back(text_[at]);
        continue;
      }
      if (++at >= text_.size()) break;
      TRY(unescape(at, value));
    }
    if (at >= text_.size()) return error("a string has no end");
    push(TokenKind::kString, std::move(value));
    advance(at + 1 - at_);
    return {};
  }

  /// The escape at `at`, behind its backslash; leaves `at` on its last byte. Python's rules.
  Status unescape(size_t& at, std::string& value) {
    constexpr std::string_view kFrom = "abfnrtv\\'\"";
    constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\'\"";
    const char byte = text_[at];
    if (const size_t found = kFrom.find(byte); found != std::string_view::npos) {
      value.push_back(kTo[found]);
      return {};
    }
    if (byte == '\n') return {};
    const size_t hex = byte == 'x' ? 2 : byte == 'u' ? 4 : byte == 'U' ? 8 : 0;
    if (hex != 0) {
      char32_t code = 0;
      for (size_t i = 1; i <= hex; ++i) {
        const char digit = at + i < text_.size() ? text_[at + i] : '\0';
        const int number = is_digit(digit)                ? digit - '0'
                           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
                           : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                                          : -1;
        if (number < 0) return error("a string has a broken escape");
        code = code * 16 + static_cast<char32_t>(number);
      }
      if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
        return error("a string names a code point that is not a character");
      }
      base::append_utf8(value, code);
      at += hex;
      return {};
    }
    if (byte >= '0' && byte <= '7') {
      char32_t code = 0;
      size_t length = 0;
      while (length < 3 && at + length < text_.size() && text_[at + length] >= '0' &&
             text_[at + length] <= '7') {
        code = code * 8 + static_cast<char32_t>(text_[at + length++] - '0');
      }
      base::append_utf8(value, code);
      at += length - 1;
      return {};
    }
    value.push_back('\\');
    value.push_back(byte);
    return {};
  }

  std::string_view text_;
  size_t at_ = 0, line_start_ = 0;
  uint32_t line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

Error syntax_error(uint32_t line, uint32_t column, std::string_view what) {
  return Error{ErrorCode::kDamaged,
               fmt::format("chat template, line {}, column {}: {}", line, column, what),
               "Give a template of your own, or use raw text."};
}

Result<std::vector<Token>> tokenize(std::string_view source) {
  const std::string text = with_plain_newlines(source);
  return Lexer(text).run();
}

}  // namespace freehold::model::jinja
