#pragma once
// SentencePiece's normalizer: a map from byte sequences to replacements, compiled into a trie (Kudo
// and Richardson, 2018; `precompiled_charsmap`). The blob: u32 bytes of the trie, the trie as a
// double array of u32 units, replacements ended by NUL. Checked where it is walked: any bytes are
// safe. Immutable; any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace freehold::model {

class Charsmap {
 public:
  /// No map: every character stays.
  Charsmap() = default;
  /// kDamaged where the lengths do not fit.
  static Result<Charsmap> create(std::string_view blob);

  /// The replacement of the longest mapped sequence at the start of `text`, which is not empty, or
  /// its first character (U+FFFD for a byte that is not UTF-8). `length` gets the bytes it is for.
  std::string_view first(std::string_view text, size_t& length) const;

  /// The replacement of the shortest mapped sequence at the start of `text`, where there is one:
  /// what the package `tokenizers` takes for the whole of `text`.
  std::optional<std::string_view> shortest(std::string_view text) const;

  bool empty() const { return units_.empty(); }

 private:
  /// Calls found(bytes, position) for every mapped sequence at the start of `text`, shortest first,
  /// until it returns false.
  template <class Found>
  void walk(std::string_view text, Found&& found) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace freehold::model
