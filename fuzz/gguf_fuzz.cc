// A GGUF file of any bytes. Whatever opens must hold what the reader promises: tensors inside the
// file, in order, apart from each other; names that find their tensor; values that can be asked
// for.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "io/simulated_file_system.h"
#include "model/gguf/gguf.h"

namespace {

using freehold::model::GgufModel;
using freehold::model::Metadata;
using freehold::model::TensorInfo;

void ask_for_everything(const Metadata& metadata) {
  for (const std::string_view key : metadata.keys()) {
    CHECK(metadata.contains(key));
    CHECK(!metadata.describe(key).empty());
    (void)metadata.find_unsigned(key);
    (void)metadata.find_signed(key);
    (void)metadata.find_float(key);
    (void)metadata.find_bool(key);
    (void)metadata.find_string(key);
    (void)metadata.find_floats(key);
    (void)metadata.find_integers(key);
    if (const auto texts = metadata.find_strings(key)) {
      CHECK(texts->size() == metadata.array_size(key));
    }
  }
}

void check_tensors(const GgufModel& model, uint64_t file_size) {
  uint64_t end = 0;
  uint64_t sum = 0;
  for (const TensorInfo& info : model.tensors()) {
    CHECK(model.find(info.name) == &info);
    CHECK(info.offset >= end && info.offset <= file_size);
    CHECK(info.bytes > 0 && info.bytes <= file_size - info.offset);
    CHECK(info.bytes == info.format->row_bytes(info.width()) * info.rows());
    end = info.offset + info.bytes;
    sum += info.bytes;
  }
  CHECK(sum == model.tensor_bytes());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  freehold::io::SimulatedFileSystem files;
  files.put("/m.gguf", std::string_view(reinterpret_cast<const char*>(data), size));
  auto model = GgufModel::open(files, "/m.gguf");
  if (!model.ok()) {
    CHECK(!model.error().message.empty());
    return 0;
  }
  ask_for_everything(model->metadata());
  check_tensors(*model, size);
  return 0;
}
