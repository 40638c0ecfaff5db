#include "store/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "model/template/chat_template.h"

namespace freehold::store {

namespace {

enum class Kind { kNumber, kInteger, kUnsigned, kText };

struct Row {
  std::string_view name;
  std::string_view option;
  Kind kind;
  double least;
  double most;
};

constexpr Row kRows[] = {
#define FREEHOLD_SETTING(name, option, kind, least, most) {name, option, Kind::kind, least, most},
#include "store/settings.def"
#undef FREEHOLD_SETTING
};

/// What model files of the field ask for and nothing here can do, or decides otherwise (--memory,
/// --threads): named, so that nobody thinks of a typing error.
constexpr std::array kNotHonoured = std::to_array<std::string_view>(
    {"draft_num_predict", "f16_kv", "logits_all", "low_vram", "main_gpu", "mirostat",
     "mirostat_eta", "mirostat_tau", "num_batch", "num_gpu", "num_gqa", "num_keep", "num_thread",
     "numa", "penalize_newline", "tfs_z", "use_mlock", "use_mmap", "vocab_only"});

Error parameter_error(std::string_view name, std::string_view what, std::string hint) {
  return Error{ErrorCode::kUsage, fmt::format("parameter {} {}", base::printable(name, 40), what),
               std::move(hint)};
}

Error unknown_parameter(std::string_view name) {
  if (std::find(kNotHonoured.begin(), kNotHonoured.end(), name) != kNotHonoured.end()) {
    return parameter_error(name, "cannot be honoured here", "leave it out");
  }
  std::string known;
  for (const Row& row : kRows) known += fmt::format("{}{}", known.empty() ? "" : ", ", row.name);
  return parameter_error(name, "is none that is known", "there are: " + known);
}

size_t text_bytes(const ModelSettings& settings) {
  size_t bytes = settings.system.size() + settings.chat_template.size() + settings.adapter.size() +
                 settings.licence_text.size();
  for (const FirstMessage& message : settings.messages) bytes += message.content.size() + 64;
  for (const ModelParameter& parameter : settings.parameters) {
    for (const std::string& value : parameter.values) bytes += value.size() + 64;
  }
  return bytes;
}

/// Text that a record can hold and give back the same: UTF-8, and not too much of it.
Status check_text(const ModelSettings& settings, std::string_view text, std::string_view what) {
  if (text_bytes(settings) + text.size() > kSettingsBytesMax) {
    return Error{ErrorCode::kRefused,
                 fmt::format("the {} makes more than {} of settings", what,
                             base::human_bytes(kSettingsBytesMax)),
                 "shorten it"};
  }
  for (size_t at = 0; at < text.size();) {
    const base::DecodedRune rune = base::decode_utf8(text.substr(at));
    if (!rune.valid) {
      return Error{ErrorCode::kDamaged, fmt::format("the {} is not UTF-8 at byte {}", what, at),
                   "save it as UTF-8"};
    }
    at += rune.length;
  }
  return {};
}

/// The value as the option takes it, or nothing where it is none of the kind.
std::optional<std::string> checked_value(const Row& row, std::string_view value) {
  if (row.kind == Kind::kText) return std::string(value);
  if (row.kind == Kind::kUnsigned) {
    if (!base::parse_unsigned(value).ok()) return std::nullopt;
    return std::string(value);
  }
  if (row.name == "num_predict" && (value == "-1" || value == "-2")) return "0";
  if (row.name == "repeat_last_n" && value == "-1") return fmt::format("{:.0f}", row.most);
  if (row.kind == Kind::kInteger && !base::parse_integer(value).ok()) return std::nullopt;
  const auto number = base::parse_number(value);
  if (!number.ok() || !(*number >= row.least && *number <= row.most)) return std::nullopt;
  return std::string(value);
}

Status put_value(ModelSettings& settings, const Row& row, std::string value) {
  TRY(check_text(settings, value, fmt::format("parameter {}", row.name)));
  auto slot = std::find_if(settings.parameters.begin(), settings.parameters.end(),
                           [&row](const ModelParameter& p) { return p.option == row.option; });
  if (slot == settings.parameters.end()) {
    settings.parameters.push_back({std::string(row.option), {}});
    slot = settings.parameters.end() - 1;
  }
  if (row.kind != Kind::kText) slot->values.clear();
  slot->values.push_back(std::move(value));
  return {};
}

/// What Go's templates have and Jinja has not: a field with nothing before its dot, or its own
/// words for branches and loops.
bool looks_like_go(std::string_view text) {
  for (size_t at = text.find("{{"); at != std::string_view::npos; at = text.find("{{", at)) {
    at += 2;
    const size_t word = text.find_first_not_of("- \t\r\n", at);
    if (word == std::string_view::npos) return false;
    const std::string_view rest = text.substr(word);
    if (rest[0] == '.' || rest[0] == '$') return true;
    for (const std::string_view go : {"if ", "range ", "end", "else", "with ", "define ",
                                      "template ", "block ", "slice ", "and ", "or ", "not "}) {
      if (rest.starts_with(go)) return true;
    }
  }
  return false;
}

/// The text of a JSON number, truth value or string, as a model file would write it.
std::optional<std::string> plain_text(const base::JsonValue& value) {
  if (const auto text = value.as_string()) return std::string(*text);
  if (const auto number = value.as_integer()) return std::to_string(*number);
  if (const auto number = value.as_unsigned()) return std::to_string(*number);
  if (const auto number = value.as_number()) return base::shortest(*number);
  if (const auto flag = value.as_bool()) return *flag ? "true" : "false";
  return std::nullopt;
}

constexpr base::JsonLimits kLayerLimits{.bytes_max = kSettingsBytesMax, .depth_max = 4};

Status add_params(ModelSettings& settings, std::string_view content,
                  std::vector<std::string>& notes) {
  const base::JsonValue root = TRY(base::JsonValue::parse(content, kLayerLimits));
  if (!root.is_object()) return Error{ErrorCode::kDamaged, "params are not a JSON object", {}};
  const auto set = [&](const std::string& name, const base::JsonValue& value) -> Status {
    const auto text = plain_text(value);
    const Status put = text ? set_parameter(settings, name, *text)
                            : Status(parameter_error(name, "is neither text nor number", {}));
    if (put.ok() || put.error().code != ErrorCode::kUsage) return put;
    notes.push_back(put.error().message);
    return {};
  };
  for (const base::JsonMember& member : root.members()) {
    if (!member.value.is_array()) {
      TRY(set(member.key, member.value));
      continue;
    }
    for (const base::JsonValue& value : member.value.elements()) TRY(set(member.key, value));
  }
  return {};
}

Status add_messages(ModelSettings& settings, const base::JsonValue& list) {
  for (const base::JsonValue& message : list.elements()) {
    const auto role = message.find_string("role");
    const auto content = message.find_string("content");
    if (!role || !content) {
      return Error{ErrorCode::kDamaged, "a first message lacks its role or content", {}};
    }
    const Status added = add_message(settings, *role, *content);
    if (added.ok()) continue;
    if (added.error().code != ErrorCode::kUsage) return added;
    return Error{ErrorCode::kDamaged, added.error().message, {}};
  }
  return {};
}

}  // namespace

Status set_parameter(ModelSettings& settings, std::string_view name, std::string_view value) {
  for (const Row& row : kRows) {
    if (row.name != name) continue;
    auto text = checked_value(row, value);
    if (!text || text->empty()) {
      std::string hint = "give some text";
      if (row.kind == Kind::kUnsigned) hint = "it is a whole number from 0";
      if (row.kind == Kind::kNumber)
        hint = fmt::format("it goes from {} to {}", row.least, row.most);
      if (row.kind == Kind::kInteger) {
        hint = fmt::format("it is a whole number from {:.0f} to {:.0f}", row.least, row.most);
      }
      return parameter_error(name, fmt::format("cannot be {}", base::printable(value)), hint);
    }
    return put_value(settings, row, *std::move(text));
  }
  return unknown_parameter(name);
}

Status set_chat_template(ModelSettings& settings, std::string_view text) {
  TRY(check_text(settings, text, "template"));
  const auto parsed = model::ChatTemplate::parse(text);
  if (looks_like_go(text) && text.find("{%") == std::string_view::npos) {
    return Error{ErrorCode::kRefused,
                 "the template is in Go's template language, which is not understood here",
                 "leave it out: the model file's own template is used; or write it in Jinja"};
  }
  if (!parsed.ok()) return parsed.error();
  settings.chat_template = text;
  return {};
}

Status set_system(ModelSettings& settings, std::string_view text) {
  TRY(check_text(settings, text, "system prompt"));
  settings.system = text;
  return {};
}

Status add_licence_text(ModelSettings& settings, std::string_view text) {
  TRY(check_text(settings, text, "licence"));
  if (!settings.licence_text.empty()) settings.licence_text += "\n\n";
  settings.licence_text += text;
  return {};
}

Status add_message(ModelSettings& settings, std::string_view role, std::string_view content) {
  if (role != "system" && role != "user" && role != "assistant") {
    return Error{ErrorCode::kUsage,
                 fmt::format("a message's role cannot be {}", base::printable(role)),
                 "it is system, user or assistant"};
  }
  TRY(check_text(settings, content, "first message"));
  settings.messages.push_back({std::string(role), std::string(content)});
  return {};
}

Status add_ollama_layer(ModelSettings& settings, std::string_view kind, std::string_view content,
                        std::vector<std::string>& notes) {
  if (kind == "system") return set_system(settings, content);
  if (kind == "license") return add_licence_text(settings, content);
  if (kind == "params") return add_params(settings, content, notes);
  if (kind == "messages") {
    return add_messages(settings, TRY(base::JsonValue::parse(content, kLayerLimits)));
  }
  if (kind == "adapter") {
    TRY(check_text(settings, content, "adapter"));
    settings.adapter = content;
    return {};
  }
  if (kind != "template") return {};
  const Status set = set_chat_template(settings, content);
  // A template that cannot be used is no loss: the model file carries its own.
  if (!set.ok()) notes.push_back(set.error().message + "; the model file's own is used");
  return {};
}

void write_settings(base::JsonWriter& json, const ModelSettings& settings) {
  json.begin_object();
  json.field("system", settings.system).field("template", settings.chat_template);
  json.key("parameters").begin_object();
  for (const ModelParameter& parameter : settings.parameters) {
    json.key(parameter.option).begin_array();
    for (const std::string& value : parameter.values) json.value(value);
    json.end_array();
  }
  json.end_object().key("messages").begin_array();
  for (const FirstMessage& message : settings.messages) {
    json.begin_object().field("role", message.role).field("content", message.content).end_object();
  }
  json.end_array().field("adapter", settings.adapter);
  json.field("licence_text", settings.licence_text).end_object();
}

Result<ModelSettings> read_settings(const base::JsonValue& value) {
  ModelSettings settings;
  const auto damaged = [](const Error& error) {
    return Error{ErrorCode::kDamaged, "settings: " + error.message, error.hint};
  };
  const auto text = [&value](std::string_view key) {
    return value.find_string(key).value_or(std::string_view());
  };
  Status status = set_system(settings, text("system"));
  if (status.ok() && !text("template").empty()) {
    status = set_chat_template(settings, text("template"));
  }
  if (status.ok()) status = add_licence_text(settings, text("licence_text"));
  if (status.ok()) status = check_text(settings, text("adapter"), "adapter");
  if (status.ok()) settings.adapter = text("adapter");
  const base::JsonValue* messages = value.find("messages");
  if (status.ok() && messages != nullptr) status = add_messages(settings, *messages);
  if (!status.ok()) return damaged(status.error());
  const base::JsonValue* parameters = value.find("parameters");
  if (parameters == nullptr) return settings;
  for (const base::JsonMember& member : parameters->members()) {
    const auto row = std::find_if(std::begin(kRows), std::end(kRows),
                                  [&](const Row& known) { return known.option == member.key; });
    if (row == std::end(kRows)) return damaged(unknown_parameter(member.key));
    for (const base::JsonValue& each : member.value.elements()) {
      // "0" stands for no bound on the answer, which set_parameter writes and does not read.
      const std::string_view typed = each.as_string().value_or("");
      const bool unbounded = row->name == "num_predict" && typed == "0";
      const Status set = set_parameter(settings, row->name, unbounded ? "-1" : typed);
      if (!set.ok()) return damaged(set.error());
    }
  }
  return settings;
}

namespace {

/// In quotes where it needs them, in three where it has some itself.
std::string quoted(std::string_view text) {
  const bool plain = !text.empty() && text.find_first_of("\n\r\"") == std::string_view::npos &&
                     text.front() != ' ' && text.back() != ' ' && text.front() != '\t' &&
                     text.back() != '\t';
  if (plain) return std::string(text);
  return fmt::format("\"\"\"{}\"\"\"", text);
}

}  // namespace

std::string settings_text(const ModelSettings& settings) {
  std::string text;
  const auto line = [&text](std::string_view word, std::string_view content) {
    if (!content.empty()) text += fmt::format("{} {}\n", word, quoted(content));
  };
  line("TEMPLATE", settings.chat_template);
  line("SYSTEM", settings.system);
  for (const Row& row : kRows) {
    for (const ModelParameter& parameter : settings.parameters) {
      if (parameter.option != row.option) continue;
      for (const std::string& value : parameter.values) {
        const bool unbounded = row.name == "num_predict" && value == "0";
        text += fmt::format("PARAMETER {} {}\n", row.name, unbounded ? "-1" : quoted(value));
      }
    }
  }
  line("ADAPTER", settings.adapter);
  line("LICENSE", settings.licence_text);
  for (const FirstMessage& message : settings.messages) {
    text += fmt::format("MESSAGE {} {}\n", message.role, quoted(message.content));
  }
  return text;
}

}  // namespace freehold::store
