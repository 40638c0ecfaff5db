#pragma once
// What a run may use up, and the arguments of a call. Shared by the interpreter and the built-in
// filters, tests, methods and functions.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/template/value.h"

namespace freehold::model::jinja {

/// The limits of one run. Every step and every byte made is charged before it is made.
class Budget {
 public:
  static constexpr uint64_t kStepsMax = 1'000'000;
  static constexpr size_t kTextMax = 8u << 20;       // one string, and the output
  static constexpr uint64_t kBytesMax = 256u << 20;  // all strings and lists made by a run
  static constexpr uint32_t kDepthMax = 400;         // evaluations inside each other

  Status step(uint64_t steps = 1) {
    steps_ += steps;
    if (steps_ <= kStepsMax) return {};
    return refused("it took more than 1000000 steps");
  }
  /// Before a string of `bytes` is made.
  Status text(size_t bytes) {
    if (bytes > kTextMax) return refused("a text of more than 8 MiB");
    return memory(bytes);
  }
  /// Before a list or dict of `count` values is made.
  Status values(size_t count) {
    TRY(step(count / 16));
    return memory(count * sizeof(Value));
  }
  Status enter() {
    if (++depth_ <= kDepthMax) return {};
    return refused("calls nest too deep");
  }
  void leave() { --depth_; }

 private:
  Status memory(uint64_t bytes) {
    bytes_ += bytes;
    if (bytes_ <= kBytesMax) return step(bytes / 4096);
    return refused("it made more than 256 MiB of text");
  }
  uint64_t steps_ = 0;
  uint64_t bytes_ = 0;
  uint32_t depth_ = 0;
};

/// Arguments of a filter, test, method or function.
struct Arguments {
  Values positional;
  std::vector<std::pair<std::string, Value>> named;

  /// The argument of that place or name, or nullptr.
  const Value* find(size_t place, std::string_view name) const {
    if (place < positional.size()) return &positional[place];
    for (const auto& [key, value] : named) {
      if (key == name) return &value;
    }
    return nullptr;
  }
};

/// A string value after charging for it.
Result<Value> make_text(Budget& budget, std::string text);

/// str() and repr() of a value after charging for them.
Result<std::string> text_of(Budget& budget, const Value& value);
Result<std::string> repr_of(Budget& budget, const Value& value);
/// == after charging for the walk.
Result<bool> is_equal(Budget& budget, const Value& a, const Value& b);

/// Items of anything that can be iterated: lists, tuples, a dict's keys, a string's characters, an
/// undefined's nothing. kFailed for the rest.
Result<Values> iterate(Budget& budget, const Value& value);

/// value.name as environment.getattr does it, and value[key] as getitem. What is not there is
/// undefined; reaching into an undefined fails.
Result<Value> get_attribute(Budget& budget, const Value& value, const std::string& name);
Result<Value> get_item(Budget& budget, const Value& value, const Value& key);
Result<Value> get_slice(Budget& budget, const Value& value, const Value& start, const Value& stop,
                        const Value& step);

/// a op b for + - * / // % **.
Result<Value> binary(Budget& budget, const std::string& op, const Value& a, const Value& b);
/// Text with & < > ' " written for HTML, as |escape writes it; markup stays as it is.
std::string escaped(const Value& text);
/// needle in haystack.
Result<bool> contains(Budget& budget, const Value& haystack, const Value& needle);

/// Filters that need nothing of the interpreter. An empty optional: there is no such filter.
Result<std::optional<Value>> apply_filter(Budget& budget, const std::string& name,
                                          const Value& value, const Arguments& arguments);
/// Tests ("is defined"); an empty optional: there is none of that name.
Result<std::optional<bool>> apply_test(Budget& budget, const std::string& name, const Value& value,
                                       const Arguments& arguments);
/// A method of a string, list or dict.
Result<Value> call_method(Budget& budget, const Value& receiver, const std::string& name,
                          const Arguments& arguments);
/// range, dict, namespace is the interpreter's, raise_exception, strftime_now (`now`: seconds since
/// 1970, UTC).
Result<Value> call_function(Budget& budget, const std::string& name, const Arguments& arguments,
                            int64_t now);
bool is_method(const Value& receiver, std::string_view name);

/// Python's case changes, for ASCII, Latin, Greek and Cyrillic.
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);

}  // namespace freehold::model::jinja
