// Any bytes as JSON: the reader answers, and what it read is written and read back the same.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/json.h"

namespace {

using freehold::base::JsonMember;
using freehold::base::JsonValue;
using freehold::base::JsonWriter;

void write(JsonWriter& json, const JsonValue& value) {
  if (value.is_object()) {
    json.begin_object();
    for (const JsonMember& member : value.members()) {
      json.key(member.key);
      write(json, member.value);
    }
    json.end_object();
  } else if (value.is_array()) {
    json.begin_array();
    for (const JsonValue& element : value.elements()) write(json, element);
    json.end_array();
  } else if (value.as_string()) {
    json.value(*value.as_string());
  } else if (value.as_bool()) {
    json.value(*value.as_bool());
  } else if (value.as_integer()) {
    json.value(*value.as_integer());
  } else if (value.as_unsigned()) {
    json.value(*value.as_unsigned());
  } else if (value.as_number()) {
    json.value(*value.as_number());
  } else {
    json.null();
  }
}

std::string written(const JsonValue& value) {
  std::string text;
  JsonWriter json(text);
  write(json, value);
  CHECK(json.complete());
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto first = JsonValue::parse({reinterpret_cast<const char*>(data), size});
  if (!first.ok()) return 0;
  const std::string text = written(*first);
  const auto second = JsonValue::parse(text);
  CHECK(second.ok());
  CHECK(written(*second) == text);
  return 0;
}
