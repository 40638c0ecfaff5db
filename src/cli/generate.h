#pragma once
// Text in, text out for one model: template, tokenizer, engine, detokenizer and stop strings put
// together for the terminal. One conversation at a time; one thread.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/licence_gate.h"
#include "cli/session.h"
#include "model/prompt/prompt.h"
#include "model/tokenizer/tokenizer.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/prompt_folder.h"

namespace freehold::cli {

inline constexpr Option kGenerateOptions[] = {
    {"--raw", 0, OptionKind::kFlag, "",
     "complete the text as it is, without the model's chat template"},
    {"--max-tokens", 'n', OptionKind::kInteger, "N",
     "most tokens of the answer; default: until it stops"},
    {"--temperature", 0, OptionKind::kNumber, "T", "0 takes the likeliest token; default 0.8"},
    {"--top-k", 0, OptionKind::kInteger, "K", "keep the K likeliest, 0: off; default 40"},
    {"--top-p", 0, OptionKind::kNumber, "P",
     "keep the likeliest up to this share, 1: off; default 0.95"},
    {"--min-p", 0, OptionKind::kNumber, "P",
     "keep what is at least P times the likeliest, 0: off; default 0.05"},
    {"--typical", 0, OptionKind::kNumber, "P", "locally typical sampling, 1: off; default 1"},
    {"--repeat-penalty", 0, OptionKind::kNumber, "X",
     "penalty for tokens seen lately, 1: off; default 1"},
    {"--repeat-last", 0, OptionKind::kInteger, "N", "how many tokens count as lately; default 64"},
    {"--frequency-penalty", 0, OptionKind::kNumber, "X", "penalty per occurrence; default 0"},
    {"--presence-penalty", 0, OptionKind::kNumber, "X", "penalty for having occurred; default 0"},
    {"--dry-multiplier", 0, OptionKind::kNumber, "X",
     "penalty for repeating sequences, 0: off; default 0"},
    {"--dry-base", 0, OptionKind::kNumber, "X", "growth of that penalty per token; default 1.75"},
    {"--dry-allowed-length", 0, OptionKind::kInteger, "N",
     "repetitions shorter than this are free; default 2"},
    {"--dry-last", 0, OptionKind::kInteger, "N",
     "how far back repetitions are sought, 0: everywhere"},
    {"--dry-breaker", 0, OptionKind::kList, "TEXT",
     "text that no repetition spans; may be given again; "
     "default: newline, colon, quote and asterisk"},
    {"--logit-bias", 0, OptionKind::kList, "ID=X", "added to a token's score; may be given again"},
    {"--stop", 0, OptionKind::kList, "TEXT", "end the answer before this text; may be given again"},
    {"--seed", 0, OptionKind::kText, "N",
     "seed of the draw; default: from the system, shown by --verbose"},
    {"--system", 0, OptionKind::kText, "TEXT", "system prompt"},
    {"--hide-thinking", 0, OptionKind::kFlag, "",
     "leave out what the model thinks before it answers"},
    {"--history", 0, OptionKind::kText, "on|off",
     "keep what is typed in a chat in HOME/chat-history; default on"},
    {"--file", 0, OptionKind::kList, "FILE", "text before the prompt; may be given again"},
    {"--think", 0, OptionKind::kText, "on|off",
     "for models that can do both: think before the answer or not"},
    {"--context", 'c', OptionKind::kInteger, "N",
     "most tokens of prompt and answer; default 8192 or the model's own"},
    {"--prompt-cache", 0, OptionKind::kText, "DIR|on|off",
     "keep what was computed of conversations in DIR (on: HOME/prompts), and go on from the one "
     "that begins alike; default off"},
    {"--prompt-cache-bytes", 0, OptionKind::kText, "BYTES",
     "most that DIR may take, as in 4G; default 4G"},
    kThreadsOption,
    kIsaOption,
    kKvOption,
    kAdapterOption,
    kMemoryOption,
    kReadsOption,
    kMirrorOption,
    {"--speculate", 0, OptionKind::kText, "KIND",
     "auto or off; ngram, draft and mtp are not there yet"},
    {"--draft", 0, OptionKind::kText, "MODEL", "draft model", false},
    {"--schema", 0, OptionKind::kText, "FILE|JSON", "JSON Schema that the answer follows"},
    {"--grammar", 0, OptionKind::kText, "FILE", "GBNF grammar that the answer follows"},
    {"--format", 0, OptionKind::kText, "json", "json: the answer is a JSON object"},
    {"--receipt", 0, OptionKind::kText, "FILE", "write a receipt of the answer", false},
    kOfflineOption,
    kLicencePolicyOption,
    {"--local", 0, OptionKind::kFlag, "", "do not use a running server"},
    {"--verbose", 0, OptionKind::kFlag, "", "statistics on stderr"},
};

/// What an answer was and what it cost.
struct Answer {
  std::string text;
  runtime::FinishReason finish = runtime::FinishReason::kNone;
  bool stop_string = false;
  bool interrupted = false;
  uint64_t prefill_tokens = 0;
  uint64_t reused_tokens = 0;  // of the prompt, computed before
  uint64_t decode_tokens = 0;
  double first_token_seconds = 0;
  double decode_seconds = 0;

