// `freehold logits`: the raw scores of the next token, for people who compare engines.

#include <fmt/format.h>

#include "base/json.h"
#include "cli/session.h"
#include "runtime/engine/evaluator.h"

namespace freehold::cli {

namespace {

constexpr Option kOptions[] = {
    {"--tokens", 0, OptionKind::kText, "IDS", "token ids with commas between them"},
    {"--all", 0, OptionKind::kFlag, "", "one row per position instead of the last alone"},
    {"--output", 'o', OptionKind::kText, "FILE",
     "write the rows as little-endian f32 to FILE instead of JSON"},
    {"--slice", 0, OptionKind::kInteger, "N", "columns of one pass; never changes a bit"},
    kThreadsOption,
    kIsaOption,
    kKvOption,
    kAdapterOption,
    kMemoryOption,
    kReadsOption,
    kMirrorOption,
    kJsonOption,
};

/// Takes rows as they come, so that a long text needs memory for one slice only.
class RowSink {
 public:
  virtual ~RowSink() = default;
  virtual Status row(std::span<const float> logits) = 0;
  virtual Status finish() = 0;
};

class JsonRows final : public RowSink {
 public:
  JsonRows(TextSink& out, bool all) : out_(out), all_(all), json_(text_) {
    json_.begin_object().key("logits");
    if (all_) json_.begin_array();
  }
  Status row(std::span<const float> logits) override {
    json_.begin_array();
    for (const float value : logits) json_.value(value);
    json_.end_array();
    out_.write(text_);
    text_.clear();
    return {};
  }
  Status finish() override {
    if (all_) json_.end_array();
    json_.end_object();
    text_ += '\n';
    out_.write(text_);
    return {};
  }

 private:
  TextSink& out_;
  bool all_;
  std::string text_;
  base::JsonWriter json_;
};

/// Writes beside the file and puts it in place at the end: an old one stays until the new is whole.
class BinaryRows final : public RowSink {
 public:
  BinaryRows(io::FileSystem& files, std::string path, std::unique_ptr<io::WritableFile> file)
      : files_(files), path_(std::move(path)), file_(std::move(file)) {}
  Status row(std::span<const float> logits) override {
    return file_->append(std::as_bytes(logits));
  }
  Status finish() override {
    TRY(file_->close());
    return files_.rename(partial(path_), path_);
  }
  static std::string partial(const std::string& path) { return path + ".partial"; }

 private:
  io::FileSystem& files_;
  std::string path_;
  std::unique_ptr<io::WritableFile> file_;
};

Result<std::unique_ptr<RowSink>> make_sink(Context& context, const Arguments& arguments, bool all) {
  const auto path = arguments.text("--output");
  if (!path) return std::unique_ptr<RowSink>(std::make_unique<JsonRows>(context.out, all));
  auto file = TRY(context.files.create(BinaryRows::partial(*path), io::WriteMode::kTruncate));
  return std::unique_ptr<RowSink>(
      std::make_unique<BinaryRows>(context.files, *path, std::move(file)));
}

Status run(Context& context, const Arguments& arguments) {
  const auto list = arguments.text("--tokens");
  if (!list) {
    return Error{ErrorCode::kUsage, "logits: no tokens given", "give them: --tokens 1,2,3"};
  }
  const auto tokens = TRY(parse_number_list("--tokens", *list));
  const bool all = TRY(arguments.flag("--all"));
  const auto type = TRY(cache_type(arguments, ops::CacheType::kF32));
  const int64_t slice = TRY(arguments.integer("--slice", 1, 4096, 0));
  const auto machine = TRY(Machine::create(arguments));
  const auto model = TRY(open_model(context, arguments.positional()[0]));
  TRY(model->require_logits());
  const auto loaded = TRY(load_evaluator(context, arguments, *model, *machine, type, tokens.size(),
                                         static_cast<size_t>(slice)));
  TRY(runtime::check_tokens(tokens, model->parameters().vocabulary));
  const auto sink = TRY(make_sink(context, arguments, all));
  TRY(loaded.evaluator->evaluate(
      tokens, all ? 0 : tokens.size() - 1,
      [&](size_t, std::span<const float> row) { return sink->row(row); }));
  TRY(sink->finish());
  write_notes(context, model->weights());
  if (arguments.has("--output") && TRY(arguments.flag("--json"))) {
    std::string out;
    base::JsonWriter(out)
        .begin_object()
        .field("output", arguments.text_or("--output", ""))
        .field("rows", all ? tokens.size() : size_t{1})
        .field("vocabulary", model->parameters().vocabulary)
        .end_object();
    context.out.write(out + '\n');
  }
  return {};
}

}  // namespace

const Command& logits_command() {
  static constexpr Command kCommand{
      .name = "logits",
      .summary = "Print the scores of the next token after given tokens",
      .usage = "MODEL --tokens IDS",
      .options = kOptions,
      .description =
          "Works on files without a tokenizer. The cache is f32 unless --kv says otherwise; "
          "threads, instruction set and slices never change a bit of what is printed.",
      .examples =
          "  freehold logits smollm2 --tokens 1,2,3 --json\n"
          "  freehold logits ./any.gguf --tokens 1,2,3 --all --output logits.f32\n",
      .positional_min = 1,
      .positional_max = 1,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
