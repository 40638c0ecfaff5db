// Records, settings and model files from any bytes: a record that is read is written and read back
// the same; a layer of another program that is taken over gives settings that a record holds.

#include <cstdint>
#include <string>

#include "base/check.h"
#include "store/model_file.h"
#include "store/record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace freehold;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto record = store::parse_record(text); record.ok()) {
    const auto again = store::parse_record(store::encode_record(*record));
    CHECK(again.ok());
    CHECK(*again == *record);
  }
  if (const auto file = store::parse_model_file(text); file.ok()) {
    CHECK(!file->from.empty());
    CHECK(store::settings_over({}, file->settings).ok());
  }
  if (size == 0) return 0;
  constexpr const char* kKinds[] = {"system",  "params",   "template",
                                    "license", "messages", "adapter"};
  store::ModelRecord record;
  record.name = {"a", "b"};
  record.sha256 = std::string(64, '0');
  std::vector<std::string> notes;
  const char* kind = kKinds[data[0] % 6];
  if (!store::add_ollama_layer(record.settings, kind, text.substr(1), notes).ok()) return 0;
  const auto again = store::parse_record(store::encode_record(record));
  CHECK(again.ok());
  CHECK(again->settings == record.settings);
  return 0;
}
