#pragma once
// One table per command says its options; parsing, help, environment twins and the configuration
// file all read it. Options are looked up in this order: command line, environment
// (FREEHOLD_TOP_K), configuration file ([command] table, then top level), what the model's name
// asks for (store/settings.h), default of the command. No globals.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace freehold::cli {

enum class OptionKind { kFlag, kText, kInteger, kNumber, kSize, kList };

/// One option of a command.
struct Option {
  std::string_view name;  // "--top-k"
  char letter = 0;        // 'k' for -k; 0: none
  OptionKind kind = OptionKind::kFlag;
  std::string_view value_name;  // "N" in help; empty for flags
  std::string_view help;        // a sentence without its full stop
  bool available = true;        // false: known, but its feature is not there yet (exit 2, by name)
};

/// Where a value came from, for messages and `config where`.
/// kModel: the name's own settings, below all that the user said.
enum class ValueSource { kCommandLine, kEnvironment, kFile, kModel };

/// What `parse_arguments` found. Values are text until asked for; each getter checks its form.
class Arguments {
 public:
  bool has(std::string_view option) const;
  Result<bool> flag(std::string_view option) const;
  std::optional<std::string> text(std::string_view option) const;
  std::string text_or(std::string_view option, std::string_view otherwise) const;
  /// All values of a kList option, in order.
  std::vector<std::string> list(std::string_view option) const;
  Result<int64_t> integer(std::string_view option, int64_t low, int64_t high,
                          int64_t otherwise) const;
  Result<double> number(std::string_view option, double low, double high, double otherwise) const;
  Result<std::optional<uint64_t>> size(std::string_view option) const;
  std::optional<ValueSource> source(std::string_view option) const;

  /// What the user says now, over all that was said; nothing takes it back.
  void set(std::string_view option, std::vector<std::string> values);
  /// What the model asks for, where the user said nothing.
  void add_model_default(std::string_view option, std::vector<std::string> values);

  const std::vector<std::string>& positional() const { return positional_; }

 private:
  friend class ArgumentParser;
  struct Value {
    std::vector<std::string> texts;
    ValueSource source = ValueSource::kCommandLine;
  };
  const Value* find(std::string_view option) const;
  std::unordered_map<std::string, Value> values_;
  std::vector<std::string> positional_;
};

/// Looks a configuration key or an environment variable up; nothing where it is not set.
using Lookup = std::function<std::optional<std::string>(const std::string& name)>;

struct ArgumentSources {
  Lookup environment;  // by variable: FREEHOLD_TOP_K
  Lookup file;         // by key: "run.top-k" or "top-k"
};

/// kUsage naming the word for what is unknown, lacks its value, is malformed or not there yet.
Result<Arguments> parse_arguments(std::string_view command, std::span<const Option> options,
                                  std::span<const std::string> words,
                                  const ArgumentSources& sources);

/// "--top-k" to "FREEHOLD_TOP_K".
std::string environment_name(std::string_view option);

}  // namespace freehold::cli
