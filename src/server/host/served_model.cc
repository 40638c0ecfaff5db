#include "server/host/served_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "runtime/sampler/file_defaults.h"

namespace freehold::server {

namespace {

/// One parameter that a name asks for; the store has checked it (store/settings.def).
Status apply_parameter(ServedModel& served, const store::ModelParameter& parameter) {
  const std::string& option = parameter.option;
  const std::string& text = parameter.values.front();
  runtime::SamplingOptions& sampling = served.sampling;
  const struct {
    std::string_view option;
    float* value;
  } numbers[] = {{"temperature", &sampling.temperature},
                 {"top-p", &sampling.top_p},
                 {"min-p", &sampling.min_p},
                 {"typical", &sampling.typical},
                 {"repeat-penalty", &sampling.repeat_penalty},
                 {"frequency-penalty", &sampling.frequency_penalty},
                 {"presence-penalty", &sampling.presence_penalty}};
  for (const auto& number : numbers) {
    if (option != number.option) continue;
    *number.value = static_cast<float>(TRY(base::parse_number(text)));
    return {};
  }
  if (option == "stop") {
    served.stops = parameter.values;
    return {};
  }
  const uint64_t whole = TRY(base::parse_unsigned(text));
  if (option == "top-k") sampling.top_k = static_cast<uint32_t>(whole);
  if (option == "repeat-last") sampling.penalty_last_tokens = static_cast<uint32_t>(whole);
  if (option == "seed") served.seed = whole;
  if (option == "context") served.context = std::min(served.context, whole);
  if (option == "max-tokens") served.tokens_max = whole;
  return {};
}

}  // namespace

std::string ServedModel::sha256() const {
  constexpr std::string_view kMark = "sha256-";
  return identity.starts_with(kMark) ? identity.substr(kMark.size()) : std::string();
}

Result<model::Prompt> ServedModel::prompt(model::ChatInput input) const {
  std::vector<model::ChatMessage> first;
  const bool brings = !input.messages.empty() && (input.messages.front().role == "system" ||
                                                  input.messages.front().role == "developer");
  if (!settings.system.empty() && !brings) first.push_back({"system", settings.system, {}});
  for (const store::FirstMessage& message : settings.messages) {
    first.push_back({message.role, message.content, {}});
  }
  const auto at = input.messages.begin() + (brings ? 1 : 0);
  input.messages.insert(at, std::make_move_iterator(first.begin()),
                        std::make_move_iterator(first.end()));
  return prompts->chat(std::move(input));
}

Result<std::shared_ptr<const ServedModel>> open_served_model(io::FileSystem& files,
                                                             const std::string& name,
                                                             store::FoundModel found,
                                                             uint64_t context) {
  auto served = std::make_shared<ServedModel>();
  served->name = name;
  served->path = found.path;
  served->settings = std::move(found.settings);
  if (!served->settings.adapter.empty()) {
    return Error{ErrorCode::kRefused,
                 fmt::format("the model asks for the adapter {}, and adapters are not there yet",
                             base::printable(served->settings.adapter)),
                 "ask for the model it is based on"};
  }
  auto file = std::make_unique<model::GgufModel>(TRY(model::GgufModel::open(files, found.path)));
  served->header = TRY(runtime::Model::open(std::move(file)));
  const model::Metadata& metadata = served->header->file().metadata();
  served->identity = TRY(served->header->identity());
  served->tokenizer = TRY(model::Tokenizer::create(metadata));
  served->context = std::min<uint64_t>(context, served->header->parameters().context_trained);
  TRY(runtime::apply_file_defaults(metadata, served->sampling));
  for (const store::ModelParameter& parameter : served->settings.parameters) {
    TRY(apply_parameter(*served, parameter));
  }
  std::optional<std::string_view> source = metadata.find_string("tokenizer.chat_template");
  if (!served->settings.chat_template.empty()) source = served->settings.chat_template;
  served->prompts = TRY(model::PromptMaker::create(*served->tokenizer, source));
  return served;
}

}  // namespace freehold::server
