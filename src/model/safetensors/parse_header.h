#pragma once
// One safetensors file's header to its tensors, for safetensors.cc alone.

#include <vector>

#include "model/safetensors/safetensors.h"

namespace freehold::model {

/// The tensors of `file` in the order of their data, their shard left at 0. Every number was
/// checked against the file's size; together they cover the data without holes or overlaps.
Result<std::vector<SafetensorsTensor>> parse_safetensors_header(io::ReadableFile& file,
                                                                const SafetensorsLimits& limits);

}  // namespace freehold::model
