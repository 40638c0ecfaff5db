#pragma once
// Byte strings with the tokens they stand for, as a tree in preorder: walked by counting up, a
// subtree is left by a jump to its end. A vocabulary is one; what is left of tokens behind the end
// of a rule are others. Immutable; any thread.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/tokenizer/tokenizer.h"

namespace freehold::model {

class TokenTrie {
 public:
  struct Node {
    uint32_t end;           // behind its subtree
    uint32_t tokens_begin;  // tokens that end here; theirs end where the next node's begin
    uint16_t depth;         // bytes from the root, at least 1
    uint8_t byte;
  };
  using Entry = std::pair<std::string, TokenId>;
  /// Longer texts are no use for a mask and are left out.
  static constexpr size_t kBytesMax = 4096;

  /// Empty texts are left out.
  explicit TokenTrie(std::vector<Entry> entries);

  size_t size() const { return nodes_.size() - 1; }
  const Node& node(size_t index) const { return nodes_[index]; }
  std::span<const TokenId> tokens(size_t index) const {
    return std::span(tokens_).subspan(nodes_[index].tokens_begin,
                                      nodes_[index + 1].tokens_begin - nodes_[index].tokens_begin);
  }
  size_t depth_max() const { return depth_max_; }
  size_t bytes() const {
    return nodes_.capacity() * sizeof(Node) + tokens_.capacity() * sizeof(TokenId);
  }

 private:
  std::vector<Node> nodes_;  // and one behind the last
  std::vector<TokenId> tokens_;
  size_t depth_max_ = 0;
};

/// A tokenizer's tokens as grammars see them: the bytes of each, control tokens as kMarkByte and
/// their text. Tokens that end an answer are kept apart: they come where the grammar may end.
class GrammarVocabulary {
 public:
  explicit GrammarVocabulary(const Tokenizer& tokenizer);
  /// The same from a list: token i has the bytes texts[i], or none where that is empty.
  GrammarVocabulary(std::span<const std::string> texts, std::vector<TokenId> ends);

  const TokenTrie& trie() const { return *trie_; }
  /// Empty for tokens that no grammar allows.
  std::string_view bytes(TokenId token) const;
  bool is_end(TokenId token) const;
  std::span<const TokenId> ends() const { return ends_; }
  size_t size() const { return offsets_.size() - 1; }
  /// 64-bit words of a mask.
  size_t words() const { return (size() + 63) / 64; }

 private:
  void build();

  std::string texts_;              // one after the other
  std::vector<uint32_t> offsets_;  // [tokens + 1] in texts_
  std::vector<TokenId> ends_;      // sorted
  std::unique_ptr<TokenTrie> trie_;
};

}  // namespace freehold::model
