#pragma once
// What the store knows of one name: a JSON file, models/NAME/TAG.json. Version 1 names a blob;
// version 2 has settings too, which a program that knows only 1 must not leave out unsaid. The
// store reads its own records as outside input: a person may have edited them.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "store/name.h"
#include "store/settings.h"

namespace freehold::store {

inline constexpr uint64_t kRecordVersion = 2;
/// Settings of kSettingsBytesMax, and room for JSON's escapes.
inline constexpr uint64_t kRecordBytesMax = 2u << 20;

struct ModelRecord {
  ModelName name;
  std::string sha256;  ///< of the blob, 64 hex digits
  uint64_t bytes = 0;
  std::string licence;  ///< SPDX id, or "unknown"
  std::string licence_title;
  std::string description;
  std::string source;        ///< where it came from, for people: "catalogue", "import"
  bool third_party = false;  ///< uploaded by someone else than its publisher
  int64_t added_s = 0;       ///< seconds since 1970 UTC
  std::string licence_link;  ///< where the text is; may be empty
  ModelSettings settings;    ///< what the name asks for besides the blob

  bool operator==(const ModelRecord&) const = default;
};

/// Whether two records name the same thing: the same blob with the same settings.
bool same_model(const ModelRecord& a, const ModelRecord& b);

std::string encode_record(const ModelRecord& record);

/// kDamaged where the text is no record, kRefused where a newer program wrote it.
Result<ModelRecord> parse_record(std::string_view text);

}  // namespace freehold::store
