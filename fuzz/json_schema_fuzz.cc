// Any bytes as a JSON Schema: refused by name, or a grammar, in which a walk from the shortest
// choices stays inside JSON.

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/json.h"
#include "model/grammar/json_schema.h"
#include "model/grammar/stacks.h"

using namespace freehold;  // NOLINT: a program of its own

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;
  const auto schema = base::JsonValue::parse({reinterpret_cast<const char*>(data), size});
  if (!schema.ok()) return 0;
  for (const bool as_meant : {true, false}) {
    const auto grammar = model::json_schema_grammar(*schema, {.as_meant = as_meant});
    if (!grammar.ok()) {
      CHECK(!grammar.error().message.empty());
      continue;
    }
    model::StackMachine machine(*grammar);
    model::StackSet stacks = machine.start(grammar->start());
    std::string text;
    uint32_t choice = static_cast<uint32_t>(size);
    while (text.size() < 200 && machine.continues(stacks)) {
      if (machine.accepts(stacks) && choice % 3 == 0) break;
      // Some byte that goes on, from a place that changes.
      choice = choice * 1664525u + 1013904223u;
      model::StackSet next;
      for (unsigned i = 0; i < 256 && next.empty(); ++i) {
        const auto byte = static_cast<uint8_t>((choice >> 16) + i);
        next = machine.step(stacks, byte);
        if (!next.empty()) text += static_cast<char>(byte);
      }
      if (machine.overflowed()) return 0;
      CHECK(!next.empty());
      stacks = std::move(next);
    }
    if (!machine.accepts(stacks)) continue;
    const auto read = base::JsonValue::parse(text);
    // A name may come twice, and a number leave the range of double.
    CHECK(read.ok() || text.find('{') != std::string::npos || text.find('e') != std::string::npos ||
          text.find('E') != std::string::npos);
  }
  return 0;
}
