#pragma once
// Whose turn it is: of those who wait, an owner with fewer answers under way goes before one with
// more, and of one owner's the earlier before the later. Pure.

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace freehold::server {

/// Indices into `waiting` (owners, in order of arrival), in the order in which they should start.
/// `running`: answers under way by owner.
std::vector<size_t> fair_order(std::span<const std::string_view> waiting,
                               std::map<std::string, size_t, std::less<>> running);

}  // namespace freehold::server
