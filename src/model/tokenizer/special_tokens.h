#pragma once
// Finds tokens that are written out in a text before it is cut into words: control tokens where the
// caller allows them, user-defined tokens always. Leftmost first, longest of those that start
// there. Immutable after create(); any thread.

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace freehold::model {

/// A set of token texts to look for. Time: linear in the text, times the longest token at worst,
/// which is why that is limited.
class SpecialTokenFinder {
 public:
  /// Longest text of such a token. The longest in use have about 60 bytes.
  static constexpr size_t kBytesMax = 256;

  struct Match {
    size_t start = 0;
    size_t length = 0;  // 0: none
    int32_t token = -1;
  };

  /// Texts and their tokens; empty texts are left out, of equal texts the first stays. kRefused for
  /// a text above the limit.
  static Result<SpecialTokenFinder> create(
      const std::vector<std::pair<std::string_view, int32_t>>& tokens);

  /// The first match at or after `from`.
  Match find(std::string_view text, size_t from) const;

 private:
  struct Node {
    int32_t token = -1;
    uint32_t first_edge = 0;  // into edges_, sorted by byte
    uint32_t edges = 0;
  };
  struct Edge {
    uint8_t byte;
    uint32_t node;
  };
  Match longest_at(std::string_view text, size_t start) const;

  std::vector<Node> nodes_;
  std::vector<Edge> edges_;
  std::vector<uint64_t> pairs_;        // bitmap of the first two bytes of all texts
  std::array<uint8_t, 256> firsts_{};  // 0 none, 1 by pair, 2 the byte alone is a token
};

}  // namespace freehold::model
