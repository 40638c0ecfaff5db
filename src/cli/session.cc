#include "cli/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "model/tokenizer/tokenizer_json.h"

namespace freehold::cli {

Result<std::unique_ptr<model::GgufModel>> open_model_file(Context& context,
                                                          const std::string& name) {
  return TRY(open_named_model(context, name)).file;
}

Result<NamedModel> open_named_model(Context& context, const std::string& name) {
  NamedModel named;
  named.found = TRY(open_store(context).find(name));
  named.file = std::make_unique<model::GgufModel>(
      TRY(model::GgufModel::open(context.files, named.found.path)));
  return named;
}

Result<OpenTokenizer> open_tokenizer(Context& context, const std::string& name) {
  OpenTokenizer opened;
  std::string json = name.ends_with(".json") ? name : std::string();
  if (json.empty() && name.find('/') != std::string::npos) {
    const std::string inside = name + (name.ends_with('/') ? "" : "/") + "tokenizer.json";
    if (context.files.stat(inside).ok()) json = inside;
  }
  if (!json.empty()) {
    const std::string text =
        TRY(io::read_small_file(context.files, json, model::kTokenizerJsonBytesMax));
    opened.tokenizer = TRY(model::create_from_tokenizer_json(text));
    if (opened.tokenizer->description().starts_with("bpe/pcre2")) {
      context.err.write(
          fmt::format("note: words are cut by an expression that is not known here: {}\n",
                      opened.tokenizer->description()));
    }
    return opened;
  }
  opened.file = TRY(open_model_file(context, name));
  opened.tokenizer = TRY(model::Tokenizer::create(opened.file->metadata()));
  return opened;
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

namespace {

/// Of what the machine or its control group has left, by default.
constexpr double kAutoShare = 0.8;

Result<io::ReadBackend> read_backend(const Arguments& arguments) {
  const std::string name = arguments.text_or("--reads", "auto");
  if (name == "auto") return io::ReadBackend::kAuto;
  if (name == "io_uring") return io::ReadBackend::kUring;
  if (name == "threads") return io::ReadBackend::kThreads;
  return Error{ErrorCode::kUsage, fmt::format("--reads is '{}'", name),
               "it is one of auto, io_uring and threads"};
}

}  // namespace

Result<runtime::Budget> memory_budget(const Arguments& arguments) {
  runtime::Budget budget;
  budget.held = device::resident_bytes();
  const std::string text = arguments.text_or("--memory", "auto");
  if (text != "auto") {
    const auto bytes = base::parse_size(text);
    if (!bytes.ok()) {
      return Error{ErrorCode::kUsage, fmt::format("--memory is '{}'", base::printable(text)),
                   "give bytes, as in 3G or 800M, or auto"};
    }
    budget.bytes = *bytes;
    return budget;
  }
  const uint64_t left = device::available_bytes("");
  if (left > 0) {
    budget.bytes = budget.held + static_cast<uint64_t>(kAutoShare * static_cast<double>(left));
  }
  return budget;
}

Result<std::unique_ptr<runtime::Model>> open_model(Context& context, const std::string& name) {
  return runtime::Model::open(TRY(open_model_file(context, name)));
}

namespace {

/// "FILE=0.5" to file and scale. What stands behind the last = is a scale where it is a number.
std::pair<std::string, float> adapter_and_scale(const std::string& text) {
  const size_t at = text.rfind('=');
  if (at == std::string::npos) return {text, 1.0f};
  const auto scale = base::parse_number(std::string_view(text).substr(at + 1));
  if (!scale.ok()) return {text, 1.0f};
  return {text.substr(0, at), static_cast<float>(*scale)};
}

}  // namespace

uint64_t Adapters::bytes() const {
  uint64_t sum = 0;
  for (const auto& file : files) sum += file->bytes();
  return sum;
}

Status Adapters::load(Context& context, Machine& machine) {
  for (const auto& file : files) TRY(file->load(machine.account, &context.files));
  return {};
}

Result<Adapters> open_adapters(Context& context, const Arguments& arguments,
                               const runtime::Model& model) {
  constexpr float kScaleMax = 1000;
  Adapters adapters;
  for (const std::string& text : arguments.list("--adapter")) {
    const auto [name, scale] = adapter_and_scale(text);
    if (!(std::fabs(scale) <= kScaleMax)) {
      return Error{ErrorCode::kUsage,
                   fmt::format("--adapter {}: a scale of {}", base::printable(name), scale),
                   fmt::format("give a number from {} to {}", -kScaleMax, kScaleMax)};
    }
    const std::string path = TRY(open_store(context).find(name)).path;
    auto opened = runtime::Adapter::open(TRY(model::GgufModel::open(context.files, path)), model);
    if (!opened.ok()) return std::move(opened).error().within(name);
    adapters.files.push_back(std::move(opened).value());
    adapters.applied.push_back({adapters.files.back().get(), scale});
  }
  return adapters;
}

Result<runtime::MemoryPlan> load_weights(Context& context, const Arguments& arguments,
                                         runtime::Model& model, runtime::Workload workload,
                                         Machine& machine, bool read_ahead) {
  workload.threads = machine.pool->size();
  const io::ReadBackend backend = TRY(read_backend(arguments));
  std::vector<std::string> mirrors;
  const std::string folders = arguments.text_or("--mirror", "");
  for (const std::string_view folder : base::split(folders, ',')) {
    if (!folder.empty()) mirrors.emplace_back(folder);
  }
  const runtime::Budget budget = TRY(memory_budget(arguments));
  runtime::MemoryPlan plan = TRY(runtime::plan_memory(model, workload, budget));
  if (plan.streams() && !arguments.has("--memory")) {
    context.err.write(fmt::format(
        "note: {} of weights do not fit into the {} that are left and are streamed from disk\n",
        base::human_bytes(plan.layout.bytes() - plan.pinned - plan.expert_slots),
        base::human_bytes(plan.budget)));
  }
  TRY(model.load_weights(plan.layout, {machine.account,
                                       *machine.pool,
                                       &context.interrupted,
                                       &context.files,
                                       {.ring_bytes = plan.ring,
                                        .expert_bytes = plan.expert_slots,
                                        .backend = backend,
                                        .read_ahead = read_ahead,
                                        .mirrors = std::move(mirrors),
                                        .clock = &context.clock}}));
  return plan;
}

namespace {

std::string disk_line(const runtime::DiskHealth::Report& disk) {
  constexpr double kGiga = 1e-9;
  if (disk.windows == 0) {
    return fmt::format("disk: not rated; it was not busy for whole windows of {} s\n",
                       runtime::DiskHealth::kWindow_ns / 1'000'000'000);
  }
  std::string line = fmt::format(
      "disk: {:.2f} / {:.2f} / {:.2f} GB/s least, median, most of {} busy windows of {} s, {:.2f} "
      "lately",
      disk.least * kGiga, disk.median * kGiga, disk.most * kGiga, disk.windows,
      runtime::DiskHealth::kWindow_ns / 1'000'000'000, disk.latest * kGiga);
  if (disk.throttled_seconds > 0) {
    line += fmt::format("; throttled{} for {:.0f} s, below {:.0f} % of {:.2f} GB/s",
                        disk.throttled ? " now and" : "", disk.throttled_seconds,
                        100 * runtime::DiskHealth::kSlowShare, disk.best * kGiga);
  }
  return line + '\n';
}

}  // namespace

std::string streaming_lines(const runtime::MemoryPlan& plan, const runtime::WeightStore& weights) {
  std::string lines;
  if (const runtime::PanelRing* const ring = weights.ring(); ring != nullptr) {
    const runtime::PanelRing::Statistics statistics = ring->statistics();
    lines += fmt::format(
        "streamed: {} of {} per pass by {}{}, {} panels of {} in the ring; {} read in {} reads, {} "
        "waits, {} retries\n",
        base::human_bytes(plan.streamed), base::human_bytes(plan.bytes_per_pass()),
        ring->backend_name(), ring->is_direct() ? "" : " through the page cache", ring->slots(),
        base::human_bytes(ring->slot_bytes()), base::human_bytes(statistics.bytes_read),
        statistics.reads, statistics.panels_waited, statistics.retries);
    lines += fmt::format(
        "read per pass, or token: {} in {} passes\n",
        base::human_bytes(statistics.bytes_read / std::max<uint64_t>(1, statistics.passes)),
        statistics.passes);
    if (weights.experts() == nullptr) lines += disk_line(ring->disk_health());
  }
  if (const runtime::ExpertCache* const experts = weights.experts(); experts != nullptr) {
    const runtime::ExpertCache::Statistics& statistics = experts->statistics();
    const uint64_t wishes = statistics.hits + statistics.misses;
    lines += fmt::format(
        "experts: {} of {} in memory by {}; {} of {} wanted were there ({:.1f} %), {} read in {} "
        "reads, {} retries\n",
        experts->slots(), plan.layout.expert_units(), experts->backend_name(), statistics.hits,
        wishes, 100.0 * static_cast<double>(statistics.hits) / static_cast<double>(wishes | 1),
        base::human_bytes(statistics.bytes_read), statistics.reads, statistics.retries);
  }
  return lines;
}

void write_notes(Context& context, const runtime::WeightStore& weights) {
  if (weights.ring() == nullptr) return;
  for (const std::string& note : weights.ring()->take_notes()) {
    context.err.write(fmt::format("note: {}\n", note));
  }
}

Result<LoadedEvaluator> load_evaluator(Context& context, const Arguments& arguments,
                                       runtime::Model& model, Machine& machine, ops::CacheType type,
                                       uint64_t context_length, size_t slice) {
  constexpr size_t kColumnsMin = 8;
  if (slice == 0) slice = runtime::default_slice(model.parameters().vocabulary, context_length);
  LoadedEvaluator loaded;
  loaded.adapters = TRY(open_adapters(context, arguments, model));
  loaded.plan =
      TRY(load_weights(context, arguments, model,
                       {.cache_type = type,
                        .positions = context_length,
                        .sequences = 1,
                        .columns_max = slice,
                        .columns_min = std::min(slice, kColumnsMin),
                        .logits_max = slice,
                        .adapters = loaded.adapters.bytes(),
                        .adapter_rank_max = runtime::rank_max_of(loaded.adapters.applied)},
                       machine));
  TRY(loaded.adapters.load(context, machine));
  loaded.evaluator = TRY(runtime::Evaluator::create({.model = model,
                                                     .pool = *machine.pool,
                                                     .account = machine.account,
                                                     .isa = machine.isa,
                                                     .cache_type = type,
                                                     .context = context_length,
                                                     .stop = &context.interrupted,
                                                     .slice = loaded.plan.columns_max,
                                                     .adapters = loaded.adapters.applied}));
  return loaded;
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
