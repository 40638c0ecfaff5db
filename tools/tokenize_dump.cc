// Tokens of many texts at once, for tools/oracle/tokenizer_diff.py. Not a user's command: that is
// `freehold tokenize`.
//
//   tokenize_dump MODEL.gguf|tokenizer.json [--special] [--time] < texts > tokens
//
// stdin: texts, each a little-endian 32-bit length and its bytes. stdout: a line of ids a text.
// --time: stderr says how long create() and encode() took. --bytes: instead of ids, the bytes of
// the tokens joined, in hexadecimal.

#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "model/gguf/gguf.h"
#include "model/tokenizer/tokenizer.h"
#include "model/tokenizer/tokenizer_json.h"

namespace {

using freehold::model::SpecialTokens;
using freehold::model::Tokenizer;

std::string read_all(std::FILE* file) {
  std::string all;
  char buffer[65536];
  while (const size_t got = std::fread(buffer, 1, sizeof(buffer), file)) all.append(buffer, got);
  return all;
}

std::vector<std::string_view> split_texts(std::string_view all) {
  std::vector<std::string_view> texts;
  while (all.size() >= 4) {
    const auto length = freehold::base::load_le<uint32_t>(all.data());
    texts.push_back(all.substr(4, length));
    all.remove_prefix(std::min<size_t>(all.size(), 4 + size_t{length}));
  }
  return texts;
}

/// Processor time, which a busy machine does not stretch.
double seconds_since(std::clock_t start) {
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

void print_bytes(const Tokenizer& tokenizer, const std::vector<int32_t>& tokens) {
  for (const int32_t token : tokens) {
    for (const char byte : tokenizer.token_bytes(token)) {
      std::printf("%02x", static_cast<unsigned>(static_cast<uint8_t>(byte)));
    }
  }
  std::printf("\n");
}

void print_ids(const std::vector<int32_t>& tokens) {
  std::string line;
  for (const int32_t token : tokens) {
    if (!line.empty()) line += ' ';
    line += std::to_string(token);
  }
  std::puts(line.c_str());
}

freehold::Result<std::unique_ptr<Tokenizer>> open(freehold::io::FileSystem& files,
                                                  const std::string& path) {
  if (path.ends_with(".json")) {
    return freehold::model::create_from_tokenizer_json(
        TRY(freehold::io::read_small_file(files, path, freehold::model::kTokenizerJsonBytesMax)));
  }
  const auto model = TRY(freehold::model::GgufModel::open(files, path));
  return Tokenizer::create(model.metadata());
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return 2;
  SpecialTokens special = SpecialTokens::kPlainText;
  bool times = false, bytes = false;
  for (int i = 2; i < count; ++i) {
    if (std::strcmp(arguments[i], "--special") == 0) special = SpecialTokens::kParse;
    if (std::strcmp(arguments[i], "--time") == 0) times = true;
    if (std::strcmp(arguments[i], "--bytes") == 0) bytes = true;
  }
  const auto files = freehold::io::make_system_files();
  std::clock_t start = std::clock();
  auto tokenizer = open(*files, arguments[1]);
  if (!tokenizer.ok()) {
    std::fprintf(stderr, "%s\n", tokenizer.error().message.c_str());
    return static_cast<int>(tokenizer.error().code);
  }
  if (times) std::fprintf(stderr, "create %.1f ms\n", 1e3 * seconds_since(start));
  const std::string all = read_all(stdin);
  size_t read = 0;
  double encoding = 0;
  for (const std::string_view text : split_texts(all)) {
    start = std::clock();
    const auto tokens = (*tokenizer)->encode(text, special);
    encoding += seconds_since(start);
    read += text.size();
    bytes ? print_bytes(**tokenizer, tokens) : print_ids(tokens);
  }
  if (times) {
    std::fprintf(stderr, "encode %zu bytes, %.1f ms, %.1f MB/s\n", read, 1e3 * encoding,
                 1e-6 * static_cast<double>(read) / encoding);
  }
  return 0;
}
