// `freehold rerank`: documents in the order in which they answer a query.

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/json.h"
#include "base/text.h"
#include "cli/embedding.h"

namespace freehold::cli {

namespace {

constexpr Option kOptions[] = {
    kFileOption,    {"--top", 0, OptionKind::kInteger, "N", "only the N best; default: all"},
    kThreadsOption, kIsaOption,
    kKvOption,      kMemoryOption,
    kReadsOption,   kMirrorOption,
    kJsonOption,
};

constexpr std::string_view kTemplateKey = "tokenizer.chat_template.rerank";

Status check_reranks(const runtime::Model& model) {
  const model::ClassifierHead& head = model.parameters().head;
  if (!head.exists()) {
    return Error{ErrorCode::kUsage, "the model has no classifier to rank with",
                 "use a reranker, or embed query and documents and compare the vectors"};
  }
  if (head.outputs == 1 || (head.outputs == 2 && head.softmax)) return {};
  return Error{
      ErrorCode::kRefused,
      fmt::format("the model's classifier has {} outputs, a reranker has one", head.outputs),
      "it was trained to tell classes apart, not to rank"};
}

Result<model::FramedText> frame_of(const TextModel& text_model, std::string_view query,
                                   std::string_view document) {
  const auto& metadata = text_model.model->file().metadata();
  if (const auto text_template = metadata.find_string(kTemplateKey)) {
    return model::frame_by_template(*text_model.tokenizer, *text_template, query, document);
  }
  if (!text_model.model->parameters().causal) {
    return model::frame_pair(*text_model.tokenizer, query, document);
  }
  return Error{ErrorCode::kRefused,
               fmt::format("the model's file has no template for pairs ({})", kTemplateKey),
               "convert it anew with a converter that writes one"};
}

std::string to_json(const std::vector<size_t>& order, const std::vector<float>& scores,
                    const std::vector<model::FramedText>& pairs) {
  std::string out;
  base::JsonWriter json(out);
  json.begin_object().key("results").begin_array();
  for (const size_t index : order) {
    json.begin_object()
        .field("index", index)
        .field("score", scores[index])
        .field("tokens", pairs[index].tokens.size())
        .end_object();
  }
  json.end_array().end_object();
  return out + '\n';
}

Status run(Context& context, const Arguments& arguments) {
  auto text_model = TRY(TextModel::open(context, arguments));
  TRY(check_reranks(*text_model.model));
  const std::string& query = arguments.positional()[1];
  const auto documents = TRY(read_texts(context, arguments, 2));
  const auto top = static_cast<size_t>(TRY(arguments.integer("--top", 1, INT64_MAX, INT64_MAX)));
  std::vector<model::FramedText> pairs;
  for (const std::string& document : documents) {
    pairs.push_back(TRY(frame_of(text_model, query, document)));
  }
  std::vector<float> scores(pairs.size());
  TRY(embed_texts(context, arguments, text_model, {.pooling = model::Pooling::kRank}, pairs,
                  [&](size_t pair, std::span<const float> values) {
                    scores[pair] = values[0];
                    return Status{};
                  }));
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  order.resize(std::min(order.size(), top));
  if (TRY(arguments.flag("--json"))) {
    context.out.write(to_json(order, scores, pairs));
    return {};
  }
  for (const size_t index : order) {
    context.out.write(fmt::format("{:10.4f}  {:>4}  {}\n", scores[index], index,
                                  base::printable(documents[index])));
  }
  return {};
}

}  // namespace

const Command& rerank_command() {
  static constexpr Command kCommand{
      .name = "rerank",
      .summary = "Order documents by how well they answer a query",
      .usage = "MODEL QUERY [DOC…|-]",
      .options = kOptions,
      .description =
          "Best first: the score, the document's place in what was given (from 0) and the "
          "document; of equals the earlier one. Scores are what the model's classifier says: for "
          "cross-encoders a number of any size, for rerankers made of language models the "
          "probability of yes. A pair longer than the model takes is refused with both numbers.",
      .examples = "  freehold rerank bge-reranker \"what do pandas eat\" \"Bamboo.\" \"Cars.\"\n",
      .positional_min = 2,
      .positional_max = UINT32_MAX,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
