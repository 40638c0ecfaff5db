// grammar_walk VOCABULARY.gguf|bytes (schema|gbnf) [--seed N] [--tokens N] [--strict] < LINES
//
// One grammar a line (GBNF: one in all). For each, answers as a model with random weights gives
// them: every next token drawn from the mask alone. Prints one JSON object a line: the text and how
// it ended, or why the grammar was refused; at the end the times of masks on stderr.
// With --accept, each line is {"schema":…, "data":"…"}: says whether the text `data` is allowed.

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <iterator>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "model/gguf/gguf.h"
#include "model/grammar/gbnf.h"
#include "model/grammar/json_schema.h"
#include "model/grammar/json_text.h"
#include "model/grammar/matcher.h"

namespace {

using namespace freehold;         // NOLINT: a program of its own
using namespace freehold::model;  // NOLINT

struct Times {
  std::vector<double> masks;  // microseconds
  std::vector<double> builds;
};

double microseconds_since(int64_t begin, base::Clock& clock) {
  return static_cast<double>(clock.monotonic_ns() - begin) * 1e-3;
}

void report(const char* what, std::vector<double>& values) {
  if (values.empty()) return;
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
  };
  fmt::print(stderr, "{}: {} of them, median {:.1f} us, p90 {:.1f}, p99 {:.1f}, largest {:.1f}\n",
             what, values.size(), at(0.5), at(0.9), at(0.99), values.back());
}

std::shared_ptr<const GrammarVocabulary> open_vocabulary(const std::string& path) {
  if (path != "bytes") {
    const auto files = io::make_system_files();
    const auto file = GgufModel::open(*files, path);
    if (!file.ok()) return nullptr;
    const auto tokenizer = Tokenizer::create(file->metadata());
    return tokenizer.ok() ? std::make_shared<GrammarVocabulary>(**tokenizer) : nullptr;
  }
  std::vector<std::string> texts;
  for (int byte = 0; byte < 256; ++byte) texts.emplace_back(1, static_cast<char>(byte));
  for (const char* text : {"true", "false", "null", "\": ", "\", \"", "},", "],", "the", " and"}) {
    texts.emplace_back(text);
  }
  texts.emplace_back("end");
  return std::make_shared<GrammarVocabulary>(
      texts, std::vector<TokenId>{static_cast<TokenId>(texts.size() - 1)});
}

/// Returns how it ended; the end is as likely as any other token.
std::string walk(GrammarMatcher matcher, const GrammarVocabulary& vocabulary, uint64_t seed,
                 size_t tokens_max, std::string& text, std::vector<double>& times) {
  base::SystemClock clock;
  base::RandomStream random(seed);
  for (size_t i = 0; i < tokens_max; ++i) {
    const auto begin = clock.monotonic_ns();
    const auto mask = matcher.allowed();
    times.push_back(microseconds_since(begin, clock));
    if (!mask.ok()) return mask.error().message;
    std::vector<TokenId> allowed;
    for (size_t token = 0; token < vocabulary.size(); ++token) {
      if (((*mask)[token / 64] >> (token % 64) & 1) != 0) {
        allowed.push_back(static_cast<TokenId>(token));
      }
    }
    const bool may_end = matcher.may_end();
    const TokenId token = may_end && random.below(4) == 0
                              ? vocabulary.ends()[0]
                              : allowed[random.below(static_cast<uint32_t>(allowed.size()))];
    if (!matcher.accept(token).ok()) return "a token of the mask was refused";
    if (vocabulary.is_end(token)) return "end";
    text += vocabulary.bytes(token);
  }
  return "length";
}

void refuse(base::JsonWriter& json, const Error& error) {
  json.field("finish", "refused").field("message", error.message);
}

}  // namespace

int main(int count, char** words) {  // NOLINT: one screen of wiring
  const std::vector<std::string> arguments(words + 1, words + count);
  const auto has = [&](std::string_view flag) {
    return std::find(arguments.begin(), arguments.end(), flag) != arguments.end();
  };
  const auto number = [&](std::string_view flag, uint64_t otherwise) {
    const auto found = std::find(arguments.begin(), arguments.end(), flag);
    if (found == arguments.end() || found + 1 == arguments.end()) return otherwise;
    const auto value = base::parse_unsigned(*(found + 1));
    return value.ok() ? *value : otherwise;
  };
  if (arguments.size() < 2) return 2;
  const auto vocabulary = open_vocabulary(arguments[0]);
  if (vocabulary == nullptr) return 1;
  const bool schemas = arguments[1] == "schema";
  const JsonSchemaOptions options{.as_meant = !has("--strict")};
  uint64_t seed = number("--seed", 1);
  base::SystemClock clock;
  Times cold;
  Times warm;
  std::string line;
  const std::string whole =
      schemas ? "" : std::string(std::istreambuf_iterator<char>(std::cin), {});
  for (bool once = true; schemas ? !!std::getline(std::cin, line) : once; once = false) {
    std::string out;
    base::JsonWriter json(out);
    json.begin_object();
    const auto begin = clock.monotonic_ns();
    auto grammar = [&]() -> Result<Grammar> {
      if (!schemas) return parse_gbnf(whole);
      const auto parsed = TRY(base::JsonValue::parse(line));
      const base::JsonValue* schema = has("--accept") ? parsed.find("schema") : &parsed;
      return json_schema_grammar(*schema, options);
    }();
    cold.builds.push_back(microseconds_since(begin, clock));
    if (!grammar.ok()) {
      refuse(json, grammar.error());
    } else if (has("--accept")) {
      const auto parsed = MUST(base::JsonValue::parse(line));
      json.key("accepted").begin_array();
      for (const base::JsonValue& data : parsed.find_elements("data")) {
        const auto accepted = grammar_accepts(*grammar, *data.as_string());
        json.value(accepted.ok() && *accepted);
      }
      json.end_array();
    } else {
      const auto masks =
          std::make_shared<TokenMasks>(std::make_shared<Grammar>(*std::move(grammar)), vocabulary);
      std::string text;
      const std::string finish =
          walk(GrammarMatcher(masks), *vocabulary, seed, number("--tokens", 200), text, cold.masks);
      std::string again;
      walk(GrammarMatcher(masks), *vocabulary, seed++, number("--tokens", 200), again, warm.masks);
      json.field("finish", finish).field("text", text).field("same", text == again);
    }
    json.end_object();
    fmt::print("{}\n", out);
  }
  report("grammars built", cold.builds);
  report("masks, first walk", cold.masks);
  report("masks, second walk", warm.masks);
  return 0;
}
