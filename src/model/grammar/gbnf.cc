#include "model/grammar/gbnf.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/grammar/utf8_ranges.h"

namespace freehold::model {

namespace {

using ExpressionId = GrammarBuilder::ExpressionId;
using RuleId = GrammarBuilder::RuleId;

constexpr size_t kSourceBytesMax = 1u << 20;
constexpr size_t kGroupsMax = 64;  // in each other
constexpr uint32_t kRepetitionsMax = 100'000;

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

class GbnfParser {
 public:
  explicit GbnfParser(std::string_view source) : source_(source) {}

  Result<Grammar> parse() {
    skip_space(Lines::kMany);
    while (!at_end()) {
      TRY(parse_rule());
      skip_space(Lines::kMany);
    }
    const RuleId root = builder_.rule("root");
    if (!builder_.defined(root)) {
      return Error{ErrorCode::kDamaged, "the grammar has no rule named root",
                   "name the rule that a whole answer follows root"};
    }
    return builder_.build(root);
  }

 private:
  enum class Lines { kOne, kMany };

  bool at_end() const { return at_ >= source_.size(); }
  char peek(size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }
  bool take(std::string_view wanted) {
    if (!source_.substr(at_).starts_with(wanted)) return false;
    at_ += wanted.size();
    return true;
  }

  Error error(std::string_view what, std::string hint = {}) const {
    const std::string_view before = source_.substr(0, at_);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const size_t start = before.rfind('\n') + 1;  // 0 where there is none
    return {ErrorCode::kDamaged,
            fmt::format("the grammar, line {}, column {}: {}", line, at_ - start + 1, what),
            std::move(hint)};
  }

  void skip_space(Lines lines) {
    while (!at_end()) {
      const char c = peek();
      if (c == '#') {
        while (!at_end() && peek() != '\n' && peek() != '\r') ++at_;
      } else if (c == ' ' || c == '\t' || (lines == Lines::kMany && (c == '\n' || c == '\r'))) {
        ++at_;
      } else {
        return;
      }
    }
  }

  Result<std::string_view> parse_name() {
    const size_t begin = at_;
    while (is_name_char(peek())) ++at_;
    if (at_ == begin) return error("the name of a rule is missing");
    return source_.substr(begin, at_ - begin);
  }

  Status parse_rule() {
    const std::string_view name = TRY(parse_name());
    skip_space(Lines::kOne);
    if (!take("::=")) return error("::= is missing behind the name of a rule");
    skip_space(Lines::kMany);
    const RuleId rule = builder_.rule(name);
    if (builder_.defined(rule)) {
      return error(fmt::format("the rule {} is defined twice", base::printable(name)));
    }
    builder_.define(rule, TRY(parse_alternatives(0)));
    if (at_end() || peek() == '\n' || peek() == '\r') return {};
    return error(fmt::format("{} cannot stand here", base::printable(source_.substr(at_, 1))),
                 "a rule ends with its line, unless a group is open");
  }

  Result<ExpressionId> parse_alternatives(size_t depth) {
    std::vector<ExpressionId> alternatives;
    do {
      skip_space(Lines::kMany);
      alternatives.push_back(TRY(parse_sequence(depth)));
    } while (take("|"));
    return alternatives.size() == 1 ? alternatives[0] : builder_.choice(std::move(alternatives));
  }

  Result<ExpressionId> parse_sequence(size_t depth) {
    std::vector<ExpressionId> parts;
    const Lines lines = depth > 0 ? Lines::kMany : Lines::kOne;
    for (;; skip_space(lines)) {
      const char c = peek();
      const bool begins =
          c == '"' || c == '[' || c == '.' || c == '(' || c == '<' || is_name_char(c);
      if (begins) {
        parts.push_back(TRY(parse_symbol(depth)));
      } else if (c == '*' || c == '+' || c == '?' || c == '{') {
        if (parts.empty()) return error("there is nothing to repeat");
        parts.back() = TRY(parse_repetition(parts.back()));
      } else {
        break;
      }
    }
    return parts.size() == 1 ? parts[0] : builder_.sequence(std::move(parts));
  }

  Result<ExpressionId> parse_symbol(size_t depth) {
    if (take("\"")) return parse_text();
    if (take("[")) return parse_set();
    if (take(".")) return builder_.runes(complement({}));
    if (peek() == '<') return parse_mark();
    if (!take("(")) return builder_.call(builder_.rule(TRY(parse_name())));
    if (depth >= kGroupsMax) return error(fmt::format("more than {} open groups", kGroupsMax));
    const ExpressionId group = TRY(parse_alternatives(depth + 1));
    skip_space(Lines::kMany);
    if (!take(")")) return error("a group is not closed", "write )");
    return group;
  }

