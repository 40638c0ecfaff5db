// `freehold tokenize`: text to token ids; works on files that hold only a vocabulary.

#include <fmt/format.h>

#include "base/json.h"
#include "cli/session.h"

namespace freehold::cli {

namespace {

constexpr uint64_t kTextBytesMax = uint64_t{1} << 30;

constexpr Option kOptions[] = {
    {"--stdin", 0, OptionKind::kFlag, "", "take the text from standard input, byte for byte"},
    {"--special", 0, OptionKind::kFlag, "", "read special tokens written in the text"},
    kJsonOption,
};

Result<std::string> text_of(Context& context, const Arguments& arguments) {
  const auto& words = arguments.positional();
  if (TRY(arguments.flag("--stdin"))) {
    if (words.size() > 1) {
      return Error{ErrorCode::kUsage, "tokenize: TEXT and --stdin do not go together", "give one"};
    }
    return context.in.read_all(kTextBytesMax);
  }
  if (words.size() > 1) return words[1];
  if (context.in.is_terminal()) {
    return Error{ErrorCode::kUsage, "tokenize: no text given", "give TEXT, or --stdin"};
  }
  return context.in.read_all(kTextBytesMax);
}

Status run(Context& context, const Arguments& arguments) {
  const auto opened = TRY(open_tokenizer(context, arguments.positional()[0]));
  const auto& tokenizer = opened.tokenizer;
  const std::string text = TRY(text_of(context, arguments));
  const auto special = TRY(arguments.flag("--special")) ? model::SpecialTokens::kParse
                                                        : model::SpecialTokens::kPlainText;
  const auto tokens = tokenizer->encode(text, special);
  std::string out;
  if (TRY(arguments.flag("--json"))) {
    base::JsonWriter json(out);
    json.begin_object().key("tokens").begin_array();
    for (const model::TokenId token : tokens) json.value(token);
    json.end_array().end_object();
    out += '\n';
  } else {
    for (const model::TokenId token : tokens) {
      out += fmt::format("{:>8}  ", token);
      base::append_json_string(out, tokenizer->token_bytes(token));
      out += '\n';
    }
  }
  context.out.write(out);
  return {};
}

}  // namespace

const Command& tokenize_command() {
  static constexpr Command kCommand{.name = "tokenize",
                                    .summary = "Show the tokens of a text",
                                    .usage = "MODEL [TEXT]",
                                    .options = kOptions,
                                    .description =
                                        "Adds no special tokens, and reads none from the text "
                                        "unless --special is given. MODEL may "
                                        "be a tokenizer.json or a folder that holds one.",
                                    .examples =
                                        "  freehold tokenize smollm2 \"Hello, world\" --json\n"
                                        "  freehold tokenize ./vocab-only.gguf --stdin < book.txt\n"
                                        "  freehold tokenize ./tokenizer.json \"Hello, world\"\n",
                                    .positional_min = 1,
                                    .positional_max = 2,
                                    .run = run};
  return kCommand;
}

}  // namespace freehold::cli
