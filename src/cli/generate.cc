#include "cli/generate.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/random.h"
#include "base/text.h"
#include "cli/answer_form.h"
#include "runtime/sampler/file_defaults.h"
#include "runtime/sampler/stop_strings.h"

namespace freehold::cli {

namespace {

constexpr uint64_t kDefaultContext = 8192;
constexpr int64_t kMany = 1 << 24;
/// Long passes read streamed weights less often; a tight budget shortens them.
constexpr size_t kPassColumnsMax = 512;
constexpr size_t kPassColumnsMin = 32;

/// "15043=-1.5", "15043+1", "15043-1" or "15043:1".
Result<std::pair<int32_t, float>> parse_bias(std::string_view text) {
  const Error bad{ErrorCode::kUsage, fmt::format("--logit-bias: '{}' is not ID=NUMBER", text),
                  "as in --logit-bias 15043=-1.5"};
  const size_t at = text.find_first_of("=:+-");
  if (at == std::string_view::npos || at == 0) return bad;
  const auto token = base::parse_integer(text.substr(0, at));
  const bool sign_counts = text[at] == '-';
  std::string_view number = text.substr(sign_counts ? at : at + 1);
  if (number.starts_with('+')) number.remove_prefix(1);
  const auto bias = base::parse_number(number);
  if (!token.ok() || !bias.ok() || *token < 0 || *token > INT32_MAX) return bad;
  return std::pair{static_cast<int32_t>(*token), static_cast<float>(*bias)};
}

}  // namespace

const char* Answer::why() const {
  if (interrupted) return "the user";
  if (stop_string) return "a stop string";
  switch (finish) {
    case runtime::FinishReason::kLength:
      return "--max-tokens";
    case runtime::FinishReason::kContext:
      return "the context";
    default:
      return "the model";
  }
}

Result<std::unique_ptr<Generator>> Generator::create(Context& context, const Arguments& asked,
                                                     const std::string& name, Machine& machine) {
  auto generator = std::make_unique<Generator>(context, machine);
  NamedModel named = TRY(open_named_model(context, name));
  TRY(admit_use(context, asked, name, named));
  for (const std::string& note : named.found.notes) {
    context.err.write(fmt::format("note: {}\n", note));
  }
  generator->settings_ = std::move(named.found.settings);
  generator->arguments_ = TRY(generator->with_settings(asked));
  const Arguments& arguments = generator->started_ = generator->arguments_;
  auto file = std::move(named.file);
  generator->tokenizer_ = TRY(model::Tokenizer::create(file->metadata()));
  generator->masks_ = TRY(answer_masks(context, arguments, *generator->tokenizer_));
  TRY(runtime::apply_file_defaults(file->metadata(), generator->file_sampling_));
  TRY(generator->read_options(arguments));
  const auto type = TRY(cache_type(arguments, ops::CacheType::kF16));
  generator->model_ = TRY(runtime::Model::open(std::move(file)));
  TRY(generator->model_->require_logits());
  const model::HyperParameters& parameters = generator->model_->parameters();
  TRY(runtime::check_sampling(generator->sampling_, parameters.vocabulary));
  const auto trained = static_cast<int64_t>(parameters.context_trained);
  generator->context_length_ = static_cast<uint64_t>(TRY(arguments.integer(
      "--context", 1, kMany, std::min<int64_t>(static_cast<int64_t>(kDefaultContext), trained))));
  if (generator->context_length_ > parameters.context_trained) {
    context.err.write(
        fmt::format("note: the model was trained on {} tokens; {} may not work well\n",
                    parameters.context_trained, generator->context_length_));
  }
  TRY(generator->read_template());
  generator->adapters_ = TRY(open_adapters(context, arguments, *generator->model_));
  const auto& adapters = generator->adapters_.applied;
  generator->plan_ = TRY(load_weights(context, arguments, *generator->model_,
                                      {.cache_type = type,
                                       .positions = generator->context_length_,
                                       .sequences = 2,
                                       .columns_max = kPassColumnsMax,
                                       .columns_min = kPassColumnsMin,
                                       .adapters = generator->adapters_.bytes(),
                                       .adapter_rank_max = runtime::rank_max_of(adapters),
                                       .saves_cache = !generator->prompt_cache_.empty()},
                                      machine));
  TRY(generator->adapters_.load(context, machine));
  const std::string identity =
      fmt::format("{} {}{}{}", kNumericsProfile, TRY(generator->model_->identity()),
                  adapters.empty() ? "" : " adapters ", runtime::identity_of(adapters));
  generator->engine_ =
      TRY(runtime::Engine::create({.model = *generator->model_,
                                   .pool = *machine.pool,
                                   .account = machine.account,
                                   .isa = machine.isa,
                                   .cache_type = type,
                                   .cache_positions = generator->context_length_,
                                   .context = generator->context_length_,
                                   .columns_max = generator->plan_.columns_max,
                                   .adapter_rank_max = runtime::rank_max_of(adapters),
                                   .model_id = identity}));
  generator->conversation_ = TRY(generator->engine_->open_conversation());
  TRY(generator->open_prompt_cache(type));
  return generator;
}

Result<Arguments> Generator::with_settings(const Arguments& asked) {
  if (!settings_.adapter.empty()) {
    return Error{ErrorCode::kRefused,
                 fmt::format("the model asks for the adapter {}, and adapters are not there yet",
                             base::printable(settings_.adapter)),
                 "run the model it is based on"};
  }
  Arguments arguments = asked;
  for (const store::ModelParameter& parameter : settings_.parameters) {
    arguments.add_model_default("--" + parameter.option, parameter.values);
  }
  if (!settings_.system.empty()) arguments.add_model_default("--system", {settings_.system});
  system_ = arguments.text_or("--system", "");
  return arguments;
}

std::vector<model::ChatMessage> Generator::first_messages(std::string_view system) const {
  std::vector<model::ChatMessage> messages;
  if (!system.empty()) messages.push_back({"system", std::string(system), {}});
  for (const store::FirstMessage& message : settings_.messages) {
    messages.push_back({message.role, message.content, {}});
  }
  return messages;
}

Status Generator::set_option(std::string_view option, std::vector<std::string> values) {
  Arguments before = arguments_;
  const auto sampling = sampling_;
  const auto stops = stops_;
  const auto variables = variables_;
  const auto tokens_max = tokens_max_;
  arguments_.set(option, values.empty() ? started_.list(option) : std::move(values));
  Status read = read_answer_options(arguments_);
  if (read.ok()) read = runtime::check_sampling(sampling_, model_->parameters().vocabulary);
  if (read.ok()) return read;
  arguments_ = std::move(before);
  sampling_ = sampling;
  stops_ = stops;
  variables_ = variables;
  tokens_max_ = tokens_max;
  return read;
}

Status Generator::read_answer_options(const Arguments& arguments) {
  const uint64_t seed = sampling_.seed;
  sampling_ = file_sampling_;
  variables_.clear();
  if (const auto think = arguments.text("--think")) {
    if (*think != "on" && *think != "off") {
      return Error{ErrorCode::kUsage, fmt::format("--think is '{}'", base::printable(*think)),
                   "it is on or off"};
    }
    // The names that templates in use look for.
    const model::TemplateValue value{*think == "on"};
    variables_.push_back({"enable_thinking", value});
    variables_.push_back({"thinking", value});
  }
  tokens_max_ = static_cast<uint64_t>(TRY(arguments.integer("--max-tokens", 0, kMany, 0)));
  stops_ = arguments.list("--stop");
  TRY(read_sampling(arguments));
  TRY(read_dry(arguments));
  for (const std::string& text : arguments.list("--logit-bias")) {
    sampling_.logit_bias.push_back(TRY(parse_bias(text)));
  }
  const auto asked = arguments.text("--seed");
  sampling_.seed = asked ? TRY(base::parse_unsigned(*asked)) : seed;
  return {};
}

Status Generator::read_options(const Arguments& arguments) {
  sampling_.seed = TRY(base::system_entropy());
  TRY(read_answer_options(arguments));
  raw_ = TRY(arguments.flag("--raw"));
  prompt_cache_ = arguments.text_or("--prompt-cache", "off");
  if (prompt_cache_ == "on") prompt_cache_ = context_.home + "/prompts";
  if (prompt_cache_ == "off") prompt_cache_.clear();
  const auto bytes = base::parse_size(arguments.text_or("--prompt-cache-bytes", "4G"));
  if (!bytes.ok()) {
    return Error{ErrorCode::kUsage, "--prompt-cache-bytes is no size", "give bytes, as in 4G"};
  }
  prompt_cache_bytes_ = *bytes;
  return {};
}

Status Generator::read_sampling(const Arguments& arguments) {
  const auto number = [&](std::string_view option, double low, double high,
                          float& value) -> Status {
    value = static_cast<float>(TRY(arguments.number(option, low, high, value)));
    return {};
  };
  TRY(number("--temperature", 0, 1000, sampling_.temperature));
  TRY(number("--top-p", 0, 1, sampling_.top_p));
  TRY(number("--min-p", 0, 1, sampling_.min_p));
  TRY(number("--typical", 0, 1, sampling_.typical));
  TRY(number("--repeat-penalty", 1e-3, 1000, sampling_.repeat_penalty));
  TRY(number("--frequency-penalty", -100, 100, sampling_.frequency_penalty));
  TRY(number("--presence-penalty", -100, 100, sampling_.presence_penalty));
  sampling_.top_k =
      static_cast<uint32_t>(TRY(arguments.integer("--top-k", 0, kMany, sampling_.top_k)));
  sampling_.penalty_last_tokens = static_cast<uint32_t>(
      TRY(arguments.integer("--repeat-last", 0, kMany, sampling_.penalty_last_tokens)));
  return {};
}

Status Generator::read_dry(const Arguments& arguments) {
  runtime::DryOptions& dry = sampling_.dry;
  dry.multiplier = static_cast<float>(TRY(arguments.number("--dry-multiplier", 0, 100, 0)));
  dry.base = static_cast<float>(TRY(arguments.number("--dry-base", 1, 100, 1.75)));
  dry.allowed_length =
      static_cast<uint32_t>(TRY(arguments.integer("--dry-allowed-length", 0, kMany, 2)));
  dry.last_tokens = static_cast<uint32_t>(TRY(arguments.integer("--dry-last", 0, kMany, 0)));
  if (dry.multiplier == 0) return {};
  std::vector<std::string> breakers = arguments.list("--dry-breaker");
  if (breakers.empty()) breakers = {"\n", ":", "\"", "*"};
  for (size_t token = 0; token < tokenizer_->vocabulary_size(); ++token) {
    const auto id = static_cast<model::TokenId>(token);
    const std::string bytes = tokenizer_->token_bytes(id);
    const bool breaks = tokenizer_->is_control(id) ||
                        std::any_of(breakers.begin(), breakers.end(), [&](const std::string& text) {
                          return bytes.find(text) != std::string::npos;
                        });
    if (breaks) dry.breakers.push_back(id);
  }
  return {};
}

Status Generator::read_template() {
  std::optional<std::string_view> source;
  if (!raw_) source = model_->file().metadata().find_string("tokenizer.chat_template");
  if (!raw_ && !settings_.chat_template.empty()) source = settings_.chat_template;
  if (!raw_ && !source) {
    context_.err.write("note: the model has no chat template; it completes the text as it is\n");
  }
  prompt_maker_ = TRY(model::PromptMaker::create(*tokenizer_, source));
  return {};
}

Result<model::Prompt> Generator::make_prompt(
    const std::vector<model::ChatMessage>& messages) const {
  model::ChatInput input;
  input.messages = messages;
  input.variables = variables_;
  if (!raw_) return prompt_maker_->chat(std::move(input));
  const std::string text = TRY(prompt_maker_->chat_text(std::move(input)));
  return prompt_maker_->text(text, model::SpecialTokens::kParse);
}

Result<uint64_t> Generator::prompt_length(const std::vector<model::ChatMessage>& messages) const {
  const model::Prompt prompt = TRY(make_prompt(messages));
  return prompt.tokens.size();
}

Result<Answer> Generator::answer(const std::vector<model::ChatMessage>& messages,
                                 const std::function<void(std::string_view)>& show,
                                 uint64_t tokens_max) {
  runtime::GenerateRequest request;
  model::Prompt prompt = TRY(make_prompt(messages));
  request.prompt = std::move(prompt.tokens);
  prompt_thinks_ = prompt.thinks;
  request.sampling = sampling_;
  request.tokens_max = tokens_max_;
  if (tokens_max > 0 && (tokens_max_ == 0 || tokens_max < tokens_max_)) {
    request.tokens_max = tokens_max;
  }
  request.context = context_length_;
  request.ends = [this](model::TokenId token) { return tokenizer_->ends_generation(token); };
  request.conversation = conversation_;
  if (masks_ != nullptr) request.grammar = std::make_shared<model::GrammarMatcher>(masks_);
  request.adapters = adapters_.applied;
  load_prompt_cache(request.prompt);
  Answer answer;
  TRY(generate(std::move(request), answer, show));
  save_prompt_cache();
  return answer;
}

Status Generator::open_prompt_cache(ops::CacheType type) {
  if (prompt_cache_.empty()) return {};
  // A folder within one that is not there was mistyped.
  if (prompt_cache_ != context_.home + "/prompts") {
    TRY(context_.files.stat(io::parent_path(prompt_cache_)));
  }
  auto opened = runtime::PromptFolder::open(
      {.files = context_.files,
       .path = prompt_cache_,
       .scope = {std::string(kNumericsProfile), engine_->cache().spec().model_id,
                 std::string(ops::cache_type_name(type)), runtime::identity_of(adapters_.applied)},
       .bytes_max = prompt_cache_bytes_});
  if (opened.ok()) {
    prompts_.emplace(*std::move(opened));
  } else {
    context_.err.write(fmt::format("note: nothing is kept: {}\n", opened.error().message));
  }
  return {};
}

void Generator::load_prompt_cache(std::span<const model::TokenId> prompt) {
  if (!prompts_) return;
  std::vector<std::string> notes;
  const auto kept = prompts_->find(prompt, engine_->shared_tokens(conversation_, prompt), notes);
  if (kept) {
    const Status restored = engine_->restore_conversation(conversation_, *kept, adapters_.applied);
    if (!restored.ok()) notes.push_back(fmt::format("{}", restored.error().message));
  }
  for (const std::string& note : notes) context_.err.write(fmt::format("note: {}\n", note));
}

void Generator::save_prompt_cache() {
  if (!prompts_) return;
  const Status saved = prompts_->save(engine_->save_conversation(conversation_));
  if (!saved.ok()) {
    context_.err.write(
        fmt::format("note: the conversation is not kept: {}\n", saved.error().message));
  }
}

Status Generator::generate(runtime::GenerateRequest request, Answer& answer,
                           const std::function<void(std::string_view)>& show) {
  model::Detokenizer detokenizer(*tokenizer_);
  runtime::StopStrings stops(stops_);
  const auto emit = [&](const std::string& piece) {
    answer.text += piece;
    show(piece);
  };
  const int64_t begin = context_.clock.monotonic_ns();
  int64_t first = 0;
  const runtime::RequestId id = TRY(engine_->submit(std::move(request)));
  while (answer.finish == runtime::FinishReason::kNone && !stops.stopped()) {
    if (context_.interrupted.load()) {
      answer.interrupted = true;
      break;
    }
    for (runtime::TokenEvent& event : TRY(engine_->step())) {
      if (event.error) return *std::move(event.error);
      const int64_t now = context_.clock.monotonic_ns();
      if (first == 0) first = now;
      answer.prefill_tokens = event.counts.prompt_tokens - event.counts.reused_tokens;
      answer.decode_tokens = event.counts.answer_tokens - 1;
      answer.first_token_seconds = static_cast<double>(first - begin) * 1e-9;
      answer.decode_seconds = static_cast<double>(now - first) * 1e-9;
      answer.finish = event.finish;
      if (event.finish != runtime::FinishReason::kStop)
        emit(stops.push(detokenizer.push(event.token)));
    }
  }
  engine_->cancel(id);
  answer.stop_string = stops.stopped();
  if (!stops.stopped()) emit(stops.push(detokenizer.finish()));
  if (!stops.stopped()) emit(stops.finish());
  return {};
}

}  // namespace freehold::cli
