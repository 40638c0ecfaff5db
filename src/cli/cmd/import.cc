// `freehold import`: copies a GGUF file, a model of another program's or a bundle's models into the
// store.

#include <fmt/format.h>

#include "base/text.h"
#include "cli/licence_gate.h"
#include "cli/session.h"
#include "cli/store_observer.h"
#include "io/share_file.h"
#include "store/source/reference.h"

namespace freehold::cli {

namespace {

constexpr Option kOptions[] = {
    {"--link", 0, OptionKind::kFlag, "",
     "share the file's bytes on disk instead of copying them, where the file system can; the file "
     "must then not be changed in place"},
    kLicencePolicyOption,
};

/// What the file is called, as a name of the store.
std::string name_of_file(std::string_view path) {
  path = path.substr(path.rfind('/') + 1);
  if (path.ends_with(".gguf")) path.remove_suffix(5);
  return store::store_name_of(path);
}

/// Whether the file begins as a bundle does.
Result<bool> is_bundle(Context& context, const std::string& path) {
  if (path == "-") return true;
  if (store::is_foreign_name(path)) return false;
  std::vector<std::byte> block(512);
  const auto file = TRY(context.files.open(path));
  return TRY(file->read_at(0, block)) == block.size() && store::is_tar_header(block);
}

Status import_bundle(Context& context, const Arguments& arguments, const std::string& path) {
  if (arguments.positional().size() > 1) {
    return Error{ErrorCode::kUsage, "a bundle's models have their names",
                 "leave the name out; freehold cp gives another"};
  }
  std::unique_ptr<io::ReadableFile> file;
  if (path != "-") file = TRY(context.files.open(path));
  uint64_t at = 0;
  const store::ByteSource source = [&](std::span<std::byte> into) -> Result<size_t> {
    if (file == nullptr) return context.in.read_some(into);
    const size_t got = TRY(file->read_at(at, into));
    at += got;
    return got;
  };
  const auto admit = [&arguments](const store::ModelRecord& record) {
    return admit_licence(arguments, store::short_text(record.name), record.licence);
  };
  std::vector<store::ModelRecord> records;
  {
    TerminalObserver observer(context);
    records = TRY(open_store(context).import_bundle(source, admit, observer));
  }
  for (const store::ModelRecord& record : records) {
    context.err.write(fmt::format("{} is in the store ({}, licence {})\n",
                                  store::short_text(record.name), base::human_bytes(record.bytes),
                                  record.licence));
  }
  return {};
}

Status run(Context& context, const Arguments& arguments) {
  const auto& words = arguments.positional();
  if (TRY(is_bundle(context, words[0]))) return import_bundle(context, arguments, words[0]);
  store::Store store = open_store(context);
  const bool foreign = store::is_foreign_name(words[0]);
  store::ImportOptions options;
  std::string path = words[0];
  if (foreign) {
    const store::ForeignModel model = TRY(store.find_foreign(words[0]));
    for (const std::string& note : model.notes) {
      context.err.write(fmt::format("note: {}\n", note));
    }
    path = model.path;
    options = {.settings = model.settings, .source = words[0], .sha256 = model.sha256};
  }
  const std::string name = words.size() > 1 ? words[1]
                           : foreign        ? store::own_name_of(words[0])
                                            : name_of_file(path);
  // A file that cannot be read as a model is refused before it is copied.
  if (TRY(arguments.flag("--link"))) options.share = io::share_file;
  NamedModel named;
  named.file = std::make_unique<model::GgufModel>(TRY(model::GgufModel::open(context.files, path)));
  TRY(admit_use(context, arguments, path, named));
  TerminalObserver observer(context);
  const auto record = TRY(store.import(path, name, options, observer));
  context.err.write(fmt::format("{} is in the store ({}, sha256 {}, licence {})\n",
                                store::short_text(record.name), base::human_bytes(record.bytes),
                                record.sha256.substr(0, 12), record.licence));
  return {};
}

}  // namespace

const Command& import_command() {
  static constexpr Command kCommand{
      .name = "import",
      .summary = "Copy a GGUF file, another program's model or a bundle into the store",
      .usage = "FILE|-|ollama:NAME|hf-cache:USER/REPO|… [NAME]",
      .options = kOptions,
      .description =
          "Models of other programs (ls --all) can also be used "
          "where they are, by the same names. Without NAME the "
          "file's own is taken. FILE may be a bundle that 'freehold export' made (-: from standard "
          "input); its models come with their names and settings, whole or not at all.",
      .examples =
          "  freehold import ./model.gguf my-model\n"
          "  freehold import ollama:llama3.2:1b\n"
          "  freehold import models.tar\n",
      .positional_min = 1,
      .positional_max = 2,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
