#pragma once
// The parameters of an endpoint's body, one table each: what a value must be, and whether it is
// honoured, changes nothing, or is refused. The same table makes the check and the document at
// /openapi.json, so that neither can promise what the other does not keep. Pure.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "server/api/api_result.h"

namespace freehold::server {

enum class Kind { kString, kInteger, kNumber, kBool, kStrings, kArray, kObject, kAny };

enum class Use {
  kHonoured,
  kAccepted,  ///< cannot change the answer (user, metadata)
  kRefused    ///< not there yet; a value that asks for nothing is fine
};

struct Parameter {
  std::string_view name;
  Kind kind = Kind::kAny;
  Use use = Use::kHonoured;
  double low = 0;  // of numbers, and of elements of arrays
  double high = 0;
  bool required = false;
  std::string_view help = {};
};

/// Bounds of whole numbers that mean counts.
inline constexpr double kCountMax = 1 << 24;

/// Whether the body's members are those of the table and what it wants; null counts as absent.
/// 400 with the parameter's name otherwise.
ApiStatus check_parameters(const base::JsonValue& body, std::span<const Parameter> table);

/// A member that is there and not null.
const base::JsonValue* find_given(const base::JsonValue& body, std::string_view name);

/// The texts of a string or an array of strings (Kind::kStrings, checked before).
std::vector<std::string> read_strings(const base::JsonValue& value);

/// The body as JSON: 400 where it is none, or deeper than any request is.
ApiResult<base::JsonValue> parse_body(std::string_view text);

/// The table as a JSON Schema object.
void write_schema(base::JsonWriter& json, std::span<const Parameter> table);

}  // namespace freehold::server
