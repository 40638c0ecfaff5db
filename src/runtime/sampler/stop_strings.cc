#include "runtime/sampler/stop_strings.h"

#include <algorithm>

namespace freehold::runtime {

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase_if(stops_, [](const std::string& stop) { return stop.empty(); });
}

std::string StopStrings::push(std::string_view piece) {
  if (stopped_) return {};
  held_ += piece;
  size_t first = std::string::npos;
  for (const std::string& stop : stops_) {
    const size_t at = held_.find(stop);
    if (at < first) {
      first = at;
      found_ = stop;
    }
  }
  if (first != std::string::npos) {
    stopped_ = true;
    std::string shown = held_.substr(0, first);
    held_.clear();
    return shown;
  }
  // The longest tail that begins a stop string waits.
  size_t waiting = 0;
  for (const std::string& stop : stops_) {
    const size_t most = std::min(stop.size() - 1, held_.size());
    for (size_t length = most; length > waiting; --length) {
      if (held_.compare(held_.size() - length, length, stop, 0, length) == 0) {
        waiting = length;
        break;
      }
    }
  }
  std::string shown = held_.substr(0, held_.size() - waiting);
  held_.erase(0, held_.size() - waiting);
  return shown;
}

std::string StopStrings::finish() {
  std::string rest;
  rest.swap(held_);
  return rest;
}

}  // namespace freehold::runtime
