#pragma once
// Limits that the control groups (v1 and v2) set for this process, and the small files of /proc and
// /sys they are read from. A root folder is given, so that tests can describe other machines.

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace freehold::device {

/// The start of a small file of /proc or /sys, which have no useful size; empty where it cannot be
/// read. Longer files are cut after 16 KiB: none of those read here comes near.
std::string read_system_file(const std::string& path);

/// Without line feeds and spaces at its end.
std::string_view trimmed(std::string_view text);

/// One controller's limit and how to read it in a group's folder (nothing: no limit there).
struct ControlLimit {
  std::string_view controller;                  // as /proc/self/cgroup names it
  std::span<const std::string_view> mounts_v1;  // folders below /sys/fs/cgroup
  std::optional<double> (*ask_v2)(const std::string& folder);
  std::optional<double> (*ask_v1)(const std::string& folder);
};

/// The least answer on the way from this process's group to the top; nothing where none limits it.
std::optional<double> tightest_in_control_groups(const std::string& root,
                                                 const ControlLimit& limit);

}  // namespace freehold::device
