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
  std::vector<TokenId> encode(std::string_view text, SpecialTokens special) const {
    return encode_guarded(text, special, {});
  }
  /// The same for a text in which `guard` stands inside what must not become a special token: such
  /// tokens are looked for first, then the guards are taken out. Empty: there are none.
  virtual std::vector<TokenId> encode_guarded(std::string_view text, SpecialTokens special,
                                              std::string_view guard) const = 0;
  /// `text`, which does not hold `guard`, with a guard inside every special token written in it.
  /// What people write goes through this before a template puts the model's own marks around it.
  virtual std::string with_guards(std::string_view text, std::string_view guard) const = 0;
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
  /// Whether it wants an EOS behind a whole text (encoders; not for texts that go on).
  virtual bool adds_eos() const = 0;
  /// For `show` and messages: "bpe/qwen2", "spm".
  virtual std::string description() const = 0;
};

/// A character that none of `texts` holds, for Tokenizer::with_guards(): one of the 32 that Unicode
/// sets aside for a program's own use. kRefused where they hold all of them.
Result<std::string> choose_guard(const std::vector<std::string_view>& texts);

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
