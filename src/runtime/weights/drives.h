#pragma once
// Which of several copies of a model is read next, where it is mirrored over drives. Pure counting;
// one thread at a time. Copy 0 is the model's own, copy d is that of the d-th mirror's folder.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace freehold::runtime {

class Drives {
 public:
  static constexpr size_t kNone = SIZE_MAX;
  /// Reads of one drive that fail one after the other before it is given up.
  static constexpr uint32_t kFailuresMax = 3;

  explicit Drives(size_t count) : drives_(count), live_(count) {}

  size_t count() const { return drives_.size(); }
  size_t live() const { return live_; }
  bool is_live(size_t drive) const { return drives_[drive].live; }
  /// The live drive with the fewest reads in flight; of equals the one that was used longest ago.
  /// Not `avoid` where there is another.
  size_t choose(size_t avoid = kNone) const;
  void started(size_t drive);
  void finished(size_t drive) { --drives_[drive].in_flight; }
  void succeeded(size_t drive) { drives_[drive].failures = 0; }
  /// True where this was one too many and the drive is given up; the last one never is.
  bool failed(size_t drive);
  /// Gives it up; false where it is the last, which stays.
  bool drop(size_t drive);

 private:
  struct Drive {
    bool live = true;
    size_t in_flight = 0;
    uint32_t failures = 0;
    uint64_t last_use = 0;
  };
  std::vector<Drive> drives_;
  size_t live_;
  uint64_t uses_ = 0;
};

}  // namespace freehold::runtime
