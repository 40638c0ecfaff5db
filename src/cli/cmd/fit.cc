// `freehold fit`: what a model will need and do on this machine, from its header and from rates
// that are measured once. Loads nothing.

#include <fmt/format.h>

#include <map>

#include "advisor/machine_rates.h"
#include "advisor/prediction.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/home_disk.h"
#include "cli/remote.h"
#include "cli/session.h"
#include "cli/store_observer.h"
#include "device/disk_bandwidth.h"
#include "io/http_file.h"

namespace freehold::cli {

namespace {

constexpr uint64_t kPromptTokens = 512;
constexpr uint64_t kDefaultContext = 8192;
constexpr uint64_t kRatesBytesMax = 65536;
/// As `run` asks for.
constexpr size_t kPassColumnsMax = 512;
constexpr size_t kPassColumnsMin = 32;

constexpr Option kOptions[] = {
    {"--context", 'c', OptionKind::kInteger, "N",
     "tokens of prompt and answer; default 8192 or the model's own"},
    kThreadsOption,
    kIsaOption,
    kKvOption,
    kMemoryOption,
    kOfflineOption,
    kPlainHttpOption,
    {"--measure", 0, OptionKind::kFlag, "", "measure this machine again"},
    kJsonOption,
};

/// The format that most of a pass's bytes are in.
const quant::Format& main_format(const runtime::WeightLayout& layout) {
  std::map<const quant::Format*, uint64_t> bytes;
  for (const runtime::MatrixLayout& matrix : layout.matrices) {
    bytes[matrix.tensor->format] += matrix.spec->rows * matrix.row_bytes;
  }
  const quant::Format* most = layout.matrices.front().tensor->format;
  for (const auto& [format, sum] : bytes) {
    if (sum > bytes[most]) most = format;
  }
  return *most;
}

io::ReadableFile& largest_file(const model::GgufModel& file) {
  io::ReadableFile* largest = file.shards()[0].get();
  for (const auto& shard : file.shards()) {
    if (shard->size() > largest->size()) largest = shard.get();
  }
  return *largest;
}

/// The header alone, of a model here or behind an address.
Result<std::unique_ptr<runtime::Model>> open_header(Context& context, const Arguments& arguments,
                                                    const std::string& name) {
  const auto reference = TRY(remote_reference(context, name));
  if (!reference) return open_model(context, name);
  TRY(refuse_offline(arguments, reference->text));
  TerminalObserver observer(context);
  const auto finder = TRY(RemoteFinder::create(context, arguments, observer));
  const store::RemoteModel remote = TRY(finder->find(*reference));
  for (const std::string& note : remote.notes) observer.on_note(note);
  return runtime::Model::open(TRY(open_remote_header(context, arguments, remote)));
}

/// Kept in HOME/machine.json; another processor rung, number of threads, format or disk measures
/// anew. What cannot be kept is measured every time.
Result<advisor::MachineRates> machine_rates(Context& context, const Arguments& arguments,
                                            Machine& machine, const runtime::Model& model,
                                            const quant::Format& format) {
  io::ReadableFile& file = largest_file(model.file());
  const bool remote = io::is_http_address(file.path());
  if (remote) TRY(context.files.make_directories(context.home));
  const uint64_t disk_number =
      remote ? TRY(context.files.stat(context.home)).device : TRY(file.identity()).device;
  const std::string key = fmt::format(
      "{}/{}", advisor::rates_key(machine.isa, machine.pool->size(), format), disk_number);
  const std::string path = context.home + "/machine.json";
  if (!TRY(arguments.flag("--measure"))) {
    const auto kept = io::read_small_file(context.files, path, kRatesBytesMax);
    const auto rates = kept.ok() ? advisor::MachineRates::parse(*kept) : kept.error();
    if (rates.ok() && rates->key == key) return rates;
  }
  advisor::MachineRates rates = TRY(
      advisor::measure_rates(*machine.pool, machine.account, context.clock, machine.isa, format));
  rates.key = key;
  const auto disk = remote
                        ? measure_home(context, machine.account)
                        : device::measure_disk(context.files, file, machine.account, context.clock);
  if (disk.ok()) {
    rates.disk_bytes_per_second = disk->bytes_per_second;
    rates.disk_is_direct = disk->direct;
  }
  const std::string text = rates.to_json() + "\n";
  if (context.files.make_directories(context.home).ok()) {
    auto out = context.files.create(path + ".partial", io::WriteMode::kTruncate);
    const bool written = out.ok() &&
                         (*out)->append(std::as_bytes(std::span(text.data(), text.size()))).ok() &&
                         (*out)->close().ok();
    if (written) (void)context.files.rename(path + ".partial", path);
  }
  return rates;
}

struct Report {
  std::string path;
  uint64_t context = 0;
  uint64_t context_trained = 0;
  uint64_t context_resident = 0;  // largest
  uint64_t context_largest = 0;
  runtime::MemoryPlan plan;
  advisor::MachineRates rates;
  advisor::Prediction prediction;
};

std::string as_text(const Report& report) {
  const runtime::MemoryPlan& plan = report.plan;
  const advisor::Prediction& prediction = report.prediction;
  std::string out =
      plan.streams()
          ? fmt::format(
                "fits with streaming: {} of {} of weights are read from disk "
                "for every token\n",
                base::human_bytes(static_cast<uint64_t>(prediction.disk_bytes_per_token)),
                base::human_bytes(plan.bytes_per_pass()))
          : fmt::format("fits in memory: {} of weights\n", base::human_bytes(plan.layout.bytes()));
  out += plan.describe();
  const auto context = [](uint64_t tokens) {
    return tokens == 0 ? std::string("none") : fmt::format("{} tokens", tokens);
  };
  out +=
      fmt::format("context {}: largest without streaming {}, largest at all {} (trained on {})\n",
                  report.context, context(report.context_resident), context(report.context_largest),
                  report.context_trained);
  out += fmt::format(
      "predicted: decode {:.2f} tokens/s ({} is the wall), prefill of {} tokens "
      "{:.0f} tokens/s\n",
      prediction.decode_tokens_per_second, prediction.disk_is_the_wall ? "the disk" : "memory",
      kPromptTokens, prediction.prefill_tokens_per_second);
  out += fmt::format("measured: weights {:.2f} GB/s, {:.3f} TOPS, disk {:.2f} GB/s{}\n",
                     report.rates.weight_bytes_per_second * 1e-9,
                     report.rates.operations_per_second * 1e-12,
                     report.rates.disk_bytes_per_second * 1e-9,
                     report.rates.disk_is_direct ? "" : " (through the page cache)");
  if (plan.streams()) {
    out += fmt::format("the disk reads {} per token, {} in a day of decoding\n",
                       base::human_bytes(static_cast<uint64_t>(prediction.disk_bytes_per_token)),
                       base::human_bytes(static_cast<uint64_t>(prediction.disk_bytes_per_day)));
  }
  return out;
}

std::string as_json(const Report& report) {
  const runtime::MemoryPlan& plan = report.plan;
  const advisor::Prediction& prediction = report.prediction;
  std::string out;
  base::JsonWriter json(out);
  json.begin_object();
  json.field("model", report.path).field("fits", plan.streams() ? "streamed" : "resident");
  json.field("weights", plan.layout.bytes()).field("weights_per_token", plan.bytes_per_pass());
  json.field("pinned", plan.pinned).field("expert_slots", plan.expert_slots);
  json.field("streamed", plan.streamed).field("row_read", plan.row_read);
  json.field("cache", plan.cache).field("activations", plan.activations).field("ring", plan.ring);
  json.field("overhead", plan.overhead_bytes()).field("total", plan.total());
  json.key("budget");
  if (plan.budget == runtime::Budget::kUnlimited) {
    json.null();
  } else {
    json.value(plan.budget);
  }
  json.field("context", report.context).field("context_trained", report.context_trained);
  json.field("context_resident_max", report.context_resident);
  json.field("context_max", report.context_largest);
  json.field("decode_tokens_per_second", prediction.decode_tokens_per_second);
  json.field("prefill_tokens_per_second", prediction.prefill_tokens_per_second);
  json.field("disk_bytes_per_token", prediction.disk_bytes_per_token);
  json.field("disk_bytes_per_day", prediction.disk_bytes_per_day);
  json.key("rates").raw(report.rates.to_json());
  json.end_object();
  return out + '\n';
}

Status run(Context& context, const Arguments& arguments) {
  const auto machine = TRY(Machine::create(arguments));
  const auto type = TRY(cache_type(arguments, ops::CacheType::kF16));
  const auto model = TRY(open_header(context, arguments, arguments.positional()[0]));
  const model::HyperParameters& parameters = model->parameters();
  Report report;
  report.path = model->file().shards()[0]->path();
  report.context_trained = parameters.context_trained;
  report.context = static_cast<uint64_t>(TRY(arguments.integer(
      "--context", 1, int64_t{1} << 24,
      static_cast<int64_t>(std::min<uint64_t>(kDefaultContext, parameters.context_trained)))));
  report.rates =
      TRY(machine_rates(context, arguments, *machine, *model, main_format(model->layout())));
  // A file without a vocabulary runs too, for those who bring tokens.
  const auto tokenizer = model::Tokenizer::create(model->file().metadata());
  const runtime::Budget budget = TRY(memory_budget(arguments));
  const runtime::Workload workload{
      .cache_type = type,
      .positions = report.context,
      .sequences = 2,
      .columns_max = kPassColumnsMax,
      .columns_min = kPassColumnsMin,
      .output = parameters.causal ? runtime::PassOutput::kLogits : runtime::PassOutput::kStates,
      .threads = machine->pool->size()};
  report.plan = TRY(runtime::plan_memory(*model, workload, budget));
  report.context_resident =
      advisor::largest_context(*model, workload, budget, true, parameters.context_trained);
  report.context_largest =
      advisor::largest_context(*model, workload, budget, false, parameters.context_trained);
  report.prediction = advisor::predict(report.plan, report.rates, kPromptTokens);
  context.out.write(TRY(arguments.flag("--json")) ? as_json(report) : as_text(report));
  return {};
}

}  // namespace

const Command& fit_command() {
  static constexpr Command kCommand{
      .name = "fit",
      .summary = "Say whether a model fits this machine, and how fast it will be",
      .usage = "MODEL|REFERENCE",
      .options = kOptions,
      .description =
          "Reads the file's header and rates of this machine, which are measured the first time "
          "(two seconds) and kept. Loads nothing; of a REFERENCE as pull takes it only the ranges "
          "that hold the header are fetched. Exits 4 where the budget cannot "
          "work, with the least that would.",
      .examples =
          "  freehold fit smollm2\n"
          "  freehold fit hf.co/someone/some-model-GGUF:Q8_0\n"
          "  freehold fit ./large.gguf --memory 8G --context 4096 --json\n",
      .positional_min = 1,
      .positional_max = 1,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
