#pragma once
// Models on this machine that are no names of the store: a file, a folder or a USB stick with GGUF
// files, the store of another freehold in a folder. Found by their listing alone; what they hold is
// copied and checked as from anywhere else. Also a store that a peer serves over http, file by
// file.

#include <string>
#include <string_view>

#include "io/file.h"
#include "store/name.h"
#include "store/source/ask.h"
#include "store/source/source.h"

namespace freehold::store {

/// The model at `path`: a file; a folder's only GGUF file, or the one that `wanted` (may be empty)
/// names; the model `wanted`, or the only one, of a store. A file's SHA-256 is taken from
/// "FILE.sha256" beside it where that is there. kNotFound, or kUsage with the choices.
Result<RemoteModel> find_folder_model(io::FileSystem& files, const std::string& path,
                                      std::string_view wanted);

/// Whether `address` is a record of a store that is served: ".../models/NAME/TAG.json".
bool is_peer_record(std::string_view address);
/// The record of `name` in the store served at `address`, which ends in '/'.
std::string peer_record(std::string_view address, const ModelName& name);

/// Asks for the record and says where its blob is, beside it.
Result<RemoteModel> find_peer_model(const SourceServices& services, const std::string& address,
                                    const std::string& authorization);

}  // namespace freehold::store
