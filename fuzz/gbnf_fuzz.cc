// Any bytes as a GBNF grammar, then a walk inside it over a small vocabulary: the parser answers,
// and a mask says of every token what accepting it says.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "model/grammar/gbnf.h"
#include "model/grammar/matcher.h"

namespace {

using namespace freehold::model;  // NOLINT: a program of its own

std::shared_ptr<const GrammarVocabulary> small_vocabulary() {
  std::vector<std::string> texts;
  for (int byte = 0; byte < 256; ++byte) texts.emplace_back(1, static_cast<char>(byte));
  for (const char* text : {"ab", "aa", "ba", "\"a", "\",", "{\"", "\xff<|t|>", "\xc3\xa9", "end"}) {
    texts.emplace_back(text);
  }
  const auto end = static_cast<TokenId>(texts.size() - 1);
  return std::make_shared<GrammarVocabulary>(texts, std::vector<TokenId>{end});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto kVocabulary = small_vocabulary();
  if (size > 2048) return 0;
  auto grammar = parse_gbnf({reinterpret_cast<const char*>(data), size});
  if (!grammar.ok()) {
    CHECK(!grammar.error().message.empty());
    return 0;
  }
  const auto masks =
      std::make_shared<TokenMasks>(std::make_shared<Grammar>(*std::move(grammar)), kVocabulary);
  GrammarMatcher matcher(masks);
  uint32_t choice = static_cast<uint32_t>(size);
  for (int step = 0; step < 8 && !matcher.must_end(); ++step) {
    const auto mask = matcher.allowed();
    if (!mask.ok()) return 0;  // too ambiguous, by name
    std::vector<TokenId> allowed;
    for (size_t token = 0; token < kVocabulary->size(); ++token) {
      const bool bit = ((*mask)[token / 64] >> (token % 64) & 1) != 0;
      GrammarMatcher copy(matcher);
      const auto accepted = copy.accept(static_cast<TokenId>(token));
      if (!accepted.ok() && accepted.error().message.find("too many ways") != std::string::npos) {
        return 0;
      }
      CHECK(bit == accepted.ok());
      if (bit && !kVocabulary->is_end(static_cast<TokenId>(token))) {
        allowed.push_back(static_cast<TokenId>(token));
      }
    }
    CHECK(!allowed.empty());
    choice = choice * 1664525u + 1013904223u;
    CHECK(matcher.accept(allowed[(choice >> 8) % allowed.size()]).ok());
  }
  return 0;
}
