#include "device/topology.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "device/worker_pool.h"

namespace freehold::device {

namespace {

constexpr size_t kProcessorMax = 65535;

// The start of a small file of /proc or /sys, which have no useful size; empty where it cannot be
// read. Longer files are cut: none of those read here comes near.
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

std::optional<double> ratio(std::string_view quota, std::string_view period) {
  const auto part = base::parse_integer(quota);
  const auto whole = base::parse_integer(period);
  if (!part.ok() || !whole.ok() || part.value() <= 0 || whole.value() <= 0) return std::nullopt;
  return static_cast<double>(part.value()) / static_cast<double>(whole.value());
}

// Version 2 writes "max 100000" or "250000 100000".
std::optional<double> quota_v2(const std::string& folder) {
  const std::string text = read_system_file(folder + "/cpu.max");
  const auto parts = base::split(trimmed(text), ' ');
  if (parts.size() != 2) return std::nullopt;
  return ratio(parts[0], parts[1]);
}

std::optional<double> quota_v1(const std::string& folder) {
  const std::string quota = read_system_file(folder + "/cpu.cfs_quota_us");
  const std::string period = read_system_file(folder + "/cpu.cfs_period_us");
  return ratio(trimmed(quota), trimmed(period));
}

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

std::vector<size_t> parse_processor_list(std::string_view text) {
  std::vector<size_t> processors;
  for (const std::string_view piece : base::split(trimmed(text), ',')) {
    const auto ends = base::split(piece, '-');
    const auto first = base::parse_integer(ends.front());
    const auto last = base::parse_integer(ends.back());
    if (ends.size() > 2 || !first.ok() || !last.ok()) continue;
    if (first.value() < 0 || last.value() > static_cast<int64_t>(kProcessorMax)) continue;
    for (int64_t i = first.value(); i <= last.value(); ++i) {
      processors.push_back(static_cast<size_t>(i));
    }
  }
  return processors;
}

std::vector<size_t> allowed_processors() {
  // The mask must be as large as the kernel's; grow until it says so.
  for (size_t count = 1024; count <= kProcessorMax + 1; count *= 2) {
    std::vector<unsigned long> mask(count / (8 * sizeof(unsigned long)));
    const size_t bytes = mask.size() * sizeof(unsigned long);
    if (::sched_getaffinity(0, bytes, reinterpret_cast<cpu_set_t*>(mask.data())) != 0) continue;
    std::vector<size_t> processors;
    for (size_t i = 0; i < count; ++i) {
      constexpr size_t kBits = 8 * sizeof(unsigned long);
      if ((mask[i / kBits] >> (i % kBits) & 1u) != 0) processors.push_back(i);
    }
    return processors;
  }
  return {0};
}

std::vector<size_t> one_per_core(const std::vector<size_t>& processors, const std::string& root) {
  std::vector<size_t> chosen;
  std::set<size_t> taken;
  for (const size_t processor : processors) {
    if (taken.contains(processor)) continue;
    chosen.push_back(processor);
    const std::string siblings = read_system_file(fmt::format(
        "{}/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", root, processor));
    for (const size_t sibling : parse_processor_list(siblings)) taken.insert(sibling);
  }
  return chosen;
}

std::optional<double> cpu_quota(const std::string& root) {
  std::optional<double> least;
  // Lines "hierarchy:controllers:path"; version 2 is hierarchy 0 without controllers (cgroups(7)).
  const std::string groups = read_system_file(root + "/proc/self/cgroup");
  for (const std::string_view line : base::split(trimmed(groups), '\n')) {
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    std::string group(line.substr(second + 1));
    if (group == "/") group.clear();
    if (controllers.empty()) {
      keep_least(least, tightest(root + "/sys/fs/cgroup", group, quota_v2));
      keep_least(least, tightest(root + "/sys/fs/cgroup/unified", group, quota_v2));
    } else if (has_controller(controllers, "cpu")) {
      keep_least(least, tightest(root + "/sys/fs/cgroup/cpu", group, quota_v1));
      keep_least(least, tightest(root + "/sys/fs/cgroup/cpu,cpuacct", group, quota_v1));
    }
  }
  return least;
}

size_t usable_cores(const std::vector<size_t>& processors, const std::string& root) {
  size_t cores = one_per_core(processors, root).size();
  // The whole part: a thread too many makes every region wait for the next period.
  if (const auto quota = cpu_quota(root)) {
    if (*quota < static_cast<double>(cores)) cores = static_cast<size_t>(*quota);
  }
  return std::max<size_t>(cores, 1);
}

size_t physical_cores() { return usable_cores(allowed_processors(), ""); }

}  // namespace freehold::device
