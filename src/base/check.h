#pragma once
// CHECK and DCHECK: assertions about our own code. A failed CHECK is a bug and ends the process
// with the file, the line and the condition. Not for outside input: that returns an Error
// (base/result.h).

namespace freehold::base {

/// Prints "file:line: CHECK failed: condition" on stderr and aborts. Safe from any thread.
[[noreturn]] void check_failed(const char* file, int line, const char* condition);

}  // namespace freehold::base

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) [[unlikely]]                                    \
      ::freehold::base::check_failed(__FILE__, __LINE__, #condition); \
  } while (false)

#ifdef NDEBUG
#define DCHECK(condition) \
  do {                    \
  } while (false && (condition))
#else
#define DCHECK(condition) CHECK(condition)
#endif
