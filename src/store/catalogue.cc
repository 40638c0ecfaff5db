#include "store/catalogue.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/json.h"
#include "base/text.h"
#include "store/catalogue_text.h"
#include "store/sha256.h"
#include "store/source/reference.h"

namespace freehold::store {

namespace {

Error damaged(std::string_view where, std::string_view what) {
  return Error{ErrorCode::kDamaged, fmt::format("the catalogue's {}: {}", where, what), {}};
}

Result<std::string> text_of(const base::JsonValue& value, std::string_view key,
                            std::string_view where) {
  const auto text = value.find_string(key);
  if (!text || text->empty()) return damaged(where, fmt::format("\"{}\" is missing", key));
  return std::string(*text);
}

/// Package names and versions become arguments of another program: letters, digits, '.', '_', '-'
/// only, and never a leading '-'.
bool is_plain_word(std::string_view text) {
  return !text.empty() && text[0] != '-' && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

Result<PackagePart> parse_part(const base::JsonValue& value, std::string_view where) {
  PackagePart part;
  part.package = TRY(text_of(value, "package", where));
  part.version = TRY(text_of(value, "version", where));
  part.member = TRY(text_of(value, "member", where));
  part.fetch_bytes = value.find_unsigned("fetch_bytes").value_or(0);
  part.bytes = value.find_unsigned("bytes").value_or(0);
  if (!is_plain_word(part.package) || !is_plain_word(part.version)) {
    return damaged(where, "a package or its version has a character it may not have");
  }
  if (part.bytes == 0 || part.fetch_bytes == 0) return damaged(where, "a part without its sizes");
  return part;
}

Result<CatalogueSource> parse_source(const base::JsonValue& value, uint64_t bytes,
                                     std::string_view where) {
  CatalogueSource source;
  source.kind = TRY(text_of(value, "kind", where));
  source.third_party = value.find_bool("third_party").value_or(false);
  const auto repository = value.find_string("repository");
  if (source.kind == kHubFile && repository) {
    source.reference = fmt::format("hf.co/{}/{}", *repository, TRY(text_of(value, "file", where)));
    const auto reference = parse_reference(source.reference);
    if (!reference.ok() || !*reference) return damaged(where, "a hub's repository or file is none");
  }
  if (source.kind != kPythonPackage) return source;
  uint64_t total = 0;
  for (const base::JsonValue& part : value.find_elements("parts")) {
    source.parts.push_back(TRY(parse_part(part, where)));
    const auto sum = base::checked_add(total, source.parts.back().bytes);
    if (!sum) return damaged(where, "its parts' sizes overflow");
    total = *sum;
  }
  if (total != bytes) return damaged(where, "its parts do not sum to its size");
  return source;
}

Result<CatalogueModel> parse_model(const base::JsonValue& value) {
  CatalogueModel model;
  for (const base::JsonValue& name : value.find_elements("names")) {
    model.names.push_back(TRY(parse_name(name.as_string().value_or(""))));
  }
  if (model.names.empty()) return damaged("model", "it has no name");
  const std::string where = model.names[0].text();
  model.description = TRY(text_of(value, "description", where));
  model.architecture = TRY(text_of(value, "architecture", where));
  model.sha256 = TRY(text_of(value, "sha256", where));
  model.upstream = TRY(text_of(value, "upstream", where));
  model.bytes = value.find_unsigned("bytes").value_or(0);
  const base::JsonValue* licence = value.find("licence");
  if (licence == nullptr) return damaged(where, "\"licence\" is missing");
  model.licence = TRY(text_of(*licence, "id", where));
  model.licence_title = TRY(text_of(*licence, "title", where));
  if (!is_sha256(model.sha256)) return damaged(where, "\"sha256\" is not 64 lower-case hex digits");
  if (model.bytes == 0) return damaged(where, "\"bytes\" is missing");
  for (const base::JsonValue& source : value.find_elements("sources")) {
    model.sources.push_back(TRY(parse_source(source, model.bytes, where)));
  }
  if (model.sources.empty()) return damaged(where, "it has no source");
  return model;
}

}  // namespace

Result<Catalogue> Catalogue::parse(std::string_view json) {
  const base::JsonValue root = TRY(base::JsonValue::parse(json));
  if (root.find_unsigned("version").value_or(0) != 1) {
    return damaged("version", "this program knows 1");
  }
  Catalogue catalogue;
  for (const base::JsonValue& value : root.find_elements("models")) {
    CatalogueModel model = TRY(parse_model(value));
    for (const ModelName& name : model.names) {
      const bool twice = std::count(model.names.begin(), model.names.end(), name) > 1;
      if (twice || catalogue.find(name) != nullptr) {
        return damaged(name.text(), "the name is there twice");
      }
    }
    catalogue.models_.push_back(std::move(model));
  }
  return catalogue;
}

Catalogue Catalogue::built_in() { return MUST(parse(kCatalogueText)); }

const CatalogueModel* Catalogue::find(const ModelName& name) const {
  for (const CatalogueModel& model : models_) {
    if (std::find(model.names.begin(), model.names.end(), name) != model.names.end()) {
      return &model;
    }
  }
  return nullptr;
}

std::vector<std::string> Catalogue::suggest(std::string_view text) const {
  constexpr size_t kCount = 3;
  constexpr size_t kLengthMax = 2 * kNamePartBytesMax + 1;
  std::vector<std::pair<size_t, std::string>> ranked;
  const std::string_view head = text.substr(0, std::min(text.find(':'), text.size()));
  for (const CatalogueModel& model : models_) {
    for (const ModelName& name : model.names) {
      const std::string known = short_text(name);
      const bool begins = !head.empty() && known.starts_with(head);
      const size_t edits = base::edit_distance(text.substr(0, kLengthMax), known);
      if (begins || edits <= 1 + known.size() / 3) ranked.emplace_back(begins ? 0 : edits, known);
    }
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> names;
  for (const auto& [edits, name] : ranked) {
    if (names.size() < kCount) names.push_back(name);
  }
  return names;
}

std::string short_text(const ModelName& name) {
  return name.tag == kDefaultTag ? name.name : name.text();
}

}  // namespace freehold::store
