#pragma once
// What goes wrong with the reads of one file, told by two environment variables: the same rules for
// the shim that is preloaded (preload_shim.cc) and for the file system (fuse_passthrough.cc). For
// tests only. Any thread.
//
//   FREEHOLD_FAULT_PATH   part of the file's path; files that end in .crc32c are never meant
//   FREEHOLD_FAULTS       rules with ';' between them; words of a rule with spaces:
//     short bytes=N               a read moves at most N bytes
//     slow us=N [skip=S] [times=T]          a read takes N microseconds longer
//     eio [offset=N] [skip=S] [times=T]     reads fail with EIO (those that take in byte N)
//     flip offset=N bit=B [skip=S] [times=T]   bit B of byte N is wrong in what arrives
//     nodirect                    opening for direct reads fails with EINVAL (the shim alone)
//     stat [skip=S] [times=T]     asking about the open file fails with EIO
// Of the calls that a rule means the first S are let go, the next T (default: all) are struck.

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <string>
#include <string_view>

namespace freehold::faults {

struct Rule {
  static constexpr uint64_t kAny = UINT64_MAX;
  std::string kind;
  uint64_t offset = kAny;
  uint64_t skip = 0;
  uint64_t times = UINT64_MAX;
  uint64_t bytes = 0;
  uint64_t us = 0;
  unsigned bit = 0;
  std::atomic<uint64_t> seen{0};

  /// Whether this call, which takes in [at, at + count), is struck; counts it if it is meant.
  bool strikes(uint64_t at, uint64_t count) {
    if (offset != kAny && (offset < at || offset - at >= count)) return false;
    const uint64_t before = seen.fetch_add(1);
    return before >= skip && before - skip < times;
  }
};

class Rules {
 public:
  static Rules& of_environment() {
    static Rules rules;
    return rules;
  }

  bool mean(std::string_view path) const {
    return !part_.empty() && path.find(part_) != std::string_view::npos &&
           !path.ends_with(".crc32c");
  }
  /// Before a read: sleeps, cuts `count`; true where the read fails with EIO.
  bool before_read(uint64_t at, size_t& count) {
    for (Rule& rule : rules_) {
      if (rule.kind == "slow" && rule.strikes(at, count)) {
        ::usleep(static_cast<useconds_t>(rule.us));
      }
      if (rule.kind == "eio" && rule.strikes(at, count)) return true;
      if (rule.kind == "short") count = std::min<size_t>(count, rule.bytes);
    }
    return false;
  }
  void after_read(uint64_t at, char* bytes, size_t count) {
    for (Rule& rule : rules_) {
      if (rule.kind != "flip" || !rule.strikes(at, count)) continue;
      bytes[rule.offset - at] = static_cast<char>(bytes[rule.offset - at] ^ (1 << rule.bit));
    }
  }
  bool refuses_direct() const {
    return std::any_of(rules_.begin(), rules_.end(),
                       [](const Rule& rule) { return rule.kind == "nodirect"; });
  }
  bool stat_fails() {
    for (Rule& rule : rules_) {
      if (rule.kind == "stat" && rule.strikes(0, 1)) return true;
    }
    return false;
  }

 private:
  Rules() {
    const auto text = [](const char* name) {
      const char* value = ::getenv(name);
      return std::string(value == nullptr ? "" : value);
    };
    part_ = text("FREEHOLD_FAULT_PATH");
    const std::string all = text("FREEHOLD_FAULTS");
    for (size_t at = 0; at < all.size();) {
      const size_t end = std::min(all.find(';', at), all.size());
      parse(all.substr(at, end - at));
      at = end + 1;
    }
  }

  /// A test's mistake ends the test: a rule that nobody understands would strike nothing.
  void parse(const std::string& text) {
    Rule& rule = rules_.emplace_back();
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find(' ', at), text.size());
      const std::string word = text.substr(at, end - at);
      at = end + 1;
      const size_t equals = word.find('=');
      if (word.empty()) continue;
      if (equals == std::string::npos) {
        rule.kind = word;
        continue;
      }
      const uint64_t number = std::strtoull(word.c_str() + equals + 1, nullptr, 10);
      const std::string key = word.substr(0, equals);
      if (key == "offset") rule.offset = number;
      if (key == "skip") rule.skip = number;
      if (key == "times") rule.times = number;
      if (key == "bytes") rule.bytes = number;
      if (key == "us") rule.us = number;
      if (key == "bit") rule.bit = static_cast<unsigned>(number);
    }
    const std::string_view known[] = {"short", "slow", "eio", "flip", "stat", "nodirect"};
    if (std::find(std::begin(known), std::end(known), rule.kind) == std::end(known)) ::_exit(97);
  }

  std::string part_;
  std::deque<Rule> rules_;
};

}  // namespace freehold::faults
