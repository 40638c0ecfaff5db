// `freehold man`: the manual's pages, made from the same tables that parsing uses.

#include <fmt/format.h>

#include "cli/manual.h"
#include "store/store_files.h"

namespace freehold::cli {

namespace {

constexpr Option kOptions[] = {
    {"--markdown", 0, OptionKind::kFlag, "", "pages of docs/commands instead of man(1)'s"},
    {"--folder", 0, OptionKind::kText, "DIR",
     "write every page into DIR, which is made where it is missing"},
};

Status write_all(Context& context, const std::string& folder, bool markdown) {
  TRY(context.files.make_directories(folder));
  const auto write = [&](const std::string& name, std::string_view text) {
    return store::write_durably(context.files, fmt::format("{}/{}.new", folder, name),
                                fmt::format("{}/{}", folder, name), text);
  };
  TRY(markdown ? write("README.md", markdown_index()) : write("freehold.1", man_page()));
  for (const Command* command : all_commands()) {
    TRY(markdown ? write(fmt::format("{}.md", command->name), markdown_page(*command))
                 : write(fmt::format("freehold-{}.1", command->name), man_page(*command)));
  }
  return {};
}

Status run(Context& context, const Arguments& arguments) {
  const bool markdown = TRY(arguments.flag("--markdown"));
  if (const auto folder = arguments.text("--folder")) {
    if (!arguments.positional().empty()) {
      return Error{ErrorCode::kUsage, "man: --folder writes every page", "leave COMMAND out"};
    }
    return write_all(context, *folder, markdown);
  }
  if (arguments.positional().empty()) {
    context.out.write(markdown ? markdown_index() : man_page());
    return {};
  }
  const Command* command = find_command(arguments.positional()[0]);
  if (command == nullptr) return unknown_command(arguments.positional()[0]);
  context.out.write(markdown ? markdown_page(*command) : man_page(*command));
  return {};
}

}  // namespace

const Command& man_command() {
  static constexpr Command kCommand{
      .name = "man",
      .summary = "Print the manual's page of the program or of one command",
      .usage = "[COMMAND]",
      .options = kOptions,
      .description =
          "The page is in the language that man reads. 'make install' puts every page "
          "where man finds it.",
      .examples =
          "  freehold man run | man -l -\n"
          "  freehold man --folder share/man/man1\n",
      .positional_max = 1,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
