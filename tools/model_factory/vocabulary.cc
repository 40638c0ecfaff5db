#include "model_factory/vocabulary.h"

#include <fmt/format.h>

#include <unordered_set>

#include "base/check.h"
#include "base/random.h"
#include "base/text.h"

namespace freehold::factory {

namespace {

constexpr std::string_view kWords =
    "the of and to in a is that for it as was with be by on not he his but at are this have from "
    "or "
    "had an they which one you were all her she there would their we him been has when who will no "
    "more if out so up said what its about than into them can only other time new some could these "
    "two may first then do any like my now over such our man me even most made after also did many "
    "off before must well back through years where much your way down should because long each "
    "just "
    "state those people too mister how little good world make very year still see own work men day "
    "get here old life both between being under three never know same last another while us might "
    "great go come since against right came take used himself few house use place during without "
    "again home around small however found part school every does until away water light sky blue "
    "answer question story model number word small large river stone letter window garden";

constexpr std::string_view kChatTemplate =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

constexpr int32_t kNormal = 1, kUnknown = 2, kControl = 3, kByte = 6;

constexpr std::string_view kSpmSpace = "\xE2\x96\x81";  // U+2581
constexpr size_t kPieceBytesMax = 24;

// GPT-2's table: printable Latin-1 bytes stand for themselves, the others for U+0100 and up.
std::vector<std::string> byte_letters() {
  std::vector<std::string> letters(256);
  char32_t next = 256;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable =
        (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    base::append_utf8(letters[byte], printable ? static_cast<char32_t>(byte) : next++);
  }
  return letters;
}

class Builder {
 public:
  Builder(uint32_t size, uint64_t seed) : size_(size), random_(seed, 0x766F6361u) {}

  void add(const std::string& token, int32_t type) {
    known_.insert(token);
    vocabulary.tokens.push_back(token);
    vocabulary.types.push_back(type);
    // Earlier pieces join first: SPM merges by the highest score.
    const auto place = static_cast<float>(vocabulary.tokens.size());
    vocabulary.scores.push_back(type == kNormal ? -place : 0.0f);
  }

  /// Joins two tokens into one, with a merge rule; nothing where it exists or there is no room.
  void join(const std::string& left, const std::string& right) {
    const std::string joined = left + right;
    if (vocabulary.tokens.size() >= size_ || known_.contains(joined)) return;
    add(joined, kNormal);
    vocabulary.merges.push_back(left + " " + right);
  }

  /// Every word, letter by letter: "␣t", "␣th", "␣the".
  void add_words(const std::string& space) {
    for (const std::string_view word : base::split(kWords, ' ')) {
      std::string piece = space;
      for (const char letter : word) {
        join(piece, std::string(1, letter));
        piece += letter;
      }
    }
  }

  /// Pairs of tokens from `first` on until `size_` is reached.
  void fill(size_t first) {
    while (vocabulary.tokens.size() < size_) {
      const auto span = static_cast<uint32_t>(vocabulary.tokens.size() - first);
      const std::string left = vocabulary.tokens[first + random_.below(span)];
      const std::string right = vocabulary.tokens[first + random_.below(span)];
      if (left.size() + right.size() <= kPieceBytesMax) join(left, right);
    }
  }

  Vocabulary vocabulary;

 private:
  uint32_t size_;
  base::RandomStream random_;
  std::unordered_set<std::string> known_;
};

void add_specials(Builder& builder) {
  for (const char* token : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    builder.add(token, kControl);
  }
}

Vocabulary make_bpe(uint32_t size, uint64_t seed) {
  constexpr uint32_t kSpecials = 3;
  Builder builder(size - kSpecials, seed);
  const std::vector<std::string> letters = byte_letters();
  for (const std::string& letter : letters) builder.add(letter, kNormal);
  builder.add_words(letters[' ']);
  builder.fill(0);
  add_specials(builder);
  Vocabulary& vocabulary = builder.vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = "qwen2";
  vocabulary.bos = static_cast<int32_t>(size - 3);
  vocabulary.eos = static_cast<int32_t>(size - 1);
  vocabulary.scores.clear();
  vocabulary.chat_template = kChatTemplate;
  return std::move(vocabulary);
}

Vocabulary make_spm(uint32_t size, uint64_t seed) {
  Builder builder(size, seed);
  builder.add("<unk>", kUnknown);
  builder.add("<s>", kControl);
  builder.add("</s>", kControl);
  add_specials(builder);
  for (int byte = 0; byte < 256; ++byte) builder.add(fmt::format("<0x{:02X}>", byte), kByte);
  const size_t first = builder.vocabulary.tokens.size();
  builder.add(std::string(kSpmSpace), kNormal);
  for (char letter = '!'; letter <= '~'; ++letter) builder.add(std::string(1, letter), kNormal);
  builder.add_words(std::string(kSpmSpace));
  builder.fill(first);
  Vocabulary& vocabulary = builder.vocabulary;
  vocabulary.model = "llama";
  vocabulary.pre = "default";
  vocabulary.unknown = 0;
  vocabulary.bos = 1;
  vocabulary.eos = 2;
  vocabulary.adds_bos = true;
  vocabulary.merges.clear();
  vocabulary.chat_template = kChatTemplate;
  return std::move(vocabulary);
}

}  // namespace

uint32_t vocabulary_min(TokenizerKind kind) {
  switch (kind) {
    case TokenizerKind::kNone:
      return 1;
    case TokenizerKind::kBytesBpe:
      return 256 + 3;
    case TokenizerKind::kSpm:
      return 6 + 256 + 1 + 94;
  }
  return 1;
}

Vocabulary make_vocabulary(TokenizerKind kind, uint32_t size, uint64_t seed) {
  CHECK(size >= vocabulary_min(kind));
  if (kind == TokenizerKind::kBytesBpe) return make_bpe(size, seed);
  if (kind == TokenizerKind::kSpm) return make_spm(size, seed);
  Vocabulary none;
  none.model = "none";
  return none;
}

}  // namespace freehold::factory
