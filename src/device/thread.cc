#include "device/thread.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include <system_error>

namespace freehold::device {

Result<Thread> Thread::create(const std::string& name, std::function<void()> body) {
  try {
    std::thread thread(std::move(body));
    ::pthread_setname_np(thread.native_handle(), name.substr(0, 15).c_str());
    return Thread(std::move(thread));
  } catch (const std::system_error& error) {
    return Error{ErrorCode::kFailed,
                 fmt::format("could not start thread '{}': {}", name, error.code().message()),
                 "Ask for fewer threads, or raise the limit on processes (ulimit -u)."};
  }
}

Thread& Thread::operator=(Thread&& other) noexcept {
  if (this != &other) {
    join();
    thread_ = std::move(other.thread_);
  }
  return *this;
}

void Thread::join() {
  if (thread_.joinable()) thread_.join();
}

Status Thread::pin_to(size_t processor) {
  if (processor >= CPU_SETSIZE) {
    return Error{ErrorCode::kFailed,
                 fmt::format("processor {} is beyond {}", processor, CPU_SETSIZE),
                 "Run without pinning."};
  }
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  const int error = ::pthread_setaffinity_np(thread_.native_handle(), sizeof set, &set);
  if (error == 0) return {};
  return Error{ErrorCode::kFailed,
               fmt::format("could not bind a thread to processor {}: {}", processor,
                           std::error_code(error, std::generic_category()).message()),
               "Run without pinning."};
}

}  // namespace freehold::device
