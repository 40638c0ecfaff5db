#pragma once
// What the kernel lets this process have and how the machine is set up, for `doctor`: pure
// questions that change nothing. Those with a root folder read /proc and /sys below it, so that
// tests can describe other machines.

#include <cstdint>
#include <optional>
#include <string>

namespace freehold::device {

/// Version of Landlock's interface; 0 where the kernel has none or has it switched off.
int landlock_version();

/// Whether the kernel's clock is kept right from outside (NTP, PTP); nothing where it cannot be
/// asked.
std::optional<bool> clock_is_kept();

/// "always", "madvise" or "never" of transparent huge pages; empty where there are none.
std::string huge_page_policy(const std::string& root);

/// Whether somebody listens on a TCP port of this machine (IPv4 or IPv6).
bool is_listening(uint16_t port, const std::string& root);

}  // namespace freehold::device
