#pragma once
// What is known of licences (licences.def), what a policy says of one, what a model's file states,
// and which terms were accepted on this machine. Not legal advice: a table and a gate. Values; any
// thread.

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/file.h"
#include "model/gguf/gguf.h"
#include "store/record.h"

namespace freehold::store {

enum class LicenceUse { kAny, kRestricted, kNonCommercial, kResearch };

struct Licence {
  std::string_view id;      ///< SPDX; "LicenseRef-…" where SPDX has none
  std::string_view hub_id;  ///< as model files and hubs write it
  std::string_view title;
  LicenceUse use = LicenceUse::kAny;
  bool needs_acceptance = false;
  std::string_view source;
};

std::span<const Licence> licences();
/// By either name, in any case; nullptr where it is not known.
const Licence* find_licence(std::string_view id);
/// "any use", "any use but those its terms forbid"…
std::string_view use_text(LicenceUse use);

/// What models are wanted for.
///   commercial  any licence that allows use for profit
///   government  licences that allow every use and ask for no terms: nobody can take them back
///   research    every licence that is known
/// A licence that is not known, or not stated, is refused by each.
enum class LicencePolicy { kCommercial, kGovernment, kResearch };

/// kUsage where `text` is no policy.
Result<LicencePolicy> parse_licence_policy(std::string_view text);

/// kRefused with the reason where `policy` does not allow `model` under the licence `id`.
Status check_licence(LicencePolicy policy, std::string_view model, std::string_view id);

/// What a file says of itself: general.license, .name and .link. The id is the SPDX one where it is
/// known, "unknown" where nothing is stated.
struct StatedLicence {
  std::string id = "unknown";
  std::string title;
  std::string link;
};
StatedLicence stated_licence(const model::Metadata& metadata);
/// Of a file; "unknown" also where it cannot be read as a model.
StatedLicence stated_licence(io::FileSystem& files, const std::string& path);
void set_licence(ModelRecord& record, const StatedLicence& stated);

/// Whether the terms of a known licence were accepted here: an empty file HOME/licences/ID.
bool is_licence_accepted(io::FileSystem& files, const std::string& home, const Licence& licence);
Status accept_licence(io::FileSystem& files, const std::string& home, const Licence& licence,
                      int64_t now_s);

}  // namespace freehold::store
