// Store::export_bundle and Store::import_bundle: models out of the store and into another one by
// way of a file that somebody carries.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "store/blob_writer.h"
#include "store/bundle.h"
#include "store/store.h"

namespace freehold::store {

namespace {

constexpr size_t kBufferBytes = 1u << 20;
constexpr uint64_t kSpareBytes = 1u << 20;  // for records, checksums and the file system's own
constexpr std::string_view kGgufMagic = "GGUF";

/// Counts bytes over all blobs for whoever watches, and asks them whether to go on.
class Meter {
 public:
  Meter(Observer& observer, const BundlePlan& plan) : observer_(observer) {
    for (const BundlePlan::Blob& blob : plan.blobs) total_ += blob.bytes;
  }
  Status count(size_t bytes) {
    if (observer_.cancelled()) return interrupted("stopped", "run it again");
    done_ += bytes;
    observer_.on_progress({.phase = Phase::kChecking, .bytes_done = done_, .bytes_total = total_});
    return {};
  }

 private:
  Observer& observer_;
  uint64_t total_ = 0;
  uint64_t done_ = 0;
};

/// One blob from the disk into the bundle; kDamaged where it is not what its name says.
Status send_blob(io::ReadableFile& file, const BundlePlan::Blob& blob, BundleWriter& writer,
                 Meter& meter) {
  Sha256 sha256;
  std::vector<std::byte> buffer(kBufferBytes);
  TRY(writer.begin_blob(blob));
  for (uint64_t at = 0; at < blob.bytes;) {
    const auto piece = std::span(buffer).first(
        static_cast<size_t>(std::min<uint64_t>(blob.bytes - at, kBufferBytes)));
    TRY(file.read_exactly(at, piece));
    sha256.add(piece);
    TRY(writer.add(piece));
    TRY(meter.count(piece.size()));
    at += piece.size();
  }
  if (std::move(sha256).finish() != blob.sha256) {
    return Error{ErrorCode::kDamaged, file.path() + " is damaged; the bundle is not whole",
                 "remove the model and fetch it again, then export once more"};
  }
  return writer.end_entry();
}

Error wrong_hash(const std::string& sha256) {
  return Error{ErrorCode::kDamaged,
               fmt::format("what the bundle has as sha256-{} is something else", sha256),
               "copy the bundle again; if that does not help, export it again"};
}

}  // namespace

Status Store::export_bundle(std::span<const std::string> names, const ByteSink& sink,
                            Observer& observer) const {
  BundlePlan plan;
  std::vector<ModelRecord> records;
  for (const std::string& name : names) {
    const ModelRecord record = TRY(show(name));
    TRY(resolve(record.name.text()));
    if (std::find(records.begin(), records.end(), record) != records.end()) continue;
    const BundlePlan::Blob blob{record.sha256, record.bytes};
    if (std::find(plan.blobs.begin(), plan.blobs.end(), blob) == plan.blobs.end()) {
      plan.blobs.push_back(blob);
    }
    plan.models.push_back({record.name, record.sha256});
    records.push_back(record);
  }
  if (plan.models.size() > kBundleModelsMax) {
    return Error{ErrorCode::kRefused,
                 fmt::format("a bundle has at most {} models", kBundleModelsMax), "make several"};
  }
  Meter meter(observer, plan);
  BundleWriter writer(sink);
  TRY(writer.begin(plan));
  for (const BundlePlan::Blob& blob : plan.blobs) {
    const std::unique_ptr<io::ReadableFile> file = TRY(files().open(paths_.blob(blob.sha256)));
    TRY(send_blob(*file, blob, writer, meter));
  }
  for (const ModelRecord& record : records) TRY(writer.add_record(record));
  return writer.finish();
}

/// A bundle on its way in: its blobs wait in the work folder until all of it has been seen.
class BundleArrival {
 public:
  BundleArrival(Store& store, BundleReader& reader, Observer& observer)
      : store_(store), reader_(reader), meter_(observer, reader.plan()) {}

  /// Early, before anything is copied: names that are taken, and room.
  Status check() const {
    uint64_t needed = kSpareBytes;
    for (const BundlePlan::Blob& blob : reader_.plan().blobs) {
      if (!store_.blob_is_whole(blob.sha256, blob.bytes)) needed += blob.bytes;
    }
    for (const BundlePlan::Model& model : reader_.plan().models) {
      ModelRecord record = store_.read_record(model.name).ok()
                               ? store_.read_record(model.name).value()
                               : ModelRecord{};
      record.name = model.name;
      record.sha256 = model.sha256;
      TRY(store_.check_name_free(record));
    }
    return check_space(store_.files(), store_.home(), needed);
  }

