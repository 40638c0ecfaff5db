#include "model/prompt/thinking.h"

#include <algorithm>

namespace freehold::model {

namespace {

using Kind = AnswerPart::Kind;

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";
constexpr std::string_view kSpace = " \n\r\t";

/// Bytes at the end of `text` that begin `mark`.
size_t begun(std::string_view text, std::string_view mark) {
  for (size_t bytes = std::min(text.size(), mark.size() - 1); bytes > 0; --bytes) {
    if (mark.starts_with(text.substr(text.size() - bytes))) return bytes;
  }
  return 0;
}

}  // namespace

bool opens_thinking(std::string_view prompt) {
  const size_t end = prompt.find_last_not_of(kSpace);
  return end != std::string_view::npos && prompt.substr(0, end + 1).ends_with(kOpen);
}

void ThinkingSplitter::emit(std::vector<AnswerPart>& parts, Kind kind, size_t bytes) {
  if (bytes == 0) return;
  if (parts.empty() || parts.back().kind != kind) parts.push_back({kind, {}});
  parts.back().text += held_.substr(0, bytes);
  held_.erase(0, bytes);
}

/// One step of work on held_; false where it has to wait for more.
bool ThinkingSplitter::step(std::vector<AnswerPart>& parts) {
  switch (state_) {
    case State::kStart: {
      const size_t at = held_.find_first_not_of(kSpace);
      if (at == std::string::npos) return false;
      const std::string_view rest = std::string_view(held_).substr(at);
      if (rest.starts_with(kOpen)) {
        emit(parts, Kind::kMark, at + kOpen.size());
        state_ = State::kInside;
        return true;
      }
      if (kOpen.starts_with(rest)) return false;
      state_ = State::kAnswer;
      return true;
    }
    case State::kInside: {
      const size_t end = held_.find(kClose);
      if (end == std::string::npos) {
        emit(parts, Kind::kThought, held_.size() - begun(held_, kClose));
        return false;
      }
      emit(parts, Kind::kThought, end);
      emit(parts, Kind::kMark, kClose.size());
      state_ = State::kAfter;
      return true;
    }
    case State::kAfter: {
      const size_t end = held_.find_first_not_of(kSpace);
      emit(parts, Kind::kMark, std::min(end, held_.size()));
      if (held_.empty()) return false;
      state_ = State::kAnswer;
      return true;
    }
    case State::kAnswer:
      emit(parts, Kind::kAnswer, held_.size());
      return false;
  }
  return false;
}

std::vector<AnswerPart> ThinkingSplitter::push(std::string_view piece) {
  std::vector<AnswerPart> parts;
  held_ += piece;
  while (!held_.empty() && step(parts)) {
  }
  return parts;
}

std::vector<AnswerPart> ThinkingSplitter::finish() {
  std::vector<AnswerPart> parts;
  emit(parts, state_ == State::kInside ? Kind::kThought : Kind::kAnswer, held_.size());
  return parts;
}

}  // namespace freehold::model
