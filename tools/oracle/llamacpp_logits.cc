// Asks llama.cpp, through its public C interface, for what the comparison needs: token ids of a
// file, raw f32 logits of given token lists, greedy continuations. Our own program, built by
// compare_llamacpp.py against a llama.cpp tree given by path; no part of Freehold is in it.
//
//   llamacpp_logits MODEL THREADS tokens TEXT_FILE          ids on stdout, one line, no specials
//   llamacpp_logits MODEL THREADS prompts TEXT_FILE         ids of each line; \n in it is a
//   newline,
//                                                           special tokens are read
//   llamacpp_logits MODEL THREADS logits LISTS OUT          raw f32 [tokens][vocabulary] of each
//   list llamacpp_logits MODEL THREADS greedy LISTS COUNT        COUNT ids a line (may run past the
//   end token)
//
// LISTS is a text file, one list of token ids a line. Keys and values are kept in f32.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "llama.h"

namespace {

constexpr int kContextMax = 2048;

using Tokens = std::vector<llama_token>;

[[noreturn]] void fail(const std::string& what) {
  std::cerr << "llamacpp_logits: " << what << "\n";
  std::exit(1);
}

std::vector<Tokens> read_lists(const char* path) {
  std::ifstream in(path);
  if (!in) fail(std::string("cannot read ") + path);
  std::vector<Tokens> lists;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    Tokens list((std::istream_iterator<llama_token>(words)), std::istream_iterator<llama_token>());
    if (!list.empty()) lists.push_back(list);
  }
  return lists;
}

// Runs `tokens` from position `start`; logits of every one of them.
void decode(llama_context* context, const Tokens& tokens, int start) {
  llama_batch batch = llama_batch_init(static_cast<int>(tokens.size()), 0, 1);
  for (size_t i = 0; i < tokens.size(); ++i) {
    batch.token[i] = tokens[i];
    batch.pos[i] = start + static_cast<int>(i);
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = 1;
  }
  batch.n_tokens = static_cast<int>(tokens.size());
  if (llama_decode(context, batch) != 0) fail("llama_decode failed");
  llama_batch_free(batch);
}

void print_tokens(const llama_vocab* vocab, const std::string& text, bool special) {
  Tokens out(text.size() + 16);
  const int count = llama_tokenize(vocab, text.data(), static_cast<int>(text.size()), out.data(),
                                   static_cast<int>(out.size()), false, special);
  if (count < 0) fail("llama_tokenize failed");
  for (int i = 0; i < count; ++i) std::cout << out[static_cast<size_t>(i)] << ' ';
  std::cout << "\n";
}

void print_file_tokens(const llama_vocab* vocab, const char* path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  print_tokens(vocab, text.str(), false);
}

void print_prompt_tokens(const llama_vocab* vocab, const char* path) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    for (size_t at; (at = line.find("\\n")) != std::string::npos;) line.replace(at, 2, "\n");
    print_tokens(vocab, line, true);
  }
}

void write_logits(llama_context* context, int vocabulary, const char* lists, const char* out_path) {
  std::FILE* out = std::fopen(out_path, "wb");
  if (out == nullptr) fail(std::string("cannot write ") + out_path);
  for (const Tokens& list : read_lists(lists)) {
    llama_memory_clear(llama_get_memory(context), true);
    decode(context, list, 0);
    for (size_t i = 0; i < list.size(); ++i) {
      const float* row = llama_get_logits_ith(context, static_cast<int>(i));
      const size_t count = static_cast<size_t>(vocabulary);
      if (std::fwrite(row, sizeof(float), count, out) != count) fail("short write");
    }
  }
  if (std::fclose(out) != 0) fail("close failed");
}

void print_greedy(llama_context* context, int vocabulary, const char* lists, int count) {
  for (const Tokens& list : read_lists(lists)) {
    llama_memory_clear(llama_get_memory(context), true);
    decode(context, list, 0);
    int last = static_cast<int>(list.size()) - 1;
    int position = static_cast<int>(list.size());
    for (int i = 0; i < count; ++i) {
      const float* row = llama_get_logits_ith(context, last);
      const auto best = static_cast<llama_token>(std::max_element(row, row + vocabulary) - row);
      std::cout << best << ' ' << std::flush;
      if (i + 1 == count) break;
      decode(context, {best}, position++);
      last = 0;
    }
    std::cout << "\n";
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) fail("usage: MODEL THREADS tokens|prompts|logits|greedy FILE [OUT|COUNT]");
  const std::string verb = argv[3];
  llama_log_set(
      [](ggml_log_level level, const char* text, void*) {
        if (level == GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
      },
      nullptr);
  llama_backend_init();
  llama_model_params model_params = llama_model_default_params();
  model_params.vocab_only = verb == "tokens" || verb == "prompts";
  llama_model* model = llama_model_load_from_file(argv[1], model_params);
  if (model == nullptr) fail("cannot load the model");
  const llama_vocab* vocab = llama_model_get_vocab(model);
  if (verb == "tokens") {
    print_file_tokens(vocab, argv[4]);
    return 0;
  }
  if (verb == "prompts") {
    print_prompt_tokens(vocab, argv[4]);
    return 0;
  }
  if (argc < 6) fail("one argument is missing");
  llama_context_params params = llama_context_default_params();
  params.n_ctx = kContextMax;
  params.n_batch = kContextMax;
  params.n_ubatch = 512;
  params.n_threads = params.n_threads_batch = std::atoi(argv[2]);
  params.type_k = params.type_v = GGML_TYPE_F32;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  params.swa_full = true;
  llama_context* context = llama_init_from_model(model, params);
  if (context == nullptr) fail("cannot make a context");
  const int vocabulary = llama_vocab_n_tokens(vocab);
  if (verb == "logits") {
    write_logits(context, vocabulary, argv[4], argv[5]);
  } else if (verb == "greedy") {
    print_greedy(context, vocabulary, argv[4], std::atoi(argv[5]));
  } else {
    fail("unknown verb " + verb);
  }
  llama_free(context);
  llama_model_free(model);
  return 0;
}
