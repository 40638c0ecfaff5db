// `freehold doctor`: what of this machine works for Freehold, what does not, and what to do about
// it. Asks and measures; changes nothing.

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "cli/home_disk.h"
#include "cli/session.h"
#include "device/machine_state.h"
#include "io/read_queue.h"

namespace freehold::cli {

namespace {

constexpr Option kOptions[] = {
    {"--measure", 0, OptionKind::kFlag, "", "measure the disk as well: writes 256 MB and reads it"},
    kJsonOption,
};

constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kMemoryLeast = kGiB;
constexpr uint64_t kSpaceLeast = 2 * kGiB;
constexpr double kDiskSlow = 0.5e9;             // bytes a second
constexpr int64_t kClockLeast = 1'700'000'000;  // seconds since 1970: November 2023
constexpr uint16_t kPorts[] = {8080, 11434};    // of servers like ours
constexpr std::string_view kStates[] = {"ok", "warning", "failure"};

enum class State : uint8_t { kOk, kWarning, kFailure };

struct Check {
  std::string name;
  State state = State::kOk;
  std::string found;
  std::string fix{};  // what to do; empty where nothing need be done
};

Check processor() {
  Check check{
      "processor", State::kOk,
      fmt::format("{}, {} cores", device::isa_name(device::best_isa()), device::physical_cores())};
  if (device::best_isa() < device::Isa::kAvx512) {
    check.fix = "a processor with AVX-512 VNNI computes prompts about twice as fast";
  }
  return check;
}

Check memory() {
  const uint64_t left = device::available_bytes("");
  Check check{"memory", State::kOk,
              left == 0 ? std::string("unknown") : base::human_bytes(left) + " left"};
  if (left != 0 && left < kMemoryLeast) {
    check.state = State::kWarning;
    check.fix = "stop other programs, or raise the control group's limit";
  }
  return check;
}

Check huge_pages() {
  const std::string policy = device::huge_page_policy("");
  Check check{"huge pages", State::kOk, policy.empty() ? "none" : policy};
  if (policy.empty() || policy == "never") {
    check.state = State::kWarning;
    check.fix = "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled (as root)";
  }
  return check;
}

Check io_uring(Context& context) {
  const auto queue = context.files.make_read_queue(io::ReadBackend::kUring, {.depth = 4});
  if (queue.ok()) return {"io_uring", State::kOk, "usable"};
  return {"io_uring", State::kWarning, queue.error().message,
          "threads read instead; allow io_uring in the container's profile to stream faster"};
}

Check landlock() {
  const int version = device::landlock_version();
  if (version > 0) return {"landlock", State::kOk, fmt::format("version {}", version)};
  return {"landlock", State::kWarning, "not there",
          "a kernel with CONFIG_SECURITY_LANDLOCK and lsm=landlock lets programs be confined"};
}

Check clock(Context& context) {
  const int64_t now = context.clock.wall_ns() / 1'000'000'000;
  const auto kept = device::clock_is_kept();
  Check check{"clock", State::kOk, "kept right from outside"};
  if (now < kClockLeast) {
    check = {"clock", State::kFailure, "it is years behind", "set it: date -s, or chrony"};
  } else if (!kept) {
    check.found = "cannot be asked";
  } else if (!*kept) {
    check = {"clock", State::kWarning, "nobody keeps it right",
             "receipts carry its time: run chrony or systemd-timesyncd"};
  }
  return check;
}

Check ports() {
  std::string taken;
  for (const uint16_t port : kPorts) {
    if (device::is_listening(port, ""))
      taken += fmt::format("{}{}", taken.empty() ? "" : ", ", port);
  }
  if (taken.empty()) return {"ports", State::kOk, "8080 and 11434 are free"};
  return {"ports", State::kWarning, "somebody listens on " + taken,
          "another server runs already; give ours another --port"};
}

Check space(Context& context) {
  // The folder may not be there yet: whoever holds it will.
  std::string folder = context.home;
  while (folder.size() > 1 && !context.files.stat(folder).ok()) folder = io::parent_path(folder);
  const auto free = context.files.free_bytes(folder);
  if (!free.ok()) return {"space", State::kFailure, free.error().message, free.error().hint};
  Check check{"space", State::kOk, base::human_bytes(*free) + " free for models"};
  if (*free < kSpaceLeast) {
    check.state = State::kWarning;
    check.fix = fmt::format("free some below {}, or set FREEHOLD_HOME", folder);
  }
  return check;
}

Check models(Context& context) {
  const auto listed = open_store(context).list();
  if (!listed.ok()) {
    return {"store", State::kFailure, listed.error().message, listed.error().hint};
  }
  if (!listed->broken.empty()) {
    return {
        "store", State::kFailure,
        fmt::format("{} records cannot be read: {}", listed->broken.size(), listed->broken.front()),
        "remove those files and pull or import the models again"};
  }
  for (const store::ModelRecord& record : listed->models) {
    const auto blob = context.files.stat(open_store(context).blob_path(record));
    if (blob.ok() && blob->size == record.bytes) continue;
    return {"store", State::kFailure, store::short_text(record.name) + " has lost its file",
            fmt::format("freehold rm {0}; freehold pull {0}", store::short_text(record.name))};
  }
  return {"store", State::kOk,
          fmt::format("{} models in {}; `verify NAME` reads one whole", listed->models.size(),
                      context.home)};
}

Check registry_client(Context& context) {
  io::ProcessCommand command;
  command.arguments = {"python3", "-m", "pip", "--version"};
  const auto ran = context.processes.run(command, [] { return true; });
  if (ran.ok() && ran->exit_code == 0)
    return {"pull", State::kOk, "the registry's client is there"};
  return {"pull", State::kWarning, "pip is not there: the catalogue's packages cannot be fetched",
          "apt install python3-pip; addresses and files work without"};
}

Check disk(Context& context) {
  device::MemoryAccount account;
  const auto measured = measure_home(context, account);
  if (!measured.ok()) {
    return {"disk", State::kFailure, measured.error().message, measured.error().hint};
  }
  Check check{"disk", State::kOk,
              fmt::format("{:.2f} GB/s{}", measured->bytes_per_second * 1e-9,
                          measured->direct ? "" : " through the page cache")};
  if (measured->bytes_per_second < kDiskSlow) {
    check.state = State::kWarning;
    check.fix = "models larger than memory need an NVMe disk: set FREEHOLD_HOME to one";
  }
  return check;
}

std::string as_json(const std::vector<Check>& checks) {
  std::string out;
  base::JsonWriter json(out);
  json.begin_array();
  for (const Check& check : checks) {
    json.begin_object().field("check", check.name);
    json.field("state", kStates[static_cast<size_t>(check.state)]);
    json.field("found", check.found).field("fix", check.fix).end_object();
  }
  json.end_array();
  return out + '\n';
}

std::string as_text(const std::vector<Check>& checks) {
  std::string out;
  for (const Check& check : checks) {
    out += fmt::format("{:<8} {:<10} {}\n", kStates[static_cast<size_t>(check.state)], check.name,
                       check.found);
    if (!check.fix.empty()) out += fmt::format("{:<19} {}\n", "", check.fix);
  }
  return out;
}

Status run(Context& context, const Arguments& arguments) {
  std::vector<Check> checks = {
      processor(),    memory(), huge_pages(),   io_uring(context), landlock(),
      clock(context), ports(),  space(context), models(context),   registry_client(context)};
  if (TRY(arguments.flag("--measure"))) checks.push_back(disk(context));
  context.out.write(TRY(arguments.flag("--json")) ? as_json(checks) : as_text(checks));
  const auto failures = std::count_if(checks.begin(), checks.end(), [](const Check& check) {
    return check.state == State::kFailure;
  });
  if (failures == 0) return {};
  return Error{ErrorCode::kFailed, fmt::format("{} of the checks failed", failures),
               "what to do stands below each"};
}

}  // namespace

const Command& doctor_command() {
  static constexpr Command kCommand{
      .name = "doctor",
      .summary = "Say what of this machine works for Freehold and how to mend the rest",
      .usage = {},
      .options = kOptions,
      .description =
          "Asks the machine, the store and the kernel; changes nothing and contacts "
          "nobody. Exits 1 where a check fails; warnings are not failures.",
      .examples = "  freehold doctor\n  freehold doctor --measure --json\n",
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
