// `freehold show`: what a model's file says about itself.

#include <fmt/format.h>

#include <map>

#include "base/text.h"
#include "cli/model_listing.h"
#include "cli/session.h"

namespace freehold::cli {

namespace {

constexpr Option kOptions[] = {
    {"--tensors", 0, OptionKind::kFlag, "", "list every tensor"},
    {"--metadata", 0, OptionKind::kFlag, "", "list every key"},
    {"--template", 0, OptionKind::kFlag, "", "print the chat template and nothing else"},
    kJsonOption,
};

std::string shape_text(const model::TensorInfo& tensor) {
  std::string text;
  for (uint32_t i = tensor.dimensions; i-- > 0;) {
    text += fmt::format("{}{}", tensor.dims[i], i > 0 ? " x " : "");
  }
  return text;
}

std::string summary_text(const model::GgufModel& file) {
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
  out += fmt::format("architecture  {}\n", text("general.architecture"));
  out += fmt::format("licence       {}\n", text("general.license"));
  out += fmt::format("parameters    {:.1f} M\n", static_cast<double>(parameters) * 1e-6);
  out += fmt::format("tensors       {} in {}\n", file.tensors().size(),
                     base::human_bytes(file.tensor_bytes()));
  for (const auto& [name, bytes] : formats) {
    out += fmt::format("  {:10}  {}\n", name, base::human_bytes(bytes));
  }
  if (const auto tokens = metadata.array_size("tokenizer.ggml.tokens")) {
    out += fmt::format("vocabulary    {} tokens\n", *tokens);
  }
  out += fmt::format("chat template {}\n",
                     metadata.contains("tokenizer.chat_template") ? "yes" : "no");
  return out;
}

std::string details_json(const model::GgufModel& file) {
  std::string out;
  base::JsonWriter json(out);
  json.begin_object().key("metadata").begin_object();
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

Status run(Context& context, const Arguments& arguments) {
  const auto file = TRY(open_model_file(context, arguments.positional()[0]));
  if (TRY(arguments.flag("--json"))) {
    context.out.write(details_json(*file));
    return {};
  }
  if (TRY(arguments.flag("--template"))) {
    const auto source = file->metadata().find_string("tokenizer.chat_template");
    if (!source) return Error{ErrorCode::kNotFound, "the model has no chat template", {}};
    context.out.write(std::string(*source) + '\n');
    return {};
  }
  context.out.write(summary_text(*file));
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
      .description = {},
      .examples = "  freehold show smollm2\n  freehold show ./any.gguf --tensors\n",
      .positional_min = 1,
      .positional_max = 1,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
