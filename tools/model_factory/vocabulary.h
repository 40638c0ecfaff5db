#pragma once
// Small valid vocabularies: every byte can be written, common English words are single tokens, the
// rest is filled from the seed up to the wanted size. Pure; any thread.

#include <cstdint>
#include <string>
#include <vector>

#include "model_factory/model_factory.h"

namespace freehold::factory {

struct Vocabulary {
  std::string model;  // tokenizer.ggml.model: "none", "gpt2", "llama"
  std::string pre;    // tokenizer.ggml.pre
  std::vector<std::string> tokens;
  std::vector<float> scores;        // SPM
  std::vector<int32_t> types;       // llama.cpp's: 1 normal, 2 unknown, 3 control, 5 unused, 6 byte
  std::vector<std::string> merges;  // BPE
  int32_t bos = -1, eos = -1, unknown = -1;
  bool adds_bos = false;
  std::string chat_template;
};

/// At least this many tokens are needed.
uint32_t vocabulary_min(TokenizerKind kind);

/// `size` tokens; size at least vocabulary_min(kind).
Vocabulary make_vocabulary(TokenizerKind kind, uint32_t size, uint64_t seed);

}  // namespace freehold::factory
