#pragma once
// How a stored model is written as JSON, the same in every command.

#include "base/json.h"
#include "store/foreign/foreign.h"
#include "store/record.h"

namespace freehold::cli {

/// One object: name, size, sha256, licence, source, third_party, added (seconds since 1970 UTC).
void write_record(base::JsonWriter& json, const store::ModelRecord& record);
/// Of another program's: name, size, sha256 where it is known, source (its kind), path.
void write_foreign(base::JsonWriter& json, const store::ForeignModel& model);

}  // namespace freehold::cli
