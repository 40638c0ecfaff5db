#include "device/control_groups.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"

namespace freehold::device {

namespace {

// The tightest answer of `ask` from `mount` + `group` up to `mount`. Inside a container the group's
// path may not exist below the mount; then only its parents that do are asked.
std::optional<double> tightest(const std::string& mount, std::string group,
                               std::optional<double> (*ask)(const std::string&)) {
  std::optional<double> least;
  while (true) {
    const std::optional<double> here = ask(mount + group);
    if (here && (!least || *here < *least)) least = here;
    const size_t slash = group.rfind('/');
    if (slash == std::string::npos) return least;
    group.resize(slash);
  }
}

bool has_controller(std::string_view controllers, std::string_view name) {
  const auto names = base::split(controllers, ',');
  return std::find(names.begin(), names.end(), name) != names.end();
}

void keep_least(std::optional<double>& least, std::optional<double> other) {
  if (other && (!least || *other < *least)) least = other;
}

}  // namespace

std::string read_system_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  std::string text(16384, '\0');
  size_t used = 0;
  while (used < text.size()) {
    const ssize_t got = ::read(file, text.data() + used, text.size() - used);
    if (got <= 0) break;
    used += static_cast<size_t>(got);
  }
  ::close(file);
  text.resize(used);
  return text;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return text;
}

std::optional<double> tightest_in_control_groups(const std::string& root,
                                                 const ControlLimit& limit) {
  std::optional<double> least;
  // Lines "hierarchy:controllers:path"; version 2 is hierarchy 0 without controllers (cgroups(7)).
  const std::string groups = read_system_file(root + "/proc/self/cgroup");
  const std::string mounts = root + "/sys/fs/cgroup";
  for (const std::string_view line : base::split(trimmed(groups), '\n')) {
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    std::string group(line.substr(second + 1));
    if (group == "/") group.clear();
    if (controllers.empty()) {
      keep_least(least, tightest(mounts, group, limit.ask_v2));
      keep_least(least, tightest(mounts + "/unified", group, limit.ask_v2));
    } else if (has_controller(controllers, limit.controller)) {
      for (const std::string_view mount : limit.mounts_v1) {
        keep_least(least, tightest(mounts + "/" + std::string(mount), group, limit.ask_v1));
      }
    }
  }
  return least;
}

}  // namespace freehold::device
