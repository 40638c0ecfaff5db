#include "base/check.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace freehold::base {

namespace {

void write_all(const char* text) {
  size_t left = std::strlen(text);
  while (left > 0) {
    const ssize_t wrote = ::write(STDERR_FILENO, text, left);
    if (wrote <= 0) return;
    text += wrote;
    left -= static_cast<size_t>(wrote);
  }
}

}  // namespace

void check_failed(const char* file, int line, const char* condition) {
  char digits[12];
  int at = 11;
  digits[at] = '\0';
  for (int rest = line; at > 0 && (rest > 0 || at == 11); rest /= 10) {
    digits[--at] = static_cast<char>('0' + rest % 10);
  }
  write_all(file);
  write_all(":");
  write_all(digits + at);
  write_all(": CHECK failed: ");
  write_all(condition);
  write_all("\nThis is a bug in freehold, not in your input. Please report the line above.\n");
  std::abort();
}

}  // namespace freehold::base
