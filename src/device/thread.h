#pragma once
// A named thread that is joined before it goes away: the only way to start one in this program. Not
// a pool (device/worker_pool.h), and it carries no stop signal: whoever owns it arranges that.

#include <functional>
#include <string>
#include <thread>

#include "base/result.h"

namespace freehold::device {

/// Owns one running thread; move-only. The body must not throw. One owner calls join() or destroys
/// it, from any thread but its own.
class Thread {
 public:
  /// Starts `body`. `name` appears in debuggers and `top`, cut to 15 bytes. Fails with kFailed
  /// where the system gives no thread.
  static Result<Thread> create(const std::string& name, std::function<void()> body);

  Thread() = default;
  Thread(Thread&&) noexcept = default;
  Thread& operator=(Thread&& other) noexcept;
  ~Thread() { join(); }

  /// Waits for the body to return; nothing to do where that happened before.
  void join();

  /// Binds the thread to one logical processor; kFailed where the system refuses.
  Status pin_to(size_t processor);

 private:
  explicit Thread(std::thread thread) : thread_(std::move(thread)) {}
  std::thread thread_;
};

}  // namespace freehold::device
