#include "runtime/weights/panel_ring.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace freehold::runtime {

namespace {

/// Slots start on whole pages, for every alignment a disk has been seen to ask for.
constexpr size_t kSlotAlignment = 4096;

}  // namespace

PanelRing::PanelRing(Options options) : options_(std::move(options)) {}

Result<std::unique_ptr<PanelRing>> PanelRing::create(Options options) {
  auto ring = std::make_unique<PanelRing>(std::move(options));
  TRY(ring->start());
  return ring;
}

Status PanelRing::start() {
  CHECK(!options_.panels.empty());
  first_output_ = 0;
  while (first_output_ < options_.panels.size() && !options_.panels[first_output_].output_only) {
    ++first_output_;
  }
  for (const StreamedPanel& panel : options_.panels) {
    slot_bytes_ = std::max(slot_bytes_, piece(panel).bytes);
  }
  slot_bytes_ = base::align_up(slot_bytes_, kSlotAlignment);
  const size_t slots = std::clamp<size_t>(options_.ring_bytes / slot_bytes_, 1,
                                          std::max<size_t>(1, options_.panels.size()));
  memory_ = TRY(device::Buffer::create(options_.account, device::MemoryUse::kRing,
                                       slots * slot_bytes_ + kSlotAlignment));
  auto* const start = reinterpret_cast<std::byte*>(
      base::align_up(reinterpret_cast<uintptr_t>(memory_.data()), uintptr_t{kSlotAlignment}));
  slots_ = std::vector<Slot>(slots);
  for (size_t i = 0; i < slots; ++i) slots_[i].memory = start + i * slot_bytes_;
  first_seen_.resize(options_.panels.size());
  drives_ = Drives(options_.sources[0].copies.size());
  queue_ = TRY(options_.files.make_read_queue(options_.backend,
                                              {.depth = std::min(slots, options_.depth_max),
                                               .drives = drives_.count(),
                                               .memory = {start, slots * slot_bytes_}}));
  for (size_t i = 0; i < queue_->serving_threads(); ++i) {
    threads_.push_back(TRY(device::Thread::create(fmt::format("read {}", i + 1),
                                                  [queue = queue_.get()] { queue->serve(); })));
  }
  threads_.push_back(TRY(device::Thread::create("weights", [this] { read_on(); })));
  return {};
}

PanelRing::~PanelRing() {
  {
    const std::lock_guard held(lock_);
    stopping_ = true;
  }
  reader_wakes_.notify_all();
  // The reader takes back what is in flight, then the queue's own threads may end.
  if (!threads_.empty()) threads_.back().join();
  if (queue_ != nullptr) queue_->close();
  threads_.clear();
}

FilePiece PanelRing::piece(const StreamedPanel& panel) const {
  return piece_of(options_.sources[panel.file],
                  {panel.offset, panel.bytes, panel.rows, panel.format});
}

uint64_t PanelRing::bytes_per_pass(bool with_output) const {
  uint64_t sum = 0;
  for (const StreamedPanel& panel : options_.panels) {
    if (with_output || !panel.output_only) sum += piece(panel).needed;
  }
  return sum;
}

bool PanelRing::is_direct() const {
  return std::all_of(options_.sources.begin(), options_.sources.end(),
                     [](const StreamedFile& source) {
                       return std::all_of(source.copies.begin(), source.copies.end(),
                                          [](const auto& copy) { return copy.file->is_direct(); });
                     });
}

PanelRing::Statistics PanelRing::statistics() const {
  const std::lock_guard held(lock_);
  Statistics statistics = statistics_;
  statistics.passes = pass_;
  statistics.panels_waited = panels_waited_.load(std::memory_order_relaxed);
  return statistics;
}

DiskHealth::Report PanelRing::disk_health() const {
  const std::lock_guard held(lock_);
  return health_.report();
}

// --- The pass's side -----------------------------------------------------------------------------

Status PanelRing::check_drives() {
  for (size_t drive = 0; drive < drives_.count(); ++drive) {
    {
      const std::lock_guard held(lock_);
      if (!drives_.is_live(drive)) continue;
    }
    const Status same = check_identities(options_.sources, drive);
    if (same.ok()) continue;
    const std::lock_guard held(lock_);
    if (!drives_.is_live(drive)) continue;
    if (!drives_.drop(drive)) return same;
    note_dropped(drive, same.error());
  }
  return {};
}

void PanelRing::note_dropped(size_t drive, const Error& why) {
  const std::string& path = options_.sources[0].copies[drive].file->path();
  notes_.push_back(fmt::format(
      "{} is not read any more, {} left: {}", path,
      drives_.live() == 1 ? "one copy is" : fmt::format("{} copies are", drives_.live()),
      why.message));
  // What all drives did together says nothing about what the others can do.
  health_ = DiskHealth();
}

