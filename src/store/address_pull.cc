// Store::pull_address: a file behind an address into the store, in parts that a later run goes on
// after. What it should be is known only where the caller says its SHA-256; what it was when the
// pull began is remembered, so that no model is ever put together from two.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "store/blob_writer.h"
#include "store/licence.h"
#include "store/store.h"

namespace freehold::store {

namespace {

constexpr size_t kPieceBytes = size_t{4} << 20;
constexpr uint64_t kSpareBytes = uint64_t{1} << 20;
constexpr int kTriesMax = 4;  // of one piece, in a row
constexpr std::string_view kGgufMagic = "GGUF";

std::string hash_of(std::string_view text) {
  Sha256 hash;
  hash.add(std::as_bytes(std::span(text.data(), text.size())));
  return std::move(hash).finish();
}

std::string source_file(const std::string& work) { return work + "/source"; }
std::string blob_file(const std::string& work) { return work + "/model"; }

std::vector<uint64_t> part_ends(uint64_t bytes, uint64_t part_bytes) {
  std::vector<uint64_t> ends;
  for (uint64_t end = part_bytes; end < bytes; end += part_bytes) ends.push_back(end);
  ends.push_back(bytes);
  return ends;
}

/// Forgets what an earlier run brought if it was of another file.
Status keep_same_source(io::FileSystem& files, const std::string& work,
                        const io::FileIdentity& identity, Observer& observer) {
  const std::string now = fmt::format("{} {}\n", identity.size, identity.inode);
  const Result<std::string> before = io::read_small_file(files, source_file(work), 4096);
  if (before.ok() && *before == now) return {};
  if (before.ok()) observer.on_note("the file there is another one now; starting anew");
  TRY(remove_tree(files, work));
  TRY(files.make_directories(work));
  return write_durably(files, work + "/source.partial", source_file(work), now);
}

/// Reads one piece, again after a failure of the network.
Status read_piece(io::ReadableFile& source, uint64_t offset, std::span<std::byte> piece,
                  Observer& observer) {
  for (int attempt = 1;; ++attempt) {
    Status read = source.read_exactly(offset, piece);
    if (read.ok() || read.error().code != ErrorCode::kFailed || attempt == kTriesMax) return read;
    observer.on_note(read.error().message + "; trying again");
  }
}

/// Brings what is missing; `writer` stands at the end of a part.
Status bring(io::ReadableFile& source, const std::vector<uint64_t>& ends, BlobWriter& writer,
             Observer& observer) {
  std::vector<std::byte> buffer(kPieceBytes);
  for (size_t part = writer.parts_done(); part < ends.size(); ++part) {
    while (writer.size() < ends[part]) {
      if (observer.cancelled()) {
        return interrupted("the pull was stopped",
                           "what was fetched is kept; run the same command to go on");
      }
      const auto piece = std::span(buffer).first(
          static_cast<size_t>(std::min<uint64_t>(ends[part] - writer.size(), kPieceBytes)));
      TRY(read_piece(source, writer.size(), piece, observer));
      TRY(writer.add(piece));
      observer.on_progress({.phase = Phase::kFetching,
                            .bytes_done = writer.size(),
                            .bytes_total = ends.back(),
                            .part = part + 1,
                            .parts = ends.size()});
    }
    TRY(writer.end_part());
  }
  return {};
}

Status check_magic(io::ReadableFile& source) {
  std::string magic(kGgufMagic.size(), '\0');
  const size_t got = TRY(source.read_at(0, std::as_writable_bytes(std::span(magic))));
  if (got == magic.size() && magic == kGgufMagic) return {};
  return Error{ErrorCode::kDamaged, source.path() + " is not a GGUF file",
               "give the address of the file itself, not of a page about it"};
}

}  // namespace

std::string name_of_address(std::string_view address) {
  std::string_view last = address.substr(0, address.find_first_of("?#"));
  last = last.substr(last.rfind('/') + 1);
  if (last.ends_with(".gguf")) last.remove_suffix(5);
  std::string name;
  for (const char byte : last.substr(0, kNamePartBytesMax)) {
    const bool upper = byte >= 'A' && byte <= 'Z';
    const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
    const bool joins = byte == '-' || byte == '_' || (byte == '.' && !name.ends_with('.'));
    if (upper) {
      name += static_cast<char>(byte - 'A' + 'a');
    } else if (plain || (joins && !name.empty())) {
      name += byte;
    } else if (!name.empty()) {
      name += '-';
    }
  }
  return name;
}

std::string Store::address_key(std::string_view address) {
  return hash_of(fmt::format("address {}", address));
}

Result<PullReport> Store::pull_address(const AddressPull& wanted, Observer& observer) {
  PullReport report;
  ModelRecord& record = report.record;
  record.name = TRY(parse_name(wanted.name));
  record.licence = "unknown";
  record.source = wanted.address;
  const Result<ModelRecord> there = read_record(record.name);
  if (there.ok() && there->source == wanted.address && blob_is_whole(there->sha256, there->bytes) &&
      (wanted.sha256.empty() || wanted.sha256 == there->sha256)) {
    record = *there;
    report.already_here = true;
    return report;
  }
  if (!wanted.open) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("{} is not here, and --offline forbids fetching it", short_text(record.name)),
        "pull it without --offline, or import a file"};
  }
  const auto source = TRY(wanted.open(wanted.address));
  TRY(check_magic(*source));
  record.bytes = source->size();
  TRY(make_folders());
  const std::string key = address_key(wanted.address);
  const std::string work = paths_.work(key);
  const auto pulling = TRY(lock_or_wait(files(), paths_.pull_lock(key),
                                        "another process is pulling it; waiting", observer));
  TRY(files().make_directories(work));
  TRY(keep_same_source(files(), work, TRY(source->identity()), observer));
  const std::vector<uint64_t> ends = part_ends(record.bytes, wanted.part_bytes);
  BlobWriter writer = TRY(
      BlobWriter::resume(files(), blob_file(work), ends, [&] { return !observer.cancelled(); }));
  report.parts_resumed = writer.parts_done();
  if (report.parts_resumed > 0) {
    observer.on_note(fmt::format("going on after {}", base::human_bytes(writer.size())));
  }
  TRY(check_space(files(), paths_.home(), record.bytes - writer.size() + kSpareBytes));
  TRY(bring(*source, ends, writer, observer));
  const BlobHashes hashes = TRY(std::move(writer).finish());
  record.sha256 = hashes.sha256;
  set_licence(record, stated_licence(files(), blob_file(work)));
  record.added_s = services_.clock.wall_ns() / 1'000'000'000;
  if (!wanted.sha256.empty() && wanted.sha256 != hashes.sha256) {
    (void)remove_tree(files(), work).ok();
    return Error{ErrorCode::kDamaged,
                 fmt::format("what {} holds has the SHA-256 {}, not {}; it was thrown away",
                             wanted.address, hashes.sha256, wanted.sha256),
                 "ask for the hash where the address came from"};
  }
  {
    const auto lock =
        TRY(lock_or_wait(files(), paths_.store_lock(), "the store is busy", observer));
    TRY(check_name_free(record));
    if (!blob_is_whole(record.sha256, record.bytes)) {
      TRY(publish_blob(*lock, blob_file(work), record.sha256, hashes.panels));
    }
    TRY(write_record(*lock, record));
  }
  (void)remove_tree(files(), work).ok();
  return report;
}

Status Store::discard_address(std::string_view address) {
  const std::string key = address_key(address);
  if (!exists(files(), paths_.work(key))) {
    return Error{ErrorCode::kNotFound,
                 fmt::format("nothing of {} is kept", base::printable(address)),
                 "models are removed by name: freehold ls"};
  }
  const auto lock = TRY(files().lock(paths_.pull_lock(key), 0));
  if (lock == nullptr) {
    return Error{ErrorCode::kRefused, "it is being pulled right now", "stop that pull first"};
  }
  return remove_tree(files(), paths_.work(key));
}

}  // namespace freehold::store
