// `freehold perplexity`: how well a model predicts a text, by the convention of the field's other
// tools.

#include <fmt/format.h>

#include <cmath>

#include "base/json.h"
#include "cli/session.h"
#include "runtime/engine/evaluator.h"

namespace freehold::cli {

namespace {

constexpr uint64_t kTextBytesMax = uint64_t{1} << 30;

constexpr Option kOptions[] = {
    {"--context", 'c', OptionKind::kInteger, "N", "tokens of one chunk; default 512"},
    {"--chunks", 0, OptionKind::kInteger, "N", "stop after this many chunks"},
    kThreadsOption,
    kIsaOption,
    kKvOption,
    kAdapterOption,
    kMemoryOption,
    kReadsOption,
    kMirrorOption,
    kJsonOption,
};

/// Negative log-likelihood of `token`, in binary64: a report, not a part of the numerics profile.
double surprise(std::span<const float> logits, int32_t token) {
  double maximum = -HUGE_VAL;
  for (const float value : logits) maximum = std::max(maximum, static_cast<double>(value));
  double sum = 0;
  for (const float value : logits) sum += std::exp(static_cast<double>(value) - maximum);
  return std::log(sum) + maximum - static_cast<double>(logits[static_cast<size_t>(token)]);
}

struct Tally {
  double surprise = 0;
  double squares = 0;
  uint64_t tokens = 0;
  uint64_t chunks = 0;

  double mean() const { return surprise / static_cast<double>(tokens); }
  double perplexity() const { return std::exp(mean()); }
  /// Standard error of the perplexity, by the spread of the tokens' surprises.
  double error() const {
    if (tokens < 2) return 0;
    const auto count = static_cast<double>(tokens);
    const double variance = std::max(0.0, squares / count - mean() * mean());
    return perplexity() * std::sqrt(variance / (count - 1));
  }
};

struct Text {
  std::vector<int32_t> tokens;
  std::optional<int32_t> bos;
};

Result<Text> read_tokens(Context& context, const model::GgufModel& file, const std::string& path) {
  const auto tokenizer = TRY(model::Tokenizer::create(file.metadata()));
  const std::string text = TRY(io::read_small_file(context.files, path, kTextBytesMax));
  Text out;
  if (tokenizer->adds_bos()) out.bos = tokenizer->bos();
  if (out.bos) out.tokens.push_back(*out.bos);
  const auto tokens = tokenizer->encode(text, model::SpecialTokens::kPlainText);
  out.tokens.insert(out.tokens.end(), tokens.begin(), tokens.end());
  return out;
}

Result<Tally> measure(Context& context, runtime::Evaluator& evaluator, const Text& text,
                      size_t length, uint64_t chunks) {
  Tally tally;
  for (uint64_t chunk = 0; chunk < chunks; ++chunk) {
    if (context.interrupted.load()) return Error{ErrorCode::kInterrupted, {}, {}};
    const auto begin = text.tokens.begin() + static_cast<std::ptrdiff_t>(chunk * length);
    std::vector<int32_t> tokens(begin, begin + static_cast<std::ptrdiff_t>(length));
    if (text.bos) tokens[0] = *text.bos;
    const std::span<const int32_t> input(tokens.data(), length - 1);
    TRY(evaluator.evaluate(input, length / 2, [&](size_t position, std::span<const float> row) {
      const double value = surprise(row, tokens[position + 1]);
      tally.surprise += value;
      tally.squares += value * value;
      ++tally.tokens;
      return Status{};
    }));
    ++tally.chunks;
    if (context.err_is_terminal) {
      context.err.write(fmt::format("\r{}/{} chunks, perplexity {:.4f}", tally.chunks, chunks,
                                    tally.perplexity()));
    }
  }
  if (context.err_is_terminal) context.err.write("\n");
  return tally;
}

Status run(Context& context, const Arguments& arguments) {
  const auto length = static_cast<size_t>(TRY(arguments.integer("--context", 4, 1 << 20, 512)));
  const int64_t most = TRY(arguments.integer("--chunks", 1, INT64_MAX, INT64_MAX));
  const auto type = TRY(cache_type(arguments, ops::CacheType::kF16));
  auto file = TRY(open_model_file(context, arguments.positional()[0]));
  const Text text = TRY(read_tokens(context, *file, arguments.positional()[1]));
  const uint64_t chunks = std::min(text.tokens.size() / length, static_cast<size_t>(most));
  if (chunks == 0) {
    return Error{ErrorCode::kRefused,
                 fmt::format("the text has {} tokens, a chunk {}", text.tokens.size(), length),
                 "give a longer text or a smaller --context"};
  }
  const auto machine = TRY(Machine::create(arguments));
  const auto model = TRY(runtime::Model::open(std::move(file)));
  TRY(model->require_logits());
  const auto loaded = TRY(load_evaluator(context, arguments, *model, *machine, type, length, 0));
  const Tally tally = TRY(measure(context, *loaded.evaluator, text, length, chunks));
  write_notes(context, model->weights());
  if (!std::isfinite(tally.perplexity())) {
    return Error{ErrorCode::kFailed, "the perplexity is beyond what a number can say",
                 "the text and the model do not fit each other at all"};
  }
  std::string out;
  if (TRY(arguments.flag("--json"))) {
    base::JsonWriter json(out);
    json.begin_object()
        .field("perplexity", tally.perplexity())
        .field("tokens", tally.tokens)
        .field("chunks", tally.chunks)
        .field("context", length)
        .field("standard_error", tally.error())
        .end_object();
    out += '\n';
  } else {
    out = fmt::format("perplexity {:.4f} +/- {:.4f} over {} tokens in {} chunks of {}\n",
                      tally.perplexity(), tally.error(), tally.tokens, tally.chunks, length);
  }
  context.out.write(out);
  return {};
}

}  // namespace

const Command& perplexity_command() {
  static constexpr Command kCommand{
      .name = "perplexity",
      .summary = "Measure how well a model predicts a text",
      .usage = "MODEL FILE",
      .options = kOptions,
      .description =
          "Consecutive chunks of the text; the second half of each is scored. Where the "
          "model wants a BOS it replaces the chunk's first token.",
      .examples = "  freehold perplexity smollm2 book.txt --chunks 40 --json\n",
      .positional_min = 2,
      .positional_max = 2,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
