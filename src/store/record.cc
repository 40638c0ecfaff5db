#include "store/record.h"

#include <fmt/format.h>

#include "store/sha256.h"

namespace freehold::store {

namespace {

std::string text_or(const base::JsonValue& root, std::string_view key, std::string_view otherwise) {
  return std::string(root.find_string(key).value_or(otherwise));
}

}  // namespace

bool same_model(const ModelRecord& a, const ModelRecord& b) {
  return a.sha256 == b.sha256 && a.settings == b.settings;
}

std::string encode_record(const ModelRecord& record) {
  std::string text;
  base::JsonWriter json(text, base::JsonWriter::Layout::kIndented);
  json.begin_object();
  json.field("version", record.settings.empty() ? uint64_t{1} : kRecordVersion);
  json.field("name", record.name.name).field("tag", record.name.tag);
  json.field("sha256", record.sha256).field("bytes", record.bytes);
  json.field("panel_checksums", "sha256-" + record.sha256 + ".crc32c");
  json.field("licence", record.licence).field("licence_title", record.licence_title);
  if (!record.licence_link.empty()) json.field("licence_link", record.licence_link);
  json.field("description", record.description);
  json.field("source", record.source).field("third_party", record.third_party);
  json.field("added_s", record.added_s);
  if (!record.settings.empty()) write_settings(json.key("settings"), record.settings);
  json.end_object();
  return text + "\n";
}

Result<ModelRecord> parse_record(std::string_view text) {
  const base::JsonValue root = TRY(base::JsonValue::parse(
      text, {.bytes_max = static_cast<size_t>(kRecordBytesMax), .depth_max = 8}));
  const uint64_t version = root.find_unsigned("version").value_or(0);
  if (version > kRecordVersion) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("a record of version {}, this program knows {}", version, kRecordVersion),
        "use a newer freehold"};
  }
  const auto name = parse_name(text_or(root, "name", "") + ":" + text_or(root, "tag", ""));
  const std::string sha256 = text_or(root, "sha256", "");
  const std::optional<uint64_t> bytes = root.find_unsigned("bytes");
  if (version == 0 || !name.ok() || !is_sha256(sha256) || !bytes) {
    return Error{ErrorCode::kDamaged, "not a model's record: version, name, tag, sha256 or bytes",
                 "remove the name and pull or import the model again"};
  }
  ModelRecord record;
  record.name = *name;
  record.sha256 = sha256;
  record.bytes = *bytes;
  record.licence = text_or(root, "licence", "unknown");
  record.licence_title = text_or(root, "licence_title", "");
  record.licence_link = text_or(root, "licence_link", "");
  record.description = text_or(root, "description", "");
  record.source = text_or(root, "source", "unknown");
  record.third_party = root.find_bool("third_party").value_or(false);
  record.added_s = root.find_integer("added_s").value_or(0);
  if (const base::JsonValue* settings = root.find("settings")) {
    record.settings = TRY(read_settings(*settings));
  }
  return record;
}

}  // namespace freehold::store
