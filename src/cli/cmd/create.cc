// `freehold create`: a name from a model file, over another model's blob.

#include <fmt/format.h>

#include "base/text.h"
#include "cli/session.h"
#include "cli/store_observer.h"
#include "store/model_file.h"

namespace freehold::cli {

namespace {

constexpr Option kOptions[] = {
    {"--file", 'f', OptionKind::kText, "FILE", "the model file; default ./Modelfile, -: stdin"},
};

Result<store::ModelFile> read_model_file(Context& context, const std::string& path) {
  const std::string text =
      TRY(path == "-" ? context.in.read_all(store::kModelFileBytesMax)
                      : io::read_small_file(context.files, path, store::kModelFileBytesMax));
  auto file = store::parse_model_file(text);
  if (!file.ok()) return std::move(file).error().within(path == "-" ? "standard input" : path);
  return file;
}

/// The file that FROM means where it is no name of ours; `options` gets what the new name asks for.
Result<std::string> file_of_base(Context& context, const store::Store& store,
                                 const std::string& path, const store::ModelFile& file,
                                 store::ImportOptions& options) {
  options.settings = file.settings;
  if (store::is_foreign_name(file.from)) {
    const store::ForeignModel base = TRY(store.find_foreign(file.from));
    for (const std::string& note : base.notes) context.err.write(fmt::format("note: {}\n", note));
    options.settings = TRY(store::settings_over(base.settings, file.settings));
    options.sha256 = base.sha256;
    return base.path;
  }
  // As seen from the model file, which may be moved together with it.
  if (file.from.starts_with('/') || path == "-") return file.from;
  return io::parent_path(path) + "/" + file.from;
}

Status run(Context& context, const Arguments& arguments) {
  const std::string& name = arguments.positional()[0];
  TRY(store::parse_name(name));
  const std::string path = arguments.text_or("--file", "Modelfile");
  const store::ModelFile file = TRY(read_model_file(context, path));
  store::Store store = open_store(context);
  store::ModelRecord record;
  if (store::is_foreign_name(file.from) || store::is_path(file.from)) {
    store::ImportOptions options{.source = std::string(store::kCreatedSource)};
    const std::string from = TRY(file_of_base(context, store, path, file, options));
    TRY(model::GgufModel::open(context.files, from));
    TerminalObserver observer(context);
    record = TRY(store.import(from, name, options, observer));
  } else {
    record = TRY(store.create(name, file.from, file.settings));
  }
  context.err.write(fmt::format("{} is in the store, made from {}\n",
                                store::short_text(record.name), base::printable(file.from)));
  return {};
}

}  // namespace

const Command& create_command() {
  static constexpr Command kCommand{
      .name = "create",
      .summary = "Make a model of your own from a model file",
      .usage = "NAME",
      .options = kOptions,
      .description =
          "A model file is short: FROM and a model's name or file, then SYSTEM, PARAMETER, "
          "TEMPLATE, MESSAGE or LICENSE lines, as Ollama's Modelfiles. The new name shares the "
          "base's file and is replaced when it is created again.",
      .examples =
          "  printf 'FROM smollm2\\nSYSTEM Be brief.\\n' | freehold create brief -f -\n"
          "  freehold create helper -f ./Modelfile\n",
      .positional_min = 1,
      .positional_max = 1,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
