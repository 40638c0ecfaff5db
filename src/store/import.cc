// Store::import and Store::verify: the two that read a whole model.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"
#include "store/blob_writer.h"
#include "store/licence.h"
#include "store/store.h"

namespace freehold::store {

namespace {

constexpr size_t kBufferBytes = 1u << 20;
constexpr uint64_t kSpareBytes = 1u << 20;  // for records, checksums and the file system's own
constexpr std::string_view kGgufMagic = "GGUF";

/// Hands the file to `take` piece by piece, with progress. Ends early only by an error.
Status read_through(io::ReadableFile& file, Observer& observer,
                    const std::function<Status(std::span<const std::byte>)>& take) {
  std::vector<std::byte> buffer(kBufferBytes);
  for (uint64_t at = 0; at < file.size();) {
    if (observer.cancelled()) return interrupted("stopped", "run it again");
    const auto piece = std::span(buffer).first(
        static_cast<size_t>(std::min<uint64_t>(file.size() - at, kBufferBytes)));
    TRY(file.read_exactly(at, piece));
    TRY(take(piece));
    at += piece.size();
    observer.on_progress({.phase = Phase::kChecking, .bytes_done = at, .bytes_total = file.size()});
  }
  return {};
}

Status check_is_gguf(io::ReadableFile& file) {
  std::string magic(kGgufMagic.size(), '\0');
  const size_t got = TRY(file.read_at(0, std::as_writable_bytes(std::span(magic))));
  if (got == magic.size() && magic == kGgufMagic) return {};
  return Error{ErrorCode::kDamaged, file.path() + " is not a GGUF file",
               "models are imported as GGUF; convert it first"};
}

/// The file's bytes into `temporary`, hashed on the way and synced.
Result<BlobHashes> copy_blob(io::ReadableFile& source, const std::string& temporary,
                             io::FileSystem& files, Observer& observer) {
  BlobWriter writer = TRY(BlobWriter::begin(files, temporary));
  TRY(read_through(source, observer,
                   [&writer](std::span<const std::byte> piece) { return writer.add(piece); }));
  return std::move(writer).finish();
}

/// The hashes of a file read where it is.
Result<BlobHashes> read_hashes(io::ReadableFile& file, Observer& observer) {
  Sha256 sha256;
  io::PanelChecksumBuilder panels;
  TRY(read_through(file, observer, [&](std::span<const std::byte> piece) -> Status {
    sha256.add(piece);
    panels.add(piece);
    return {};
  }));
  return BlobHashes{std::move(sha256).finish(), std::move(panels).finish()};
}

/// `temporary` as a second name of the file's bytes, which are read and hashed where they are.
Result<BlobHashes> share_blob(io::ReadableFile& source, const ImportOptions& options,
                              const std::string& temporary, io::FileSystem& files,
                              Observer& observer) {
  TRY(options.share(source.path(), temporary));
  const std::unique_ptr<io::ReadableFile> shared = TRY(files.open(temporary));
  return read_hashes(*shared, observer);
}

/// "name-00001-of-00003.gguf": one blob cannot hold it.
bool is_shard(std::string_view path) {
  const size_t of = path.rfind("-of-");
  return of != std::string_view::npos && of >= 6 && path.ends_with(".gguf") &&
         path.size() == of + 4 + 5 + 5 && path[of - 6] == '-';
}

}  // namespace

Result<ModelRecord> Store::import(const std::string& path, std::string_view text,
                                  const ImportOptions& options, Observer& observer) {
  ModelRecord record;
  record.name = TRY(parse_name(text));
  if (is_shard(path)) {
    return Error{ErrorCode::kUsage,
                 path + " is one of several shards; importing those is not there yet",
                 "run it by its path"};
  }
  const std::unique_ptr<io::ReadableFile> source = TRY(files().open(path));
  TRY(check_is_gguf(*source));
  const io::FileIdentity before = TRY(source->identity());
  TRY(make_folders());
  const std::unique_ptr<io::FileLock> working = TRY(lock_or_wait(
      files(), paths_.import_lock(), "another import is running; waiting for it", observer));
  TRY(remove_tree(files(), paths_.import_work()));
  TRY(check_space(files(), paths_.home(), (options.share ? 0 : source->size()) + kSpareBytes));
  TRY(files().make_directories(paths_.import_work()));
  const std::string temporary = paths_.import_work() + "/model";
  Result<BlobHashes> copied = options.share
                                  ? share_blob(*source, options, temporary, files(), observer)
                                  : copy_blob(*source, temporary, files(), observer);
  if (!copied.ok()) {
    (void)remove_tree(files(), paths_.import_work()).ok();
    return copied.error();
  }
  if (TRY(source->identity()) != before) {
    (void)remove_tree(files(), paths_.import_work()).ok();
    return Error{ErrorCode::kFailed, path + " changed while it was read", "import it again"};
  }
  const BlobHashes hashes = std::move(copied).value();
  if (!options.sha256.empty() && options.sha256 != hashes.sha256) {
    (void)remove_tree(files(), paths_.import_work()).ok();
    return Error{ErrorCode::kDamaged,
                 fmt::format("{} has the SHA-256 {}, not {}", path, hashes.sha256, options.sha256),
                 "fetch it again with the program it belongs to"};
  }
  record.sha256 = hashes.sha256;
  record.bytes = source->size();
  set_licence(record, stated_licence(files(), path));
  record.source = options.source;
  record.settings = options.settings;
  record.added_s = services_.clock.wall_ns() / 1'000'000'000;
  const std::unique_ptr<io::FileLock> lock = TRY(lock_for_change());
  TRY(check_name_free(record,
                      options.source == kCreatedSource ? Replace::kCreated : Replace::kNothing));
  if (!blob_is_whole(record.sha256, record.bytes)) {
    TRY(publish_blob(*lock, temporary, record.sha256, hashes.panels));
  }
  TRY(write_record(*lock, record));
  (void)remove_tree(files(), paths_.import_work()).ok();
  return record;
}

/// Of another program's model: against what that program says it is.
Status Store::verify_foreign(std::string_view name, Observer& observer) const {
  const ForeignModel model = TRY(find_foreign(name));
  if (model.sha256.empty()) {
    return Error{ErrorCode::kNotFound,
                 fmt::format("nothing says what {} should be", base::printable(name)),
                 "import it; from then on its hash is known"};
  }
  const std::unique_ptr<io::ReadableFile> file = TRY(files().open(model.path));
  const std::string found = TRY(read_hashes(*file, observer)).sha256;
  if (found == model.sha256) return {};
  return Error{
      ErrorCode::kDamaged,
      fmt::format("{} is damaged: {} has the SHA-256 {}", base::printable(name), model.path, found),
      "fetch it again with the program it belongs to"};
}

Status Store::verify(std::string_view name, Observer& observer) const {
  if (is_foreign_name(name)) return verify_foreign(name, observer);
  const ModelRecord record = TRY(show(name));
  const std::string path = TRY(resolve(record.name.text()));
  const std::unique_ptr<io::ReadableFile> file = TRY(files().open(path));
  const BlobHashes found = TRY(read_hashes(*file, observer));
  const std::string fix = fmt::format(
      "remove and fetch it again: freehold rm {0}; freehold pull {0}", short_text(record.name));
  const Result<io::PanelChecksums> kept = io::read_panel_checksums(files(), path);
  if (found.sha256 == record.sha256) {
    if (kept.ok() && *kept == found.panels) return {};
    return Error{
        ErrorCode::kDamaged,
        fmt::format("{} is whole, but its checksum table is not: {}", short_text(record.name),
                    kept.ok() ? "it is another model's" : kept.error().message),
        fix};
  }
  std::vector<std::string> places;
  constexpr size_t kPlacesMax = 4;
  for (size_t i = 0; kept.ok() && i < found.panels.units.size() && places.size() < kPlacesMax;
       ++i) {
    if (i < kept->units.size() && kept->units[i] == found.panels.units[i]) continue;
    places.push_back(base::human_bytes(static_cast<uint64_t>(i) * io::kChecksumUnitBytes));
  }
  return Error{
      ErrorCode::kDamaged,
      fmt::format("{} is damaged: {} has not the hash it is named by{}{}", short_text(record.name),
                  path, places.empty() ? "" : "; damage near ", fmt::join(places, ", ")),
      fix};
}

}  // namespace freehold::store
