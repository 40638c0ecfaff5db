// `freehold export`: models as a bundle, one file for a machine without a network.

#include <fmt/format.h>

#include "base/text.h"
#include "cli/session.h"
#include "cli/store_observer.h"
#include "cli/whole_file.h"

namespace freehold::cli {

namespace {

Status run(Context& context, const Arguments& arguments) {
  const std::span<const std::string> words = arguments.positional();
  const std::span<const std::string> names = words.first(words.size() - 1);
  const std::string& path = words.back();
  const store::Store store = open_store(context);
  for (const std::string& name : names) TRY(store.show(name));  // before a file is made
  TerminalObserver observer(context);
  if (path == "-") {
    if (context.out_is_terminal) {
      return Error{ErrorCode::kUsage, "a bundle is nothing for a terminal",
                   "send it to a file or another program"};
    }
    return store.export_bundle(
        names,
        [&context](std::span<const std::byte> bytes) -> Status {
          context.out.write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
          return {};
        },
        observer);
  }
  TRY(write_whole_file(context.files, path, [&](io::WritableFile& file) {
    return store.export_bundle(
        names, [&file](std::span<const std::byte> bytes) { return file.append(bytes); }, observer);
  }));
  context.err.write(
      fmt::format("{} has {} model{}\n", path, names.size(), names.size() == 1 ? "" : "s"));
  return {};
}

}  // namespace

const Command& export_command() {
  static constexpr Command kCommand{
      .name = "export",
      .summary = "Write models to one file for a machine without a network",
      .usage = "MODEL… FILE",
      .options = {},
      .description =
          "The file, a bundle, is a tar archive of the models with their names, hashes "
          "and settings; 'freehold import FILE' brings them in and checks every byte. "
          "FILE - is standard output.",
      .examples =
          "  freehold export smollm2 my-helper models.tar\n"
          "  freehold export smollm2 - | ssh vault freehold import -\n",
      .positional_min = 2,
      .positional_max = 1001,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
