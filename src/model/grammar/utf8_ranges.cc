#include "model/grammar/utf8_ranges.h"

#include <algorithm>

#include "base/text.h"

namespace freehold::model {

namespace {

constexpr char32_t kLast = 0x10FFFF;
constexpr RuneRange kSurrogates{0xD800, 0xDFFF};

/// Both ends of `range` encode to equally many bytes. Splits until every byte but the first few is
/// either equal in both ends or runs over all its values.
void split(RuneRange range, std::vector<Utf8Range>& out) {
  std::vector<RuneRange> waiting{range};
  while (!waiting.empty()) {
    const RuneRange next = waiting.back();
    waiting.pop_back();
    bool whole = true;
    // 6 payload bits a continuation byte, the last one first.
    for (const unsigned bits : {6u, 12u, 18u}) {
      const char32_t mask = (char32_t{1} << bits) - 1;
      if ((next.low & ~mask) == (next.high & ~mask)) break;
      if (next.low >= 0x80 && (next.low & mask) != 0) {
        waiting.push_back({(next.low | mask) + 1, next.high});
        waiting.push_back({next.low, next.low | mask});
        whole = false;
        break;
      }
      if (next.low >= 0x80 && (next.high & mask) != mask) {
        waiting.push_back({next.high & ~mask, next.high});
        waiting.push_back({next.low, (next.high & ~mask) - 1});
        whole = false;
        break;
      }
    }
    if (!whole) continue;
    std::string low;
    std::string high;
    base::append_utf8(low, next.low);
    base::append_utf8(high, next.high);
    Utf8Range piece{.length = static_cast<uint8_t>(low.size())};
    for (size_t i = 0; i < low.size(); ++i) {
      piece.low[i] = static_cast<uint8_t>(low[i]);
      piece.high[i] = static_cast<uint8_t>(high[i]);
    }
    out.push_back(piece);
  }
}

}  // namespace

std::vector<Utf8Range> utf8_ranges(RuneRange range) {
  // Where the length of the encoding changes, and around the surrogates.
  constexpr RuneRange kParts[] = {{0, 0x7F},
                                  {0x80, 0x7FF},
                                  {0x800, kSurrogates.low - 1},
                                  {kSurrogates.high + 1, 0xFFFF},
                                  {0x10000, kLast}};
  std::vector<Utf8Range> out;
  for (const RuneRange& part : kParts) {
    const RuneRange common{std::max(range.low, part.low), std::min(range.high, part.high)};
    if (common.low <= common.high) split(common, out);
  }
  return out;
}

std::vector<RuneRange> merged(std::vector<RuneRange> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const RuneRange& a, const RuneRange& b) { return a.low < b.low; });
  std::vector<RuneRange> out;
  for (const RuneRange& range : ranges) {
    if (!out.empty() && range.low <= out.back().high + 1) {
      out.back().high = std::max(out.back().high, range.high);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

std::vector<RuneRange> complement(std::vector<RuneRange> ranges) {
  std::vector<RuneRange> out;
  char32_t next = 0;
  for (const RuneRange& range : merged(std::move(ranges))) {
    if (range.low > next) out.push_back({next, range.low - 1});
    next = range.high + 1;
  }
  if (next <= kLast) out.push_back({next, kLast});
  return out;
}

}  // namespace freehold::model
