#include "device/isa_ladder.h"

#include <fmt/format.h>

#include <array>

namespace freehold::device {

namespace {

constexpr std::array kRungs{Isa::kScalar, Isa::kAvx2, Isa::kAvx512, Isa::kAmx};

}  // namespace

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return "scalar";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAmx:
      return "amx";
  }
  return "unknown";
}

Result<Isa> choose_rung(std::string_view name, Isa best, std::string (*missing)(Isa)) {
  for (const Isa rung : kRungs) {
    if (isa_name(rung) != name) continue;
    if (rung <= best) return rung;
    return Error{ErrorCode::kRefused,
                 fmt::format("this machine cannot run {}: it lacks {}", name, missing(rung)),
                 fmt::format("The highest it runs is {}.", isa_name(best))};
  }
  return Error{ErrorCode::kUsage, fmt::format("there is no instruction set '{}'", name),
               "Choose scalar, avx2, avx512 or amx."};
}

}  // namespace freehold::device
