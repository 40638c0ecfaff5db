// Our reader beside PyPI `gguf` on real models: names, types, dims, offsets and every value. What
// the peer read is in golden/gguf/real (tools/golden/make_gguf_listings.py).

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/text.h"
#include "io/file.h"
#include "model/gguf/gguf.h"
#include "model/gguf/gguf_bytes.h"
#include "model/gguf/metadata_data.h"

namespace freehold::model {
namespace {

struct Hash {
  uint64_t value = 0xCBF29CE484222325u;  // FNV-1a, 64 bits
  void add(std::string_view bytes) {
    for (const char c : bytes) value = (value ^ static_cast<uint8_t>(c)) * 0x100000001B3u;
  }
};

template <class T>
void add_as(Hash& hash, ValueType wanted, ValueType type, double number) {
  if (wanted == type) hash.add(le(static_cast<T>(number)));
}

// A number back into the bytes it had. Real files hold nothing that a double cannot.
void add_number(Hash& hash, ValueType type, double number) {
  add_as<uint8_t>(hash, ValueType::kU8, type, number);
  add_as<int8_t>(hash, ValueType::kI8, type, number);
  add_as<uint16_t>(hash, ValueType::kU16, type, number);
  add_as<int16_t>(hash, ValueType::kI16, type, number);
  add_as<uint32_t>(hash, ValueType::kU32, type, number);
  add_as<int32_t>(hash, ValueType::kI32, type, number);
  add_as<float>(hash, ValueType::kF32, type, number);
  add_as<uint64_t>(hash, ValueType::kU64, type, number);
  add_as<int64_t>(hash, ValueType::kI64, type, number);
  add_as<double>(hash, ValueType::kF64, type, number);
}

std::string key_line(const Metadata& m, std::string_view key) {
  const ValueType type = *m.type_of(key);
  Hash hash;
  if (type == ValueType::kArray) {
    const ValueType element = *m.array_type(key);
    if (element == ValueType::kString) {
      const auto texts = *m.find_strings(key);
      for (const std::string_view text : texts) hash.add(text);
    } else {
      const auto numbers = *m.find_floats(key);
      for (const double number : numbers) add_number(hash, element, number);
    }
    return fmt::format("key {} [{}] {} {:016x}", key, value_type_name(element), *m.array_size(key),
                       hash.value);
  }
  if (type == ValueType::kString) hash.add(*m.find_string(key));
  if (type == ValueType::kBool) hash.add(std::string(1, *m.find_bool(key) ? '\1' : '\0'));
  if (const auto number = m.find_float(key)) add_number(hash, type, *number);
  if (const auto number = m.find_signed(key)) add_number(hash, type, static_cast<double>(*number));
  return fmt::format("key {} {} 1 {:016x}", key, value_type_name(type), hash.value);
}

std::string tensor_line(const TensorInfo& info) {
  std::string dims = fmt::format("{}", info.dims[0]);
  for (uint32_t i = 1; i < info.dimensions; ++i) dims += fmt::format("x{}", info.dims[i]);
  return fmt::format("tensor {} {} {} {} {}", info.name, info.format->name, dims, info.offset,
                     info.bytes);
}

class GgufReal : public testing::TestWithParam<const char*> {};

TEST_P(GgufReal, AgreesWithThePythonReader) {
  const char* folder = std::getenv("FREEHOLD_TEST_MODELS");
  if (folder == nullptr) GTEST_SKIP() << "FREEHOLD_TEST_MODELS does not name a folder of models";
  const auto files = io::make_system_files();
  const std::string path = fmt::format("{}/{}.gguf", folder, GetParam());
  if (!files->stat(path).ok()) GTEST_SKIP() << GetParam() << ".gguf is not in that folder";
  auto model = GgufModel::open(*files, path);
  ASSERT_TRUE(model.ok()) << model.error().message;

  std::vector<std::string> ours;
  for (const std::string_view key : model->metadata().keys()) {
    ours.push_back(key_line(model->metadata(), key));
  }
  for (const TensorInfo& info : model->tensors()) ours.push_back(tensor_line(info));

  const std::string listing =
      fmt::format(FREEHOLD_SOURCE_DIR "/golden/gguf/real/{}.txt", GetParam());
  const auto text = io::read_small_file(*files, listing, 1 << 20);
  ASSERT_TRUE(text.ok()) << text.error().message;
  const auto theirs = base::split(*text, '\n');
  ASSERT_EQ(ours.size() + 1, theirs.size());  // the last line ends with a newline
  for (size_t i = 0; i < ours.size(); ++i) ASSERT_EQ(ours[i], theirs[i]) << "line " << i + 1;
}

INSTANTIATE_TEST_SUITE_P(Models, GgufReal, testing::Values("smollm2", "gemma3", "qwen05", "qwen15"),
                         [](const auto& row) { return std::string(row.param); });

}  // namespace
}  // namespace freehold::model
