#include "runtime/sampler/file_defaults.h"

#include <fmt/format.h>

#include <algorithm>

namespace freehold::runtime {

namespace {

constexpr uint64_t kTopKMax = 1 << 24;

}  // namespace

Status apply_file_defaults(const model::Metadata& metadata, SamplingOptions& sampling) {
  const auto number = [&](const char* key, double low, double high, float& value) -> Status {
    const auto found = metadata.find_float(key);
    if (!found) return {};
    if (!(*found >= low && *found <= high)) {
      return Error{ErrorCode::kDamaged, fmt::format("the file's '{}' is {}", key, *found),
                   fmt::format("it goes from {} to {}", low, high)};
    }
    value = static_cast<float>(*found);
    return {};
  };
  TRY(number("general.sampling.temp", 0, 1000, sampling.temperature));
  TRY(number("general.sampling.top_p", 0, 1, sampling.top_p));
  TRY(number("general.sampling.min_p", 0, 1, sampling.min_p));
  TRY(number("general.sampling.penalty_repeat", 1e-3, 1000, sampling.repeat_penalty));
  if (const auto found = metadata.find_unsigned("general.sampling.top_k")) {
    sampling.top_k = static_cast<uint32_t>(std::min<uint64_t>(*found, kTopKMax));
  }
  return {};
}

}  // namespace freehold::runtime
