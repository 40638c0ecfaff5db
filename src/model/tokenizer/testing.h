#pragma once
// Small helpers of this folder's tests: golden lines and vocabularies written down in a test.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer/vocabulary.h"

namespace freehold::model::testing {

/// Bytes of "6869"; "-" is nothing.
inline std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (size_t at = 0; at + 1 < hex.size(); at += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(at, 2)), nullptr, 16)));
  }
  return bytes;
}

/// Numbers of "1,2,3"; "-" is none.
inline std::vector<int64_t> numbers_of(const std::string& list) {
  std::vector<int64_t> numbers;
  if (list == "-") return numbers;
  for (size_t at = 0; at < list.size();) {
    const size_t comma = std::min(list.find(',', at), list.size());
    numbers.push_back(std::stoll(list.substr(at, comma - at)));
    at = comma + 1;
  }
  return numbers;
}

}  // namespace freehold::model::testing
