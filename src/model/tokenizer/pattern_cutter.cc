#include "model/tokenizer/pattern_cutter.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/text.h"

namespace freehold::model {

namespace {

/// Steps of one match: thousands for any word, and far from a second for an expression that
/// explodes.
constexpr uint32_t kMatchLimit = 1'000'000;
constexpr uint32_t kDepthLimit = 10'000;
constexpr uint32_t kHeapLimit_KiB = 16 * 1024;
constexpr uint32_t kNestingLimit = 100;  // of brackets in an expression

pcre2_code* as_code(void* code) { return static_cast<pcre2_code*>(code); }

}  // namespace

PatternRules::PatternRules(std::vector<std::string> expressions)
    : expressions_(std::move(expressions)) {}

PatternRules::~PatternRules() {
  for (void* code : compiled_) pcre2_code_free(as_code(code));
}

Result<std::shared_ptr<const PatternRules>> PatternRules::create(
    std::vector<std::string> expressions) {
  if (expressions.empty() || expressions.size() > kStagesMax) {
    return Error{ErrorCode::kRefused,
                 fmt::format("tokenizer: {} expressions, more than the limit of {}",
                             expressions.size(), kStagesMax),
                 {}};
  }
  const auto rules = std::make_shared<PatternRules>(std::move(expressions));
  pcre2_compile_context* const context = pcre2_compile_context_create(nullptr);
  CHECK(context != nullptr);
  pcre2_set_parens_nest_limit(context, kNestingLimit);
  pcre2_set_max_pattern_length(context, kPatternBytesMax);
  int error = 0;
  PCRE2_SIZE where = 0;
  for (const std::string& expression : rules->expressions_) {
    pcre2_code* const code =
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(),
                      PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF, &error, &where, context);
    if (code == nullptr) break;
    rules->compiled_.push_back(code);
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where it cannot, matching only takes longer
  }
  pcre2_compile_context_free(context);
  if (rules->compiled_.size() == rules->expressions_.size()) {
    return std::shared_ptr<const PatternRules>(rules);
  }
  std::array<PCRE2_UCHAR, 256> words{};
  pcre2_get_error_message(error, words.data(), words.size());
  return Error{ErrorCode::kRefused,
               fmt::format("tokenizer: PCRE2 does not take the expression {}: {} at byte {}",
                           base::printable(rules->expressions_[rules->compiled_.size()]),
                           reinterpret_cast<const char*>(words.data()), where),
               "Text would be cut into other tokens than the model was trained on."};
}

PatternCutter::PatternCutter(const PatternRules& rules, std::string_view text)
    : rules_(rules), text_(text) {
  match_ = pcre2_match_data_create(1, nullptr);
  auto* const limits = pcre2_match_context_create(nullptr);
  CHECK(match_ != nullptr && limits != nullptr);
  limits_ = limits;
  pcre2_set_match_limit(limits, kMatchLimit);
  pcre2_set_depth_limit(limits, kDepthLimit);
  pcre2_set_heap_limit(limits, kHeapLimit_KiB);
}

PatternCutter::~PatternCutter() {
  pcre2_match_data_free(static_cast<pcre2_match_data*>(match_));
  pcre2_match_context_free(static_cast<pcre2_match_context*>(limits_));
}

/// Where the piece that starts at at_ ends, for a stage whose input is [begin, end).
size_t PatternCutter::piece_end(size_t stage, size_t begin, size_t end) {
  auto* const match = static_cast<pcre2_match_data*>(match_);
  const std::string_view subject = text_.substr(begin, end - begin);
  for (size_t from = at_ - begin; from < subject.size();) {
    const int found =
        pcre2_match(as_code(rules_.compiled_[stage]), reinterpret_cast<PCRE2_SPTR>(subject.data()),
                    subject.size(), from, 0, match, static_cast<pcre2_match_context*>(limits_));
    if (found < 0) return end;
    const PCRE2_SIZE* const ends = pcre2_get_ovector_pointer(match);
    if (ends[1] > ends[0] && ends[0] >= from) {
      const size_t start = begin + ends[0];
      return start > at_ ? start : begin + ends[1];
    }
    ++from;  // an empty match is none
  }
  return end;
}

std::string_view PatternCutter::next() {
  if (at_ == text_.size()) return {};
  size_t begin = 0;
  size_t outer = text_.size();
  for (size_t stage = 0; stage < rules_.compiled_.size(); ++stage) {
    if (end_[stage] == at_) {
      end_[stage] = piece_end(stage, begin, outer);
      begin_[stage] = at_;
    }
    begin = begin_[stage];
    outer = end_[stage];
  }
  const std::string_view word = text_.substr(at_, outer - at_);
  at_ = outer;
  return word;
}

}  // namespace freehold::model
