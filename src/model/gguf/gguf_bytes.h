#pragma once
// Test support: a GGUF file as bytes, right or wrong on purpose. Written from the specification and
// apart from the parser and from the model factory, so that none of the three proves itself.

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace freehold::model {

template <class T>
std::string le(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

inline std::string gguf_string(std::string_view text) {
  return le<uint64_t>(text.size()) + std::string(text);
}

/// Builds one file. Every count can be overridden; the raw calls put any bytes anywhere.
class GgufBytes {
 public:
  uint32_t version = 3;
  uint32_t alignment = 32;    // used for placing; add the key yourself
  int64_t tensor_count = -1;  // -1: what was added
  int64_t key_count = -1;

  GgufBytes& raw_key(std::string_view key, uint32_t type, const std::string& bytes) {
    keys_ += gguf_string(key) + le(type) + bytes;
    ++keys_added_;
    return *this;
  }
  GgufBytes& u8(std::string_view key, uint8_t v) { return raw_key(key, 0, le(v)); }
  GgufBytes& i8(std::string_view key, int8_t v) { return raw_key(key, 1, le(v)); }
  GgufBytes& u16(std::string_view key, uint16_t v) { return raw_key(key, 2, le(v)); }
  GgufBytes& i16(std::string_view key, int16_t v) { return raw_key(key, 3, le(v)); }
  GgufBytes& u32(std::string_view key, uint32_t v) { return raw_key(key, 4, le(v)); }
  GgufBytes& i32(std::string_view key, int32_t v) { return raw_key(key, 5, le(v)); }
  GgufBytes& f32(std::string_view key, float v) { return raw_key(key, 6, le(v)); }
  GgufBytes& boolean(std::string_view key, uint8_t v) { return raw_key(key, 7, le(v)); }
  GgufBytes& text(std::string_view key, std::string_view v) {
    return raw_key(key, 8, gguf_string(v));
  }
  GgufBytes& u64(std::string_view key, uint64_t v) { return raw_key(key, 10, le(v)); }
  GgufBytes& i64(std::string_view key, int64_t v) { return raw_key(key, 11, le(v)); }
  GgufBytes& f64(std::string_view key, double v) { return raw_key(key, 12, le(v)); }
  template <class T>
  GgufBytes& array(std::string_view key, uint32_t element, const std::vector<T>& values) {
    std::string bytes = le(element) + le<uint64_t>(values.size());
    for (const T& value : values) bytes += le(value);
    return raw_key(key, 9, bytes);
  }
  GgufBytes& texts(std::string_view key, const std::vector<std::string>& values) {
    std::string bytes = le<uint32_t>(8) + le<uint64_t>(values.size());
    for (const std::string& value : values) bytes += gguf_string(value);
    return raw_key(key, 9, bytes);
  }

  /// A tensor's record with exactly these numbers; no data.
  GgufBytes& raw_tensor(std::string_view name, uint32_t dimensions,
                        const std::vector<uint64_t>& dims, uint32_t type, uint64_t offset) {
    tensors_ += gguf_string(name) + le(dimensions);
    for (const uint64_t dim : dims) tensors_ += le(dim);
    tensors_ += le(type) + le(offset);
    ++tensors_added_;
    return *this;
  }
  /// A tensor with its data at the next aligned place.
  GgufBytes& tensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type,
                    size_t bytes) {
    pad(data_);
    raw_tensor(name, static_cast<uint32_t>(dims.size()), dims, type, data_.size());
    data_.append(bytes, static_cast<char>('a' + tensors_added_ % 26));
    return *this;
  }
  GgufBytes& data(size_t bytes) {
    data_.append(bytes, 'd');
    return *this;
  }

  /// Where the tensor data begins.
  size_t data_start() const { return build().size() - padded(data_).size(); }
  std::string build() const {
    std::string out =
        "GGUF" + le(version) +
        le<uint64_t>(tensor_count >= 0 ? static_cast<uint64_t>(tensor_count) : tensors_added_) +
        le<uint64_t>(key_count >= 0 ? static_cast<uint64_t>(key_count) : keys_added_);
    out += keys_ + tensors_;
    if (!data_.empty()) pad(out);
    return out + padded(data_);
  }

 private:
  void pad(std::string& bytes) const {
    bytes.append((alignment - bytes.size() % alignment) % alignment, '\0');
  }
  std::string padded(std::string bytes) const {
    pad(bytes);
    return bytes;
  }

  std::string keys_;
  std::string tensors_;
  std::string data_;
  uint64_t keys_added_ = 0;
  uint64_t tensors_added_ = 0;
};

/// A small file that looks like a real one: a vocabulary, hyper-parameters, eleven tensors.
inline GgufBytes real_shaped() {
  GgufBytes file;
  file.text("general.architecture", "llama").text("general.name", "shape of a model");
  file.u32("llama.block_count", 2).u32("llama.context_length", 64);
  file.u32("llama.embedding_length", 256).u32("llama.feed_forward_length", 512);
  file.u32("llama.attention.head_count", 4).u32("llama.attention.head_count_kv", 2);
  file.f32("llama.rope.freq_base", 10000.0f).f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<int32_t> types;
  for (int i = 0; i < 300; ++i) {
    tokens.push_back("token" + std::to_string(i));
    scores.push_back(static_cast<float>(-i));
    types.push_back(1);
  }
  file.text("tokenizer.ggml.model", "llama").texts("tokenizer.ggml.tokens", tokens);
  file.array("tokenizer.ggml.scores", 6, scores).array("tokenizer.ggml.token_type", 5, types);
  file.u32("tokenizer.ggml.bos_token_id", 1).u32("tokenizer.ggml.eos_token_id", 2);
  file.boolean("tokenizer.ggml.add_bos_token", 1);
  file.text("tokenizer.chat_template", "{% for m in messages %}{{ m.content }}{% endfor %}");
  file.tensor("token_embd.weight", {256, 300}, 8, 300 * 8 * 34);
  for (int layer = 0; layer < 2; ++layer) {
    const std::string blk = "blk." + std::to_string(layer) + ".";
    file.tensor(blk + "attn_norm.weight", {256}, 0, 1024);
    file.tensor(blk + "attn_q.weight", {256, 256}, 12, 256 * 144);
    file.tensor(blk + "ffn_down.weight", {512, 256}, 14, 256 * 2 * 210);
    file.tensor(blk + "ffn_up.weight", {256, 512}, 2, 512 * 8 * 18);
  }
  file.tensor("output_norm.weight", {256}, 0, 1024);
  return file;
}

}  // namespace freehold::model
