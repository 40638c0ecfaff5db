#include "cli/config_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

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

Result<toml::table> parse_text(std::string_view text, const std::string& path) {
  toml::parse_result parsed = toml::parse(text, path);
  if (parsed) return std::move(parsed).table();
  return Error{ErrorCode::kUsage,
               fmt::format("{}: line {}, column {}: {}", path, parsed.error().source().begin.line,
                           parsed.error().source().begin.column, parsed.error().description()),
               "mend the line, or move the file away"};
}

/// "run" and "top-k" of "run.top-k"; the table is empty for a key at the top.
std::pair<std::string, std::string> parts_of(const std::string& key) {
  const size_t dot = key.find('.');
  if (dot == std::string::npos) return {{}, key};
  return {key.substr(0, dot), key.substr(dot + 1)};
}

const toml::node* find_node(const toml::table& table, const std::string& key) {
  const auto [outer, inner] = parts_of(key);
  if (outer.empty()) return table.get(inner);
  const toml::table* found = table.get_as<toml::table>(outer);
  return found == nullptr ? nullptr : found->get(inner);
}

std::map<std::string, std::string> values_of(const toml::table& table) {
  std::map<std::string, std::string> values;
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    if (!node.is_table()) {
      values[name] = text_of(&node).value_or("");
      continue;
    }
    for (const auto& [inner, value] : *node.as_table()) {
      values[name + "." + std::string(inner.str())] = text_of(&value).value_or("");
    }
  }
  return values;
}

/// Byte of a position of the parser's, which counts lines and code points from 1.
size_t offset_of(std::string_view text, const toml::source_position& position) {
  size_t at = 0;
  for (size_t line = 1; line < position.line; ++line) at = text.find('\n', at) + 1;
  for (size_t column = 1; column < position.column && at < text.size(); ++column) {
    at += base::decode_utf8(text.substr(at)).length;
  }
  return std::min(at, text.size());
}

size_t line_begin(std::string_view text, size_t at) {
  const size_t end = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
  return end == std::string_view::npos ? 0 : end + 1;
}

size_t next_line(std::string_view text, size_t at) {
  const size_t end = text.find('\n', at);
  return end == std::string_view::npos ? text.size() : end + 1;
}

/// Where a new key goes: at the top before the first table and what is written above that, in a
/// table behind its head.
std::string with_new_key(std::string text, const toml::table& root, const std::string& key,
                         std::string_view value) {
  const auto [table, name] = parts_of(key);
  const std::string line = fmt::format("{} = {}\n", name, value);
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  if (!table.empty()) {
    const toml::node* there = root.get(table);
    const size_t head =
        there == nullptr ? text.size() : line_begin(text, offset_of(text, there->source().begin));
    if (there != nullptr && text.compare(head, 1, "[") == 0) {
      return text.insert(next_line(text, head), line);
    }
    return fmt::format("{}{}[{}]\n{}", text, text.empty() ? "" : "\n", table, line);
  }
  size_t at = text.size();
  for (const auto& [other, node] : root) {
    if (node.is_table()) at = std::min(at, line_begin(text, offset_of(text, node.source().begin)));
  }
  const bool before_table = at < text.size();
  while (before_table && at > 0 && text[line_begin(text, at - 1)] == '#') {
    at = line_begin(text, at - 1);
  }
  // A comment that heads the file stays its head.
  const bool heads = before_table && at == 0 && text[0] == '#';
  if (heads) at = line_begin(text, offset_of(text, root.begin()->second.source().begin));
  return text.insert(at, before_table ? line + "\n" : line);
}

/// `changed` where it holds what was meant and nothing else changed.
Result<std::string> checked_change(std::string changed, std::map<std::string, std::string> wanted,
                                   const std::string& key) {
  const auto table = parse_text(changed, "the changed file");
  if (table.ok() && values_of(*table) == wanted) return changed;
  return Error{ErrorCode::kRefused,
               fmt::format("'{}' is written in the file in a way that is not changed here", key),
               "change the line with an editor"};
}

}  // namespace

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\u{:04X}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

Result<std::string> read_config_text(io::FileSystem& files, const std::string& path) {
  auto text = io::read_small_file(files, path, kFileBytesMax);
  if (!text.ok() && text.error().code == ErrorCode::kNotFound) return std::string();
  return text;
}

Result<std::vector<ConfigEntry>> config_entries(std::string_view text) {
  const toml::table table = TRY(parse_text(text, "the file"));
  std::vector<ConfigEntry> entries;
  for (auto& [key, value] : values_of(table)) {
    entries.push_back({key, value, find_node(table, key)->source().begin.line});
  }
  return entries;
}

Result<std::string> set_config_value(std::string_view text, const std::string& key,
                                     std::string_view value) {
  const toml::table table = TRY(parse_text(text, "the file"));
  const toml::table meant = TRY(parse_text(fmt::format("x = {}", value), "the value"));
  auto wanted = values_of(table);
  wanted[key] = text_of(meant.get("x")).value_or("");
  std::string changed(text);
  if (const toml::node* node = find_node(table, key)) {
    const size_t begin = offset_of(text, node->source().begin);
    const size_t end = offset_of(text, node->source().end);
    if (begin > end) return checked_change({}, wanted, key);
    changed.replace(begin, end - begin, value);
  } else {
    changed = with_new_key(std::move(changed), table, key, value);
  }
  return checked_change(std::move(changed), std::move(wanted), key);
}

Result<std::string> unset_config_value(std::string_view text, const std::string& key) {
  const toml::table table = TRY(parse_text(text, "the file"));
  auto wanted = values_of(table);
  const toml::node* node = find_node(table, key);
  if (node == nullptr) return std::string(text);
  wanted.erase(key);
  std::string changed(text);
  const size_t begin = line_begin(text, offset_of(text, node->source().begin));
  changed.erase(begin, next_line(text, offset_of(text, node->source().end)) - begin);
  return checked_change(std::move(changed), std::move(wanted), key);
}

Result<Lookup> read_config_file(io::FileSystem& files, const std::string& path, bool required,
                                const OptionNames& known) {
  auto text = io::read_small_file(files, path, kFileBytesMax);
  if (!text.ok()) {
    if (text.error().code == ErrorCode::kNotFound && !required) return Lookup{};
    return std::move(text).error();
  }
  toml::table parsed = TRY(parse_text(*text, path));
  TRY(check_keys(parsed, path, known, {}));
  auto table = std::make_shared<toml::table>(std::move(parsed));
  return Lookup([table](const std::string& key) -> std::optional<std::string> {
    const size_t dot = key.find('.');
    if (dot == std::string::npos) return text_of(table->get(key));
    const toml::table* inner = table->get_as<toml::table>(key.substr(0, dot));
    return inner == nullptr ? std::nullopt : text_of(inner->get(key.substr(dot + 1)));
  });
}

}  // namespace freehold::cli
