#pragma once
// Processors, cores and the share of them that this process may use: affinity mask, threads that
// share a core, and the CPU quota of the control groups (v1 and v2). Read from a root folder, so
// that tests can describe other machines.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace freehold::device {

/// Logical processors that this thread's affinity mask allows, ascending.
std::vector<size_t> allowed_processors();

/// One of `processors` for each physical core, ascending; siblings of a core already taken are left
/// out. Processors about which /sys says nothing count as cores of their own.
std::vector<size_t> one_per_core(const std::vector<size_t>& processors, const std::string& root);

/// The tightest CPU quota on the way from this process's control group to the top, in processors
/// (2.5 means 250 ms of every 100 ms); nothing where there is none.
std::optional<double> cpu_quota(const std::string& root);

/// Cores to compute on: one_per_core, at most the whole part of the quota, at least 1.
size_t usable_cores(const std::vector<size_t>& processors, const std::string& root);

/// The numbers of "0-3,8,10-11" as the kernel writes lists of processors; what cannot be read is
/// left out, numbers above 65535 too.
std::vector<size_t> parse_processor_list(std::string_view text);

}  // namespace freehold::device