std::vector<std::string> PanelRing::take_notes() {
  const std::lock_guard held(lock_);
  return std::exchange(notes_, {});
}

size_t PanelRing::drives_live() const {
  const std::lock_guard held(lock_);
  return drives_.live();
}

Status PanelRing::begin_pass(bool with_output) {
  TRY(check_drives());
  std::unique_lock held(lock_);
  // What failed between passes, reading ahead, gets a fresh chance.
  if (broken_ || failure_) {
    restart_ = true;
    reader_wakes_.notify_all();
    panel_arrived_.wait(held, [&] { return !restart_; });
    broken_ = false;
    missed_.store(false, std::memory_order_relaxed);
    next_base_ = 0;
  }
  base_ = next_base_;
  next_base_ += with_output ? options_.panels.size() : first_output_;
  with_output_ = with_output;
  ++pass_;
  reader_wakes_.notify_all();
  return {};
}

const std::byte* PanelRing::acquire(uint32_t index) {
  const uint64_t number = base_ + index;
  Slot& slot = slots_[number % slots_.size()];
  if (slot.ready.load(std::memory_order_acquire) == number) return slot.rows;
  panels_waited_.fetch_add(1, std::memory_order_relaxed);
  std::unique_lock held(lock_);
  if (asked_ <= number) {
    asked_ = number + 1;
    if (!options_.read_ahead) reader_wakes_.notify_all();
  }
  while (slot.ready.load(std::memory_order_acquire) != number) {
    if (number >= failed_number_) {
      missed_.store(true, std::memory_order_release);
      return nullptr;
    }
    if (Slot* const arrived = take_unchecked(); arrived != nullptr) {
      held.unlock();
      Status status = check(*arrived);
      held.lock();
      settle(*arrived, std::move(status));
    } else {
      panel_arrived_.wait(held);
    }
  }
  return slot.rows;
}

void PanelRing::release(uint32_t index, uint64_t rows) {
  Slot& slot = slots_[(base_ + index) % slots_.size()];
  const uint64_t left = slot.rows_left.fetch_sub(rows, std::memory_order_acq_rel);
  DCHECK(left >= rows);
  if (left != rows) return;
  {
    const std::lock_guard held(lock_);
    slot.ready.store(kNothing, std::memory_order_relaxed);
    slot.free = true;
  }
  reader_wakes_.notify_one();
}

Status PanelRing::end_pass(bool completed) {
  Status unchanged = check_drives();
  const std::lock_guard held(lock_);
  broken_ = !completed || failed();
  if (failed()) return *failure_;
  return unchanged;
}

// --- The reader ----------------------------------------------------------------------------------

void PanelRing::read_on() {
  std::array<io::FinishedRead, 32> finished;
  std::unique_lock held(lock_);
  while (true) {
    restart_if_asked();
    if (!stopping_) submit_ready();
    if (in_flight_ == 0) {
      if (stopping_) return;
      if (!restart_) reader_wakes_.wait(held);
      continue;
    }
    held.unlock();
    const size_t count = queue_->wait(finished);
    held.lock();
    for (size_t i = 0; i < count; ++i) finish(finished[i]);
  }
}

void PanelRing::restart_if_asked() {
  if (!restart_ || in_flight_ > 0) return;
  for (Slot& slot : slots_) {
    slot.free = true;
    slot.ready.store(kNothing, std::memory_order_relaxed);
  }
  failure_.reset();
  failed_number_ = kNothing;
  unchecked_.clear();
  again_.clear();
  next_number_ = 0;
  next_panel_ = 0;
  next_pass_ = pass_ + 1;
  asked_ = 0;
  restart_ = false;
  panel_arrived_.notify_all();
}

/// Whether the panel after the last one started is known: what follows the layers depends on
/// whether their pass wants logits, and that is unknown for a pass that has not begun.
bool PanelRing::next_is_known() {
  while (true) {
    if (next_panel_ == options_.panels.size()) {
      next_panel_ = 0;
      ++next_pass_;
    }
    if (next_panel_ != first_output_) return true;
    if (next_pass_ > pass_) return false;
    // A pass that is over and left us here had no logits.
    if (next_pass_ == pass_ && with_output_) return true;
    next_panel_ = 0;
    ++next_pass_;
  }
}

Status PanelRing::submit(Slot& slot) {
  const StreamedPanel& panel = options_.panels[slot.panel];
  const FilePiece wanted = piece(panel);
  slot.drive = drives_.choose(slot.attempts > 1 ? slot.drive : Drives::kNone);
  TRY(queue_->submit({options_.sources[panel.file].copies[slot.drive].file.get(),
                      wanted.offset,
                      {slot.memory, wanted.bytes},
                      wanted.needed,
                      static_cast<uint64_t>(&slot - slots_.data())}));
  drives_.started(slot.drive);
  count_in_flight(1);
  return {};
}

