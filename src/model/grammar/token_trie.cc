#include "model/grammar/token_trie.h"

#include <algorithm>

#include "model/grammar/grammar.h"

namespace freehold::model {

TokenTrie::TokenTrie(std::vector<Entry> entries) {
  std::erase_if(entries, [](const Entry& entry) {
    return entry.first.empty() || entry.first.size() > kBytesMax;
  });
  std::sort(entries.begin(), entries.end());
  entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
  std::vector<size_t> open;  // nodes on the path to the last text
  std::string_view last;
  const auto close_to = [&](size_t depth) {
    for (; open.size() > depth; open.pop_back()) {
      nodes_[open.back()].end = static_cast<uint32_t>(nodes_.size());
    }
  };
  for (const auto& [text, token] : entries) {
    const size_t shared = static_cast<size_t>(
        std::mismatch(text.begin(), text.end(), last.begin(), last.end()).first - text.begin());
    close_to(shared);
    for (size_t depth = shared; depth < text.size(); ++depth) {
      open.push_back(nodes_.size());
      nodes_.push_back({0, static_cast<uint32_t>(tokens_.size()), static_cast<uint16_t>(depth + 1),
                        static_cast<uint8_t>(text[depth])});
    }
    tokens_.push_back(token);
    depth_max_ = std::max(depth_max_, text.size());
    last = text;
  }
  close_to(0);
  nodes_.push_back({0, static_cast<uint32_t>(tokens_.size()), 0, 0});
}

GrammarVocabulary::GrammarVocabulary(const Tokenizer& tokenizer) {
  const size_t count = tokenizer.vocabulary_size();
  offsets_.reserve(count + 1);
  for (size_t i = 0; i < count; ++i) {
    const auto token = static_cast<TokenId>(i);
    offsets_.push_back(static_cast<uint32_t>(texts_.size()));
    if (tokenizer.ends_generation(token)) {
      ends_.push_back(token);
      continue;
    }
    const std::string bytes = tokenizer.token_bytes(token);
    if (bytes.empty() || bytes.size() >= TokenTrie::kBytesMax) continue;
    if (tokenizer.is_control(token)) texts_ += kMarkByte;
    texts_ += bytes;
  }
  build();
}

GrammarVocabulary::GrammarVocabulary(std::span<const std::string> texts, std::vector<TokenId> ends)
    : ends_(std::move(ends)) {
  std::sort(ends_.begin(), ends_.end());
  for (size_t i = 0; i < texts.size(); ++i) {
    offsets_.push_back(static_cast<uint32_t>(texts_.size()));
    if (!is_end(static_cast<TokenId>(i)) && texts[i].size() <= TokenTrie::kBytesMax) {
      texts_ += texts[i];
    }
  }
  build();
}

void GrammarVocabulary::build() {
  offsets_.push_back(static_cast<uint32_t>(texts_.size()));
  std::vector<TokenTrie::Entry> entries;
  entries.reserve(size());
  for (size_t i = 0; i < size(); ++i) {
    const auto token = static_cast<TokenId>(i);
    entries.emplace_back(bytes(token), token);
  }
  trie_ = std::make_unique<TokenTrie>(std::move(entries));
}

std::string_view GrammarVocabulary::bytes(TokenId token) const {
  const auto index = static_cast<size_t>(token);
  if (token < 0 || index >= size()) return {};
  return std::string_view(texts_).substr(offsets_[index], offsets_[index + 1] - offsets_[index]);
}

bool GrammarVocabulary::is_end(TokenId token) const {
  return std::binary_search(ends_.begin(), ends_.end(), token);
}

}  // namespace freehold::model
