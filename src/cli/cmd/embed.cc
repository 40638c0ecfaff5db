// `freehold embed`: texts to vectors, for search and comparison.

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/embedding.h"

namespace freehold::cli {

namespace {

using model::Pooling;

constexpr Option kOptions[] = {
    kFileOption,
    {"--pooling", 0, OptionKind::kText, "KIND",
     "how a text's states become one vector: mean, cls (the first), last, or none (one a token); "
     "default: what the model's file says"},
    {"--dimensions", 0, OptionKind::kInteger, "N",
     "keep the first N values of each vector, for models trained so (Matryoshka)"},
    {"--normalise", 0, OptionKind::kText, "on|off", "bring vectors to length 1; default on"},
    kThreadsOption,
    kIsaOption,
    kKvOption,
    kMemoryOption,
    kReadsOption,
    kMirrorOption,
    kJsonOption,
};

constexpr std::pair<std::string_view, Pooling> kPoolings[] = {{"none", Pooling::kNone},
                                                              {"mean", Pooling::kMean},
                                                              {"cls", Pooling::kFirst},
                                                              {"last", Pooling::kLast}};

std::string_view pooling_name(Pooling pooling) {
  for (const auto& [name, value] : kPoolings) {
    if (value == pooling) return name;
  }
  return "rank";
}

Result<Pooling> choose_pooling(const Arguments& arguments, const runtime::Model& model) {
  if (const auto asked = arguments.text("--pooling")) {
    for (const auto& [name, value] : kPoolings) {
      if (name == *asked) return value;
    }
    return Error{ErrorCode::kUsage, fmt::format("--pooling is '{}'", base::printable(*asked)),
                 "it is one of none, mean, cls and last"};
  }
  const auto of_file = model.parameters().pooling;
  if (of_file == Pooling::kRank) {
    return Error{ErrorCode::kRefused, "the model is a reranker and gives scores, not vectors",
                 "use 'freehold rerank', or say --pooling"};
  }
  if (of_file) return *of_file;
  return Error{ErrorCode::kUsage, "the model's file does not say how its states become a vector",
               "say --pooling mean or --pooling last; vectors of a model that was not trained for "
               "them compare badly"};
}

Result<bool> normalises(const Arguments& arguments) {
  const std::string text = arguments.text_or("--normalise", "on");
  if (text == "on" || text == "off") return text == "on";
  return Error{ErrorCode::kUsage, fmt::format("--normalise is '{}'", base::printable(text)),
               "it is on or off"};
}

/// One text's result: a vector, or a list of them where every token has its own.
void write_vectors(base::JsonWriter& json, std::span<const float> values, size_t dimensions,
                   bool one_a_token) {
  const auto write_one = [&json](std::span<const float> vector) {
    json.begin_array();
    for (const float value : vector) json.value(value);
    json.end_array();
  };
  if (!one_a_token) return write_one(values);
  json.begin_array();
  for (; !values.empty(); values = values.subspan(dimensions)) {
    write_one(values.first(dimensions));
  }
  json.end_array();
}

Status run(Context& context, const Arguments& arguments) {
  auto text_model = TRY(TextModel::open(context, arguments));
  EmbedRequest request;
  request.pooling = TRY(choose_pooling(arguments, *text_model.model));
  request.normalise = TRY(normalises(arguments));
  const uint32_t width = text_model.model->parameters().width;
  request.dimensions =
      static_cast<uint32_t>(TRY(arguments.integer("--dimensions", 1, width, width)));
  const bool one_value = TRY(arguments.flag("--json"));
  std::vector<model::FramedText> texts;
  for (const std::string& text : TRY(read_texts(context, arguments, 1))) {
    texts.push_back(model::frame(*text_model.tokenizer, text));
  }
  std::string out;
  base::JsonWriter whole(out);
  if (one_value) {
    whole.begin_object()
        .field("pooling", pooling_name(request.pooling))
        .field("dimensions", request.dimensions)
        .key("embeddings")
        .begin_array();
  }
  TRY(embed_texts(context, arguments, text_model, request, texts,
                  [&](size_t text, std::span<const float> values) {
                    base::JsonWriter line(out);
                    base::JsonWriter& json = one_value ? whole : line;
                    json.begin_object()
                        .field("index", text)
                        .field("tokens", texts[text].tokens.size())
                        .key("embedding");
                    write_vectors(json, values, request.dimensions,
                                  request.pooling == Pooling::kNone);
                    json.end_object();
                    if (one_value) return Status{};
                    out += '\n';
                    context.out.write(out);
                    out.clear();
                    return Status{};
                  }));
  if (one_value) {
    whole.end_array().end_object();
    out += '\n';
    context.out.write(out);
  }
  return {};
}

}  // namespace

const Command& embed_command() {
  static constexpr Command kCommand{
      .name = "embed",
      .summary = "Turn texts into vectors",
      .usage = "MODEL [TEXT…|-]",
      .options = kOptions,
      .description =
          "One line of JSON for each text, in order: its index, its number of tokens and its "
          "vector; with --json one value for all. Texts are the words given, or the lines of a "
          "file or of standard input. The tokens that the model wants around a text are added. A "
          "text longer than the model takes is refused with both numbers, never cut. Chat models "
          "give vectors too, with --pooling mean or last.",
      .examples =
          "  freehold embed all-minilm \"A cat sits on a mat.\"\n"
          "  freehold embed all-minilm --file sentences.txt --dimensions 128 > "
          "vectors.ndjson\n",
      .positional_min = 1,
      .positional_max = UINT32_MAX,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
