#pragma once
// The words beside a status number (RFC 9110, section 15).

#include <string_view>

namespace freehold::server {

std::string_view status_text(int status);

}  // namespace freehold::server
