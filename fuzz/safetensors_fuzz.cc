// Any bytes as a safetensors file: opened or refused, and where it opens, every byte of data
// belongs to exactly one tensor.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "io/simulated_file_system.h"
#include "model/safetensors/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace freehold;
  io::SimulatedFileSystem disk;
  disk.put("/m.safetensors", {reinterpret_cast<const char*>(data), size});
  const auto model = model::SafetensorsModel::open(disk, "/m.safetensors");
  if (!model.ok()) {
    CHECK(!model.error().message.empty());
    return 0;
  }
  uint64_t end = size;
  for (size_t i = model->tensors().size(); i > 0; --i) {
    const model::SafetensorsTensor& tensor = model->tensors()[i - 1];
    CHECK(tensor.offset + tensor.bytes == end);
    CHECK(model->find(tensor.name) == &tensor);
    end = tensor.offset;
  }
  CHECK(end >= 8 && end <= size);
  return 0;
}
