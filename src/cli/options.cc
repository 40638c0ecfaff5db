#include "cli/options.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace freehold::cli {

namespace {

const Option* find_option(std::span<const Option> options, std::string_view name) {
  for (const Option& option : options) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

const Option* find_letter(std::span<const Option> options, char letter) {
  for (const Option& option : options) {
    if (option.letter == letter && letter != 0) return &option;
  }
  return nullptr;
}

Error unknown_option(std::string_view command, std::span<const Option> options,
                     std::string_view word) {
  const Option* nearest = nullptr;
  size_t least = 3;
  for (const Option& option : options) {
    if (const size_t steps = base::edit_distance(option.name, word); steps < least) {
      least = steps;
      nearest = &option;
    }
  }
  std::string hint = nearest != nullptr
                         ? fmt::format("did you mean {}?", nearest->name)
                         : fmt::format("'freehold help {}' lists the options", command);
  return Error{ErrorCode::kUsage, fmt::format("{} has no option '{}'", command, word),
               std::move(hint)};
}

Error not_there_yet(std::string_view command, const Option& option) {
  return Error{ErrorCode::kUsage,
               fmt::format("{}: option {} is not there yet", command, option.name), "leave it out"};
}

}  // namespace

std::string environment_name(std::string_view option) {
  std::string name = "FREEHOLD_";
  for (const char c : option.substr(2)) {
    name.push_back(c == '-' ? '_' : (c >= 'a' && c <= 'z') ? static_cast<char>(c - 'a' + 'A') : c);
  }
  return name;
}

/// Walks the words once; fills an Arguments.
class ArgumentParser {
 public:
  ArgumentParser(std::string_view command, std::span<const Option> options)
      : command_(command), options_(options) {}

  Status read_words(std::span<const std::string> words) {
    for (size_t i = 0; i < words.size(); ++i) {
      const std::string& word = words[i];
      if (only_positional_ || word.size() < 2 || word[0] != '-') {
        arguments_.positional_.push_back(word);
      } else if (word == "--") {
        only_positional_ = true;
      } else if (word[1] == '-') {
        TRY(read_long(word, words, i));
      } else {
        TRY(read_short(word, words, i));
      }
    }
    return {};
  }

  Status read_others(const ArgumentSources& sources) {
    for (const Option& option : options_) {
      if (arguments_.values_.contains(std::string(option.name))) continue;
      std::optional<std::string> value;
      if (sources.environment) value = sources.environment(environment_name(option.name));
      ValueSource source = ValueSource::kEnvironment;
      if (!value && sources.file) {
        const std::string key(option.name.substr(2));
        value = sources.file(fmt::format("{}.{}", command_, key));
        if (!value) value = sources.file(key);
        source = ValueSource::kFile;
      }
      if (!value) continue;
      if (!option.available) return not_there_yet(command_, option);
      arguments_.values_[std::string(option.name)] = {{*std::move(value)}, source};
    }
    return {};
  }

  Arguments take() { return std::move(arguments_); }

 private:
  Status store(const Option& option, std::string value) {
    if (!option.available) return not_there_yet(command_, option);
    Arguments::Value& slot = arguments_.values_[std::string(option.name)];
    if (option.kind != OptionKind::kList) slot.texts.clear();
    slot.texts.push_back(std::move(value));
    return {};
  }

  Status read_long(const std::string& word, std::span<const std::string> words, size_t& index) {
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const Option* option = find_option(options_, name);
    if (option == nullptr) return unknown_option(command_, options_, name);
    if (option->kind == OptionKind::kFlag) {
      return store(*option, equals == std::string::npos ? "true" : word.substr(equals + 1));
    }
    if (equals != std::string::npos) return store(*option, word.substr(equals + 1));
    if (!option->available) return not_there_yet(command_, *option);
    return next_value(*option, words, index);
  }

  Status read_short(const std::string& word, std::span<const std::string> words, size_t& index) {
    const Option* option = find_letter(options_, word[1]);
    if (option == nullptr) return unknown_option(command_, options_, word);
    if (option->kind == OptionKind::kFlag) {
      if (word.size() > 2) return unknown_option(command_, options_, word);
      return store(*option, "true");
    }
    if (word.size() > 2) return store(*option, word.substr(word[2] == '=' ? 3 : 2));
    return next_value(*option, words, index);
  }

