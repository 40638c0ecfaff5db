#include "store/model_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace freehold::store {

namespace {

constexpr std::string_view kBlank = " \t\r";
constexpr std::string_view kTriple = "\"\"\"";

/// The first word, and what is behind it.
std::pair<std::string_view, std::string_view> first_word(std::string_view text) {
  const size_t end = std::min(text.find_first_of(kBlank), text.size());
  return {text.substr(0, end), base::trimmed(text.substr(end), kBlank)};
}

std::string upper_case(std::string_view word) {
  std::string upper;
  for (const char c : word) upper += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return upper;
}

Error usage(std::string message, std::string hint) {
  return Error{ErrorCode::kUsage, std::move(message), std::move(hint)};
}

/// Walks the text once, line by line; a value in three quotes may take several.
class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  Result<ModelFile> parse() {
    while (!rest_.empty()) {
      const std::string_view line = base::trimmed(next_line(), kBlank);
      const size_t number = line_;
      if (line.empty() || line.front() == '#') continue;
      const Status read = instruction(line);
      if (read.ok()) continue;
      Error error = read.error();
      return std::move(error).within(fmt::format("line {}", number));
    }
    if (file_.from.empty()) {
      return usage("the model file has no FROM", "begin it with FROM and a model's name or file");
    }
    return std::move(file_);
  }

 private:
  std::string_view next_line() {
    const size_t end = std::min(rest_.find('\n'), rest_.size());
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    ++line_;
    return line;
  }

  /// A value as it stands, or what is between its quotes.
  Result<std::string> value_of(std::string_view text) {
    if (!text.starts_with('"')) return std::string(text);
    if (!text.starts_with(kTriple)) {
      if (text.size() >= 2 && text.ends_with('"'))
        return std::string(text.substr(1, text.size() - 2));
      return usage("a quote is not closed", "close it on the same line, or use three quotes");
    }
    text.remove_prefix(kTriple.size());
    std::string value;
    while (true) {
      size_t end = text.find(kTriple);
      // A text may end in a quote of its own: the last three close.
      while (end != std::string_view::npos && text.substr(end + kTriple.size()).starts_with('"')) {
        ++end;
      }
      if (end != std::string_view::npos) {
        if (!base::trimmed(text.substr(end + kTriple.size()), kBlank).empty()) {
          return usage("something stands behind the closing quotes", "put it on a line of its own");
        }
        return value + std::string(text.substr(0, end));
      }
      value += text;
      value += '\n';
      if (rest_.empty())
        return usage("three quotes are not closed", "close them with three quotes");
      text = next_line();
      // Windows' line ends are not part of the text.
      if (text.ends_with('\r')) text.remove_suffix(1);
    }
  }

  Status instruction(std::string_view line) {
    const auto [word, rest] = first_word(line);
    const std::string name = upper_case(word);
    const bool two_words = name == "PARAMETER" || name == "MESSAGE";
    const auto [key, behind] = two_words ? first_word(rest) : std::pair{std::string_view(), rest};
    constexpr std::string_view kKnown[] = {"FROM",    "PARAMETER", "TEMPLATE", "SYSTEM",
                                           "ADAPTER", "LICENSE",   "MESSAGE"};
    if (std::find(std::begin(kKnown), std::end(kKnown), name) == std::end(kKnown)) {
      return usage(fmt::format("{} is no instruction", base::printable(word, 40)),
                   "there are FROM, SYSTEM, PARAMETER, TEMPLATE, ADAPTER, LICENSE and MESSAGE");
    }
    if (behind.empty() || (two_words && key.empty())) {
      return usage(fmt::format("{} lacks its {}", name, two_words ? "name or value" : "value"), {});
    }
    const std::string value = TRY(value_of(behind));
    if (name == "PARAMETER") return set_parameter(file_.settings, key, value);
    if (name == "MESSAGE") return add_message(file_.settings, key, value);
    if (name == "LICENSE") return add_licence_text(file_.settings, value);
    if (name == "ADAPTER") {
      return usage(fmt::format("ADAPTER {}: adapters are not there yet", base::printable(value)),
                   "merge it into the model's file, or leave the line out");
    }
    return set_once(name, value);
  }

  Status set_once(const std::string& name, const std::string& value) {
    std::string& slot = name == "FROM"     ? file_.from
                        : name == "SYSTEM" ? file_.settings.system
                                           : file_.settings.chat_template;
    if (!slot.empty()) return usage(fmt::format("{} stands here twice", name), "keep one of them");
    if (name == "SYSTEM") return set_system(file_.settings, value);
    if (name == "TEMPLATE") return set_chat_template(file_.settings, value);
    if (value.empty()) return usage("FROM lacks its value", {});
    slot = value;
    return {};
  }

  std::string_view rest_;
  size_t line_ = 0;
  ModelFile file_;
};

}  // namespace

Result<ModelFile> parse_model_file(std::string_view text) {
  if (text.size() > kModelFileBytesMax) {
    return Error{ErrorCode::kRefused,
                 fmt::format("a model file has at most {}", base::human_bytes(kModelFileBytesMax)),
                 "shorten it"};
  }
  return Parser(text).parse();
}

Result<ModelSettings> settings_over(const ModelSettings& base, const ModelSettings& own) {
  ModelSettings settings = base;
  if (!own.system.empty()) settings.system.clear();
  if (!own.chat_template.empty()) settings.chat_template.clear();
  if (!own.messages.empty()) settings.messages.clear();
  std::erase_if(settings.parameters, [&own](const ModelParameter& inherited) {
    return std::any_of(own.parameters.begin(), own.parameters.end(),
                       [&](const ModelParameter& p) { return p.option == inherited.option; });
  });
  // Through the same door again, because both together may be too much.
  if (!own.system.empty()) TRY(set_system(settings, own.system));
  if (!own.chat_template.empty()) TRY(set_chat_template(settings, own.chat_template));
  if (!own.licence_text.empty() && own.licence_text != base.licence_text) {
    TRY(add_licence_text(settings, own.licence_text));
  }
  for (const FirstMessage& message : own.messages) {
    TRY(add_message(settings, message.role, message.content));
  }
  settings.parameters.insert(settings.parameters.end(), own.parameters.begin(),
                             own.parameters.end());
  return settings;
}

}  // namespace freehold::store
