#include "model/grammar/json_pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "model/grammar/utf8_ranges.h"

namespace freehold::model {

namespace {

constexpr uint32_t kUnbounded = GrammarBuilder::kUnbounded;
constexpr uint64_t kEndless = UINT64_MAX;
constexpr size_t kGroupsMax = 32;
constexpr uint32_t kRepetitionsMax = 10'000;

uint64_t plus(uint64_t a, uint64_t b) { return a > kEndless - b ? kEndless : a + b; }
uint64_t times(uint64_t a, uint32_t b) {
  if (a == 0 || b == 0) return 0;
  return b == kUnbounded || a > kEndless / b ? kEndless : a * b;
}

using Ranges = std::vector<RuneRange>;

// ECMA-262, section 22.2.2.9: \d, \w and \s.
Ranges class_ranges(char letter) {
  switch (letter) {
    case 'd':
      return {{'0', '9'}};
    case 'w':
      return {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    default:
      return {{0x09, 0x0D},     {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680},
              {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
              {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  }
}

class PatternParser {
 public:
  PatternParser(GrammarBuilder& builder, JsonText& json, std::string_view source)
      : builder_(builder), json_(json), source_(source) {}

  Result<TextExpression> parse() {
    TextExpression whole = TRY(parse_choices(0));
    if (at_ < source_.size()) return error("a group is closed that was not opened");
    return whole;
  }

 private:
  bool at_end() const { return at_ >= source_.size(); }
  char peek() const { return at_end() ? '\0' : source_[at_]; }
  bool take(std::string_view text) {
    if (!source_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  Error error(std::string_view what) const {
    return {
        ErrorCode::kDamaged, fmt::format("the pattern {}: {}", base::printable(source_), what), {}};
  }
  Error refused(std::string_view what) const {
    return {ErrorCode::kRefused,
            fmt::format("the pattern {} has {}", base::printable(source_), what),
            "only what is regular can be made a grammar"};
  }

  TextExpression of_ranges(Ranges ranges) {
    if (ranges.empty()) return {builder_.never(), 1, 1};
    return {json_.character_of(merged(std::move(ranges))), 1, 1};
  }
  TextExpression anything() {
    const Ranges all{{0, 0x10FFFF}};
    return {builder_.repeat(json_.character_of(all), 0, kUnbounded), 0, kEndless};
  }
  TextExpression sequence(const std::vector<TextExpression>& parts) {
    TextExpression out;
    std::vector<GrammarBuilder::ExpressionId> ids;
    for (const TextExpression& part : parts) {
      ids.push_back(part.inside);
      out.characters_min = plus(out.characters_min, part.characters_min);
      out.characters_max = plus(out.characters_max, part.characters_max);
    }
    out.inside = builder_.sequence(std::move(ids));
    return out;
  }

  Result<TextExpression> parse_choices(size_t depth) {  // NOLINT(misc-no-recursion)
    if (depth > kGroupsMax) return refused(fmt::format("more than {} groups open", kGroupsMax));
    std::vector<GrammarBuilder::ExpressionId> ids;
    TextExpression out{{}, kEndless, 0};
    TextExpression only;
    do {
      const TextExpression part = TRY(parse_sequence(depth));
      only = part;
      ids.push_back(part.inside);
      out.characters_min = std::min(out.characters_min, part.characters_min);
      out.characters_max = std::max(out.characters_max, part.characters_max);
    } while (take("|"));
    if (ids.size() == 1) return only;
    out.inside = builder_.choice(std::move(ids));
    return out;
  }

  // Anchors count at the ends of the outermost alternatives only; elsewhere they are refused.
  Result<TextExpression> parse_sequence(size_t depth) {  // NOLINT(misc-no-recursion)
    std::vector<TextExpression> parts;
    const bool outer = depth == 0;
    bool ended = false;
    if (outer && !take("^")) parts.push_back(anything());
    while (!at_end() && peek() != '|' && peek() != ')') {
      if (ended) return refused("something behind $");
      if (peek() == '^') return refused("^ inside");
      if (take("$")) {
        if (!outer) return refused("$ inside a group");
        ended = true;
        continue;
      }
      const TextExpression atom = TRY(parse_atom(depth));
      parts.push_back(TRY(parse_repetition(atom)));
    }
    if (outer && !ended) parts.push_back(anything());
    if (parts.size() == 1) return parts[0];
    return sequence(parts);
  }

  Result<TextExpression> parse_atom(size_t depth) {  // NOLINT(misc-no-recursion)
    if (take("(")) {
      if (take("?:")) return close_group(TRY(parse_choices(depth + 1)));
      if (source_.substr(at_).starts_with("?<") && !source_.substr(at_).starts_with("?<=") &&
          !source_.substr(at_).starts_with("?<!")) {
        const size_t end = source_.find('>', at_);
        if (end == std::string_view::npos) return error("the name of a group is not closed");
        at_ = end + 1;
      } else if (peek() == '?') {
        return refused("look-around or modifiers");
      }
      return close_group(TRY(parse_choices(depth + 1)));
    }
    if (take("[")) return parse_set();
    if (take(".")) {
      return of_ranges(complement({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}));
    }
    if (peek() == '*' || peek() == '+' || peek() == '?') return error("there is nothing to repeat");
    return of_ranges(TRY(parse_character()));
  }

  Result<TextExpression> close_group(TextExpression group) {
    if (!take(")")) return error("a group is not closed");
    return group;
  }

  /// One character or one class, as the ranges it stands for.
  Result<Ranges> parse_character() {
    if (take("\\")) return parse_escape();
    const base::DecodedRune rune = base::decode_utf8(source_.substr(at_));
    at_ += rune.length;
    return Ranges{{rune.value, rune.value}};
  }

  Result<Ranges> parse_escape() {
    if (at_end()) return error("it ends with \\");
    const char c = source_[at_++];
    switch (c) {
      case 'd':
      case 'w':
      case 's':
        return class_ranges(c);
      case 'D':
      case 'W':
      case 'S':
        return complement(class_ranges(base::lower_case(c)));
      case 'n':
        return Ranges{{'\n', '\n'}};
      case 'r':
        return Ranges{{'\r', '\r'}};
      case 't':
        return Ranges{{'\t', '\t'}};
      case 'f':
        return Ranges{{'\f', '\f'}};
      case 'v':
        return Ranges{{'\v', '\v'}};
      case '0':
        return Ranges{{0, 0}};
      case 'x':
        return parse_hex(2);
      case 'u':
        return parse_hex(4);
      case 'b':
      case 'B':
        return refused("a word boundary");
      case 'p':
      case 'P':
        return refused("a Unicode property");
      default:
        break;
    }
    if (c >= '1' && c <= '9') return refused("a back reference");
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter) return refused(fmt::format("the escape \\{}", c));
    --at_;
    const base::DecodedRune rune = base::decode_utf8(source_.substr(at_));
    at_ += rune.length;
    return Ranges{{rune.value, rune.value}};
  }

  Result<Ranges> parse_hex(size_t digits) {
    const bool braces = digits == 4 && take("{");
    char32_t value = 0;
    size_t read = 0;
    for (; !at_end() && (braces ? read < 6 : read < digits); ++read, ++at_) {
      const char c = base::lower_case(peek());
      if (c >= '0' && c <= '9') {
        value = value * 16 + static_cast<char32_t>(c - '0');
      } else if (c >= 'a' && c <= 'f') {
        value = value * 16 + static_cast<char32_t>(c - 'a' + 10);
      } else {
        break;
      }
    }
    if (read == 0 || (!braces && read != digits) || (braces && !take("}"))) {
      return error("an escape lacks hexadecimal digits");
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
      return refused("half a surrogate pair");
    }
    return Ranges{{value, value}};
  }

  Result<TextExpression> parse_set() {
    const bool negated = take("^");
    Ranges ranges;
    const auto next = [&]() -> Result<Ranges> {
      if (take("\\b")) return Ranges{{'\b', '\b'}};
      return parse_character();
    };
    while (!take("]")) {
      if (at_end()) return error("a set is not closed");
      const Ranges low = TRY(next());
      const bool range = peek() == '-' && at_ + 1 < source_.size() && source_[at_ + 1] != ']';
      if (!range || low.size() != 1 || low[0].low != low[0].high) {
        ranges.insert(ranges.end(), low.begin(), low.end());
        continue;
      }
      ++at_;
      const Ranges high = TRY(next());
      if (high.size() != 1 || high[0].low < low[0].low || high[0].low != high[0].high) {
        return error("a range goes downwards, or ends with a class");
      }
      ranges.push_back({low[0].low, high[0].low});
    }
    return of_ranges(negated ? complement(std::move(ranges)) : std::move(ranges));
  }

  Result<TextExpression> parse_repetition(TextExpression atom) {
    uint32_t min = 1;
    uint32_t max = 1;
    if (take("*")) {
      min = 0;
      max = kUnbounded;
    } else if (take("+")) {
      max = kUnbounded;
    } else if (take("?")) {
      min = 0;
    } else if (peek() == '{' && at_ + 1 < source_.size() && source_[at_ + 1] >= '0' &&
               source_[at_ + 1] <= '9') {
      ++at_;
      min = max = TRY(parse_count());
      if (take(",")) max = peek() == '}' ? kUnbounded : TRY(parse_count());
      if (!take("}")) return error("a repetition is not closed");
      if (max < min) return error("a repetition's most is below its least");
    } else {
      return atom;
    }
    take("?");  // the shortest match first: the same strings
    TextExpression out{builder_.repeat(atom.inside, min, max), times(atom.characters_min, min),
                       times(atom.characters_max, max)};
    if (atom.characters_min == 1 && atom.characters_max == 1) out.unit = atom.inside;
    return out;
  }

  Result<uint32_t> parse_count() {
    uint32_t count = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_) {
      count = count * 10 + static_cast<uint32_t>(peek() - '0');
      if (count > kRepetitionsMax) {
        return refused(fmt::format("more than {} repetitions", kRepetitionsMax));
      }
    }
    return count;
  }

  GrammarBuilder& builder_;
  JsonText& json_;
  std::string_view source_;
  size_t at_ = 0;
};

#define FREEHOLD_DATE                                             \
  "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|" \
  "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8])))"
#define FREEHOLD_TIME                                                                              \
  "(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[" \
  "0-5][0-9]))"
#define FREEHOLD_BYTE "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define FREEHOLD_LABEL "[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?"

struct Format {
  std::string_view name;
  std::string_view pattern;
};

// RFC 3339 (29 February and leap seconds are left out), RFC 5321, RFC 1123, RFC 4122, RFC 2673,
// RFC 4291 (all eight groups, or what `::` leaves of them at the end), RFC 3986, RFC 6901.
constexpr Format kFormats[] = {
    {"date", "^" FREEHOLD_DATE "$"},
    {"time", "^" FREEHOLD_TIME "$"},
    {"date-time", "^" FREEHOLD_DATE "T" FREEHOLD_TIME "$"},
    {"duration", "^P(?:[0-9]{1,4}W|[0-9]{1,4}D(?:T[0-9]{1,4}H)?|T[0-9]{1,4}[HMS])$"},
    {"email", "^[a-z0-9_+-]{1,24}(?:\\.[a-z0-9_+-]{1,24}){0,2}@" FREEHOLD_LABEL
              "(?:\\." FREEHOLD_LABEL "){0,2}\\.[a-z]{2,10}$"},
    {"hostname", "^" FREEHOLD_LABEL "(?:\\." FREEHOLD_LABEL "){0,3}\\.[a-z]{2,10}$"},
    {"ipv4", "^(?:" FREEHOLD_BYTE "\\.){3}" FREEHOLD_BYTE "$"},
    {"ipv6", "^(?:(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|(?:[0-9a-f]{1,4}:){1,6}:[0-9a-f]{1,4})$"},
    {"uuid", "^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
    {"uri",
     "^[a-z][a-z0-9+.-]{1,9}://[a-z0-9]{1,20}(?:\\.[a-z0-9]{1,20}){0,3}(?::[1-9][0-9]{0,3})?"
     "(?:/[A-Za-z0-9_~.-]{0,40}){0,6}(?:\\?[A-Za-z0-9_=&.-]{0,60})?(?:#[A-Za-z0-9_-]{0,40})?$"},
    {"json-pointer", "^(?:/(?:[^/~]|~[01])*)*$"},
};

#undef FREEHOLD_DATE
#undef FREEHOLD_TIME
#undef FREEHOLD_BYTE
#undef FREEHOLD_LABEL

}  // namespace

Result<TextExpression> pattern_text(GrammarBuilder& builder, JsonText& json,
                                    std::string_view pattern) {
  return PatternParser(builder, json, pattern).parse();
}

std::optional<std::string_view> format_pattern(std::string_view format) {
  const auto* found = std::find_if(std::begin(kFormats), std::end(kFormats),
                                   [&](const Format& row) { return row.name == format; });
  if (found == std::end(kFormats)) return std::nullopt;
  return found->pattern;
}

}  // namespace freehold::model
