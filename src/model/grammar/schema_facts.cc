#include "model/grammar/schema_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace freehold::model {

using base::JsonMember;
using base::JsonValue;

unsigned kind_named(std::string_view name) {
  if (name == "null") return kNullKind;
  if (name == "boolean") return kBooleanKind;
  if (name == "number" || name == "integer") return kNumberKind;
  if (name == "string") return kStringKind;
  if (name == "array") return kArrayKind;
  return name == "object" ? unsigned{kObjectKind} : 0u;
}

unsigned kind_of(const JsonValue& value) {
  if (value.is_null()) return kNullKind;
  if (value.as_bool()) return kBooleanKind;
  if (value.is_number()) return kNumberKind;
  if (value.is_string()) return kStringKind;
  return value.is_array() ? kArrayKind : kObjectKind;
}

// The depth is the reader's, at most 64.
bool json_equal(const JsonValue& a, const JsonValue& b) {  // NOLINT(misc-no-recursion)
  if (kind_of(a) != kind_of(b)) return false;
  if (a.is_number()) {
    if (a.as_integer() && b.as_integer()) return a.as_integer() == b.as_integer();
    return a.as_number() == b.as_number();
  }
  if (a.is_string()) return a.as_string() == b.as_string();
  if (a.is_array()) {
    return std::equal(a.elements().begin(), a.elements().end(), b.elements().begin(),
                      b.elements().end(), json_equal);
  }
  if (!a.is_object()) return a.as_bool() == b.as_bool();
  return a.members().size() == b.members().size() &&
         std::all_of(a.members().begin(), a.members().end(), [&](const JsonMember& member) {
           const JsonValue* other = b.find(member.key);
           return other != nullptr && json_equal(member.value, *other);
         });
}

SchemaDocument::SchemaDocument(const JsonValue& root) : root_(root) { walk(root, "#"); }

void SchemaDocument::walk(  // NOLINT(misc-no-recursion)
    const JsonValue& part, const std::string& pointer) {
  pointers_.emplace(&part, pointer);
  parts_.emplace(pointer, &part);
  for (const std::string_view keyword : {"$anchor", "$dynamicAnchor"}) {
    if (const auto anchor = part.find_string(keyword)) {
      anchors_.emplace(fmt::format("#{}", *anchor), &part);
    }
  }
  for (const JsonMember& member : part.members()) {
    std::string step;  // RFC 6901
    for (const char c : member.key) {
      if (c == '~') {
        step += "~0";
      } else if (c == '/') {
        step += "~1";
      } else {
        step += c;
      }
    }
    walk(member.value, fmt::format("{}/{}", pointer, step));
  }
  size_t index = 0;
  for (const JsonValue& element : part.elements()) {
    walk(element, fmt::format("{}/{}", pointer, index++));
  }
}

std::string SchemaDocument::where(const JsonValue& part) const {
  const auto found = pointers_.find(&part);
  return found == pointers_.end() ? "#" : found->second;
}

Error SchemaDocument::refusal(const JsonValue& schema, std::string_view keyword,
                              std::string_view why) const {
  return {ErrorCode::kRefused,
          fmt::format("the schema at {}: {} {}", base::printable(where(schema)), keyword, why),
          "leave it out and check the answer, or say it another way"};
}

Error SchemaDocument::damage(const JsonValue& schema, std::string_view keyword,
                             std::string_view wanted) const {
  return {ErrorCode::kDamaged,
          fmt::format("the schema at {}: {} is not {}", base::printable(where(schema)), keyword,
                      wanted),
          {}};
}

Result<const JsonValue*> SchemaDocument::resolve(const JsonValue& schema,
                                                 std::string_view reference) const {
  std::string wanted;  // percent signs decoded (RFC 3986)
  for (size_t i = 0; i < reference.size(); ++i) {
    unsigned code = 0;
    const std::string_view digits = reference.substr(std::min(i + 1, reference.size()), 2);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    const bool escaped =
        reference[i] == '%' && digits.size() == 2 && parsed.ptr == digits.data() + digits.size();
    wanted += escaped ? static_cast<char>(code) : reference[i];
    if (escaped) i += 2;
  }
  const auto id = root_.find_string("$id");
  if (id && wanted == *id) wanted.assign(1, '#');
  const auto part = parts_.find(wanted);
  if (part != parts_.end()) return part->second;
  const auto anchor = anchors_.find(wanted);
  if (anchor != anchors_.end()) return anchor->second;
  return refusal(schema, fmt::format("$ref {}", base::printable(reference)),
                 "leads to nothing in this document");
}

const JsonValue& SchemaDocument::target(const JsonValue& schema) const {
  const JsonValue* at = &schema;
  for (int i = 0; i < 8; ++i) {
    const auto reference = at->find_string("$ref");
    if (!reference || at->members().size() != 1) break;
    const auto resolved = resolve(*at, *reference);
    if (!resolved.ok()) break;
    at = *resolved;
  }
  return *at;
}

unsigned SchemaDocument::kinds(const JsonValue& schema) const {
  if (schema.as_bool()) return *schema.as_bool() ? kAllKinds : 0u;
  unsigned allowed = kAllKinds;
  if (const JsonValue* type = schema.find("type")) {
    allowed = type->as_string() ? kind_named(*type->as_string()) : 0;
    for (const JsonValue& name : type->elements()) {
      allowed |= kind_named(name.as_string().value_or(""));
    }
  }
  if (const JsonValue* only = schema.find("const")) allowed &= kind_of(*only);
  if (const JsonValue* list = schema.find("enum")) {
    unsigned listed = 0;
    for (const JsonValue& value : list->elements()) listed |= kind_of(value);
    allowed &= listed;
  }
  return allowed;
}

bool SchemaDocument::disjoint(const JsonValue& first,  // NOLINT(misc-no-recursion)
                              const JsonValue& second, int depth) const {
  constexpr int kDepthMax = 4;  // schemas may lead back to themselves
  if (depth > kDepthMax) return false;
  const JsonValue& a = target(first);
  const JsonValue& b = target(second);
  if (&a == &b) return false;
  const unsigned both = kinds(a) & kinds(b);
  if (both == 0) return true;
  const auto values = [](const JsonValue& schema) {
    std::vector<const JsonValue*> list;
    if (const JsonValue* only = schema.find("const")) return std::vector{only};
    for (const JsonValue& value : schema.find_elements("enum")) list.push_back(&value);
    return list;
  };
  const auto left = values(a);
  const auto right = values(b);
  if (!left.empty() && !right.empty()) {
    return std::none_of(left.begin(), left.end(), [&](const JsonValue* x) {
      return std::any_of(right.begin(), right.end(),
                         [&](const JsonValue* y) { return json_equal(*x, *y); });
    });
  }
  if (both != kObjectKind) return false;
  // A member that both require and that cannot be of both.
  const auto required = [](const JsonValue& schema, std::string_view name) {
    const auto names = schema.find_elements("required");
    return std::any_of(names.begin(), names.end(),
                       [&](const JsonValue& entry) { return entry.as_string() == name; });
  };
  const JsonValue* properties = a.find("properties");
  const JsonValue* others = b.find("properties");
  if (properties == nullptr || others == nullptr) return false;
  return std::any_of(properties->members().begin(), properties->members().end(),
                     [&](const JsonMember& member) {
                       const JsonValue* other = others->find(member.key);
                       return other != nullptr && required(a, member.key) &&
                              required(b, member.key) && disjoint(member.value, *other, depth + 1);
                     });
}

}  // namespace freehold::model
