// Texts of any bytes through small tokenizers of every kind, and vocabularies of any bytes through
// the checks. The first byte says which. What is encoded must come back (byte-level: exactly), and
// a vocabulary is a tokenizer or an error.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "model/tokenizer/create.h"
#include "model/tokenizer/tokenizer.h"
#include "model/tokenizer/vocabulary.h"

namespace {

using freehold::model::create_tokenizer;
using freehold::model::Detokenizer;
using freehold::model::SpecialTokens;
using freehold::model::Tokenizer;
using freehold::model::Vocabulary;

/// Pieces of `data` between newlines: a vocabulary's strings.
Vocabulary vocabulary_of(std::string_view data, std::string_view model, std::string_view pre) {
  Vocabulary vocabulary;
  vocabulary.model = model;
  vocabulary.pre = pre;
  const auto lines = freehold::base::split(data, '\n');
  for (const std::string_view line : lines) {
    if (line.find(' ', 1) != std::string_view::npos && (model == "gpt2" || model == "gemma4")) {
      vocabulary.merges.push_back(line);
      continue;
    }
    vocabulary.tokens.push_back(line.substr(0, line.size() - (line.empty() ? 0 : 1)));
    const auto last = static_cast<uint8_t>(line.empty() ? 1 : line.back());
    vocabulary.types.push_back(last % 8);
    vocabulary.scores.push_back(-static_cast<double>(last / 8));
  }
  if (!data.empty()) vocabulary.eos = static_cast<uint8_t>(data[0]);
  vocabulary.unknown = 0;
  return vocabulary;
}

void try_texts(const Vocabulary& vocabulary, std::string_view text) {
  const auto tokenizer = create_tokenizer(vocabulary);
  if (!tokenizer.ok()) {
    CHECK(!tokenizer.error().message.empty());
    return;
  }
  for (const SpecialTokens special : {SpecialTokens::kPlainText, SpecialTokens::kParse}) {
    Detokenizer stream(**tokenizer);
    std::string out;
    for (const auto token : (*tokenizer)->encode(text, special)) {
      CHECK(token >= 0 && static_cast<size_t>(token) < (*tokenizer)->vocabulary_size());
      out += stream.push(token);
    }
    out += stream.finish();
  }
}

/// All bytes as GPT-2 writes them, and a few merges.
void try_byte_level(std::string_view text, std::string_view pre) {
  std::vector<std::string> tokens;
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool itself = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
    std::string token;
    freehold::base::append_utf8(token, static_cast<char32_t>(itself ? byte : next++));
    tokens.push_back(token);
  }
  for (const char* more : {"aa", "aaa", "th", "the", "\u0120the", "\u010A\u010A"}) {
    tokens.emplace_back(more);
  }
  Vocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = pre;
  vocabulary.tokens.assign(tokens.begin(), tokens.end());
  vocabulary.merges = {"t h", "th e", "\u0120 the", "a a", "aa a", "\u010A \u010A"};
  const auto tokenizer = create_tokenizer(vocabulary);
  CHECK(tokenizer.ok());
  std::string back;
  for (const auto token : (*tokenizer)->encode(text, SpecialTokens::kParse)) {
    back += (*tokenizer)->token_bytes(token);
  }
  CHECK(back == text || pre.substr(0, 4) == "qwen" ||
        pre == "tiny_aya");  // those bring text into normal form first
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  constexpr std::string_view kRules[] = {
      "gpt-2",  "smollm",   "llama-bpe",   "qwen2",          "qwen35",       "gpt-4o",
      "tekken", "tiny_aya", "deepseek-v3", "deepseek-coder", "deepseek-llm", "falcon"};
  constexpr std::string_view kModels[] = {"gpt2", "llama", "t5", "bert", "gemma4"};
  const uint8_t choice = data[0] % (std::size(kRules) + std::size(kModels));
  text.remove_prefix(1);
  if (choice < std::size(kRules)) {
    try_byte_level(text, kRules[choice]);
    return 0;
  }
  Vocabulary vocabulary = vocabulary_of(text, kModels[choice - std::size(kRules)], "gpt-2");
  // A third of the texts that there are stands in for a character map as well.
  if (data[0] % 3 == 0) vocabulary.charsmap = text.substr(0, text.size() / 2);
  try_texts(vocabulary, text);
  return 0;
}
