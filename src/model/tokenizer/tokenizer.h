#pragma once
// Text to tokens and back, exactly as the model was trained: byte-level BPE and SentencePiece-style
// BPE from GGUF metadata. Hand-written scanners, no recursion, linear or n log n time in the input.
// A Tokenizer is immutable after create(); any thread. A Detokenizer belongs to one stream.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/gguf/gguf.h"

namespace freehold::model {

using TokenId = int32_t;

enum class SpecialTokens {
  kPlainText,  ///< "<|im_start|>" in the text is ordinary characters.
  kParse       ///< Control tokens written in the text become their ids (templates, --special).
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// From a file's metadata (`tokenizer.ggml.*`). kNotFound where it has no vocabulary; kRefused
  /// for a tokenizer or pre-tokenizer this build does not know, by name; kDamaged for inconsistent
  /// tables.
  static Result<std::unique_ptr<Tokenizer>> create(const Metadata& metadata);

  /// Tokens of `text`, any bytes at all. Adds no BOS or EOS.
  virtual std::vector<TokenId> encode(std::string_view text, SpecialTokens special) const = 0;
  /// Bytes a token stands for; control tokens give their text ("<|im_end|>"). Empty for ids
  /// outside.
  virtual std::string token_bytes(TokenId token) const = 0;
  /// True for tokens that are not text (control, unknown, unused): a stream leaves their bytes out.
  virtual bool is_control(TokenId token) const = 0;
  /// True for tokens that end an answer: EOS, EOT and the vocabulary's other end marks
  /// (<|im_end|>, <|endoftext|>, <end_of_turn>, <|eot_id|>, …).
  virtual bool ends_generation(TokenId token) const = 0;
  virtual size_t vocabulary_size() const = 0;
  virtual std::optional<TokenId> bos() const = 0;
  virtual std::optional<TokenId> eos() const = 0;
  /// Whether the model wants a BOS in front of every text.
  virtual bool adds_bos() const = 0;
  /// For `show` and messages: "bpe/qwen2", "spm".
  virtual std::string description() const = 0;
};

/// Turns a stream of tokens into text whose pieces never split a UTF-8 sequence.
class Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  /// Text that is complete after this token; may be empty. Control tokens add nothing.
  std::string push(TokenId token);
  /// What is left at the end, as it is (it may be half a sequence).
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  std::string held_;
};

}  // namespace freehold::model