void PanelRing::count_in_flight(int change) {
  // With a quarter of what may be in flight the disk has enough to do; with one read it has not.
  const size_t most = std::min(queue_->depth(), slots_.size());
  const size_t enough = std::min(most, std::max<size_t>(2, most / 4));
  const bool was = in_flight_ >= enough;
  in_flight_ += static_cast<size_t>(change);
  const bool is = in_flight_ >= enough;
  if (was != is && options_.clock != nullptr) {
    health_.on_busy(options_.clock->monotonic_ns(), is);
  }
}

void PanelRing::submit_ready() {
  const auto goes_on = [&] {
    return failed_number_ == kNothing && !restart_ && in_flight_ < queue_->depth();
  };
  while (!again_.empty() && goes_on()) {
    Slot& slot = *again_.back();
    again_.pop_back();
    const Status started = submit(slot);
    if (!started.ok()) fail(slot.number, started.error());
  }
  while (goes_on() && next_is_known()) {
    Slot& slot = slots_[next_number_ % slots_.size()];
    if (!slot.free || (!options_.read_ahead && next_number_ >= asked_)) return;
    slot.free = false;
    slot.number = next_number_;
    slot.panel = next_panel_;
    slot.attempts = 1;
    const Status started = submit(slot);
    if (!started.ok()) return fail(next_number_, started.error());
    ++next_number_;
    ++next_panel_;
  }
}

void PanelRing::fail(uint64_t number, Error error) {
  failed_number_ = std::min(failed_number_, number);
  // Nothing is read any more, so what was to be read again will not come either.
  for (const Slot* slot : again_) failed_number_ = std::min(failed_number_, slot->number);
  again_.clear();
  if (!failure_) failure_ = std::move(error);
  panel_arrived_.notify_all();
}

void PanelRing::finish(const io::FinishedRead& finished) {
  Slot& slot = slots_[finished.tag];
  drives_.finished(slot.drive);
  count_in_flight(-1);
  ++statistics_.reads;
  const size_t bytes = piece(options_.panels[slot.panel]).needed;
  statistics_.bytes_read += bytes;
  if (options_.clock != nullptr) health_.on_read(options_.clock->monotonic_ns(), bytes);
  if (!finished.status.ok()) return settle(slot, finished.status);
  unchecked_.push_back(&slot);
  panel_arrived_.notify_all();
}

PanelRing::Slot* PanelRing::take_unchecked() {
  const auto soonest = std::min_element(unchecked_.begin(), unchecked_.end(),
                                        [](Slot* a, Slot* b) { return a->number < b->number; });
  if (soonest == unchecked_.end()) return nullptr;
  Slot* const slot = *soonest;
  unchecked_.erase(soonest);
  return slot;
}

/// Nobody vouches for a file without checksums, but what was read once must be read again.
Status PanelRing::compare_with_before(const Slot& slot) {
  const StreamedPanel& panel = options_.panels[slot.panel];
  const StreamedFile& source = options_.sources[panel.file];
  if (source.checksums != nullptr) return {};
  std::optional<uint32_t>& before = first_seen_[slot.panel];
  if (!before) before = slot.sum;
  if (*before == slot.sum) return {};
  return reads_differently(source, {panel.offset, panel.bytes, panel.rows, panel.format});
}

void PanelRing::settle(Slot& slot, Status status) {
  const StreamedPanel& panel = options_.panels[slot.panel];
  if (status.ok()) status = compare_with_before(slot);
  if (!status.ok() && drives_.failed(slot.drive)) note_dropped(slot.drive, status.error());
  if (status.ok()) {
    drives_.succeeded(slot.drive);
    slot.rows = slot.memory + (panel.offset - piece(panel).offset);
    slot.rows_left.store(panel.rows, std::memory_order_relaxed);
    slot.ready.store(slot.number, std::memory_order_release);
  } else if (slot.attempts < kReadAttemptsMax * drives_.count() && failed_number_ == kNothing) {
    ++slot.attempts;
    ++statistics_.retries;
    again_.push_back(&slot);
    reader_wakes_.notify_all();
  } else {
    fail(slot.number, std::move(status).error().within(std::string(panel.tensor)));
  }
  panel_arrived_.notify_all();
}

Status PanelRing::check(Slot& slot) {
  const StreamedPanel& panel = options_.panels[slot.panel];
  return check_piece(options_.sources[panel.file], slot.drive, piece(panel),
                     {panel.offset, panel.bytes, panel.rows, panel.format}, slot.memory, slot.sum);
}

}  // namespace freehold::runtime
