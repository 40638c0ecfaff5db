#include "server/host/fair_order.h"

#include <deque>

namespace freehold::server {

std::vector<size_t> fair_order(std::span<const std::string_view> waiting,
                               std::map<std::string, size_t, std::less<>> running) {
  std::map<std::string_view, std::deque<size_t>> queues;
  for (size_t i = 0; i < waiting.size(); ++i) queues[waiting[i]].push_back(i);
  const auto under_way = [&](std::string_view owner) {
    const auto found = running.find(owner);
    return found == running.end() ? size_t{0} : found->second;
  };
  std::vector<size_t> order;
  while (order.size() < waiting.size()) {
    auto best = queues.end();
    for (auto one = queues.begin(); one != queues.end(); ++one) {
      if (one->second.empty()) continue;
      const bool better = best == queues.end() || under_way(one->first) < under_way(best->first) ||
                          (under_way(one->first) == under_way(best->first) &&
                           one->second.front() < best->second.front());
      if (better) best = one;
    }
    order.push_back(best->second.front());
    best->second.pop_front();
    ++running[std::string(best->first)];
  }
  return order;
}

}  // namespace freehold::server