  Status receive(const Store::AdmitRecord& admit) {
    for (const BundlePlan::Blob& blob : reader_.plan().blobs) TRY(receive_blob(blob));
    for (const BundlePlan::Model& model : reader_.plan().models) {
      ModelRecord record = TRY(reader_.read_record(model));
      if (admit) TRY(admit(record));
      record.source = "bundle";
      record.added_s = store_.services_.clock.wall_ns() / 1'000'000'000;
      TRY(store_.check_name_free(record));
      records_.push_back(std::move(record));
    }
    return reader_.finish();
  }

  /// Blobs, then names; whatever moment a crash finds, each name has its whole blob.
  Status publish(const io::FileLock& held) {
    for (const ModelRecord& record : records_) TRY(store_.check_name_free(record));
    for (const BundlePlan::Blob& blob : reader_.plan().blobs) {
      if (store_.blob_is_whole(blob.sha256, blob.bytes)) continue;
      const auto arrived = arrived_.find(blob.sha256);
      if (arrived == arrived_.end()) {
        return Error{ErrorCode::kFailed,
                     fmt::format("sha256-{} was removed from the store meanwhile", blob.sha256),
                     "import the bundle again"};
      }
      TRY(store_.publish_blob(held, temporary(blob), blob.sha256, arrived->second));
    }
    for (size_t i = 0; i < records_.size(); ++i) {
      const bool new_name = !store_.read_record(records_[i].name).ok();
      Status written = store_.write_record(held, records_[i]);
      if (new_name) new_names_.push_back(records_[i].name);
      if (written.ok()) continue;
      // A full disk in the middle of the names: none of them, so that a second try finds no half.
      for (const ModelName& name : new_names_) {
        (void)store_.files().remove(store_.paths_.record(name)).ok();
        (void)store_.files().sync_directory(store_.paths_.model(name)).ok();
        (void)store_.files().remove(store_.paths_.model(name)).ok();
      }
      return written;
    }
    return {};
  }

  std::vector<ModelRecord> take_records() { return std::move(records_); }

 private:
  std::string temporary(const BundlePlan::Blob& blob) const {
    return store_.paths_.import_work() + "/sha256-" + blob.sha256;
  }

  Status receive_blob(const BundlePlan::Blob& blob) {
    Sha256 sha256;
    std::string magic;
    const bool here = store_.blob_is_whole(blob.sha256, blob.bytes);
    std::optional<BlobWriter> writer;
    if (!here) writer.emplace(TRY(BlobWriter::begin(store_.files(), temporary(blob))));
    TRY(reader_.read_blob(blob, [&](std::span<const std::byte> piece) -> Status {
      for (size_t i = 0; magic.size() < kGgufMagic.size() && i < piece.size(); ++i) {
        magic += static_cast<char>(piece[i]);
      }
      TRY(meter_.count(piece.size()));
      if (writer) return writer->add(piece);
      sha256.add(piece);
      return {};
    }));
    if (!writer) {
      return std::move(sha256).finish() == blob.sha256 ? Status() : wrong_hash(blob.sha256);
    }
    BlobHashes hashes = TRY(std::move(*writer).finish());
    if (hashes.sha256 != blob.sha256) return wrong_hash(blob.sha256);
    if (magic != kGgufMagic) {
      return Error{ErrorCode::kDamaged,
                   fmt::format("the bundle's sha256-{} is no GGUF file", blob.sha256),
                   {}};
    }
    arrived_.emplace(blob.sha256, std::move(hashes.panels));
    return {};
  }

  Store& store_;
  BundleReader& reader_;
  Meter meter_;
  std::map<std::string, io::PanelChecksums> arrived_;
  std::vector<ModelRecord> records_;
  std::vector<ModelName> new_names_;
};

Result<std::vector<ModelRecord>> Store::import_bundle(const ByteSource& source,
                                                      const AdmitRecord& admit,
                                                      Observer& observer) {
  BundleReader reader = TRY(BundleReader::open(source));
  TRY(make_folders());
  const std::unique_ptr<io::FileLock> working = TRY(lock_or_wait(
      files(), paths_.import_lock(), "another import is running; waiting for it", observer));
  // Clears blobs that an import which died has left without a name: they count as not here.
  TRY(lock_for_change());
  TRY(remove_tree(files(), paths_.import_work()));
  BundleArrival arrival(*this, reader, observer);
  TRY(arrival.check());
  TRY(files().make_directories(paths_.import_work()));
  Status brought = arrival.receive(admit);
  if (brought.ok()) {
    const std::unique_ptr<io::FileLock> lock = TRY(lock_for_change());
    brought = arrival.publish(*lock);
    // A blob whose name could not be written belongs to nothing.
    if (!brought.ok()) remove_unnamed_blobs(*lock);
  }
  (void)remove_tree(files(), paths_.import_work()).ok();
  if (!brought.ok()) return brought.error();
  return arrival.take_records();
}

}  // namespace freehold::store