  Status next_value(const Option& option, std::span<const std::string> words, size_t& index) {
    if (index + 1 >= words.size()) {
      return Error{
          ErrorCode::kUsage,
          fmt::format("{}: {} needs a value ({})", command_, option.name, option.value_name),
          fmt::format("'freehold help {}' says what it takes", command_)};
    }
    return store(option, words[++index]);
  }

  std::string_view command_;
  std::span<const Option> options_;
  Arguments arguments_;
  bool only_positional_ = false;
};

Result<Arguments> parse_arguments(std::string_view command, std::span<const Option> options,
                                  std::span<const std::string> words,
                                  const ArgumentSources& sources) {
  ArgumentParser parser(command, options);
  TRY(parser.read_words(words));
  TRY(parser.read_others(sources));
  return parser.take();
}

const Arguments::Value* Arguments::find(std::string_view option) const {
  const auto found = values_.find(std::string(option));
  return found == values_.end() ? nullptr : &found->second;
}

bool Arguments::has(std::string_view option) const { return find(option) != nullptr; }

void Arguments::set(std::string_view option, std::vector<std::string> values) {
  if (values.empty()) {
    values_.erase(std::string(option));
  } else {
    values_[std::string(option)] = Value{std::move(values), ValueSource::kCommandLine};
  }
}

void Arguments::add_model_default(std::string_view option, std::vector<std::string> values) {
  if (!values.empty())
    values_.try_emplace(std::string(option), Value{std::move(values), ValueSource::kModel});
}

std::optional<ValueSource> Arguments::source(std::string_view option) const {
  const Value* value = find(option);
  if (value == nullptr) return std::nullopt;
  return value->source;
}

Result<bool> Arguments::flag(std::string_view option) const {
  const Value* value = find(option);
  if (value == nullptr) return false;
  const std::string& text = value->texts.back();
  if (text == "true" || text == "1" || text == "yes" || text == "on") return true;
  if (text == "false" || text == "0" || text == "no" || text == "off" || text.empty()) return false;
  return Error{ErrorCode::kUsage, fmt::format("{} is '{}', not true or false", option, text), {}};
}

std::optional<std::string> Arguments::text(std::string_view option) const {
  const Value* value = find(option);
  if (value == nullptr) return std::nullopt;
  return value->texts.back();
}

std::string Arguments::text_or(std::string_view option, std::string_view otherwise) const {
  return text(option).value_or(std::string(otherwise));
}

std::vector<std::string> Arguments::list(std::string_view option) const {
  const Value* value = find(option);
  return value == nullptr ? std::vector<std::string>{} : value->texts;
}

Result<int64_t> Arguments::integer(std::string_view option, int64_t low, int64_t high,
                                   int64_t otherwise) const {
  const Value* value = find(option);
  if (value == nullptr) return otherwise;
  const auto number = base::parse_integer(value->texts.back());
  if (!number.ok() || *number < low || *number > high) {
    return Error{ErrorCode::kUsage,
                 fmt::format("{} is '{}', not a whole number from {} to {}", option,
                             value->texts.back(), low, high),
                 {}};
  }
  return *number;
}

Result<double> Arguments::number(std::string_view option, double low, double high,
                                 double otherwise) const {
  const Value* value = find(option);
  if (value == nullptr) return otherwise;
  const auto number = base::parse_number(value->texts.back());
  if (!number.ok() || !(*number >= low && *number <= high)) {
    return Error{ErrorCode::kUsage,
                 fmt::format("{} is '{}', not a number from {} to {}", option, value->texts.back(),
                             low, high),
                 {}};
  }
  return *number;
}

Result<std::optional<uint64_t>> Arguments::size(std::string_view option) const {
  const Value* value = find(option);
  if (value == nullptr) return std::optional<uint64_t>{};
  auto bytes = base::parse_size(value->texts.back());
  if (!bytes.ok()) return std::move(bytes).error().within(std::string(option));
  return std::optional<uint64_t>{*bytes};
}

}  // namespace freehold::cli
