#include "runtime/weights/expert_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/bytes.h"
#include "base/check.h"

namespace freehold::runtime {

namespace {

constexpr size_t kSlotAlignment = 4096;
/// Counters are halved every so many passes, so that what was popular once can leave.
constexpr uint64_t kPassesPerHalving = 512;

}  // namespace

ExpertCache::ExpertCache(Options options) : options_(std::move(options)) {}

Result<std::unique_ptr<ExpertCache>> ExpertCache::create(Options options) {
  auto cache = std::make_unique<ExpertCache>(std::move(options));
  TRY(cache->start());
  return cache;
}

Status ExpertCache::start() {
  CHECK(!options_.units.empty() && options_.experts > 0);
  pieces_ = options_.units.front().size();
  CHECK(pieces_ > 0 && pieces_ <= kPiecesMax);
  for (const auto& unit : options_.units) {
    CHECK(unit.size() == pieces_);
    for (const ExpertPiece& piece : unit) {
      piece_bytes_ = std::max(piece_bytes_, piece_of(source(piece), piece.range).bytes);
    }
  }
  piece_bytes_ = base::align_up(piece_bytes_, kSlotAlignment);
  slot_bytes_ = pieces_ * piece_bytes_;
  const size_t slots = std::clamp<size_t>(options_.bytes / slot_bytes_, 1, options_.units.size());
  memory_ = TRY(device::Buffer::create(options_.account, device::MemoryUse::kRing,
                                       slots * slot_bytes_ + kSlotAlignment));
  auto* const start = reinterpret_cast<std::byte*>(
      base::align_up(reinterpret_cast<uintptr_t>(memory_.data()), uintptr_t{kSlotAlignment}));
  slots_.resize(slots);
  for (size_t i = 0; i < slots; ++i) slots_[i].memory = start + i * slot_bytes_;
  slot_of_.assign(options_.units.size(), kNone);
  uses_.assign(options_.units.size(), 0);
  first_seen_.assign(options_.units.size() * pieces_, 0);
  seen_.assign(options_.units.size(), false);
  queue_ = TRY(options_.files.make_read_queue(
      options_.backend, {.depth = std::max(pieces_, std::min(slots * pieces_, options_.depth_max)),
                         .memory = {start, slots * slot_bytes_}}));
  for (size_t i = 0; i < queue_->serving_threads(); ++i) {
    threads_.push_back(TRY(device::Thread::create(fmt::format("experts {}", i + 1),
                                                  [queue = queue_.get()] { queue->serve(); })));
  }
  return {};
}

ExpertCache::~ExpertCache() {
  if (queue_ == nullptr) return;
  drain();
  queue_->close();
  threads_.clear();
}

void ExpertCache::drain() {
  while (in_flight_ > 0) collect(true);
}

Status ExpertCache::begin_pass() {
  TRY(check_files());
  // What a failed pass left behind.
  drain();
  for (Slot& slot : slots_) {
    slot.wanted = false;
    if (slot.state == State::kReady || slot.state == State::kEmpty) continue;
    slot_of_[slot.unit] = kNone;
    slot.state = State::kEmpty;
    slot.unit = kNone;
  }
  failure_.reset();
  missing_.clear();
  waiting_.clear();
  arrived_.clear();
  again_.clear();
  current_.clear();
  if (++passes_ % kPassesPerHalving == 0) {
    for (uint32_t& uses : uses_) uses /= 2;
  }
  return {};
}

Status ExpertCache::end_pass() {
  if (failure_) return *failure_;
  return check_files();
}

void ExpertCache::begin_layer(uint32_t layer, std::span<const ExpertWish> wishes) {
  DCHECK(waiting_.empty() && current_.empty());
  if (failed()) return;
  first_unit_ = layer * options_.experts;
  missing_.clear();
  for (const ExpertWish& wish : wishes) {
    const uint32_t unit = first_unit_ + wish.expert;
    uses_[unit] += wish.columns;
    if (slot_of_[unit] == kNone) {
      missing_.push_back(unit);
      ++statistics_.misses;
      continue;
    }
    Slot& slot = slots_[slot_of_[unit]];
    slot.wanted = true;
    slot.last_use = ++clock_;
    waiting_.push_back(&slot);
    ++statistics_.hits;
  }
  std::reverse(missing_.begin(), missing_.end());
  start_reads();
}

size_t ExpertCache::copies() const { return options_.sources[0].copies.size(); }

size_t ExpertCache::copy_of(const Slot& slot, const StreamedFile& source) const {
  return (slot.unit + slot.attempts) % source.copies.size();
}

Status ExpertCache::check_files() const {
  // Every byte of mirrored files is checked, and one copy may go.
  return copies() > 1 ? Status{} : check_identities(options_.sources);
}

bool ExpertCache::leaves_before(const Slot& a, const Slot& b) const {
  if (options_.eviction == Eviction::kLeastFrequent && uses_[a.unit] != uses_[b.unit]) {
    return uses_[a.unit] < uses_[b.unit];
  }
  return a.last_use < b.last_use;
}

ExpertCache::Slot* ExpertCache::find_room() {
  Slot* least = nullptr;
  for (Slot& slot : slots_) {
    if (slot.state == State::kEmpty) return &slot;
    if (slot.wanted) continue;
    if (least == nullptr || leaves_before(slot, *least)) least = &slot;
  }
  return least;
}

void ExpertCache::start_reads() {
  while (!again_.empty() && in_flight_ + pieces_ <= queue_->depth() && !failed()) {
    Slot* const slot = again_.back();
    again_.pop_back();
    submit(*slot);
  }
  while (!missing_.empty() && in_flight_ + pieces_ <= queue_->depth() && !failed()) {
    Slot* const slot = find_room();
    if (slot == nullptr) return;
    if (slot->unit != kNone) slot_of_[slot->unit] = kNone;
    slot->unit = missing_.back();
    missing_.pop_back();
    slot_of_[slot->unit] = static_cast<uint32_t>(slot - slots_.data());
    slot->wanted = true;
    slot->last_use = ++clock_;
    slot->attempts = 0;
    waiting_.push_back(slot);
    submit(*slot);
  }
}

void ExpertCache::submit(Slot& slot) {
  ++slot.attempts;
  slot.state = State::kReading;
  slot.error.reset();
  slot.missing = 0;
  const auto& unit = options_.units[slot.unit];
  const auto index = static_cast<uint64_t>(&slot - slots_.data());
  for (size_t i = 0; i < pieces_; ++i) {
    const FilePiece piece = piece_of(source(unit[i]), unit[i].range);
    const Status started =
        queue_->submit({source(unit[i]).copies[copy_of(slot, source(unit[i]))].file.get(),
                        piece.offset,
                        {slot.memory + piece_at(i), piece.bytes},
                        piece.needed,
                        index * kPiecesMax + i});
    if (!started.ok()) return fail(slot, started.error());
    ++slot.missing;
    ++in_flight_;
  }
}

void ExpertCache::take(std::span<const io::FinishedRead> finished) {
  for (const io::FinishedRead& read : finished) {
    Slot& slot = slots_[read.tag / kPiecesMax];
    const ExpertPiece& piece = options_.units[slot.unit][read.tag % kPiecesMax];
    --in_flight_;
    ++statistics_.reads;
    statistics_.bytes_read += piece_of(source(piece), piece.range).needed;
    if (!read.status.ok() && !slot.error) {
      slot.error = Error(read.status.error()).within(std::string(piece.tensor));
    }
    if (--slot.missing > 0) continue;
    slot.state = State::kArrived;
    arrived_.push_back(&slot);
  }
}

void ExpertCache::collect(bool blocks) {
  std::array<io::FinishedRead, 32> finished;
  if (blocks && in_flight_ > 0) take(std::span(finished).first(queue_->wait(finished)));
  for (size_t count = queue_->poll(finished); count > 0; count = queue_->poll(finished)) {
    take(std::span(finished).first(count));
  }
}

void ExpertCache::check_arrived() {
  std::vector<std::optional<Error>> errors(arrived_.size() * pieces_);
  options_.pool.run(errors.size(), [&](size_t task, size_t) {
    Slot& slot = *arrived_[task / pieces_];
    const size_t i = task % pieces_;
    if (slot.error) return;
    const ExpertPiece& piece = options_.units[slot.unit][i];
    const Status status = check_piece(source(piece), copy_of(slot, source(piece)),
                                      piece_of(source(piece), piece.range), piece.range,
                                      slot.memory + piece_at(i), slot.sums[i]);
    if (!status.ok()) errors[task] = Error(status.error()).within(std::string(piece.tensor));
  });
  std::vector<Slot*> checked;
  checked.swap(arrived_);
  for (size_t i = 0; i < errors.size(); ++i) {
    Slot& slot = *checked[i / pieces_];
    if (errors[i] && !slot.error) slot.error = std::move(errors[i]);
  }
  for (Slot* const slot : checked) settle(*slot);
}

void ExpertCache::settle(Slot& slot) {
  const auto& unit = options_.units[slot.unit];
  const bool before = seen_[slot.unit];
  for (size_t i = 0; i < pieces_ && !slot.error; ++i) {
    if (source(unit[i]).checksums != nullptr) continue;
    uint32_t& first = first_seen_[slot.unit * pieces_ + i];
    if (!before) first = slot.sums[i];
    if (first != slot.sums[i]) slot.error = reads_differently(source(unit[i]), unit[i].range);
  }
  if (!slot.error) {
    seen_[slot.unit] = true;
    slot.state = State::kReady;
  } else if (slot.attempts < kReadAttemptsMax * copies() && !failed()) {
    ++statistics_.retries;
    again_.push_back(&slot);
  } else {
    fail(slot, *slot.error);
  }
}

void ExpertCache::fail(const Slot& slot, Error error) {
  if (!failure_) failure_ = std::move(error);
  DCHECK(slot.unit != kNone);
}

bool ExpertCache::next(std::vector<Ready>& ready) {
  ready.clear();
  for (Slot* const slot : current_) slot->wanted = false;
  current_.clear();
  collect(false);
  while (!failed()) {
    start_reads();
    const auto is_ready = [](const Slot* slot) { return slot->state == State::kReady; };
    std::copy_if(waiting_.begin(), waiting_.end(), std::back_inserter(current_), is_ready);
    if (!current_.empty()) break;
    if (!arrived_.empty()) {
      check_arrived();
    } else if (!waiting_.empty()) {
      collect(true);
    } else {
      CHECK(missing_.empty());
      return false;
    }
  }
  if (failed()) {
    // Slots that hold nothing whole are emptied when the next pass begins.
    waiting_.clear();
    current_.clear();
    return false;
  }
  std::erase_if(waiting_, [](const Slot* slot) { return slot->state == State::kReady; });
  for (Slot* const slot : current_) {
    Ready made{slot->unit - first_unit_, {}};
    const auto& unit = options_.units[slot->unit];
    for (size_t i = 0; i < pieces_; ++i) {
      const FilePiece piece = piece_of(source(unit[i]), unit[i].range);
      made.rows[i] = slot->memory + piece_at(i) + (unit[i].range.offset - piece.offset);
    }
    ready.push_back(made);
  }
  return true;
}

}  // namespace freehold::runtime
