// `freehold bench`: tokens per second beside the machine's memory bandwidth, in one run.

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "cli/session.h"
#include "device/bandwidth.h"
#include "device/disk_bandwidth.h"
#include "runtime/executor/executor.h"

namespace freehold::cli {

namespace {

constexpr uint64_t kBandwidthBlock = uint64_t{1} << 30;
constexpr size_t kPassColumns = 512;
constexpr size_t kPassColumnsMin = 32;

/// Disks that are shared or throttled keep their first second's rate for that second only, and
/// drift from minute to minute: they are measured for this long before the run and again behind it.
constexpr double kDiskSeconds = 4;

constexpr Option kOptions[] = {
    {"--prompt-tokens", 'p', OptionKind::kInteger, "N", "tokens of the prefill test; default 512"},
    {"--decode-tokens", 'n', OptionKind::kInteger, "N", "tokens of the decode test; default 128"},
    {"--repetitions", 'r', OptionKind::kInteger, "N",
     "rounds of each, medians are printed; default 5"},
    {"--columns", 0, OptionKind::kText, "LIST",
     "also time passes of these many columns with the logits of each"},
    kThreadsOption,
    kIsaOption,
    kKvOption,
    kMemoryOption,
    kReadsOption,
    kMirrorOption,
    {"--no-read-ahead", 0, OptionKind::kFlag, "",
     "read streamed weights only when they are wanted: what reading ahead is worth"},
    kJsonOption,
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

struct Plan {
  uint32_t prompt = 512;
  uint32_t decode = 128;
  int64_t rounds = 5;
  std::vector<int32_t> columns;
};

runtime::Workload workload_of(const Plan& plan, ops::CacheType type) {
  uint32_t widest = 1;
  for (const int32_t columns : plan.columns) {
    widest = std::max(widest, static_cast<uint32_t>(columns));
  }
  return {.cache_type = type,
          .positions = std::max({plan.prompt, plan.decode + 1, widest}),
          .sequences = 1,
          .columns_max = std::max<size_t>(widest, std::min<size_t>(kPassColumns, plan.prompt)),
          .columns_min = std::max<size_t>(widest, kPassColumnsMin),
          .logits_max = widest};
}

/// Runs passes of made-up tokens; the clock is the only thing it looks at.
class Bench {
 public:
  Bench(Context& context, const runtime::Model& model) : context_(context), model_(model) {}

  static Result<std::unique_ptr<Bench>> create(Context& context, const runtime::Model& model,
                                               Machine& machine, const runtime::Workload& workload,
                                               const runtime::MemoryPlan& memory) {
    auto bench = std::make_unique<Bench>(context, model);
    bench->cache_ = TRY(runtime::Cache::create(
        machine.account,
        runtime::cache_spec(model.parameters(), workload.cache_type, workload.positions, 1)));
    bench->executor_ = TRY(runtime::Executor::create({.architecture = model.architecture(),
                                                      .parameters = model.parameters(),
                                                      .weights = model.weights(),
                                                      .pool = *machine.pool,
                                                      .account = machine.account,
                                                      .isa = machine.isa,
                                                      .cache_type = workload.cache_type,
                                                      .columns_max = memory.columns_max,
                                                      .logits_max = memory.logits_max}));
    return bench;
  }

  /// Seconds of a prompt of `tokens`, the logits of its last included.
  Result<double> prefill(uint32_t tokens) {
    const auto sequence = TRY(start(tokens));
    const int64_t begin = context_.clock.monotonic_ns();
    for (uint32_t done = 0; done < tokens;) {
      const auto count =
          static_cast<uint32_t>(std::min<size_t>(executor_->columns_max(), tokens - done));
      TRY(pass(sequence, done, count, done + count == tokens ? 1 : 0));
      done += count;
    }
    return finish(sequence, begin);
  }

  /// Seconds of `tokens` passes of one column, after a first that is not counted.
  Result<double> decode(uint32_t tokens) {
    const auto sequence = TRY(start(tokens + 1));
    TRY(pass(sequence, 0, 1, 1));
    const int64_t begin = context_.clock.monotonic_ns();
    for (uint32_t i = 0; i < tokens; ++i) TRY(pass(sequence, i + 1, 1, 1));
    return finish(sequence, begin);
  }

  /// Seconds of one pass of `columns`, with the logits of every column.
  Result<double> columns(uint32_t count) {
    const auto sequence = TRY(start(count));
    const int64_t begin = context_.clock.monotonic_ns();
    TRY(pass(sequence, 0, count, count));
    return finish(sequence, begin);
  }

 private:
  Result<runtime::SequenceId> start(uint32_t positions) {
    const auto sequence = TRY(cache_->create_sequence());
    TRY(cache_->reserve(sequence, positions));
    return sequence;
  }

  Status pass(runtime::SequenceId sequence, uint32_t first, uint32_t count, uint32_t logits) {
    if (context_.interrupted.load()) return Error{ErrorCode::kInterrupted, {}, {}};
    runtime::PassSpec spec;
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t token = (first + i) * 2654435761u % model_.parameters().vocabulary;
      spec.columns.push_back({.sequence = sequence,
                              .token = static_cast<int32_t>(token),
                              .wants_logits = i + logits >= count});
    }
    TRY(executor_->run(spec, *cache_));
    return {};
  }

  double finish(runtime::SequenceId sequence, int64_t begin) {
    const double seconds = static_cast<double>(context_.clock.monotonic_ns() - begin) * 1e-9;
    cache_->drop(sequence);
    return seconds;
  }

  Context& context_;
  const runtime::Model& model_;
  std::optional<runtime::Cache> cache_;
  std::unique_ptr<runtime::Executor> executor_;
};

struct Report {
  double prefill = 0;
  double decode = 0;
  std::vector<std::pair<int32_t, double>> columns_ms;
  device::Bandwidth bandwidth;  // of memory; not measured beside a budget, which it would break
  // Where weights are streamed: before the run, and behind it.
  std::vector<double> disk_bandwidths;
  double read_per_token = 0;  // bytes from the disk, measured
  runtime::MemoryPlan memory;

