#pragma once
// Tells what a model thinks from what it answers, piece by piece. Models that think write
// <think>…</think> before the answer; some templates write the opening mark themselves. Pure.

#include <string>
#include <string_view>
#include <vector>

namespace freehold::model {

struct AnswerPart {
  enum class Kind {
    kAnswer,
    kThought,
    kMark  ///< <think> or </think>, and the space after it
  };
  Kind kind = Kind::kAnswer;
  std::string text;
  bool operator==(const AnswerPart&) const = default;
};

/// Marks count at the beginning of the answer only: later ones are text. Every byte that goes in
/// comes out, in order.
class ThinkingSplitter {
 public:
  /// `inside`: the prompt ended with the opening mark.
  explicit ThinkingSplitter(bool inside = false)
      : state_(inside ? State::kInside : State::kStart) {}
  std::vector<AnswerPart> push(std::string_view piece);
  /// What is held back: text that might have become a mark.
  std::vector<AnswerPart> finish();

 private:
  enum class State { kStart, kInside, kAfter, kAnswer };
  bool step(std::vector<AnswerPart>& parts);
  void emit(std::vector<AnswerPart>& parts, AnswerPart::Kind kind, size_t bytes);

  State state_;
  std::string held_;
};

/// Whether a rendered prompt ends with the opening mark.
bool opens_thinking(std::string_view prompt);

}  // namespace freehold::model
