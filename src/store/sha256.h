#pragma once
// SHA-256 through OpenSSL, as the store names its blobs by it. One thread an object.

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace freehold::store {

class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();

  void add(std::span<const std::byte> bytes);
  /// 64 lower-case hex digits; the object is used up.
  std::string finish() &&;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Of a whole text, the same digits.
std::string sha256_of(std::string_view text);

/// Whether `text` is 64 lower-case hex digits.
bool is_sha256(std::string_view text);

}  // namespace freehold::store
