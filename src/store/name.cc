#include "store/name.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "store/foreign/foreign.h"

namespace freehold::store {

namespace {

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_part(std::string_view text) {
  if (text.empty() || text.size() > kNamePartBytesMax || !is_letter_or_digit(text[0])) return false;
  if (text.find("..") != std::string_view::npos) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-';
  });
}

/// What a person typed, cut and without control characters, for messages.
std::string shown(std::string_view text) {
  std::string safe;
  for (const char c : text.substr(0, 160)) {
    safe += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  }
  return safe;
}

}  // namespace

Result<ModelName> parse_name(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const std::string_view tag =
      colon == std::string_view::npos ? kDefaultTag : text.substr(colon + 1);
  if (!is_part(name) || !is_part(tag) || text.ends_with(".gguf")) {
    return Error{
        ErrorCode::kUsage, fmt::format("'{}' is not a model name", shown(text)),
        fmt::format("a name is NAME or NAME:TAG, each 1 to {} letters, digits, '.', '_' or "
                    "'-', starting with a letter or digit",
                    kNamePartBytesMax)};
  }
  if (is_foreign_prefix(name)) {
    return Error{
        ErrorCode::kUsage,
        fmt::format("'{}' is a name in another program's store, which is only read", shown(text)),
        "bring it into this one: freehold import " + shown(text)};
  }
  return ModelName{std::string(name), std::string(tag)};
}

bool is_path(std::string_view model) {
  return model.find('/') != std::string_view::npos || model.ends_with(".gguf");
}

bool same_but_for_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return base::lower_case(x) == base::lower_case(y);
         });
}

}  // namespace freehold::store
