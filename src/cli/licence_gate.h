#pragma once
// The gate that every model passes: its licence is shown before a pull, terms that ask for it are
// accepted once, and a policy (--licence-policy) says no with its reason, exit code 4. What is
// known of licences is store/licence.h.

#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/command.h"
#include "cli/session.h"

namespace freehold::cli {

inline constexpr Option kLicencePolicyOption{
    "--licence-policy", 0, OptionKind::kText, "POLICY",
    "commercial, government or research: refuse models whose licence does not allow that"};
inline constexpr Option kAcceptLicenceOption{"--accept-licence", 0, OptionKind::kText, "ID[,ID]",
                                             "accept these licences' terms, once for this store"};

/// Before `model` is fetched: shows its licence on stderr, asks the policy, and has terms accepted
/// that need it and were not yet (by --accept-licence, or by a person at the terminal). kRefused
/// with what to do next; kUsage for a policy that does not exist. `title` may be empty, `id` is as
/// its source states it, "unknown" or empty where it does not.
Status admit_pull(Context& context, const Arguments& arguments, std::string_view model,
                  std::string_view id, std::string_view title);

/// The policy alone, where one is set: a model under the licence `id`.
Status admit_licence(const Arguments& arguments, std::string_view model, std::string_view id);

/// Before a model that is here is used or imported: asks the policy, where one is set, about the
/// licence of its record, else of its file.
Status admit_use(Context& context, const Arguments& arguments, std::string_view model,
                 const NamedModel& named);

}  // namespace freehold::cli
