#include "cli/embedding.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace freehold::cli {

namespace {

constexpr uint64_t kTextBytesMax = uint64_t{1} << 30;
/// Columns of a pass that are worth filling up with short texts.
constexpr size_t kColumns = 512;

std::vector<std::string> lines_of(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::vector<std::string> lines;
  for (std::string_view line : base::split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
  }
  return lines;
}

Status check_lengths(const std::vector<model::FramedText>& texts, uint32_t longest) {
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].tokens.size() <= longest) continue;
    return Error{ErrorCode::kRefused,
                 fmt::format("text {} has {} tokens, the model takes {}", i + 1,
                             texts[i].tokens.size(), longest),
                 "shorten it or cut it into pieces; nothing is cut silently"};
  }
  return {};
}

/// Encoders keep keys and values for one pass only and keep them whole.
Result<ops::CacheType> cache_type_of(const Arguments& arguments, const runtime::Model& model) {
  if (!model.parameters().causal) return ops::CacheType::kF32;
  return cache_type(arguments, ops::CacheType::kF16);
}

}  // namespace

Result<std::vector<std::string>> read_texts(Context& context, const Arguments& arguments,
                                            size_t skipped) {
  const auto& words = arguments.positional();
  const bool dash = words.size() == skipped + 1 && words.back() == "-";
  const auto file = arguments.text("--file");
  if (file && words.size() > skipped) {
    return Error{ErrorCode::kUsage, "texts on the command line and --file do not go together",
                 "give one of them"};
  }
  if (dash || file == "-" || (!file && words.size() == skipped && !context.in.is_terminal())) {
    return lines_of(TRY(context.in.read_all(kTextBytesMax)));
  }
  if (file) return lines_of(TRY(io::read_small_file(context.files, *file, kTextBytesMax)));
  if (words.size() == skipped) {
    return Error{ErrorCode::kUsage, "no text given", "give texts, --file FILE, or - for stdin"};
  }
  return std::vector<std::string>(words.begin() + static_cast<std::ptrdiff_t>(skipped),
                                  words.end());
}

Result<TextModel> TextModel::open(Context& context, const Arguments& arguments) {
  TextModel opened;
  opened.model = TRY(open_model(context, arguments.positional()[0]));
  opened.tokenizer = TRY(model::Tokenizer::create(opened.model->file().metadata()));
  opened.machine = TRY(Machine::create(arguments));
  return opened;
}

Status embed_texts(Context& context, const Arguments& arguments, TextModel& text_model,
                   const EmbedRequest& request, const std::vector<model::FramedText>& texts,
                   const std::function<Status(size_t, std::span<const float>)>& sink) {
  runtime::Model& model = *text_model.model;
  Machine& machine = *text_model.machine;
  TRY(check_lengths(texts, model.parameters().context_trained));
  size_t longest = 1;
  size_t all = 0;
  std::vector<runtime::Embedder::Text> views;
  for (const model::FramedText& text : texts) {
    views.push_back({text.tokens, text.second_from});
    longest = std::max(longest, text.tokens.size());
    all += text.tokens.size();
  }
  const bool causal = model.parameters().causal;
  const size_t columns = std::max(causal ? 1 : longest, std::min(all, kColumns));
  const auto type = TRY(cache_type_of(arguments, model));
  const auto plan =
      TRY(load_weights(context, arguments, model,
                       {.cache_type = type,
                        .positions = std::max(columns, longest),
                        .sequences = runtime::embedder_sequences(columns),
                        .columns_max = columns,
                        .columns_min = causal ? std::min<size_t>(columns, 8) : longest,
                        .logits_max = columns,
                        .output = runtime::PassOutput::kStates},
                       machine));
  const auto embedder = TRY(runtime::Embedder::create({.model = model,
                                                       .pool = *machine.pool,
                                                       .account = machine.account,
                                                       .isa = machine.isa,
                                                       .cache_type = type,
                                                       .pooling = request.pooling,
                                                       .normalise = request.normalise,
                                                       .dimensions = request.dimensions,
                                                       .tokens_max = longest,
                                                       .columns_max = plan.columns_max,
                                                       .stop = &context.interrupted}));
  const Status status =
      embedder->embed(views, [&](size_t text, Result<std::span<const float>> values) -> Status {
        return sink(text, TRY(std::move(values)));
      });
  write_notes(context, model.weights());
  return status;
}

}  // namespace freehold::cli
