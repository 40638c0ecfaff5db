#include "device/machine_state.h"

#include <linux/landlock.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <unistd.h>

#include <charconv>
#include <string_view>

#include "device/control_groups.h"

namespace freehold::device {

namespace {

constexpr std::string_view kListening = "0A";  // /proc/net/tcp, column "st"
/// Words of a line that are looked at: number, local address, remote address, state.
constexpr size_t kWords = 4;

bool line_listens(std::string_view line, uint16_t port) {
  std::string_view words[kWords];
  for (std::string_view& word : words) {
    const size_t first = line.find_first_not_of(' ');
    if (first == std::string_view::npos) return false;
    line.remove_prefix(first);
    word = line.substr(0, line.find(' '));
    line.remove_prefix(word.size());
  }
  const std::string_view local = words[1];
  const size_t colon = local.rfind(':');
  if (colon == std::string_view::npos || words[3] != kListening) return false;
  uint32_t number = 0;
  const std::string_view digits = local.substr(colon + 1);
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return read.ec == std::errc() && number == port;
}

}  // namespace

int landlock_version() {
  const long version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, size_t{0}, LANDLOCK_CREATE_RULESET_VERSION);
  return version < 0 ? 0 : static_cast<int>(version);
}

std::optional<bool> clock_is_kept() {
  timex state{};
  if (::adjtimex(&state) < 0) return std::nullopt;
  return (state.status & STA_UNSYNC) == 0;
}

std::string huge_page_policy(const std::string& root) {
  // "always [madvise] never"
  const std::string text = read_system_file(root + "/sys/kernel/mm/transparent_hugepage/enabled");
  const size_t open = text.find('[');
  const size_t close = text.find(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return {};
  return text.substr(open + 1, close - open - 1);
}

bool is_listening(uint16_t port, const std::string& root) {
  for (const char* name : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    const std::string text = read_system_file(root + name);
    std::string_view rest = text;
    while (!rest.empty()) {
      const size_t end = rest.find('\n');
      if (line_listens(rest.substr(0, end), port)) return true;
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
    }
  }
  return false;
}

}  // namespace freehold::device
