// `freehold version`: what this program is and what it may use here.

#include <fmt/format.h>

#include "base/json.h"
#include "cli/session.h"

namespace freehold::cli {

namespace {

constexpr Option kOptions[] = {kJsonOption};

Status run(Context& context, const Arguments& arguments) {
  const std::string_view isa = device::isa_name(device::best_isa());
  std::string out;
  if (TRY(arguments.flag("--json"))) {
    base::JsonWriter json(out);
    json.begin_object()
        .field("version", FREEHOLD_VERSION)
        .field("numerics", kNumericsProfile)
        .field("isa", isa)
        .field("cores", device::physical_cores())
        .end_object();
    out += '\n';
  } else {
    out = fmt::format("freehold {}, numerics {}, {} on {} cores\n", FREEHOLD_VERSION,
                      kNumericsProfile, isa, device::physical_cores());
  }
  context.out.write(out);
  return {};
}

}  // namespace

const Command& version_command() {
  static constexpr Command kCommand{
      .name = "version",
      .summary = "Print the version, the numerics profile and the processor",
      .usage = {},
      .options = kOptions,
      .description = {},
      .examples = {},
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