  /// B of docs/ARCHITECTURE.md, section "Memory".
  double disk_bandwidth() const {
    double sum = 0;
    for (const double rate : disk_bandwidths) sum += rate;
    return sum / static_cast<double>(disk_bandwidths.size());
  }
  /// A of the same section.
  double amplification() const {
    const uint64_t room =
        memory.budget > memory.overhead_bytes() ? memory.budget - memory.overhead_bytes() : 0;
    const uint64_t whole = memory.bytes_per_pass();
    const auto must_read = static_cast<double>(whole - std::min(whole, room));
    return decode * must_read / disk_bandwidth();
  }
};

Status measure(Bench& bench, const Plan& plan, const runtime::WeightStore& weights,
               Report& report) {
  std::vector<double> prefill;
  std::vector<double> decode;
  std::vector<double> read_per_token;
  // One round that is not counted: pages, caches and clocks settle.
  for (int64_t round = -1; round < plan.rounds; ++round) {
    const double prompt_seconds = plan.prompt > 0 ? TRY(bench.prefill(plan.prompt)) : 0;
    const uint64_t read_before = weights.bytes_read();
    const double decode_seconds = plan.decode > 0 ? TRY(bench.decode(plan.decode)) : 0;
    if (round < 0) continue;
    if (report.memory.streams() && plan.decode > 0) {
      const auto read = static_cast<double>(weights.bytes_read() - read_before);
      read_per_token.push_back(read / (plan.decode + 1));
    }
    if (plan.prompt > 0) prefill.push_back(plan.prompt / prompt_seconds);
    if (plan.decode > 0) decode.push_back(plan.decode / decode_seconds);
  }
  if (!prefill.empty()) report.prefill = median(prefill);
  if (!decode.empty()) report.decode = median(decode);
  if (!read_per_token.empty()) report.read_per_token = median(read_per_token);
  for (const int32_t count : plan.columns) {
    std::vector<double> seconds;
    for (int64_t round = 0; round < plan.rounds; ++round) {
      seconds.push_back(TRY(bench.columns(static_cast<uint32_t>(count))));
    }
    report.columns_ms.emplace_back(count, median(seconds) * 1e3);
  }
  return {};
}

Result<Plan> plan_of(const Arguments& arguments) {
  Plan plan;
  plan.prompt = static_cast<uint32_t>(TRY(arguments.integer("--prompt-tokens", 0, 1 << 20, 512)));
  plan.decode = static_cast<uint32_t>(TRY(arguments.integer("--decode-tokens", 0, 1 << 20, 128)));
  plan.rounds = TRY(arguments.integer("--repetitions", 1, 1000, 5));
  if (const auto list = arguments.text("--columns")) {
    plan.columns = TRY(parse_number_list("--columns", *list));
    for (const int32_t count : plan.columns) {
      if (count < 1 || count > 4096) {
        return Error{ErrorCode::kUsage, "--columns takes numbers from 1 to 4096", {}};
      }
    }
  }
  return plan;
}

/// What a decoded token should read of the disk.
double planned_read(const runtime::MemoryPlan& memory, const runtime::WeightStore& weights) {
  const auto ring =
      static_cast<double>(weights.ring() == nullptr ? 0 : weights.ring()->bytes_per_pass(true));
  return ring + memory.expert_miss_share() * static_cast<double>(memory.layout.expert_bytes_used());
}

void streaming_fields(base::JsonWriter& json, const Report& report,
                      const runtime::WeightStore& weights) {
  json.field("memory_budget", report.memory.budget);
  json.field("memory_overhead", report.memory.overhead_bytes());
  json.field("memory_pinned", report.memory.pinned);
  json.field("streamed_per_token_planned", planned_read(report.memory, weights));
  json.field("streamed_per_token", report.read_per_token);
  json.field("disk_bandwidth", report.disk_bandwidth());
  json.key("disk_bandwidths").begin_array();
  for (const double rate : report.disk_bandwidths) json.value(rate);
  json.end_array();
  if (const runtime::PanelRing* const ring = weights.ring(); ring != nullptr) {
    const runtime::PanelRing::Statistics statistics = ring->statistics();
    json.field("amplification", report.amplification());
    json.field("reads", ring->backend_name()).field("direct", ring->is_direct());
    json.field("ring_slots", ring->slots()).field("ring_slot_bytes", ring->slot_bytes());
    json.field("panels_waited", statistics.panels_waited).field("retries", statistics.retries);
    const runtime::DiskHealth::Report disk = ring->disk_health();
    json.field("disk_rate_least", disk.least).field("disk_rate_median", disk.median);
    json.field("disk_rate_most", disk.most).field("disk_rate_windows", disk.windows);
    json.field("disk_throttled_seconds", disk.throttled_seconds);
  }
  if (const runtime::ExpertCache* const experts = weights.experts(); experts != nullptr) {
    const runtime::ExpertCache::Statistics& statistics = experts->statistics();
    json.field("expert_slots", experts->slots());
    json.field("expert_units", report.memory.layout.expert_units());
    json.field("expert_hits", statistics.hits).field("expert_misses", statistics.misses);
  }
}

std::string report_json(const Report& report, const Plan& plan, const Machine& machine,
                        const runtime::Model& model) {
  const auto bytes = static_cast<double>(model.weights().bytes_per_pass());
  std::string out;
  base::JsonWriter json(out);
  json.begin_object();
  json.field("model", model.file().shards()[0]->path());
  json.field("threads", machine.pool->size());
  json.field("isa", device::isa_name(machine.isa));
  json.field("prompt_tokens", plan.prompt).field("decode_tokens", plan.decode);
  json.field("repetitions", plan.rounds);
  json.field("prefill_tokens_per_second", report.prefill);
  json.field("decode_tokens_per_second", report.decode);
  json.field("bytes_per_token", model.weights().bytes_per_pass());
  if (report.memory.streams()) {
    streaming_fields(json, report, model.weights());
  } else {
    json.field("memory_bandwidth", report.bandwidth.bytes_per_second);
    json.field("memory_bandwidth_loop", report.bandwidth.best_loop);
    json.field("bandwidth_share", report.decode * bytes / report.bandwidth.bytes_per_second);
  }
  if (!report.columns_ms.empty()) {
    json.key("columns").begin_array();
    for (const auto& [count, ms] : report.columns_ms) {
      json.begin_object().field("n", count).field("ms", ms).end_object();
    }
    json.end_array();
  }
  json.field("peak_resident_bytes", device::peak_resident_bytes());
  json.end_object();
  return out + '\n';
}

std::string report_text(const Report& report, const Plan& plan, const Machine& machine,
                        const runtime::Model& model) {
  const auto bytes = static_cast<double>(model.weights().bytes_per_pass());
  const double bandwidth = report.bandwidth.bytes_per_second;
  std::string out =
      fmt::format("{} threads, {}\n", machine.pool->size(), device::isa_name(machine.isa));
  out += fmt::format("prefill {} tokens: {:.1f} tokens/s\n", plan.prompt, report.prefill);
  out += fmt::format("decode {} tokens: {:.2f} tokens/s, {:.1f} MB per token, {:.2f} GB/s\n",
                     plan.decode, report.decode, bytes * 1e-6, report.decode * bytes * 1e-9);
  if (report.memory.streams()) {
    const runtime::MemoryPlan& memory = report.memory;
    out += fmt::format("disk: {:.2f} GB/s; {:.1f} MB read per token, planned {:.1f}",
                       report.disk_bandwidth() * 1e-9, report.read_per_token * 1e-6,
                       planned_read(memory, model.weights()) * 1e-6);
    // Of experts, what must be read depends on what the tokens want.
    if (memory.expert_slots == 0) out += fmt::format("; A = {:.3f}", report.amplification());
    out += '\n';
    out += memory.describe();
    out += streaming_lines(memory, model.weights());
    out += fmt::format("resident at most: {}\n", base::human_bytes(device::peak_resident_bytes()));
  } else {
    out +=
        fmt::format("memory: {:.2f} GB/s ({}); decode reaches {:.0f} % of it\n", bandwidth * 1e-9,
                    report.bandwidth.best_loop, 100 * report.decode * bytes / bandwidth);
  }
  for (const auto& [count, ms] : report.columns_ms) {
    out += fmt::format("t({}) = {:.2f} ms\n", count, ms);
  }
  return out;
}

Status measure_disk(Context& context, Machine& machine, const model::GgufModel& file,
                    device::DiskBandwidthOptions options, Report& report) {
  io::ReadableFile* largest = file.shards()[0].get();
  for (const auto& shard : file.shards()) {
    if (shard->size() > largest->size()) largest = shard.get();
  }
  options.seconds_max = kDiskSeconds;
  const auto measured =
      TRY(device::measure_disk(context.files, *largest, machine.account, context.clock, options));
  report.disk_bandwidths.push_back(measured.bytes_per_second);
  return {};
}

/// The same again in the memory that cache and activations have left, so that the budget holds; not
/// at all where that is too little to keep the disk busy.
Status measure_disk_again(Context& context, Machine& machine, const model::GgufModel& file,
                          uint64_t memory_left, Report& report) {
  const device::DiskBandwidthOptions options;
  if (memory_left < (options.depth + 1) * options.read_bytes) return {};
  return measure_disk(context, machine, file, options, report);
}

Status run(Context& context, const Arguments& arguments) {
  const Plan plan = TRY(plan_of(arguments));
  const auto type = TRY(cache_type(arguments, ops::CacheType::kF16));
  const auto machine = TRY(Machine::create(arguments));
  const auto model = TRY(open_model(context, arguments.positional()[0]));
  TRY(model->require_logits());
  const runtime::Workload workload = workload_of(plan, type);
  Report report;
  if (arguments.has("--memory")) {
    // Before the weights are loaded: its buffers must not stand beside them.
    TRY(measure_disk(context, *machine, model->file(), {}, report));
  }
  report.memory = TRY(load_weights(context, arguments, *model, workload, *machine,
                                   !TRY(arguments.flag("--no-read-ahead"))));
  auto bench = TRY(Bench::create(context, *model, *machine, workload, report.memory));
  TRY(measure(*bench, plan, model->weights(), report));
  const uint64_t held = machine->account.held_total();
  bench.reset();
  if (report.memory.streams()) {
    const uint64_t left = held - machine->account.held_total();
    TRY(measure_disk_again(context, *machine, model->file(), left, report));
  }
  write_notes(context, model->weights());
  if (!report.memory.streams()) {
    report.bandwidth = TRY(device::measure_bandwidth(*machine->pool, machine->account,
                                                     context.clock, kBandwidthBlock));
  }
  context.out.write(TRY(arguments.flag("--json")) ? report_json(report, plan, *machine, *model)
                                                  : report_text(report, plan, *machine, *model));
  return {};
}

}  // namespace

const Command& bench_command() {
  static constexpr Command kCommand{
      .name = "bench",
      .summary = "Measure a model's speed beside this machine's memory bandwidth",
      .usage = "MODEL",
      .options = kOptions,
      .description =
          "Figures are medians. A model smaller than the last-level cache may decode faster "
          "than main memory could feed it.",
      .examples = "  freehold bench smollm2\n  freehold bench smollm2 -p 512 -n 64 -t 2 --json\n",
      .positional_min = 1,
      .positional_max = 1,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
