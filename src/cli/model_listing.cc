#include "cli/model_listing.h"

namespace freehold::cli {

void write_record(base::JsonWriter& json, const store::ModelRecord& record) {
  json.begin_object()
      .field("name", record.name.text())
      .field("size", record.bytes)
      .field("sha256", record.sha256)
      .field("licence", record.licence)
      .field("description", record.description)
      .field("source", record.source)
      .field("third_party", record.third_party)
      .field("added", record.added_s)
      .end_object();
}

void write_foreign(base::JsonWriter& json, const store::ForeignModel& model) {
  json.begin_object()
      .field("name", model.name)
      .field("size", model.bytes)
      .field("sha256", model.sha256)
      .field("source", model.name.substr(0, model.name.find(':')))
      .field("path", model.path)
      .end_object();
}

}  // namespace freehold::cli
