#include "model/tokenizer/special_tokens.h"

#include <fmt/format.h>

#include <algorithm>

namespace freehold::model {
namespace {

constexpr uint8_t kByPair = 1, kAlone = 2;

size_t pair_of(std::string_view text, size_t at) {
  return (static_cast<size_t>(static_cast<uint8_t>(text[at])) << 8) |
         static_cast<uint8_t>(text[at + 1]);
}

}  // namespace

Result<SpecialTokenFinder> SpecialTokenFinder::create(
    const std::vector<std::pair<std::string_view, int32_t>>& tokens) {
  SpecialTokenFinder finder;
  auto sorted = tokens;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  finder.pairs_.assign(65536 / 64, 0);
  for (const auto& [text, token] : sorted) {
    if (text.size() > kBytesMax) {
      return Error{
          ErrorCode::kRefused,
          fmt::format("tokenizer: special token {} has {} bytes, more than the limit of {}", token,
                      text.size(), kBytesMax),
          {}};
    }
    if (text.empty()) continue;
    uint8_t& first = finder.firsts_[static_cast<uint8_t>(text[0])];
    if (text.size() == 1) {
      first = kAlone;
    } else {
      if (first == 0) first = kByPair;
      finder.pairs_[pair_of(text, 0) / 64] |= uint64_t{1} << (pair_of(text, 0) % 64);
    }
  }
  // Breadth first over the sorted texts: a node is a range of texts that share their first bytes.
  struct Range {
    size_t begin, end, depth;
    uint32_t node;
  };
  std::vector<Range> queue{{0, sorted.size(), 0, 0}};
  finder.nodes_.push_back({});
  for (size_t at = 0; at < queue.size(); ++at) {
    const Range range = queue[at];
    size_t text = range.begin;
    while (text < range.end && sorted[text].first.size() == range.depth) {
      if (finder.nodes_[range.node].token < 0) {
        finder.nodes_[range.node].token = sorted[text].second;
      }
      ++text;
    }
    finder.nodes_[range.node].first_edge = static_cast<uint32_t>(finder.edges_.size());
    while (text < range.end) {
      const char byte = sorted[text].first[range.depth];
      const size_t begin = text;
      while (text < range.end && sorted[text].first[range.depth] == byte) ++text;
      const auto node = static_cast<uint32_t>(finder.nodes_.size());
      finder.nodes_.push_back({});
      finder.edges_.push_back({static_cast<uint8_t>(byte), node});
      queue.push_back({begin, text, range.depth + 1, node});
    }
    finder.nodes_[range.node].edges =
        static_cast<uint32_t>(finder.edges_.size() - finder.nodes_[range.node].first_edge);
  }
  finder.nodes_[0].token = -1;  // empty texts match nothing
  return finder;
}

SpecialTokenFinder::Match SpecialTokenFinder::longest_at(std::string_view text,
                                                         size_t start) const {
  Match best;
  uint32_t node = 0;
  for (size_t at = start; at < text.size(); ++at) {
    const auto byte = static_cast<uint8_t>(text[at]);
    const Edge* begin = edges_.data() + nodes_[node].first_edge;
    const Edge* end = begin + nodes_[node].edges;
    const Edge* edge = std::lower_bound(
        begin, end, byte, [](const Edge& row, uint8_t value) { return row.byte < value; });
    if (edge == end || edge->byte != byte) break;
    node = edge->node;
    if (nodes_[node].token >= 0) best = {start, at + 1 - start, nodes_[node].token};
  }
  return best;
}

SpecialTokenFinder::Match SpecialTokenFinder::find(std::string_view text, size_t from) const {
  if (nodes_.size() <= 1) return {};
  for (size_t at = from; at < text.size(); ++at) {
    const uint8_t kind = firsts_[static_cast<uint8_t>(text[at])];
    if (kind == 0) continue;
    if (kind == kByPair) {
      if (at + 1 == text.size()) break;
      const size_t pair = pair_of(text, at);
      if ((pairs_[pair / 64] >> (pair % 64) & 1) == 0) continue;
    }
    const Match match = longest_at(text, at);
    if (match.length != 0) return match;
  }
  return {};
}

}  // namespace freehold::model
