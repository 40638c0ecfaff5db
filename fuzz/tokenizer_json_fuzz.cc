// Any bytes as a tokenizer.json: a tokenizer or an error. A tokenizer must take any text; the
// file's own bytes serve as one.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "model/tokenizer/tokenizer_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using freehold::model::SpecialTokens;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = freehold::model::create_from_tokenizer_json(text);
  if (!tokenizer.ok()) {
    CHECK(!tokenizer.error().message.empty());
    return 0;
  }
  for (const SpecialTokens special : {SpecialTokens::kPlainText, SpecialTokens::kParse}) {
    for (const auto token : (*tokenizer)->encode(text, special)) {
      CHECK(token >= 0 && static_cast<size_t>(token) < (*tokenizer)->vocabulary_size());
      (*tokenizer)->token_bytes(token);
    }
  }
  return 0;
}
