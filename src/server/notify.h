#pragma once
// What systemd is told of a service of Type=notify (sd_notify(3)), without its library.

#include <string>
#include <string_view>

namespace freehold::server {

/// Sends `state` ("READY=1") to the socket that NOTIFY_SOCKET names; nothing where it is empty or
/// nobody listens.
void notify_supervisor(const std::string& socket_path, std::string_view state);

}  // namespace freehold::server
