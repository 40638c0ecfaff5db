#include "cli/session.h"

#include <fmt/format.h>

#include "base/text.h"

namespace freehold::cli {

Result<std::unique_ptr<model::GgufModel>> open_model_file(Context& context,
                                                          const std::string& name) {
  const std::string path = TRY(open_store(context).resolve(name));
  return std::make_unique<model::GgufModel>(TRY(model::GgufModel::open(context.files, path)));
}

Result<std::unique_ptr<Machine>> Machine::create(const Arguments& arguments) {
  constexpr int64_t kThreadsMax = 1024;
  auto machine = std::make_unique<Machine>();
  const int64_t threads = TRY(arguments.integer("--threads", 1, kThreadsMax, 0));
  machine->pool =
      TRY(device::WorkerPool::create({.threads = static_cast<size_t>(threads), .pin = false}));
  machine->isa = device::best_isa();
  if (const auto name = arguments.text("--isa")) {
    const auto rung = device::parse_isa(*name);
    // A cap above what the machine has caps nothing.
    if (!rung.ok() && rung.error().code != ErrorCode::kRefused) return rung.error();
    if (rung.ok()) machine->isa = *rung;
  }
  return machine;
}

Result<std::unique_ptr<runtime::Model>> load_model(Context& context, const std::string& name,
                                                   Machine& machine) {
  auto file = TRY(open_model_file(context, name));
  return runtime::Model::load(std::move(file),
                              {machine.account, *machine.pool, &context.interrupted});
}

Result<ops::CacheType> cache_type(const Arguments& arguments, ops::CacheType otherwise) {
  const auto name = arguments.text("--kv");
  if (!name) return otherwise;
  const auto type = ops::parse_cache_type(*name);
  if (!type) {
    return Error{ErrorCode::kUsage, fmt::format("--kv is '{}'", *name),
                 "it is one of f16, k16v8, f32 and q8_0"};
  }
  return *type;
}

Result<std::vector<int32_t>> parse_number_list(std::string_view option, std::string_view text) {
  std::vector<int32_t> numbers;
  for (const std::string_view piece : base::split(text, ',')) {
    const auto number = base::parse_integer(piece);
    if (!number.ok() || *number < 0 || *number > INT32_MAX) {
      return Error{ErrorCode::kUsage, fmt::format("{}: '{}' is not a whole number", option, piece),
                   "write numbers with commas between them, as in 1,2,3"};
    }
    numbers.push_back(static_cast<int32_t>(*number));
  }
  return numbers;
}

}  // namespace freehold::cli
