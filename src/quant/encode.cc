#include "quant/encode.h"

#include "quant/encoders.h"

namespace freehold::quant {

EncodeRowFn encoder(FormatId id) {
  switch (id) {
#define FREEHOLD_ENCODER(id, name) \
  case FormatId::id:               \
    return &name##_encode_row;
#include "quant/encoders.def"
#undef FREEHOLD_ENCODER
    default:
      return nullptr;
  }
}

}  // namespace freehold::quant
