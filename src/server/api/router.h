#pragma once
// From a request to its endpoint: the route, who may ask (access.h), the body's JSON and its
// parameters. Whatever is wrong is answered here, in the route's dialect. Any thread.

#include "server/api/endpoint.h"
#include "server/http/target.h"

namespace freehold::server {

struct RouterOptions {
  OriginPolicy origins;
};

void answer(Services& services, const RouterOptions& options, Request request,
            std::shared_ptr<Exchange> exchange);

}  // namespace freehold::server
