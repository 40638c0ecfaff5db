#pragma once
// Words by regular expressions that no scanner of ours equals: PCRE2 under limits, several stages
// as in WordCutter. Rules are immutable and may be shared by threads; a cutter belongs to one text.

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace freehold::model {

class PatternRules {
 public:
  static constexpr size_t kStagesMax = 8;
  static constexpr size_t kPatternBytesMax = 16384;

  /// kRefused for too many or too long expressions and for what PCRE2 does not take, with its
  /// words.
  static Result<std::shared_ptr<const PatternRules>> create(std::vector<std::string> expressions);
  explicit PatternRules(std::vector<std::string> expressions);  ///< For create() alone.
  ~PatternRules();
  PatternRules(const PatternRules&) = delete;
  PatternRules& operator=(const PatternRules&) = delete;

  const std::vector<std::string>& expressions() const { return expressions_; }

 private:
  friend class PatternCutter;
  std::vector<std::string> expressions_;
  std::vector<void*> compiled_;  // pcre2_code, one an expression
};

/// Matches are pieces and so is what lies between them, stage after stage; a match that reaches
/// PCRE2's limits makes the rest of its piece one word.
class PatternCutter {
 public:
  PatternCutter(const PatternRules& rules, std::string_view text);
  ~PatternCutter();
  PatternCutter(const PatternCutter&) = delete;
  PatternCutter& operator=(const PatternCutter&) = delete;
  /// The next word; empty at the end of the text.
  std::string_view next();

 private:
  size_t piece_end(size_t stage, size_t begin, size_t end);
  const PatternRules& rules_;
  std::string_view text_;
  size_t at_ = 0;
  std::array<size_t, PatternRules::kStagesMax> end_{};
  std::array<size_t, PatternRules::kStagesMax> begin_{};  // of the piece each stage is in
  void* match_ = nullptr;                                 // pcre2_match_data
  void* limits_ = nullptr;                                // pcre2_match_context
};

}  // namespace freehold::model
