#pragma once
// The catalogue as text, made from catalogue.json when the program is built. Internal to store.

#include <string_view>

namespace freehold::store {

extern const std::string_view kCatalogueText;

}  // namespace freehold::store
