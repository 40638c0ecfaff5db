#pragma once
// Which of some learned biases belongs to a distance between a key and a query, as T5 (Raffel et
// al., 2019, "relative attention") and MPNet count: one bucket a distance up to a quarter of them,
// then logarithmically wider ones up to kRelativeDistanceMax, the other half for keys behind the
// query. docs/NUMERICS.md, section 3.

#include <cstdint>

#include "ops/math/functions64.h"

namespace freehold::ops {

/// Every distance from here on falls into the last bucket.
inline constexpr int64_t kRelativeDistanceMax = 128;

/// `distance` = key's position - query's; `buckets` a multiple of 4, at most 4 *
/// kRelativeDistanceMax.
inline uint32_t relative_bucket(int64_t distance, uint32_t buckets) {
  const uint32_t half = buckets / 2;
  const uint32_t exact = half / 2;
  const uint32_t side = distance > 0 ? half : 0;
  const auto apart = static_cast<uint64_t>(distance > 0 ? distance : -distance);
  if (apart < exact) return side + static_cast<uint32_t>(apart);
  if (apart >= kRelativeDistanceMax) return side + half - 1;
  const double share = log2_f64(static_cast<double>(apart) / exact) /
                       log2_f64(static_cast<double>(kRelativeDistanceMax) / exact);
  const auto beyond = static_cast<uint32_t>(share * (half - exact));
  return side + (exact + beyond < half ? exact + beyond : half - 1);
}

}  // namespace freehold::ops
