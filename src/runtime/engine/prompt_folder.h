#pragma once
// Saved conversations (prompt_cache.h) in a folder, found by the tokens they begin with and kept
// below a bound: the one that was not used for longest leaves first. Every entry is a file of its
// own, written aside and renamed, so that a crash leaves it whole or not there; there is no index
// that could disagree with it. Several programs may use one folder. One thread.
//
// A name is SCOPE-NUMBER-CHECKSUM.prompt: the scope says of which model, cache type, numerics
// profile and adapter it is, the number grows with every use.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/file.h"
#include "runtime/pass.h"

namespace freehold::runtime {

/// What an entry must have been made with to be of use.
struct PromptScope {
  std::string profile;
  std::string model_id;
  std::string cache_type;
  std::string adapter = {};
  /// 16 hexadecimal digits. Two scopes of one name would only cost a failed restore.
  std::string name() const;
};

class PromptFolder {
 public:
  struct Options {
    io::FileSystem& files;
    std::string path;
    PromptScope scope;
    uint64_t bytes_max = 0;  // of all entries of all scopes
  };
  /// Makes the folder where it is missing.
  static Result<PromptFolder> open(Options options);

  /// The bytes of the entry that shares most tokens with `prompt`, more than `more_than`; it counts
  /// as used now. Nothing where there is none. Entries that are damaged are removed and named in
  /// `notes`.
  std::optional<std::vector<std::byte>> find(std::span<const TokenId> prompt, size_t more_than,
                                             std::vector<std::string>& notes);
  /// Keeps `entry` (write_prompt_cache_header()'s layout). Entries whose tokens it begins with are
  /// superseded. kRefused where it is larger than the bound or another program holds the folder,
  /// else what the disk says; what was there stays.
  Status save(std::span<const std::byte> entry);

 private:
  explicit PromptFolder(Options options);
  struct Entry {
    std::string name;
    uint64_t number = 0;
    uint64_t bytes = 0;
    bool ours = false;  // of this scope
  };
  std::string path_of(const std::string& name) const { return options_.path + "/" + name; }
  Result<std::vector<Entry>> entries();
  /// The tokens of an entry, from its header alone.
  Result<std::vector<TokenId>> tokens_of(const Entry& entry);
  Result<std::vector<std::byte>> read(const Entry& entry);
  void forget(const Entry& entry, const Error& why, std::vector<std::string>& notes);
  Status make_room(const std::vector<Entry>& all, const std::vector<bool>& superseded,
                   uint64_t bytes);
  Status write(const std::string& name, std::span<const std::byte> entry);

  Options options_;
  std::string scope_;
};

}  // namespace freehold::runtime
