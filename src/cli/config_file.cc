#include "cli/config_file.h"

#include <fmt/format.h>

// Parse errors come back as values.
#define TOML_EXCEPTIONS 0
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <toml++/toml.h>
#pragma GCC diagnostic pop

#include "base/text.h"

namespace freehold::cli {

namespace {

constexpr uint64_t kFileBytesMax = 1u << 20;

std::optional<std::string> text_of(const toml::node* node) {
  if (node == nullptr) return std::nullopt;
  if (const auto* text = node->as_string()) return text->get();
  if (const auto* number = node->as_integer()) return std::to_string(number->get());
  if (const auto* number = node->as_floating_point()) return base::shortest(number->get());
  if (const auto* flag = node->as_boolean()) return flag->get() ? "true" : "false";
  return std::nullopt;
}

/// Every key is an option's name, alone or in the table of a command.
Status check_keys(const toml::table& table, const std::string& path, const OptionNames& known,
                  const std::string& command) {
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    if (command.empty() && node.is_table()) {
      TRY(check_keys(*node.as_table(), path, known, name));
      continue;
    }
    if (known(command, name) && text_of(&node)) continue;
    return Error{
        ErrorCode::kUsage,
        fmt::format("{}: line {}: '{}' is no option with a value{}", path, node.source().begin.line,
                    name, command.empty() ? "" : fmt::format(" of '{}'", command)),
        "keys are option names without their dashes, as in: threads = 2"};
  }
  return {};
}

}  // namespace

Result<Lookup> read_config_file(io::FileSystem& files, const std::string& path, bool required,
                                const OptionNames& known) {
  auto text = io::read_small_file(files, path, kFileBytesMax);
  if (!text.ok()) {
    if (text.error().code == ErrorCode::kNotFound && !required) return Lookup{};
    return std::move(text).error();
  }
  toml::parse_result parsed = toml::parse(*text, path);
  if (!parsed) {
    return Error{ErrorCode::kUsage,
                 fmt::format("{}: line {}, column {}: {}", path, parsed.error().source().begin.line,
                             parsed.error().source().begin.column, parsed.error().description()),
                 "mend the line, or move the file away"};
  }
  TRY(check_keys(parsed.table(), path, known, {}));
  auto table = std::make_shared<toml::table>(std::move(parsed).table());
  return Lookup([table](const std::string& key) -> std::optional<std::string> {
    const size_t dot = key.find('.');
    if (dot == std::string::npos) return text_of(table->get(key));
    const toml::table* inner = table->get_as<toml::table>(key.substr(0, dot));
    return inner == nullptr ? std::nullopt : text_of(inner->get(key.substr(dot + 1)));
  });
}

}  // namespace freehold::cli
