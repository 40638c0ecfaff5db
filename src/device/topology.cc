#include "device/topology.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "device/control_groups.h"
#include "device/worker_pool.h"

namespace freehold::device {

namespace {

constexpr size_t kProcessorMax = 65535;

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
  constexpr std::string_view kMounts[] = {"cpu", "cpu,cpuacct"};
  return tightest_in_control_groups(root, {"cpu", kMounts, quota_v2, quota_v1});
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