  double prefill_tokens_per_second() const {
    return first_token_seconds > 0 ? static_cast<double>(prefill_tokens) / first_token_seconds : 0;
  }
  double decode_tokens_per_second() const {
    return decode_seconds > 0 ? static_cast<double>(decode_tokens) / decode_seconds : 0;
  }
  /// "the model", "--max-tokens", "the context", "a stop string" or "the user".
  const char* why() const;
};

class Generator {
 public:
  /// Loads MODEL and prepares a conversation with the options of kGenerateOptions. `machine`
  /// outlives it.
  static Result<std::unique_ptr<Generator>> create(Context& context, const Arguments& arguments,
                                                   const std::string& model, Machine& machine);
  /// Half made: create() is the way in.
  Generator(Context& context, Machine& machine) : context_(context), machine_(machine) {}

  /// Answers `messages`; `show` gets the text in pieces that never split a UTF-8 sequence. What the
  /// conversation shares with the one before is not computed again. `tokens_max` bounds the answer
  /// beside --max-tokens; 0: not.
  Result<Answer> answer(const std::vector<model::ChatMessage>& messages,
                        const std::function<void(std::string_view)>& show, uint64_t tokens_max = 0);
  /// Whether the prompt of the answer under way begins a thought, as some templates do.
  bool prompt_thinks() const { return prompt_thinks_; }
  /// How many tokens `messages` are as a prompt.
  Result<uint64_t> prompt_length(const std::vector<model::ChatMessage>& messages) const;

  /// Sets an option of kGenerateOptions that only concerns answers; no `values`: back to what it
  /// was at the start. Where a value is refused, nothing changes.
  Status set_option(std::string_view option, std::vector<std::string> values);
  /// What is in force: what the user said, over what the model's name asks for.
  const Arguments& arguments() const { return arguments_; }

  /// --system, or what the model's name asks for; may be empty.
  const std::string& system_prompt() const { return system_; }
  /// How every conversation begins: the system prompt, then the first messages that the model's
  /// name asks for.
  std::vector<model::ChatMessage> first_messages(std::string_view system) const;

  uint64_t seed() const { return sampling_.seed; }
  uint64_t context_length() const { return context_length_; }
  const runtime::Model& model() const { return *model_; }
  const runtime::MemoryPlan& plan() const { return plan_; }
  uint64_t memory_held() const { return machine_.account.held_total(); }

 private:
  /// What the model's name asks for, under what the user said.
  Result<Arguments> with_settings(const Arguments& arguments);
  Status read_options(const Arguments& arguments);
  Status read_answer_options(const Arguments& arguments);
  Status read_sampling(const Arguments& arguments);
  Status read_dry(const Arguments& arguments);
  Status read_template();
  Status open_prompt_cache(ops::CacheType type);
  /// Goes on from what was kept of a conversation that begins like `prompt`. What cannot be used is
  /// said and computed.
  void load_prompt_cache(std::span<const model::TokenId> prompt);
  /// What cannot be kept is said: there is an answer.
  void save_prompt_cache();
  Result<model::Prompt> make_prompt(const std::vector<model::ChatMessage>& messages) const;
  Status generate(runtime::GenerateRequest request, Answer& answer,
                  const std::function<void(std::string_view)>& show);

  Context& context_;
  Machine& machine_;
  std::unique_ptr<runtime::Model> model_;
  std::unique_ptr<model::Tokenizer> tokenizer_;
  std::optional<model::PromptMaker> prompt_maker_;
  std::shared_ptr<model::TokenMasks> masks_;  // nullptr: answers are free
  Adapters adapters_;
  runtime::MemoryPlan plan_;
  std::unique_ptr<runtime::Engine> engine_;
  runtime::ConversationId conversation_{};
  Arguments arguments_;
  Arguments started_;                       // arguments_ as they were
  runtime::SamplingOptions file_sampling_;  // what the model's file asks for
  runtime::SamplingOptions sampling_;
  store::ModelSettings settings_;
  std::string system_;
  std::vector<std::string> stops_;
  std::string prompt_cache_;  // folder; empty: none
  uint64_t prompt_cache_bytes_ = 0;
  std::optional<runtime::PromptFolder> prompts_;
  model::TemplateObject variables_;  // for the template
  uint64_t tokens_max_ = 0;
  uint64_t context_length_ = 0;
  bool raw_ = false;
  bool prompt_thinks_ = false;
};

}  // namespace freehold::cli
