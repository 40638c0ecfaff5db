#pragma once
// What commands that touch a model share: finding its file, opening it with the options that every
// such command has, workers, memory account. Lives as long as the command.

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "cli/command.h"
#include "device/isa.h"
#include "device/memory.h"
#include "device/worker_pool.h"
#include "model/gguf/gguf.h"
#include "model/tokenizer/tokenizer.h"
#include "ops/attention/kv_layout.h"
#include "runtime/adapter/adapter.h"
#include "runtime/engine/evaluator.h"
#include "runtime/engine/model.h"
#include "runtime/plan/memory_plan.h"

namespace freehold::cli {

/// The rules that say which bits a computation gives (docs/NUMERICS.md).
inline constexpr std::string_view kNumericsProfile = "fh-1";

inline constexpr Option kThreadsOption{"--threads", 't', OptionKind::kInteger, "N",
                                       "compute threads; default: physical cores"};
inline constexpr Option kIsaOption{"--isa", 0, OptionKind::kText, "NAME",
                                   "highest instruction set to use: scalar, avx2, avx512 or amx"};
inline constexpr Option kKvOption{"--kv", 0, OptionKind::kText, "TYPE",
                                  "cache type: f16, k16v8, f32 or q8_0"};
inline constexpr Option kMemoryOption{
    "--memory", 0, OptionKind::kText, "BYTES",
    "budget for the whole process, as in 3G; what does not fit is streamed from disk; "
    "default auto: 80 % of what is left"};
inline constexpr Option kReadsOption{"--reads", 0, OptionKind::kText, "KIND",
                                     "how streamed weights are read: auto, io_uring or threads"};
inline constexpr Option kMirrorOption{
    "--mirror", 0, OptionKind::kText, "DIR[,DIR]",
    "folders on other drives with a copy of the model's file under its own name; weights are read "
    "from all of them"};
inline constexpr Option kAdapterOption{
    "--adapter", 0, OptionKind::kList, "FILE[=SCALE]",
    "a LoRA adapter for the model, by its name or its file, and how much of it (default 1); may be "
    "given again"};
inline constexpr Option kJsonOption{"--json", 0, OptionKind::kFlag, "", "one JSON value on stdout"};
inline constexpr Option kOfflineOption{"--offline", 0, OptionKind::kFlag, "",
                                       "contact nothing, whatever is missing"};

/// MODEL's file, opened and checked; no weights read.
Result<std::unique_ptr<model::GgufModel>> open_model_file(Context& context,
                                                          const std::string& name);

/// The same, with what its name asks for.
struct NamedModel {
  store::FoundModel found;
  std::unique_ptr<model::GgufModel> file;
};
Result<NamedModel> open_named_model(Context& context, const std::string& name);

/// A tokenizer and what is known of its model: from MODEL's file, or from a tokenizer.json given by
/// its path or by its folder.
struct OpenTokenizer {
  std::unique_ptr<model::GgufModel> file;  // nullptr for a tokenizer.json
  std::unique_ptr<model::Tokenizer> tokenizer;
};
Result<OpenTokenizer> open_tokenizer(Context& context, const std::string& name);

/// Workers and an account, by --threads and --isa.
struct Machine {
  device::MemoryAccount account;
  std::unique_ptr<device::WorkerPool> pool;
  device::Isa isa = device::Isa::kScalar;

  static Result<std::unique_ptr<Machine>> create(const Arguments& arguments);
};

/// By --memory; what the process holds already counts, so it comes after what a plan cannot see.
Result<runtime::Budget> memory_budget(const Arguments& arguments);

/// MODEL's file and numbers; no weights read.
Result<std::unique_ptr<runtime::Model>> open_model(Context& context, const std::string& name);

/// What --adapter names, in its order.
struct Adapters {
  Adapters() = default;
  Adapters(Adapters&&) noexcept = default;
  Adapters& operator=(Adapters&&) noexcept = default;

  std::vector<std::unique_ptr<runtime::Adapter>> files;
  std::vector<runtime::AppliedAdapter> applied;

  /// What they take once they are loaded: for a plan.
  uint64_t bytes() const;
  Status load(Context& context, Machine& machine);
};

/// Opened and checked against `model`, which outlives them; no values read. Errors name the file.
Result<Adapters> open_adapters(Context& context, const Arguments& arguments,
                               const runtime::Model& model);

/// Plans memory for `workload` by --memory, then loads what the plan pins and starts streaming the
/// rest. What the command needs beside (tokenizer, texts) exists already, so that the plan can
/// count it. A note on stderr says so where weights are streamed unasked. The machine must outlive
/// the model.
Result<runtime::MemoryPlan> load_weights(Context& context, const Arguments& arguments,
                                         runtime::Model& model, runtime::Workload workload,
                                         Machine& machine, bool read_ahead = true);

/// A line each for people: what is streamed, how, and how often a worker had to wait for it; which
/// experts were there. Empty where everything is resident.
std::string streaming_lines(const runtime::MemoryPlan& plan, const runtime::WeightStore& weights);

/// An evaluator for `context_length` tokens, its weights loaded by --memory.
struct LoadedEvaluator {
  Adapters adapters;
  runtime::MemoryPlan plan;
  std::unique_ptr<runtime::Evaluator> evaluator;
};
Result<LoadedEvaluator> load_evaluator(Context& context, const Arguments& arguments,
                                       runtime::Model& model, Machine& machine, ops::CacheType type,
                                       uint64_t context_length, size_t slice);

/// Says which drives of --mirror were given up.
void write_notes(Context& context, const runtime::WeightStore& weights);

Result<ops::CacheType> cache_type(const Arguments& arguments, ops::CacheType otherwise);

/// "1,2,3" to numbers from 0 to 2^31 - 1; kUsage naming the option and the piece.
Result<std::vector<int32_t>> parse_number_list(std::string_view option, std::string_view text);

}  // namespace freehold::cli
