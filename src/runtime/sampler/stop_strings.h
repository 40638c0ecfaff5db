#pragma once
// Finds stop strings in text that arrives in pieces, so that one that straddles tokens is neither
// missed nor partly shown. One stream per object.

#include <string>
#include <string_view>
#include <vector>

namespace freehold::runtime {

class StopStrings {
 public:
  /// Empty strings are ignored.
  explicit StopStrings(std::vector<std::string> stops);

  /// Adds `piece` and returns the text that may be shown now: everything that cannot be the
  /// beginning of a stop string. After a stop string was seen, nothing from it on is ever shown.
  std::string push(std::string_view piece);
  /// The text held back, once no more will come.
  std::string finish();
  bool stopped() const { return stopped_; }
  /// The stop string that was seen; of several that begin at one place the first that was given.
  const std::string& found() const { return found_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  std::string found_;
  bool stopped_ = false;
};

}  // namespace freehold::runtime
