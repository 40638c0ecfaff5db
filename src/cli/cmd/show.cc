// `freehold show`: what a model's file says about itself, and what its name asks for besides.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "cli/model_listing.h"
#include "cli/session.h"
#include "store/licence.h"

namespace freehold::cli {

namespace {

constexpr Option kOptions[] = {
    {"--tensors", 0, OptionKind::kFlag, "", "list every tensor"},
    {"--metadata", 0, OptionKind::kFlag, "", "list every key"},
    {"--template", 0, OptionKind::kFlag, "", "print the chat template and nothing else"},
    {"--system", 0, OptionKind::kFlag, "", "print the system prompt and nothing else"},
    {"--parameters", 0, OptionKind::kFlag, "", "print the parameters and nothing else"},
    {"--licence", 0, OptionKind::kFlag, "", "print the licence and nothing else"},
    {"--license", 0, OptionKind::kFlag, "", "the same, as others spell it"},
    {"--modelfile", 0, OptionKind::kFlag, "", "print a model file that makes the same again"},
    kJsonOption,
};

std::string shape_text(const model::TensorInfo& tensor) {
  std::string text;
  for (uint32_t i = tensor.dimensions; i-- > 0;) {
    text += fmt::format("{}{}", tensor.dims[i], i > 0 ? " x " : "");
  }
  return text;
}

/// The licence of the record, else of the file.
store::StatedLicence licence_of(const NamedModel& named) {
  store::StatedLicence stated = store::stated_licence(named.file->metadata());
  if (named.found.licence.empty() || named.found.licence == "unknown") return stated;
  if (const store::Licence* known = store::find_licence(named.found.licence)) {
    return {std::string(known->id), std::string(known->title), std::string(known->source)};
  }
  stated.id = named.found.licence;
  return stated;
}

std::string licence_text(const NamedModel& named) {
  const store::StatedLicence stated = licence_of(named);
  const store::Licence* known = store::find_licence(stated.id);
  std::string text(known != nullptr ? known->id : base::printable(stated.id));
  if (known != nullptr) text += fmt::format(", {}", known->title);
  if (known == nullptr && !stated.title.empty()) text += ", " + base::printable(stated.title);
  if (known != nullptr) text += fmt::format(": {}", store::use_text(known->use));
  const std::string link =
      stated.link.empty() && known != nullptr ? std::string(known->source) : stated.link;
  return link.empty()
             ? text
             : fmt::format(
                   "{} ({})", text,
                   known != nullptr && link == known->source ? link : base::printable(link, 200));
}

/// Numbers as they are; texts in quotes.
std::string shown_value(const store::ModelParameter& parameter, const std::string& value) {
  return parameter.option == "stop" ? base::printable(value) : value;
}

std::string parameters_text(const store::ModelSettings& settings) {
  std::string text;
  for (const store::ModelParameter& parameter : settings.parameters) {
    for (const std::string& value : parameter.values) {
      text += fmt::format("{:<18} {}\n", parameter.option, shown_value(parameter, value));
    }
  }
  return text;
}

/// What running it takes with the default context, where this program can run it.
std::string memory_line(Context& context, const NamedModel& named) {
  constexpr uint64_t kContext = 8192;  // of `run`
  auto file = model::GgufModel::open(context.files, named.found.path);
  if (!file.ok()) return {};
  const auto model =
      runtime::Model::open(std::make_unique<model::GgufModel>(std::move(file).value()));
  if (!model.ok()) return {};
  const uint64_t positions = std::min<uint64_t>(kContext, (*model)->parameters().context_trained);
  const auto plan = runtime::plan_memory(**model,
                                         {.cache_type = ops::CacheType::kF16,
                                          .positions = positions,
                                          .sequences = 2,
                                          .columns_max = 512,
                                          .columns_min = 32},
                                         {});
  if (!plan.ok()) return {};
  return fmt::format(
      "memory        {} with a context of {} ({} weights, {} cache); on this machine: freehold "
      "fit\n",
      base::human_bytes(plan->total()), positions, base::human_bytes(plan->pinned),
      base::human_bytes(plan->cache));
}

std::string summary_text(Context& context, const NamedModel& named) {
  const model::GgufModel& file = *named.file;
  const store::ModelSettings& settings = named.found.settings;
  const auto& metadata = file.metadata();
  const auto text = [&](const char* key) {
    const auto value = metadata.find_string(key);
    return value ? base::printable(*value) : std::string("(not stated)");
  };
  uint64_t parameters = 0;
  std::map<std::string, uint64_t> formats;
  for (const model::TensorInfo& tensor : file.tensors()) {
    parameters += tensor.width() * tensor.rows();
    formats[std::string(tensor.format->name)] += tensor.bytes;
  }
  std::string out;
  out += fmt::format("name          {}\n", text("general.name"));
  out += fmt::format("file          {}\n", named.found.path);
  out += fmt::format("architecture  {}\n", text("general.architecture"));
  out += fmt::format("licence       {}\n", licence_text(named));
  out += fmt::format("parameters    {:.1f} M\n", static_cast<double>(parameters) * 1e-6);
  out += fmt::format("tensors       {} in {}\n", file.tensors().size(),
                     base::human_bytes(file.tensor_bytes()));
  for (const auto& [name, bytes] : formats) {
    out += fmt::format("  {:10}  {}\n", name, base::human_bytes(bytes));
  }
  if (const auto tokens = metadata.array_size("tokenizer.ggml.tokens")) {
    out += fmt::format("vocabulary    {} tokens\n", *tokens);
  }
  out += memory_line(context, named);
  const char* source = metadata.contains("tokenizer.chat_template") ? "yes" : "no";
  if (!settings.chat_template.empty()) source = "of its own, in place of the file's";
  out += fmt::format("chat template {}\n", source);
  if (!settings.system.empty()) {
    out += fmt::format("system        {}\n", base::printable(settings.system, 200));
  }
  if (!settings.messages.empty()) {
    out += fmt::format("begins with   {} messages\n", settings.messages.size());
  }
  if (!settings.adapter.empty()) {
    out += fmt::format("adapter       {}, which cannot be applied yet\n",
                       base::printable(settings.adapter));
  }
  for (const store::ModelParameter& parameter : settings.parameters) {
    for (const std::string& value : parameter.values) {
      out += fmt::format("parameter     {} {}\n", parameter.option, shown_value(parameter, value));
    }
  }
  return out;
}

std::string details_json(const NamedModel& named) {
  const model::GgufModel& file = *named.file;
  const store::StatedLicence licence = licence_of(named);
  std::string out;
  base::JsonWriter json(out);
  json.begin_object().field("path", named.found.path).key("licence").begin_object();
  json.field("id", licence.id).field("title", licence.title).field("link", licence.link);
  write_settings(json.end_object().key("settings"), named.found.settings);
  json.key("metadata").begin_object();
  for (const std::string_view key : file.metadata().keys()) {
    json.field(key, file.metadata().describe(key));
  }
  json.end_object().key("tensors").begin_array();
  for (const model::TensorInfo& tensor : file.tensors()) {
    json.begin_object().field("name", tensor.name).field("type", tensor.format->name);
    json.key("shape").begin_array();
    for (uint32_t i = 0; i < tensor.dimensions; ++i) json.value(tensor.dims[i]);
    json.end_array().field("bytes", tensor.bytes).end_object();
  }
  json.end_array().end_object();
  return out + '\n';
}

/// The one thing that was asked for alone, or nothing.
Result<std::optional<std::string>> only_text(const NamedModel& named, const std::string& model,
                                             const Arguments& arguments) {
  const store::ModelSettings& settings = named.found.settings;
  const auto wanted = [](std::string_view text,
                         const char* what) -> Result<std::optional<std::string>> {
    if (text.empty()) {
      return Error{ErrorCode::kNotFound, fmt::format("the model has no {}", what), {}};
    }
    return std::optional<std::string>(std::string(text) + (text.ends_with('\n') ? "" : "\n"));
  };
  if (TRY(arguments.flag("--template"))) {
    if (!settings.chat_template.empty()) return wanted(settings.chat_template, "chat template");
    const auto source = named.file->metadata().find_string("tokenizer.chat_template");
    return wanted(source.value_or(""), "chat template");
  }
  if (TRY(arguments.flag("--system"))) return wanted(settings.system, "system prompt");
  if (TRY(arguments.flag("--parameters"))) return wanted(parameters_text(settings), "parameters");
  if (TRY(arguments.flag("--licence")) || TRY(arguments.flag("--license"))) {
    return wanted(settings.licence_text.empty() ? licence_text(named) : settings.licence_text,
                  "licence");
  }
  if (TRY(arguments.flag("--modelfile"))) {
    return wanted(fmt::format("FROM {}\n{}", model, settings_text(settings)), "model file");
  }
  return std::optional<std::string>();
}

Status run(Context& context, const Arguments& arguments) {
  const std::string& model = arguments.positional()[0];
  const NamedModel named = TRY(open_named_model(context, model));
  const auto* const file = named.file.get();
  if (TRY(arguments.flag("--json"))) {
    context.out.write(details_json(named));
    return {};
  }
  if (const auto text = TRY(only_text(named, model, arguments))) {
    context.out.write(*text);
    return {};
  }
  context.out.write(summary_text(context, named));
  if (TRY(arguments.flag("--metadata"))) {
    for (const std::string_view key : file->metadata().keys()) {
      context.out.write(fmt::format("{} = {}\n", key, file->metadata().describe(key)));
    }
  }
  if (TRY(arguments.flag("--tensors"))) {
    for (const model::TensorInfo& tensor : file->tensors()) {
      context.out.write(fmt::format("{:40}  {:6}  {:>20}  {}\n", tensor.name, tensor.format->name,
                                    shape_text(tensor), base::human_bytes(tensor.bytes)));
    }
  }
  return {};
}

}  // namespace

const Command& show_command() {
  static constexpr Command kCommand{
      .name = "show",
      .summary = "Say what a model's file holds",
      .usage = "MODEL",
      .options = kOptions,
      .description =
          "The file's own words, its licence, and what the name asks for besides: system "
          "prompt, parameters, first messages.",
      .examples =
          "  freehold show smollm2\n  freehold show ./any.gguf --tensors\n"
          "  freehold show my-helper --modelfile\n",
      .positional_min = 1,
      .positional_max = 1,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
