#pragma once
// Views of matrices in somebody else's memory. A view owns nothing and outlives no call.
// Activations are [columns, width]: one row of memory per column of a pass.

#include <cstddef>
#include <span>

#include "base/check.h"

namespace freehold::tensor {

/// [rows, width] of T, `stride` elements from one row to the next.
template <class T>
struct MatrixView {
  T* data = nullptr;
  size_t rows = 0;
  size_t width = 0;
  size_t stride = 0;

  std::span<T> row(size_t index) const {
    DCHECK(index < rows);
    return {data + index * stride, width};
  }
  MatrixView rows_from(size_t first, size_t count) const {
    DCHECK(first + count <= rows);
    return {data + first * stride, count, width, stride};
  }
  operator MatrixView<const T>() const { return {data, rows, width, stride}; }
};

}  // namespace freehold::tensor
