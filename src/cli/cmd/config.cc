// `freehold config`: the values of options in the configuration file, and where each comes from.

#include "cli/config_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "base/text.h"
#include "cli/command.h"
#include "store/store_files.h"

namespace freehold::cli {

namespace {

constexpr Option kOptions[] = {
    {"--json", 0, OptionKind::kFlag, "", "one JSON value on stdout (get, where)"}};

struct KnownKey {
  std::string key;  // "top-k" or "run.top-k"
  const Option* option = nullptr;
};

/// The option that a key names; kUsage with the nearest one where there is none.
Result<KnownKey> find_key(const std::string& key) {
  const size_t dot = key.find('.');
  const std::string table = dot == std::string::npos ? "" : key.substr(0, dot);
  std::string name = dot == std::string::npos ? key : key.substr(dot + 1);
  while (name.starts_with('-')) name.erase(0, 1);
  std::string_view nearest;
  size_t least = 3;
  for (const Command* command : all_commands()) {
    if (!table.empty() && command->name != table) continue;
    for (const Option& option : command->options) {
      const std::string_view known = option.name.substr(2);
      if (known == name && option.available) return KnownKey{table.empty() ? name : key, &option};
      if (const size_t steps = base::edit_distance(known, name); steps < least) {
        least = steps;
        nearest = known;
      }
    }
  }
  return Error{ErrorCode::kUsage,
               fmt::format("{} is no option{}", base::printable(key),
                           table.empty() ? "" : fmt::format(" of {}", base::printable(table))),
               nearest.empty()
                   ? "keys are option names without their dashes, as in top-k or run.top-k"
                   : fmt::format("did you mean {}?", nearest)};
}

Error wrong_kind(const Option& option, const std::string& value, std::string_view kind) {
  return Error{ErrorCode::kUsage,
               fmt::format("{} is {}, not {}", option.name, base::printable(value), kind),
               std::string(option.help)};
}

/// `value` as TOML, checked by the option's kind.
Result<std::string> toml_value(const Option& option, const std::string& value) {
  Arguments probe;
  probe.set(option.name, {value});
  switch (option.kind) {
    case OptionKind::kFlag:
      return TRY(probe.flag(option.name)) ? "true" : "false";
    case OptionKind::kInteger: {
      const auto number = base::parse_integer(value);
      if (number.ok()) return std::to_string(*number);
      return wrong_kind(option, value, "a whole number");
    }
    case OptionKind::kNumber: {
      const auto number = base::parse_number(value);
      if (number.ok() && std::isfinite(*number)) return base::shortest(*number);
      return wrong_kind(option, value, "a number");
    }
    case OptionKind::kSize:
      TRY(probe.size(option.name));
      break;
    case OptionKind::kText:
    case OptionKind::kList:
      break;
  }
  return toml_string(value);
}

/// What help says of an option that is not given.
std::string default_text(const Option& option) {
  const size_t at = option.help.rfind("default");
  if (at == std::string_view::npos) return option.kind == OptionKind::kFlag ? "off" : "none";
  std::string_view rest = option.help.substr(at + 7);
  while (rest.starts_with(':') || rest.starts_with(' ')) rest.remove_prefix(1);
  return std::string(rest);
}

/// One place that gives an option a value. The first of a list wins.
struct Origin {
  std::string source;  // "environment" or "file"
  std::string place;   // FREEHOLD_TOP_K, or the file, its line and the key
  std::string value;
};

/// By the order of cli/options.h, less the command line, which is not here.
std::vector<Origin> origins(Context& context, const KnownKey& known,
                            const std::vector<ConfigEntry>& entries) {
  std::vector<Origin> found;
  const std::string variable = environment_name(known.option->name);
  if (const auto value = context.environment(variable)) {
    found.push_back({"environment", variable, *value});
  }
  std::vector<std::string> keys{known.key};
  if (const size_t dot = known.key.find('.'); dot != std::string::npos) {
    keys.push_back(known.key.substr(dot + 1));
  }
  for (const std::string& key : keys) {
    for (const ConfigEntry& entry : entries) {
      if (entry.key != key) continue;
      found.push_back(
          {"file", fmt::format("{} line {}: {}", context.config, entry.line, key), entry.value});
    }
  }
  return found;
}

void write_origins_json(Context& context, const KnownKey& known, const std::vector<Origin>& found) {
  std::string out;
  base::JsonWriter json(out);
  json.begin_object().field("key", known.key);
  if (found.empty()) {
    json.key("value").null();
  } else {
    json.field("value", found.front().value);
  }
  json.field("source", found.empty() ? "default" : found.front().source);
  json.field("default", default_text(*known.option)).key("set").begin_array();
  for (const Origin& origin : found) {
    json.begin_object().field("source", origin.source).field("place", origin.place);
    json.field("value", origin.value).end_object();
  }
  json.end_array().end_object();
  context.out.write(out + "\n");
}

Status where_one(Context& context, const std::string& key, const std::vector<ConfigEntry>& entries,
                 bool json) {
  const KnownKey known = TRY(find_key(key));
  const std::vector<Origin> found = origins(context, known, entries);
  if (json) {
    write_origins_json(context, known, found);
    return {};
  }
  context.out.write(fmt::format("  command line  {} wins over what follows\n", known.option->name));
  bool first = true;
  for (const Origin& origin : found) {
    context.out.write(fmt::format("{} {:13} {} ({})\n", first ? '*' : ' ', origin.source,
                                  base::printable(origin.value), origin.place));
    first = false;
  }
  context.out.write(
      fmt::format("{} {:13} {}\n", first ? '*' : ' ', "default", default_text(*known.option)));
  return {};
}

/// Everything that is set: a line each of value and source.
Status where_all(Context& context, const std::vector<ConfigEntry>& entries, bool json) {
  std::vector<std::string> keys;
  for (const ConfigEntry& entry : entries) keys.push_back(entry.key);
  for (const Command* command : all_commands()) {
    for (const Option& option : command->options) {
      if (option.available && context.environment(environment_name(option.name))) {
        keys.emplace_back(option.name.substr(2));
      }
    }
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  std::string out;
  base::JsonWriter writer(out);
  if (json) writer.begin_array();
  for (const std::string& key : keys) {
    const auto known = find_key(key);
    if (!known.ok()) continue;
    const std::vector<Origin> found = origins(context, *known, entries);
    if (json) {
      writer.begin_object().field("key", key).field("value", found.front().value);
      writer.field("source", found.front().source).field("place", found.front().place).end_object();
    } else {
      out += fmt::format("{:24} {}  ({})\n", key, base::printable(found.front().value),
                         found.front().place);
    }
  }
  if (json) {
    writer.end_array();
    out += "\n";
  } else if (out.empty()) {
    context.err.write(fmt::format("nothing is set, and {} is where it would be\n", context.config));
  }
  context.out.write(out);
  return {};
}

Status get(Context& context, const std::string& key, const std::vector<ConfigEntry>& entries,
           bool json) {
  const KnownKey known = TRY(find_key(key));
  const std::vector<Origin> found = origins(context, known, entries);
  if (json) {
    write_origins_json(context, known, found);
    return {};
  }
  if (found.empty()) {
    return Error{ErrorCode::kNotFound, fmt::format("{} is not set", known.key),
                 fmt::format("its default: {}", default_text(*known.option))};
  }
  context.out.write(found.front().value + "\n");
  return {};
}

Status change(Context& context, const std::string& key, const std::string* value,
              const std::string& text) {
  const KnownKey known = TRY(find_key(key));
  std::string changed;
  if (value != nullptr) {
    const std::string written = TRY(toml_value(*known.option, *value));
    changed = TRY(set_config_value(text, known.key, written));
  } else {
    changed = TRY(unset_config_value(text, known.key));
  }
  if (changed != text) {
    TRY(context.files.make_directories(io::parent_path(context.config)));
    TRY(store::write_durably(context.files, context.config + ".new", context.config, changed));
  }
  const std::string variable = environment_name(known.option->name);
  if (context.environment(variable)) {
    context.err.write(fmt::format("note: {} is set and wins over the file\n", variable));
  }
  return {};
}

Status run(Context& context, const Arguments& arguments) {
  const auto& words = arguments.positional();
  const std::string& action = words[0];
  const bool json = TRY(arguments.flag("--json"));
  const std::string text = TRY(read_config_text(context.files, context.config));
  const std::vector<ConfigEntry> entries = TRY(config_entries(text));
  if (action == "where" && words.size() == 1) return where_all(context, entries, json);
  if (action == "where" && words.size() == 2) return where_one(context, words[1], entries, json);
  if (action == "get" && words.size() == 2) return get(context, words[1], entries, json);
  if (action == "set" && words.size() == 3) return change(context, words[1], &words[2], text);
  if (action == "unset" && words.size() == 2) return change(context, words[1], nullptr, text);
  return Error{ErrorCode::kUsage,
               fmt::format("config: {} with {} words behind it is nothing it does",
                           base::printable(action), words.size() - 1),
               "get KEY, set KEY VALUE, unset KEY, where [KEY]"};
}

}  // namespace

const Command& config_command() {
  static constexpr Command kCommand{
      .name = "config",
      .summary = "Read and change the configuration file, and say where values come from",
      .usage = "get KEY | set KEY VALUE | unset KEY | where [KEY]",
      .options = kOptions,
      .description =
          "KEY is an option without its dashes, for every command (top-k) or for one (run.top-k). "
          "set checks the value and leaves comments and everything else in the file as they are. "
          "where lists what is set, or every place that gives KEY a value, the one that wins "
          "first. "
          "The file is FREEHOLD_CONFIG, or freehold/config.toml in the XDG configuration folder.",
      .examples =
          "  freehold config set run.temperature 0.2\n"
          "  freehold config where run.temperature\n",
      .positional_min = 1,
      .positional_max = 3,
      .run = run};
  return kCommand;
}

}  // namespace freehold::cli
