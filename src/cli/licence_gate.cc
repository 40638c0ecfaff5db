#include "cli/licence_gate.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "store/licence.h"
#include "store/name.h"

namespace freehold::cli {

namespace {

std::string licence_line(const store::Licence* known, std::string_view id, std::string_view title) {
  if (known != nullptr) {
    return fmt::format("licence: {} ({}): {}; {}\n", known->title, known->id,
                       store::use_text(known->use), known->source);
  }
  if (id.empty() || id == "unknown") return "licence: not stated\n";
  return fmt::format("licence: {}, which is none that is known here\n",
                     base::printable(title.empty() ? id : title));
}

bool accepts_by_option(const Arguments& arguments, const store::Licence& licence) {
  const std::string accepted = arguments.text_or("--accept-licence", "");
  const auto ids = base::split(accepted, ',');
  return std::any_of(ids.begin(), ids.end(), [&licence](std::string_view id) {
    return store::same_but_for_case(id, licence.id) || store::same_but_for_case(id, licence.hub_id);
  });
}

bool accepts_at_terminal(Context& context) {
  if (!context.in.is_terminal() || !context.err_is_terminal) return false;
  context.err.write("Do you accept these terms? [y/N] ");
  const auto answer = context.in.read_line();
  return answer && (*answer == "y" || *answer == "Y" || *answer == "yes");
}

}  // namespace

Status admit_licence(const Arguments& arguments, std::string_view model, std::string_view id) {
  const auto policy = arguments.text("--licence-policy");
  if (!policy || policy->empty()) return {};
  return store::check_licence(TRY(store::parse_licence_policy(*policy)), model, id);
}

Status admit_pull(Context& context, const Arguments& arguments, std::string_view model,
                  std::string_view id, std::string_view title) {
  const store::Licence* known = store::find_licence(id);
  context.err.write(licence_line(known, id, title));
  TRY(admit_licence(arguments, model, id));
  if (known == nullptr || !known->needs_acceptance) return {};
  if (store::is_licence_accepted(context.files, context.home, *known)) return {};
  if (!accepts_by_option(arguments, *known) && !accepts_at_terminal(context)) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("{} comes under {}, whose terms have to be accepted first",
                    base::printable(model), known->title),
        fmt::format("read {}, then pull it with --accept-licence {}", known->source, known->id)};
  }
  return store::accept_licence(context.files, context.home, *known,
                               context.clock.wall_ns() / 1'000'000'000);
}

Status admit_use(Context&, const Arguments& arguments, std::string_view model,
                 const NamedModel& named) {
  std::string id = named.found.licence;
  if (id.empty() || id == "unknown") id = store::stated_licence(named.file->metadata()).id;
  return admit_licence(arguments, model, id);
}

}  // namespace freehold::cli
