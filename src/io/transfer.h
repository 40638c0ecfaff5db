#pragma once
// The loops around one read or write call: calls that are interrupted are repeated, calls that move
// fewer bytes than asked are continued. Shared by the machine's files and the simulated disk, so
// that a simulated short read tests the loop that real reads use. Internal to io.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"

namespace freehold::io {

/// What a system call answered: bytes moved, or -1 and errno.
struct CallResult {
  int64_t moved = 0;
  int error = 0;
};

/// An Error from errno: "cannot <action> <path>: <reason>", with its code and what to do.
Error system_error(int error, const char* action, const std::string& path);

/// Reads until `into` is full or a call moves nothing (the end). `call(offset, span)` is one read.
template <class Call>
Result<size_t> read_in_pieces(const std::string& path, uint64_t offset, std::span<std::byte> into,
                              Call&& call) {
  size_t done = 0;
  while (done < into.size()) {
    const CallResult result = call(offset + done, into.subspan(done));
    if (result.moved < 0) {
      if (result.error == EINTR) continue;
      return system_error(result.error, "read", path);
    }
    if (result.moved == 0) break;
    done += static_cast<size_t>(result.moved);
  }
  return done;
}

/// Writes all of `bytes`; `written` counts what was written even where it fails.
template <class Call>
Status write_in_pieces(const std::string& path, std::span<const std::byte> bytes, uint64_t& written,
                       Call&& call) {
  size_t done = 0;
  while (done < bytes.size()) {
    const CallResult result = call(bytes.subspan(done));
    if (result.moved < 0) {
      if (result.error == EINTR) continue;
      return system_error(result.error, "write", path);
    }
    // A write that moves nothing and names no error would loop for ever.
    if (result.moved == 0) return system_error(EIO, "write", path);
    done += static_cast<size_t>(result.moved);
    written += static_cast<uint64_t>(result.moved);
  }
  return {};
}

}  // namespace freehold::io
