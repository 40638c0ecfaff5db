#pragma once
// The floating-point environment that the numerics profile demands: round to nearest even,
// subnormals neither flushed on the way out nor read as zero (docs/NUMERICS.md, section 0).

namespace freehold::device {

/// True where this thread computes that way. Decided by doing arithmetic, so it holds for every
/// processor; costs under a microsecond. Any thread.
bool float_environment_is_exact();

}  // namespace freehold::device
