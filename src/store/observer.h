#pragma once
// Who watches long work in the store: the command line draws it, a test records it. Calls come from
// the thread that called the store, often (a few a second at least, many while unpacking), so an
// observer draws no more than it wants.

#include <cstddef>
#include <cstdint>
#include <string>

namespace freehold::store {

enum class Phase {
  kWaiting,     ///< another process is doing the same
  kFetching,    ///< from a source
  kUnpacking,   ///< out of a package, into the store
  kChecking,    ///< hashing what is already here
  kQuantising,  ///< rewriting a file in a smaller format
  kStoring      ///< making it visible
};

/// Where the work stands. Within one call of the store, bytes_done never falls and never passes
/// bytes_total; bytes are those fetched, or read where nothing is fetched.
struct Progress {
  Phase phase = Phase::kFetching;
  uint64_t bytes_done = 0;
  uint64_t bytes_total = 0;
  size_t part = 0;  ///< from 1; 0 where there are no parts
  size_t parts = 0;
};

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_progress(const Progress&) {}
  /// A line for a person: what is skipped, waited for, found damaged.
  virtual void on_note(const std::string&) {}
  /// Asked several times a second; yes ends the work with kInterrupted, leaving what resumes.
  virtual bool cancelled() { return false; }
};

}  // namespace freehold::store
