#pragma once
// A model's vocabulary as the file tells it (`tokenizer.ggml.*`), before anything is built from it:
// a plain struct, so that tests can write one down. Checked once, by check_vocabulary(); tokenizers
// are then built from tables that cannot be wrong. Views belong to the Metadata.

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/gguf/gguf.h"
#include "model/tokenizer/unigram_steps.h"

namespace freehold::model {

/// GGUF's token types, by their number in `tokenizer.ggml.token_type`.
enum class TokenType : uint8_t {
  kUndefined = 0,
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

struct Vocabulary {
  std::string_view model;  // "gpt2", "llama", "gemma4", "t5", "bert"
  std::string_view pre;    // pre-tokenizer; empty where the file names none
  std::vector<std::string_view> tokens;
  std::vector<double> scores;            // one a token, or none
  std::vector<int64_t> types;            // TokenType, one a token, or none: all normal
  std::vector<std::string_view> merges;  // "left right", in order of rank
  std::optional<uint64_t> bos, eos, eot, eom, unknown, padding, separator, mask, cls;
  bool assumes_llama_ids = true;  // where bos and eos are not given: as files of kind "llama" do
  std::optional<bool> adds_bos;
  std::optional<bool> adds_eos;
  std::optional<bool>
      lower_case;  // WordPiece: where the file says it, not its pre-tokenizer's name
  std::optional<bool> strips_accents;  // … likewise
  std::optional<bool> adds_space_prefix;
  std::optional<bool> removes_extra_spaces;
  std::optional<bool> normalizes_nfc;     // where the file says it, not its pre-tokenizer's name
  std::optional<bool> whole_words_first;  // … likewise
  std::vector<uint8_t> strips;            // one a token, or none: white space a written token takes
  static constexpr uint8_t kStripsLeft = 1;
  static constexpr uint8_t kStripsRight = 2;
  std::vector<std::string> patterns;  // expressions that cut words where `pre` names no known rules
  std::optional<UnigramSteps> unigram_steps;  // in place of sentencepiece's own
  std::string charsmap;                       // SentencePiece's compiled normalizer; empty: none

  TokenType type(size_t token) const {
    return types.empty() ? TokenType::kNormal : static_cast<TokenType>(types[token]);
  }
};

/// What `metadata` says. kNotFound where there is no vocabulary; kDamaged where a key has the wrong
/// type.
Result<Vocabulary> read_vocabulary(const Metadata& metadata);

/// Every table against every other, and against the limits of the loader: lengths equal, types
/// known, ids inside, token texts at most 64 KiB and told once, byte tokens of exactly one byte.
/// kDamaged says which.
Status check_vocabulary(const Vocabulary& vocabulary);

/// The byte that a byte token's text ("<0x0A>") stands for; nothing for any other text.
std::optional<uint8_t> byte_of_token(std::string_view text);

}  // namespace freehold::model