  Result<ExpressionId> parse_mark() {
    const size_t end = source_.find('>', at_);
    const std::string_view mark =
        source_.substr(at_, end == std::string_view::npos ? 0 : end + 1 - at_);
    const bool odd = mark.size() < 3 || mark[1] == '[' ||
                     std::any_of(mark.begin(), mark.end(), [](char c) { return c <= ' '; });
    if (odd) {
      return error("a token stands here that is not <its text>",
                   "write the text of a control token in angle brackets, as in <|python_tag|>");
    }
    at_ = end + 1;
    return builder_.mark(mark);
  }

  Result<ExpressionId> parse_text() {
    std::string text;
    while (!take("\"")) {
      if (at_end()) return error("a text is not closed", "write \"");
      base::append_utf8(text, TRY(parse_rune()));
    }
    return builder_.text(text);
  }

  Result<ExpressionId> parse_set() {
    const bool negated = take("^");
    std::vector<RuneRange> ranges;
    while (!take("]")) {
      if (at_end()) return error("a set is not closed", "write ]");
      const char32_t low = TRY(parse_rune());
      char32_t high = low;
      if (peek() == '-' && peek(1) != ']') {
        ++at_;
        if (at_end()) return error("a set is not closed", "write ]");
        high = TRY(parse_rune());
      }
      if (high < low) return error("a range goes downwards", "write the lower end first");
      ranges.push_back({low, high});
    }
    return builder_.runes(negated ? complement(std::move(ranges)) : merged(std::move(ranges)));
  }

  Result<char32_t> parse_rune() {
    const base::DecodedRune rune = base::decode_utf8(source_.substr(at_));
    if (!rune.valid) return error("this is not UTF-8");
    if (rune.value != '\\') {
      at_ += rune.length;
      return rune.value;
    }
    const char kind = peek(1);
    at_ += 2;
    switch (kind) {
      case 'n':
        return U'\n';
      case 'r':
        return U'\r';
      case 't':
        return U'\t';
      case 'x':
        return parse_hex(2);
      case 'u':
        return parse_hex(4);
      case 'U':
        return parse_hex(8);
      default:
        break;
    }
    constexpr std::string_view kThemselves = "\\\"[]-^";
    if (kind != '\0' && kThemselves.find(kind) != std::string_view::npos) {
      return static_cast<char32_t>(kind);
    }
    at_ -= 2;
    return error("there is no such escape",
                 "\\n \\r \\t \\\\ \\\" \\[ \\] \\x41 \\u0041 \\U00000041");
  }

  Result<char32_t> parse_hex(size_t digits) {
    uint64_t value = 0;
    for (size_t i = 0; i < digits; ++i, ++at_) {
      const char c = base::lower_case(peek());
      const bool decimal = c >= '0' && c <= '9';
      if (!decimal && !(c >= 'a' && c <= 'f')) {
        return error(fmt::format("an escape needs {} hexadecimal digits", digits));
      }
      value = value * 16 + static_cast<uint64_t>(decimal ? c - '0' : c - 'a' + 10);
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
      return error("an escape names no code point");
    }
    return static_cast<char32_t>(value);
  }

  Result<ExpressionId> parse_repetition(ExpressionId part) {
    if (take("*")) return builder_.repeat(part, 0, GrammarBuilder::kUnbounded);
    if (take("+")) return builder_.repeat(part, 1, GrammarBuilder::kUnbounded);
    if (take("?")) return builder_.repeat(part, 0, 1);
    take("{");
    skip_space(Lines::kOne);
    const uint32_t min = TRY(parse_count());
    uint32_t max = min;
    skip_space(Lines::kOne);
    if (take(",")) {
      skip_space(Lines::kOne);
      max = peek() == '}' ? GrammarBuilder::kUnbounded : TRY(parse_count());
      skip_space(Lines::kOne);
    }
    if (!take("}")) return error("a repetition is not closed", "as in {2,5}");
    if (max < min) return error("a repetition's most is below its least", "as in {2,5}");
    return builder_.repeat(part, min, max);
  }

  Result<uint32_t> parse_count() {
    uint32_t count = 0;
    const size_t begin = at_;
    for (; peek() >= '0' && peek() <= '9'; ++at_) {
      count = count * 10 + static_cast<uint32_t>(peek() - '0');
      if (count > kRepetitionsMax) {
        return error(fmt::format("more than {} repetitions", kRepetitionsMax));
      }
    }
    if (at_ == begin) return error("a number of repetitions is missing", "as in {2,5}");
    return count;
  }

  std::string_view source_;
  size_t at_ = 0;
  GrammarBuilder builder_;
};

}  // namespace

Result<Grammar> parse_gbnf(std::string_view source) {
  if (source.size() > kSourceBytesMax) {
    return Error{ErrorCode::kRefused,
                 fmt::format("the grammar has {}; at most {} are read",
                             base::human_bytes(source.size()), base::human_bytes(kSourceBytesMax)),
                 {}};
  }
  return GbnfParser(source).parse();
}

}  // namespace freehold::model
