#include "store/licence.h"

#include <fmt/format.h>

#include "base/text.h"
#include "store/name.h"
#include "store/store_files.h"

namespace freehold::store {

namespace {

constexpr Licence kLicences[] = {
#define FREEHOLD_LICENCE(id, hub_id, title, use, acceptance, source) \
  {id, hub_id, title, LicenceUse::use, acceptance, source},
#include "store/licences.def"
#undef FREEHOLD_LICENCE
};

std::string acceptance_path(const std::string& home, const Licence& licence) {
  return fmt::format("{}/licences/{}", home, licence.id);
}

/// Why a policy says no; empty where it says yes.
std::string reason(LicencePolicy policy, const Licence& licence) {
  if (policy == LicencePolicy::kResearch) return {};
  if (licence.use == LicenceUse::kNonCommercial || licence.use == LicenceUse::kResearch) {
    return fmt::format("{} allows {} only", licence.title, use_text(licence.use));
  }
  if (policy == LicencePolicy::kGovernment && licence.use != LicenceUse::kAny) {
    return fmt::format("{} allows {}, by terms that its author may change", licence.title,
                       use_text(licence.use));
  }
  return {};
}

std::string_view policy_name(LicencePolicy policy) {
  switch (policy) {
    case LicencePolicy::kCommercial:
      return "commercial";
    case LicencePolicy::kGovernment:
      return "government";
    case LicencePolicy::kResearch:
      return "research";
  }
  return "";
}

}  // namespace

std::span<const Licence> licences() { return kLicences; }

const Licence* find_licence(std::string_view id) {
  for (const Licence& licence : kLicences) {
    if (same_but_for_case(licence.id, id) || same_but_for_case(licence.hub_id, id)) {
      return &licence;
    }
  }
  return nullptr;
}

std::string_view use_text(LicenceUse use) {
  switch (use) {
    case LicenceUse::kAny:
      return "any use";
    case LicenceUse::kRestricted:
      return "any use but those its terms forbid";
    case LicenceUse::kNonCommercial:
      return "non-commercial use";
    case LicenceUse::kResearch:
      return "research";
  }
  return "";
}

Result<LicencePolicy> parse_licence_policy(std::string_view text) {
  for (const LicencePolicy policy :
       {LicencePolicy::kCommercial, LicencePolicy::kGovernment, LicencePolicy::kResearch}) {
    if (text == policy_name(policy)) return policy;
  }
  return Error{ErrorCode::kUsage,
               fmt::format("there is no licence policy {}", base::printable(text)),
               "it is commercial, government or research"};
}

Status check_licence(LicencePolicy policy, std::string_view model, std::string_view id) {
  const Licence* licence = find_licence(id);
  std::string why;
  if (licence != nullptr) {
    why = reason(policy, *licence);
  } else if (id.empty() || id == "unknown") {
    why = "nothing states its licence";
  } else {
    why = fmt::format("its licence, {}, is none that is known here", base::printable(id));
  }
  if (why.empty()) return {};
  return Error{ErrorCode::kRefused,
               fmt::format("the policy {} does not allow {}: {}", policy_name(policy),
                           base::printable(model), why),
               "choose another model, or another --licence-policy"};
}

StatedLicence stated_licence(const model::Metadata& metadata) {
  StatedLicence stated;
  const auto text = [&metadata](const char* key) {
    // What a person is shown and a record keeps: one line of it, and not endless.
    constexpr size_t kBytesMax = 300;
    std::string line;
    for (const char c : metadata.find_string(key).value_or("").substr(0, kBytesMax)) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) break;
      line += c;
    }
    return line;
  };
  stated.link = text("general.license.link");
  stated.title = text("general.license.name");
  const std::string id = text("general.license");
  const Licence* known = find_licence(id);
  // "other" says that the name is in the next key.
  if (known == nullptr) known = find_licence(stated.title);
  if (known != nullptr) {
    stated.id = known->id;
    if (stated.title.empty() || find_licence(stated.title) != nullptr) stated.title = known->title;
  } else if (!id.empty()) {
    stated.id = id;
  }
  return stated;
}

StatedLicence stated_licence(io::FileSystem& files, const std::string& path) {
  const auto file = model::GgufModel::open(files, path);
  return file.ok() ? stated_licence(file->metadata()) : StatedLicence{};
}

void set_licence(ModelRecord& record, const StatedLicence& stated) {
  record.licence = stated.id;
  record.licence_title = stated.title;
  record.licence_link = stated.link;
}

bool is_licence_accepted(io::FileSystem& files, const std::string& home, const Licence& licence) {
  return files.stat(acceptance_path(home, licence)).ok();
}

Status accept_licence(io::FileSystem& files, const std::string& home, const Licence& licence,
                      int64_t now_s) {
  const std::string path = acceptance_path(home, licence);
  TRY(files.make_directories(io::parent_path(path)));
  return write_durably(files, path + ".new", path, fmt::format("accepted {}\n", now_s));
}

}  // namespace freehold::store
