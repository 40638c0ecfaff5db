#pragma once
// What a name asks for besides its blob: system prompt, first messages, sampling parameters, a chat
// template in place of the file's, and the text of the licence. Filled from a model file
// (store/model_file.h), from another program's layers, or from a record; each piece is checked at
// this door, so that what is stored can be used. Pure values; any thread may read.

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace freehold::store {

/// Of all texts together. A record that holds them stays below kRecordBytesMax.
inline constexpr size_t kSettingsBytesMax = 1u << 20;

/// A default for an option of `run`.
struct ModelParameter {
  std::string option;               ///< without its dashes: "top-k"
  std::vector<std::string> values;  ///< as typed; one, except of "stop"
  bool operator==(const ModelParameter&) const = default;
};

struct FirstMessage {
  std::string role;  ///< "system", "user" or "assistant"
  std::string content;
  bool operator==(const FirstMessage&) const = default;
};

struct ModelSettings {
  std::string system;
  std::string chat_template;           ///< Jinja; empty: the model file's own
  std::vector<FirstMessage> messages;  ///< a conversation's beginning, after the system prompt
  std::vector<ModelParameter> parameters;
  std::string adapter;  ///< a LoRA that is wanted; nothing here can apply one yet
  std::string licence_text;

  bool empty() const { return *this == ModelSettings{}; }
  bool operator==(const ModelSettings&) const = default;
};

/// Sets the parameter `name` (settings.def) to `value`; "stop" gains a value. kUsage with the name
/// where there is no such parameter, where it is one that nothing here can honour, or where the
/// value is none of its kind. num_predict -1 and -2 mean until the model stops, repeat_last_n -1
/// everything.
Status set_parameter(ModelSettings& settings, std::string_view name, std::string_view value);

/// kRefused for a template in Go's language, which has no equal here; kDamaged with line and column
/// for what is no Jinja either.
Status set_chat_template(ModelSettings& settings, std::string_view text);

Status set_system(ModelSettings& settings, std::string_view text);
Status add_licence_text(ModelSettings& settings, std::string_view text);
/// kUsage for another role than system, user and assistant.
Status add_message(ModelSettings& settings, std::string_view role, std::string_view content);

/// Takes over what a layer of Ollama's says, by the end of its media type: "system", "params",
/// "template", "license", "messages", "adapter" (content: its digest). What cannot be honoured
/// becomes a line in `notes`; kDamaged where the layer cannot be read, kRefused where it is too
/// long. Other kinds are none of ours and change nothing.
Status add_ollama_layer(ModelSettings& settings, std::string_view kind, std::string_view content,
                        std::vector<std::string>& notes);

/// As a JSON object of a record, and back; kDamaged naming what is off.
void write_settings(base::JsonWriter& json, const ModelSettings& settings);
Result<ModelSettings> read_settings(const base::JsonValue& value);

/// As the lines of a model file (docs/formats/model-file.md), without FROM. Texts with three quotes
/// in a row have no form there and are cut short by them.
std::string settings_text(const ModelSettings& settings);

}  // namespace freehold::store
