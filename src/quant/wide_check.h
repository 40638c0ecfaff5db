#pragma once
// Whether the matrix tiles of this processor compute what the reference does.

#include "quant/format.h"

namespace freehold::quant {

/// True where `dot` equals the format's reference bit for bit on a small panel of random bytes,
/// with more columns than one tile takes. Microseconds; any thread.
bool equals_reference(const Format& format, PanelDotFn dot);

/// equals_reference() of the format's dot_amx, found out once per process and format: processors
/// come with new tile units faster than we can see them all, so each is asked before it is trusted.
bool wide_path_is_exact(const Format& format);

}  // namespace freehold::quant
