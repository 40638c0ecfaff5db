// `freehold quantize`: a model's file again with its matrices in a smaller format.

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "cli/session.h"
#include "cli/store_observer.h"
#include "cli/whole_file.h"
#include "model/convert/quantise.h"

namespace freehold::cli {

namespace {

constexpr Option kOptions[] = {
    {"--allow-requantize", 0, OptionKind::kFlag, "",
     "also from a file that is quantised already: it loses more than from the original"},
    kThreadsOption,
    kJsonOption,
};

Result<const model::FileType*> file_type(const std::string& name) {
  if (const model::FileType* const type = model::find_file_type(name); type != nullptr) return type;
  std::string names;
  for (const model::FileType& type : model::file_types()) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", type.name);
  }
  return Error{ErrorCode::kUsage, fmt::format("there is no file type {}", base::printable(name)),
               "one of " + names};
}

Result<model::QuantiseReport> write_file(Context& context, const model::GgufModel& source,
                                         const model::FileType& type, const std::string& path,
                                         device::WorkerPool& pool, bool requantise) {
  if (context.files.stat(path).ok()) {
    return Error{ErrorCode::kRefused, path + " is there already", "remove it or name another file"};
  }
  TerminalObserver observer(context);
  const auto on_progress = [&](uint64_t done) -> Status {
    if (observer.cancelled()) return Error{ErrorCode::kInterrupted, {}, {}};
    observer.on_progress({.phase = store::Phase::kQuantising,
                          .bytes_done = done,
                          .bytes_total = source.tensor_bytes()});
    return {};
  };
  model::QuantiseReport report;
  TRY(write_whole_file(context.files, path, [&](io::WritableFile& file) -> Status {
    report = TRY(model::quantise(source, type, file, pool,
                                 {.requantise = requantise, .on_progress = on_progress}));
    return {};
  }));
  return report;
}

Status run(Context& context, const Arguments& arguments) {
  const std::span<const std::string> words = arguments.positional();
  const model::FileType* const type = TRY(file_type(words[2]));
  const auto source = TRY(open_model_file(context, words[0]));
  const auto machine = TRY(Machine::create(arguments));
  const bool requantise = TRY(arguments.flag("--allow-requantize"));
  const model::QuantiseReport report =
      TRY(write_file(context, *source, *type, words[1], *machine->pool, requantise));
  if (TRY(arguments.flag("--json"))) {
    std::string out;
    base::JsonWriter json(out);
    json.begin_object();
    json.field("file", words[1]).field("type", type->name);
    json.field("bytes", report.bytes).field("source_tensor_bytes", source->tensor_bytes());
    json.field("tensors", report.tensors).field("changed", report.changed);
    json.end_object();
    context.out.write(out + '\n');
    return {};
  }
  context.err.write(fmt::format("{} is {}: {}, {} of {} tensors changed\n", words[1], type->name,
                                base::human_bytes(report.bytes), report.changed, report.tensors));
  return {};
}

}  // namespace

const Command& quantize_command() {
  static constexpr Command kCommand{
      .name = "quantize",
      .summary = "Write a model's file with its matrices in a smaller format",
      .usage = "MODEL FILE TYPE",
      .options = kOptions,
      .description =
          "TYPE is F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K_S, Q3_K_M, Q3_K_L, "
          "Q4_K_S, Q4_K_M, Q5_K_S, Q5_K_M or Q6_K; which matrices of a mix have more bits is "
          "llama.cpp's choice, and so are the bytes. The same model and type give the same file "
          "on any machine and with any number of threads.",
      .examples =
          "  freehold quantize ./model-f16.gguf ./model-q4_k_m.gguf Q4_K_M\n"
          "  freehold quantize my-model ./small.gguf Q5_K_M --json\n",
      .positional_min = 3,
      .positional_max = 3,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
