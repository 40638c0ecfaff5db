#pragma once
// The read-ahead ring: panels that do not fit into memory pass through it in the order in which a
// pass wants them, and it runs on into the next pass while this one is still being sampled. One
// thread of its own keeps reads in flight; workers of a pass wait for the panel they need, use it
// and let it go. Every panel is checked before it is used, by the workers that wait: a checksum on
// the reading thread would hold up the disk. Nothing here computes, and no
// outcome depends on timing: a panel is the file's bytes or the pass fails.
//
// One pass at a time. begin_pass() and end_pass() come from the pass's thread; acquire() and
// release() from any worker between them.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "device/memory.h"
#include "device/thread.h"
#include "io/file.h"
#include "runtime/weights/disk_health.h"
#include "runtime/weights/drives.h"
#include "runtime/weights/weight_reading.h"

namespace freehold::runtime {

/// One panel to be read in every pass (or in those with logits).
struct StreamedPanel {
  uint32_t file = 0;    // index of its StreamedFile
  uint64_t offset = 0;  // of its first row in that file
  size_t bytes = 0;
  uint64_t rows = 0;
  const quant::Format* format = nullptr;
  bool output_only = false;  // all such panels come last
  std::string_view tensor;   // for messages; outlives the ring
};

class PanelRing {
 public:
  struct Options {
    device::MemoryAccount& account;
    io::FileSystem& files;
    std::vector<StreamedFile> sources;
    std::vector<StreamedPanel> panels;  // in the order of a pass; not empty
    uint64_t ring_bytes = 0;            // for slots; at least one is made
    size_t depth_max = 32;
    io::ReadBackend backend = io::ReadBackend::kAuto;
    bool read_ahead = true;        // false: a panel is read when it is asked for (the control)
    base::Clock* clock = nullptr;  // to report the disk's rates; nullptr: they are not kept
  };
  static Result<std::unique_ptr<PanelRing>> create(Options options);
  /// Half made: create() is the way in.
  explicit PanelRing(Options options);
  ~PanelRing();
  PanelRing(const PanelRing&) = delete;
  PanelRing& operator=(const PanelRing&) = delete;

  /// kDamaged where a file is not what it was when it was opened.
  Status begin_pass(bool with_output);
  /// Waits for panel `index` of this pass; nullptr once the pass has failed. Each panel is acquired
  /// at least once, in order, by workers that hold none.
  const std::byte* acquire(uint32_t index);
  /// `rows` rows of it are not needed any more; the slot is free once all are not.
  void release(uint32_t index, uint64_t rows);
  /// Whether a worker of this pass got nullptr.
  bool failed() const { return missed_.load(std::memory_order_acquire); }
  /// Ends the pass; its failure, or that a file has changed under it. `completed` says whether
  /// every panel was released; after a pass that was not, reading starts anew.
  Status end_pass(bool completed);

  struct Statistics {
    uint64_t bytes_read = 0;  // by finished reads, aligned as they were made
    uint64_t reads = 0;
    uint64_t panels_waited = 0;  // acquired before they had arrived
    uint64_t retries = 0;
    uint64_t passes = 0;
  };
  Statistics statistics() const;
  /// What the disk has been like, as far as the ring sees it; nothing without a clock.
  DiskHealth::Report disk_health() const;
  const char* backend_name() const { return queue_->name(); }
  bool is_direct() const;
  size_t slots() const { return slots_.size(); }
  size_t depth() const { return queue_->depth(); }
  size_t slot_bytes() const { return slot_bytes_; }
  size_t drives_live() const;
  /// One sentence for every drive that was given up since the last call.
  std::vector<std::string> take_notes();
  /// Bytes that a pass reads, aligned as they will be.
  uint64_t bytes_per_pass(bool with_output) const;

 private:
  static constexpr uint64_t kNothing = UINT64_MAX;
  /// A place for one panel at a time.
  struct Slot {
    std::byte* memory = nullptr;
    std::atomic<uint64_t> ready{kNothing};  // number of the panel it holds, counted over all passes
    std::atomic<uint64_t> rows_left{0};
    const std::byte* rows = nullptr;  // written before `ready`
    bool free = true;                 // under lock_
    uint64_t number = 0;              // what is being read into it; under lock_
    uint32_t panel = 0;
    uint32_t attempts = 0;
    size_t drive = 0;  // that it was last read from
    uint32_t sum = 0;  // CRC32C of the rows, where nothing else vouches for them
  };

  Status start();
  FilePiece piece(const StreamedPanel& panel) const;
  void read_on();
  /// Starts what may be started; with lock_ held.
  void submit_ready();
  bool next_is_known();
  Status submit(Slot& slot);
  /// Takes a finished read; with lock_ held.
  void finish(const io::FinishedRead& finished);
  /// Takes an arrived panel that nobody has checked yet, the one wanted soonest; nullptr where
  /// there is none. With lock_ held.
  Slot* take_unchecked();
  /// Whether the bytes are what they should be, as far as one reading tells; without lock_.
  Status check(Slot& slot);
  /// Gives up drives whose files changed; the error of the last one that is left.
  Status check_drives();
  /// With lock_ held.
  void note_dropped(size_t drive, const Error& why);
  /// Whether they are what they were; with lock_ held, as two slots may hold one panel of two
  /// passes.
  Status compare_with_before(const Slot& slot);
  /// Hands a checked panel to whoever waits, or has it read again; with lock_ held.
  void settle(Slot& slot, Status status);
  /// `change` more reads are in flight; with lock_ held.
  void count_in_flight(int change);
  void fail(uint64_t number, Error error);
  void restart_if_asked();

  Options options_;
  size_t slot_bytes_ = 0;
  uint32_t first_output_ = 0;  // panels from here on are output_only
  device::Buffer memory_;
  std::vector<Slot> slots_;
  std::unique_ptr<io::ReadQueue> queue_;

  // Written by the pass's thread between passes, read by its workers.
  uint64_t base_ = 0;       // number of this pass's first panel
  uint64_t next_base_ = 0;  // … of the next one's

  mutable std::mutex lock_;
  std::condition_variable reader_wakes_;
  std::condition_variable panel_arrived_;
  std::atomic<bool> missed_{false};
  std::atomic<uint64_t> panels_waited_{0};
  // Under lock_.
  std::optional<Error> failure_;
  uint64_t failed_number_ = kNothing;                // panels before it still arrive
  std::vector<std::optional<uint32_t>> first_seen_;  // CRC32C of each panel's first reading
  bool stopping_ = false;
  bool restart_ = false;
  bool broken_ = false;  // the last pass left panels behind
  uint64_t pass_ = 0;    // passes begun
  bool with_output_ = false;
  uint64_t asked_ = 0;  // numbers below were asked for (the control without read-ahead)
  uint64_t next_number_ = 0;
  uint32_t next_panel_ = 0;
  uint64_t next_pass_ = 1;
  size_t in_flight_ = 0;
  std::vector<Slot*> unchecked_;  // arrived
  std::vector<Slot*> again_;      // to be read again
  Statistics statistics_;
  DiskHealth health_;
  Drives drives_{1};
  std::vector<std::string> notes_;

  std::vector<device::Thread> threads_;  // last: joined before what they use goes away
};

}  // namespace freehold::runtime
