#pragma once
// Means of a row that are not a norm's: what it is cut at, and what its size is made like
// (docs/NUMERICS.md, section 8). By lanes and tree, one path for every instruction set. Pure; any
// thread.
#include <cstddef>

namespace freehold::ops {

struct RowMoments {
  float mean = 0;
  float deviation = 0;  ///< sqrt(mean of (x - mean)^2)
};

RowMoments row_moments(const float* x, size_t count);

/// sqrt(max(mean of x^2, least))
float root_mean_square(const float* x, size_t count, float least);

}  // namespace freehold::ops
