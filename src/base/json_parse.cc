// The one file that uses simdjson; a cross build leaves it out (cmake/rooms.cmake).

#include <simdjson.h>

#include <algorithm>

#include "base/json.h"
#include "base/text.h"

namespace freehold::base {

namespace {

Error damaged(std::string_view what) {
  return Error{ErrorCode::kDamaged, "not valid JSON: " + std::string(what), {}};
}

Error too_deep(size_t depth_max) {
  return Error{
      ErrorCode::kRefused, "JSON nested deeper than " + std::to_string(depth_max) + " levels", {}};
}

Error of_simdjson(simdjson::error_code code, const JsonLimits& limits) {
  if (code == simdjson::DEPTH_ERROR) return too_deep(limits.depth_max);
  return damaged(simdjson::error_message(code));
}

}  // namespace

/// Copies simdjson's tree into ours. The parser has bounded the depth, so recursion is bounded too.
class JsonTreeBuilder {
 public:
  explicit JsonTreeBuilder(size_t depth_max) : depth_max_(depth_max) {}

  /// `depth`: arrays and objects around `element`.
  Result<JsonValue> build(const simdjson::dom::element& element, size_t depth = 0) const {
    // simdjson does not count an empty array or object as a level; this does.
    if (depth == depth_max_ && (element.is_array() || element.is_object())) {
      return too_deep(depth_max_);
    }
    JsonValue made;
    switch (element.type()) {
      case simdjson::dom::element_type::ARRAY: {
        JsonValue::Array array;
        for (const simdjson::dom::element child : simdjson::dom::array(element)) {
          array.push_back(TRY(build(child, depth + 1)));
        }
        made.content_ = std::move(array);
        break;
      }
      case simdjson::dom::element_type::OBJECT:
        made.content_ = TRY(build_object(element, depth));
        break;
      case simdjson::dom::element_type::INT64:
        made.content_ = int64_t(element);
        break;
      case simdjson::dom::element_type::UINT64:
        made.content_ = uint64_t(element);
        break;
      case simdjson::dom::element_type::DOUBLE:
        made.content_ = double(element);
        break;
      case simdjson::dom::element_type::STRING:
        made.content_ = std::string(std::string_view(element));
        break;
      case simdjson::dom::element_type::BOOL:
        made.content_ = bool(element);
        break;
      case simdjson::dom::element_type::NULL_VALUE:
        break;
    }
    return made;
  }

 private:
  Result<JsonValue::Object> build_object(const simdjson::dom::element& element,
                                         size_t depth) const {
    JsonValue::Object object;
    for (const auto [key, child] : simdjson::dom::object(element)) {
      // Built before the member: an early return from inside a braced list leaks what the list has.
      JsonValue value = TRY(build(child, depth + 1));
      object.push_back({std::string(key), std::move(value)});
    }
    // Two readers of one text must not see two values, so a repeated key is no text of ours.
    std::vector<std::string_view> keys;
    keys.reserve(object.size());
    for (const JsonMember& member : object) keys.push_back(member.key);
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice != keys.end())
      return damaged("the key \"" + std::string(*twice) + "\" is there twice");
    return object;
  }

  size_t depth_max_;
};

Result<JsonValue> JsonValue::parse(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.bytes_max) {
    return Error{ErrorCode::kRefused,
                 "JSON of " + human_bytes(text.size()) + ", at most " +
                     human_bytes(limits.bytes_max) + " are read here",
                 {}};
  }
  simdjson::dom::parser parser;
  // One more than our limit, because simdjson counts the document itself.
  if (const auto code = parser.allocate(std::max<size_t>(text.size(), 64), limits.depth_max + 1)) {
    return of_simdjson(code, limits);
  }
  simdjson::dom::element root;
  const simdjson::padded_string padded(text);
  if (const auto code = parser.parse(padded).get(root)) return of_simdjson(code, limits);
  return JsonTreeBuilder(limits.depth_max).build(root);
}

}  // namespace freehold::base
