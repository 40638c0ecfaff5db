#pragma once
// Where a model's file comes from: one interface for everything that is not the package registry.
// Finding (hub.h, registry.h) turns what a person typed into a RemoteModel; opening
// it gives a Source of bytes; Store::pull_from() brings them into the store, goes on after
// failures, and proves them. Nothing here writes. One thread.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/file.h"
#include "io/http_download.h"
#include "store/observer.h"
#include "store/settings.h"

namespace freehold::store {

/// A file that was found, with all that is known of it before its first byte.
struct RemoteModel {
  std::string reference = {};      ///< for the record's `source`: what to type to have it again
  std::string name = {};           ///< the name that it suggests; may be empty
  std::string address = {};        ///< of the file; empty where `path` is
  std::string path = {};           ///< of a file on this machine; empty where `address` is
  std::string authorization = {};  ///< as in io::HttpOptions
  /// Another authorization when the old one ran out; may be empty.
  std::function<Result<std::string>()> renew = {};
  std::optional<uint64_t> bytes = {};  ///< where it is known beforehand
  std::string sha256 = {};             ///< what it must be; empty: whatever is there
  std::string licence = {};            ///< SPDX id; empty: not known
  std::string licence_title = {};
  std::string description = {};
  ModelSettings settings = {};    ///< what comes with it: system prompt, parameters, template
  std::string refused_hint = {};  ///< what to do where the file is not given to us
  std::vector<std::string> notes =
      {};  ///< what a person should know: what was chosen, what is left out
};

class Source {
 public:
  using Take = std::function<Status(std::span<const std::byte>)>;
  virtual ~Source() = default;
  virtual uint64_t size() const = 0;
  /// Tells one version of the file from another; a pull goes on only with the same.
  virtual std::string version() const = 0;
  /// Hands over the bytes from `from` to the end, in order. kFailed: trying again may mend it.
  virtual Status read(uint64_t from, const Take& take) = 0;
  /// What the other side wants us to wait before the next try; 0 where it does not say.
  virtual int retry_after_seconds() const { return 0; }
  /// Waits between two tries. kInterrupted where it was stopped meanwhile.
  virtual Status rest(int64_t ms) = 0;
};

/// A file behind an address. A server that is busy is asked again, `tries` times in all, noted to
/// `observer`.
Result<std::unique_ptr<Source>> open_http_source(const RemoteModel& model,
                                                 const io::DownloadOptions& options, int tries,
                                                 Observer& observer);

/// A file on this machine: a disk, a USB stick, a mounted folder; read in pieces of `piece_bytes`.
Result<std::unique_ptr<Source>> open_file_source(io::FileSystem& files, const std::string& path,
                                                 size_t piece_bytes = size_t{4} << 20);

}  // namespace freehold::store
