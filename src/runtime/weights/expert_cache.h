#pragma once
// Experts that do not all fit into memory: slots that hold one expert of one layer each (its gate,
// up and down together), read when a layer's router asks for one that is not there. Reads of a
// layer's missing experts are all started before the first of its experts is computed, so that
// computing those that are there hides them. Which expert leaves is decided by counters: the one
// that was used least, of equals the one not used for longest. Nothing here computes; which experts
// are there and in what order they become ready changes no bit of a result.
//
// One thread, the pass's, calls everything; rows that next() hands out may be read by any until the
// call after it.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "device/memory.h"
#include "device/thread.h"
#include "device/worker_pool.h"
#include "runtime/weights/weight_reading.h"

namespace freehold::runtime {

/// The rows of one expert in one matrix.
struct ExpertPiece {
  uint32_t file = 0;  // index of its StreamedFile
  RowRange range;
  std::string_view tensor;  // for messages; outlives the cache
};

/// That `columns` columns of a pass want an expert of the layer.
struct ExpertWish {
  uint32_t expert = 0;
  uint32_t columns = 0;
};

class ExpertCache {
 public:
  static constexpr size_t kPiecesMax = 4;
  /// The second is the control: what recency alone is worth.
  enum class Eviction { kLeastFrequent, kLeastRecent };

  struct Options {
    device::MemoryAccount& account;
    device::WorkerPool& pool;  // checks what has arrived
    io::FileSystem& files;
    std::vector<StreamedFile> sources;
    /// Every expert of every layer, a layer's one after the other; each of as many pieces.
    std::vector<std::vector<ExpertPiece>> units;
    uint32_t experts = 0;  // per layer
    uint64_t bytes = 0;    // for slots; at least one is made
    size_t depth_max = 32;
    io::ReadBackend backend = io::ReadBackend::kAuto;
    Eviction eviction = Eviction::kLeastFrequent;
  };
  static Result<std::unique_ptr<ExpertCache>> create(Options options);
  /// Half made: create() is the way in.
  explicit ExpertCache(Options options);
  ~ExpertCache();
  ExpertCache(const ExpertCache&) = delete;
  ExpertCache& operator=(const ExpertCache&) = delete;

  /// kDamaged where a file is not what it was when it was opened.
  Status begin_pass();
  /// What `layer` (counted over those that have experts) will ask for, each expert once. Starts
  /// reading what is missing.
  void begin_layer(uint32_t layer, std::span<const ExpertWish> wishes);

  struct Ready {
    uint32_t expert = 0;
    const std::byte* rows[kPiecesMax] = {};  // of its pieces
  };
  /// Fills `ready` with the experts of the layer that are there now, waiting where none is; those
  /// before may leave. False after the last, or once the pass has failed.
  bool next(std::vector<Ready>& ready);
  bool failed() const { return failure_.has_value(); }
  /// The pass's failure, or that a file has changed under it.
  Status end_pass();

  struct Statistics {
    uint64_t bytes_read = 0;
    uint64_t reads = 0;
    uint64_t hits = 0;    // wishes for experts that were there
    uint64_t misses = 0;  // … that were not
    uint64_t retries = 0;
  };
  const Statistics& statistics() const { return statistics_; }
  size_t slots() const { return slots_.size(); }
  size_t slot_bytes() const { return slot_bytes_; }
  const char* backend_name() const { return queue_->name(); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  enum class State : uint8_t { kEmpty, kReading, kArrived, kReady };
  struct Slot {
    std::byte* memory = nullptr;
    State state = State::kEmpty;
    bool wanted = false;  // by the layer under way; may not leave
    uint32_t unit = kNone;
    uint32_t attempts = 0;
    uint32_t missing = 0;  // pieces in flight
    uint64_t last_use = 0;
    std::optional<Error> error;  // of a piece
    uint32_t sums[kPiecesMax] = {};
  };

  Status start();
  size_t piece_at(size_t piece) const { return piece * piece_bytes_; }
  size_t copies() const;
  /// Which copy of its files a slot's piece is read from: another one at every attempt.
  size_t copy_of(const Slot& slot, const StreamedFile& source) const;
  Status check_files() const;
  const StreamedFile& source(const ExpertPiece& piece) const {
    return options_.sources[piece.file];
  }
  void start_reads();
  /// A slot that may be filled, or nullptr.
  Slot* find_room();
  bool leaves_before(const Slot& a, const Slot& b) const;
  void submit(Slot& slot);
  void take(std::span<const io::FinishedRead> finished);
  void collect(bool blocks);
  /// Checks everything that has arrived, on the pool.
  void check_arrived();
  void settle(Slot& slot);
  void fail(const Slot& slot, Error error);
  void drain();

  Options options_;
  size_t pieces_ = 0;
  size_t piece_bytes_ = 0;  // room for one
  size_t slot_bytes_ = 0;
  device::Buffer memory_;
  std::unique_ptr<io::ReadQueue> queue_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> slot_of_;     // by unit; kNone: not there
  std::vector<uint32_t> uses_;        // by unit, halved now and then
  std::vector<uint32_t> first_seen_;  // by unit and piece: CRC32C of its first reading
  std::vector<bool> seen_;
  size_t in_flight_ = 0;
  uint64_t passes_ = 0;
  uint64_t clock_ = 0;  // wishes

  // The layer under way.
  std::vector<uint32_t> missing_;  // units whose reading has not started, in reverse
  std::vector<Slot*> waiting_;     // wanted, not handed out yet
  std::vector<Slot*> arrived_;     // of those, not checked
  std::vector<Slot*> again_;       // … to be read again
  std::vector<Slot*> current_;     // handed out
  uint32_t first_unit_ = 0;
  std::optional<Error> failure_;
  Statistics statistics_;

  std::vector<device::Thread> threads_;  // last: joined before what they use goes away
};

}  // namespace freehold::runtime
