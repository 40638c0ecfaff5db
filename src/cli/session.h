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
#include "runtime/engine/model.h"

namespace freehold::cli {

inline constexpr Option kThreadsOption{"--threads", 't', OptionKind::kInteger, "N",
                                       "compute threads; default: physical cores"};
inline constexpr Option kIsaOption{"--isa", 0, OptionKind::kText, "NAME",
                                   "highest instruction set to use: scalar, avx2, avx512 or amx"};
inline constexpr Option kKvOption{"--kv", 0, OptionKind::kText, "TYPE",
                                  "cache type: f16, k16v8, f32 or q8_0"};
inline constexpr Option kMemoryOption{
    "--memory", 0, OptionKind::kSize, "BYTES", "budget for the whole process", false};
inline constexpr Option kJsonOption{"--json", 0, OptionKind::kFlag, "", "one JSON value on stdout"};
inline constexpr Option kOfflineOption{"--offline", 0, OptionKind::kFlag, "",
                                       "contact nothing, whatever is missing"};

/// MODEL's file, opened and checked; no weights read.
Result<std::unique_ptr<model::GgufModel>> open_model_file(Context& context,
                                                          const std::string& name);

/// Workers and an account, by --threads and --isa.
struct Machine {
  device::MemoryAccount account;
  std::unique_ptr<device::WorkerPool> pool;
  device::Isa isa = device::Isa::kScalar;

  static Result<std::unique_ptr<Machine>> create(const Arguments& arguments);
};

/// Loads MODEL's weights. The machine must outlive the model.
Result<std::unique_ptr<runtime::Model>> load_model(Context& context, const std::string& name,
                                                   Machine& machine);

Result<ops::CacheType> cache_type(const Arguments& arguments, ops::CacheType otherwise);

/// "1,2,3" to numbers from 0 to 2^31 - 1; kUsage naming the option and the piece.
Result<std::vector<int32_t>> parse_number_list(std::string_view option, std::string_view text);

}  // namespace freehold::cli
