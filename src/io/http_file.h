#pragma once
// A file behind an http or https address, read by ranges: what it takes to look at a model's header
// without fetching the model (io/http_client.h has the rules, io/http_download.h brings whole
// files). The server must serve ranges and say how long the file is; a file that changes between
// two ranges is an error. Blocks that were read are kept, a few at a time.

#include <memory>
#include <string>

#include "base/result.h"
#include "io/file.h"
#include "io/http_client.h"

namespace freehold::io {

/// Asks for the first block. Errors: as status_error(), kRefused (a server that serves no ranges,
/// an address that is none), kDamaged (answers that contradict each other).
Result<std::unique_ptr<ReadableFile>> open_http_file(const std::string& address,
                                                     const HttpOptions& options);

}  // namespace freehold::io
