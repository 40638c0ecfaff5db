// model_factory: random-weight GGUF models from the command line. README.md has the options.

#include <fmt/format.h>

#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "io/file.h"
#include "model_factory/model_factory.h"

namespace {

using freehold::Error;
using freehold::ErrorCode;
using freehold::Result;
using freehold::Status;
using freehold::factory::FactoryOptions;
using freehold::factory::FactoryReport;
using freehold::factory::RopeScaling;
using freehold::factory::TokenizerKind;

constexpr const char* kHelp =
    "usage: model_factory OUT.gguf [options]\n"
    "  --arch NAME            llama, qwen2, qwen3, qwen3moe, gemma2, gemma3, smollm3,\n"
    "                         granite, olmo2, exaone4, glm4, seed_oss, phi3, cohere2\n"
    "  --size BYTES           a plausible shape of that size (4G); instead of or before the next\n"
    "  --layers N --width N --heads N --kv-heads N --head-dim N --ffn N --vocab N --context N\n"
    "  --experts N --experts-used N --expert-ffn N\n"
    "  --type T               Q4_K_M and the like, or one format for all matrices\n"
    "  --tokenizer KIND       none, bytes-bpe, spm\n"
    "  --tied --biases        output from the embedding; q, k and v biases\n"
    "  --rope-base X --rope-scaling none|linear|yarn|llama3 --rope-factor X\n"
    "  --rope-original-context N --sliding-window N\n"
    "  --shards N --name TEXT --seed N\n"
    "  --dry-run              print the numbers, write nothing\n";

struct Command {
  std::string path;
  FactoryOptions options;
  bool dry_run = false;
};

Error usage(std::string message) {
  return Error{ErrorCode::kUsage, std::move(message), "model_factory without arguments explains."};
}

template <class T>
struct Named {
  std::string_view name;
  T value;
};

constexpr Named<TokenizerKind> kTokenizers[] = {{"none", TokenizerKind::kNone},
                                                {"bytes-bpe", TokenizerKind::kBytesBpe},
                                                {"spm", TokenizerKind::kSpm}};
constexpr Named<RopeScaling> kScalings[] = {{"none", RopeScaling::kNone},
                                            {"linear", RopeScaling::kLinear},
                                            {"yarn", RopeScaling::kYarn},
                                            {"llama3", RopeScaling::kLlama3}};

template <class T, size_t N>
Result<T> choose(const Named<T> (&rows)[N], std::string_view option, std::string_view name) {
  for (const Named<T>& row : rows) {
    if (row.name == name) return row.value;
  }
  return usage(fmt::format("{} does not know '{}'", option, name));
}

struct NumberOption {
  std::string_view name;
  uint32_t FactoryOptions::*field;
};

constexpr NumberOption kNumbers[] = {
    {"--layers", &FactoryOptions::layers},
    {"--width", &FactoryOptions::width},
    {"--heads", &FactoryOptions::heads},
    {"--kv-heads", &FactoryOptions::kv_heads},
    {"--head-dim", &FactoryOptions::head_width},
    {"--ffn", &FactoryOptions::ffn_width},
    {"--experts", &FactoryOptions::experts},
    {"--experts-used", &FactoryOptions::experts_used},
    {"--expert-ffn", &FactoryOptions::expert_width},
    {"--vocab", &FactoryOptions::vocabulary},
    {"--context", &FactoryOptions::context},
    {"--rope-original-context", &FactoryOptions::rope_original_context},
    {"--sliding-window", &FactoryOptions::sliding_window},
    {"--shards", &FactoryOptions::shards},
};

Result<uint64_t> parse_number(std::string_view option, std::string_view text) {
  const auto number = freehold::base::parse_integer(text);
  if (!number.ok() || *number < 0) {
    return usage(fmt::format("{} wants a number, not '{}'", option, text));
  }
  return static_cast<uint64_t>(*number);
}

// Sets what `option` names from `text`.
Status set_option(FactoryOptions& options, std::string_view option, std::string_view text) {
  for (const NumberOption& row : kNumbers) {
    if (row.name != option) continue;
    const uint64_t number = TRY(parse_number(option, text));
    if (number > UINT32_MAX) return usage(fmt::format("{} is too large: {}", option, text));
    options.*row.field = static_cast<uint32_t>(number);
    return {};
  }
  if (option == "--arch") {
    options.architecture = text;
  } else if (option == "--type") {
    options.type = text;
  } else if (option == "--name") {
    options.name = text;
  } else if (option == "--seed") {
    options.seed = TRY(parse_number(option, text));
  } else if (option == "--tokenizer") {
    options.tokenizer = TRY(choose(kTokenizers, option, text));
  } else if (option == "--rope-scaling") {
    options.rope_scaling = TRY(choose(kScalings, option, text));
  } else if (option == "--rope-base") {
    options.rope_base = static_cast<float>(TRY(freehold::base::parse_number(text)));
  } else if (option == "--rope-factor") {
    options.rope_factor = static_cast<float>(TRY(freehold::base::parse_number(text)));
  } else {
    return usage(fmt::format("no option {}", option));
  }
  return {};
}

Result<Command> parse(std::span<const std::string_view> arguments) {
  Command command;
  std::optional<uint64_t> size;
  std::vector<std::pair<std::string_view, std::string_view>> settings;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--tied") {
      command.options.tied_output = true;
    } else if (argument == "--biases") {
      command.options.attention_biases = true;
    } else if (argument == "--dry-run") {
      command.dry_run = true;
    } else if (!argument.starts_with("--")) {
      if (!command.path.empty()) return usage(fmt::format("two paths: {}", argument));
      command.path = argument;
    } else if (i + 1 == arguments.size()) {
      return usage(fmt::format("{} wants a value", argument));
    } else if (argument == "--size") {
      size = TRY(freehold::base::parse_size(arguments[++i]));
    } else {
      settings.emplace_back(argument, arguments[++i]);
    }
  }
  if (command.path.empty()) return usage("no path to write to");
  for (const auto& [option, text] : settings) TRY(set_option(command.options, option, text));
  if (size) {
    // The shape first, then what was asked for by name.
    command.options = TRY(freehold::factory::shape_for_size(command.options, *size));
    for (const auto& [option, text] : settings) TRY(set_option(command.options, option, text));
  }
  return command;
}

Status run(std::span<const std::string_view> arguments) {
  const Command command = TRY(parse(arguments));
  const FactoryOptions& o = command.options;
  FactoryReport report;
  if (command.dry_run) {
    report = TRY(freehold::factory::plan_model(o));
  } else {
    const auto files = freehold::io::make_system_files();
    report = TRY(freehold::factory::write_model(*files, command.path, o));
    for (const std::string& file : report.files) fmt::print("{}\n", file);
  }
  fmt::print(stderr, "{} {}: {} layers, width {}, {} tensors, {} parameters, {} bytes ({})\n",
             o.architecture, o.type, o.layers, o.width, report.tensors, report.parameters,
             report.file_bytes, freehold::base::human_bytes(report.file_bytes));
  return {};
}

}  // namespace

int main(int count, char** values) {
  const std::vector<std::string_view> arguments(values + 1, values + count);
  if (arguments.empty()) {
    fmt::print(stderr, "{}", kHelp);
    return static_cast<int>(ErrorCode::kUsage);
  }
  const Status status = run(arguments);
  if (status.ok()) return 0;
  fmt::print(stderr, "model_factory: {}\n", status.error().message);
  if (!status.error().hint.empty()) fmt::print(stderr, "  {}\n", status.error().hint);
  return static_cast<int>(status.error().code);
}
