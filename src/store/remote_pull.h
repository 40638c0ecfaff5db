#pragma once
// What Store::pull_from() is asked for: a file that was found elsewhere, and how to open it.
// Values.

#include <functional>
#include <memory>
#include <string>

#include "store/source/source.h"

namespace freehold::store {

struct RemotePull {
  RemoteModel model;
  std::string name = {};    ///< that it gets here
  uint64_t part_bytes = 0;  ///< what a cut-off run loses at most; 0: by the file's size
  int tries = 6;            ///< in a row without getting on
  /// Nothing may be asked where there is none.
  std::function<Result<std::unique_ptr<Source>>()> open = {};
};

}  // namespace freehold::store
