#include "model/tokenizer/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <unordered_map>

#include "base/json.h"
#include "base/text.h"
#include "model/tokenizer/create.h"

namespace freehold::model {

namespace {

using base::JsonValue;

struct Pattern {
  std::string_view steps;
  std::string_view row;
};

constexpr Pattern kPatterns[] = {
#define PATTERN(steps, row) {steps, row},
#include "model/tokenizer/json_patterns.def"
#undef PATTERN
};

constexpr std::string_view kSpace = "\xE2\x96\x81";  // ▁, U+2581
constexpr uint64_t kTokensMax = 16'777'216;          // as vocabulary.cc

Error damaged(std::string what) {
  return Error{ErrorCode::kDamaged, "tokenizer.json: " + std::move(what), "fetch it again"};
}

Error not_yet(std::string what) {
  return Error{ErrorCode::kRefused, "tokenizer.json: " + std::move(what) + " is not there yet",
               "Text would be cut into other tokens than the model was trained on."};
}

std::string_view type_of(const JsonValue* step) {
  return step == nullptr ? "" : step->find_string("type").value_or("");
}

/// A step and, where it is a Sequence, what it consists of.
std::vector<const JsonValue*> steps_of(const JsonValue* step, std::string_view member) {
  std::vector<const JsonValue*> steps;
  if (step == nullptr || step->is_null()) return steps;
  if (type_of(step) != "Sequence") return {step};
  for (const JsonValue& inner : step->find_elements(member)) steps.push_back(&inner);
  return steps;
}

bool says(const JsonValue& step, std::string_view key, bool wanted, bool otherwise) {
  return step.find_bool(key).value_or(otherwise) == wanted;
}

/// The text that a Split or Replace looks for, where it is one.
std::optional<std::string_view> pattern_of(const JsonValue& step, std::string_view kind) {
  const JsonValue* pattern = step.find("pattern");
  return pattern == nullptr ? std::nullopt : pattern->find_string(kind);
}

/// Reads the file into a Vocabulary, whose views are into `root` and into the reader.
class Reader {
 public:
  explicit Reader(const JsonValue& root) : root_(root) {}

  Result<Vocabulary> read() {
    const JsonValue* model = root_.find("model");
    if (model == nullptr || !model->is_object()) return damaged("there is no model");
    std::string_view type = type_of(model);
    if (type.empty() && model->find("merges") != nullptr) type = "BPE";
    if (type == "BPE") {
      TRY(read_vocabulary(*model));
      TRY(read_merges(*model));
      TRY(model->find_bool("byte_fallback").value_or(false) ? read_sentence_piece(*model)
                                                            : read_byte_level(*model));
    } else if (type == "WordPiece") {
      TRY(read_vocabulary(*model));
      TRY(read_word_piece(*model));
    } else if (type == "Unigram") {
      TRY(read_pieces(*model));
      TRY(read_unigram(*model));
    } else {
      return not_yet(fmt::format("a model of the kind {}", base::printable(type)));
    }
    TRY(read_template());
    return std::move(vocabulary_);
  }

 private:
  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }

  Status place(uint64_t id, std::string_view text, TokenType type) {
    if (id >= kTokensMax) return damaged(fmt::format("a token has the id {}", id));
    if (id >= vocabulary_.tokens.size()) {
      vocabulary_.tokens.resize(id + 1);
      vocabulary_.types.resize(id + 1, static_cast<int64_t>(TokenType::kUnused));
      vocabulary_.strips.resize(id + 1, 0);
    }
    vocabulary_.tokens[id] = text;
    vocabulary_.types[id] = static_cast<int64_t>(type);
    return {};
  }

  /// Tokens by id, with the added ones; ids that nothing has are unused.
  Status read_vocabulary(const JsonValue& model) {
    const JsonValue* vocab = model.find("vocab");
    if (vocab == nullptr || !vocab->is_object()) return damaged("the model has no vocabulary");
    for (const base::JsonMember& member : vocab->members()) {
      const auto id = member.value.as_unsigned();
      if (!id) return damaged(fmt::format("token {} has no id", base::printable(member.key)));
      TRY(place(*id, member.key, TokenType::kNormal));
    }
    return read_added_tokens();
  }

  /// Pieces and scores in the order of their ids.
  Status read_pieces(const JsonValue& model) {
    const JsonValue* vocab = model.find("vocab");
    if (vocab == nullptr || !vocab->is_array()) return damaged("the model has no vocabulary");
    const bool bytes = model.find_bool("byte_fallback").value_or(false);
    for (const JsonValue& piece : vocab->elements()) {
      const auto pair = piece.elements();
      const uint64_t id = vocabulary_.tokens.size();
      if (pair.size() != 2 || !pair[0].is_string() || !pair[1].as_number()) {
        return damaged(fmt::format("piece {} is not a text and a score", id));
      }
      const std::string_view text = *pair[0].as_string();
      const bool byte = bytes && byte_of_token(text).has_value();
      TRY(place(id, text, byte ? TokenType::kByte : TokenType::kNormal));
      vocabulary_.scores.push_back(*pair[1].as_number());
    }
    TRY(read_added_tokens());
    vocabulary_.scores.resize(vocabulary_.tokens.size(), 0);
    return {};
  }

  Status read_added_tokens() {
    for (const JsonValue& token : root_.find_elements("added_tokens")) {
      const auto id = token.find_unsigned("id");
      const auto text = token.find_string("content");
      if (!id || !text || text->empty()) return damaged("an added token has no id or no text");
      if (!says(token, "single_word", false, false)) {
        return not_yet(fmt::format("single_word of {}", base::printable(*text)));
      }
      const bool special = token.find_bool("special").value_or(false);
      TRY(place(*id, *text, special ? TokenType::kControl : TokenType::kUserDefined));
      vocabulary_.strips[*id] =
          static_cast<uint8_t>((says(token, "lstrip", true, false) ? Vocabulary::kStripsLeft : 0) |
                               (says(token, "rstrip", true, false) ? Vocabulary::kStripsRight : 0));
    }
    for (size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      if (vocabulary_.tokens[id].data() != nullptr) continue;
      vocabulary_.tokens[id] = keep(fmt::format("<unused id {}>", id));
      vocabulary_.types[id] = static_cast<int64_t>(TokenType::kUnused);
    }
    return {};
  }

  Status read_merges(const JsonValue& model) {
    for (const JsonValue& merge : model.find_elements("merges")) {
      if (const auto text = merge.as_string()) {
        vocabulary_.merges.push_back(*text);
        continue;
      }
      const auto pair = merge.elements();
      if (pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
        return damaged(fmt::format("merge {} is not two tokens", vocabulary_.merges.size()));
      }
      vocabulary_.merges.push_back(
          keep(fmt::format("{} {}", *pair[0].as_string(), *pair[1].as_string())));
    }
    for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (!model.find_string(affix).value_or("").empty()) return not_yet(affix);
    }
    return {};
  }

  Status read_byte_level(const JsonValue& model) {
    vocabulary_.model = "gpt2";
    vocabulary_.whole_words_first = model.find_bool("ignore_merges").value_or(false);
    vocabulary_.normalizes_nfc = false;
    for (const JsonValue* step : steps_of(root_.find("normalizer"), "normalizers")) {
      if (type_of(step) != "NFC") {
        return not_yet(fmt::format("the normalizer {}", base::printable(type_of(step))));
      }
      vocabulary_.normalizes_nfc = true;
    }
    std::string steps;
    for (const JsonValue* step : steps_of(root_.find("pre_tokenizer"), "pretokenizers")) {
      steps += TRY(describe(*step)) + "\n";
    }
    for (const Pattern& pattern : kPatterns) {
      if (pattern.steps == steps) vocabulary_.pre = pattern.row;
    }
    return vocabulary_.pre.empty() ? read_patterns(steps) : Status{};
  }

  /// Steps that no row has, as expressions for PCRE2.
  Status read_patterns(std::string_view steps) {
    constexpr std::string_view kGpt2 =
        R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
    bool in_bytes = false;
    for (const std::string_view step : base::split(steps, '\n')) {
      if (step.empty()) continue;
      if (in_bytes || step == "punctuation") {
        return not_yet(fmt::format("the pre-tokenizer {}", base::printable(steps)));
      }
      in_bytes = step.ends_with("bytes") && !step.starts_with("split:");
      if (step.starts_with("split:")) vocabulary_.patterns.emplace_back(step.substr(6));
      if (step == "digits") vocabulary_.patterns.emplace_back(R"(\p{N}+)");
      if (step == "digits one by one") vocabulary_.patterns.emplace_back(R"(\p{N})");
      if (step == "gpt2 bytes") vocabulary_.patterns.emplace_back(kGpt2);
    }
    if (!in_bytes) return not_yet("BPE without the byte-level alphabet");
    return {};
  }

  /// One step as json_patterns.def writes it.
  static Result<std::string> describe(const JsonValue& step) {
    const std::string_view type = type_of(&step);
    if (type == "Split") {
      const auto regex = pattern_of(step, "Regex");
      const bool isolated = step.find_string("behavior").value_or("") == "Isolated";
      if (regex && isolated && says(step, "invert", false, false)) {
        return "split:" + std::string(*regex);
      }
    } else if (type == "ByteLevel" && says(step, "add_prefix_space", false, true)) {
      return std::string(says(step, "use_regex", true, true) ? "gpt2 bytes" : "bytes");
    } else if (type == "Digits") {
      return std::string(says(step, "individual_digits", true, false) ? "digits one by one"
                                                                      : "digits");
    } else if (type == "Punctuation" && step.find_string("behavior").value_or("") == "Contiguous") {
      return std::string("punctuation");
    }
    return not_yet(
        fmt::format("the pre-tokenizer step {} with its options", base::printable(type)));
  }

  /// Spaces are ▁ and bytes fall back to tokens: llama-2, gemma and their kin.
  Status read_sentence_piece(const JsonValue& model) {
    vocabulary_.model = "llama";
    vocabulary_.assumes_llama_ids = false;
    vocabulary_.adds_space_prefix = false;
    bool escapes = false;
    for (const JsonValue* step : steps_of(root_.find("normalizer"), "normalizers")) {
      const std::string_view type = type_of(step);
      if (type == "Prepend" && step->find_string("prepend") == kSpace) {
        vocabulary_.adds_space_prefix = true;
      } else if (type == "Replace" && pattern_of(*step, "String") == " " &&
                 step->find_string("content") == kSpace) {
        escapes = true;
      } else {
        return not_yet(fmt::format("the normalizer {}", base::printable(type)));
      }
    }
    if (!escapes) return not_yet("byte fall-back without spaces written as \u2581");
    for (const JsonValue* step : steps_of(root_.find("pre_tokenizer"), "pretokenizers")) {
      // Nothing is left to split: every space has become ▁.
      if (type_of(step) == "Split" && pattern_of(*step, "String") == " ") continue;
      return not_yet(fmt::format("the pre-tokenizer {}", base::printable(type_of(step))));
    }
    std::unordered_map<std::string_view, size_t> ids;
    for (size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      ids.emplace(vocabulary_.tokens[id], id);
      if (vocabulary_.type(id) == TokenType::kNormal && byte_of_token(vocabulary_.tokens[id])) {
        vocabulary_.types[id] = static_cast<int64_t>(TokenType::kByte);
      }
    }
    const auto unknown = ids.find(model.find_string("unk_token").value_or(""));
    if (unknown != ids.end()) vocabulary_.unknown = unknown->second;
    return {};
  }

  Status read_word_piece(const JsonValue& model) {
    vocabulary_.model = "bert";
    const std::string prefix(model.find_string("continuing_subword_prefix").value_or("##"));
    if (model.find_unsigned("max_input_chars_per_word").value_or(100) != 100) {
      return not_yet("another max_input_chars_per_word than 100");
    }
    const JsonValue* normalizer = root_.find("normalizer");
    const bool plain = normalizer != nullptr && type_of(normalizer) == "BertNormalizer" &&
                       says(*normalizer, "clean_text", true, true) &&
                       says(*normalizer, "handle_chinese_chars", true, true);
    if (!plain || type_of(root_.find("pre_tokenizer")) != "BertPreTokenizer") {
      return not_yet("WordPiece with another text than BERT's");
    }
    const bool lower = says(*normalizer, "lowercase", true, true);
    if (normalizer->find_bool("strip_accents").value_or(lower) != lower) {
      return not_yet("accents stripped without lower case, or the reverse");
    }
    vocabulary_.pre = lower ? "bert-uncased" : "bert-cased";
    const std::string_view unknown = model.find_string("unk_token").value_or("[UNK]");
    for (size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      const std::string_view text = vocabulary_.tokens[id];
      if (text == unknown) vocabulary_.unknown = id;
      if (vocabulary_.type(id) != TokenType::kNormal) continue;
      const bool continues = text.starts_with(prefix);
      vocabulary_.tokens[id] =
          continues ? text.substr(prefix.size()) : keep(std::string(kSpace) + std::string(text));
    }
    return {};
  }

  Status read_unigram(const JsonValue& model) {
    vocabulary_.model = "t5";
    vocabulary_.adds_space_prefix = false;
    vocabulary_.unknown = model.find_unsigned("unk_id");
    if (!vocabulary_.unknown) return not_yet("Unigram without an unknown token");
    UnigramSteps& steps = vocabulary_.unigram_steps.emplace();
    // What may come next of: the map, stripping, runs of spaces.
    int next = 0;
    for (const JsonValue* step : steps_of(root_.find("normalizer"), "normalizers")) {
      const std::string_view type = type_of(step);
      const auto regex = pattern_of(*step, "Regex");
      const auto content = step->find_string("content");
      if (type == "Precompiled" && next < 1) {
        next = 1;
        const auto map =
            base::decode_base64(step->find_string("precompiled_charsmap").value_or(""));
        if (!map) return damaged("the character map is not base64");
        vocabulary_.charsmap = *map;
      } else if (type == "Strip" && next < 2) {
        next = 2;
        steps.strips_left = says(*step, "strip_left", true, true);
        steps.strips_right = says(*step, "strip_right", true, true);
      } else if (type == "Replace" && regex == " {2,}" && (content == " " || content == kSpace) &&
                 next < 3) {
        next = 3;
        steps.runs_become = *content;
      } else {
        return not_yet(fmt::format("the normalizer {} there", base::printable(type)));
      }
    }
    return read_unigram_words(steps);
  }

  /// How words are parted: at white space, then Metaspace.
  Status read_unigram_words(UnigramSteps& steps) {
    bool marks = false;
    for (const JsonValue* step : steps_of(root_.find("pre_tokenizer"), "pretokenizers")) {
      const std::string_view type = type_of(step);
      if (type == "WhitespaceSplit" && !marks) {
        steps.cuts_at_spaces = true;
        continue;
      }
      const bool replaces = step->find_string("replacement").value_or("") == kSpace;
      if (type != "Metaspace" || !replaces || marks) {
        return not_yet(fmt::format("the pre-tokenizer {} there", base::printable(type)));
      }
      marks = true;
      steps.cuts_at_marks = says(*step, "split", true, true);
      const std::string_view scheme = step->find_string("prepend_scheme").value_or("always");
      const bool never = scheme == "never" || says(*step, "add_prefix_space", false, true);
      if (!never && scheme != "always" && scheme != "first") {
        return not_yet(fmt::format("the prepend_scheme {}", base::printable(scheme)));
      }
      using enum UnigramSteps::Prepend;
      steps.prepend = never ? kNever : scheme == "first" ? kFirst : kAlways;
    }
    return marks ? Status{} : not_yet("Unigram without Metaspace");
  }

  /// What the model wants around a text: the special tokens of the post-processor.
  Status read_template() {
    for (const JsonValue* step : steps_of(root_.find("post_processor"), "processors")) {
      if (type_of(step) != "TemplateProcessing") continue;
      bool before = true;
      for (const JsonValue& part : step->find_elements("single")) {
        const JsonValue* special = part.find("SpecialToken");
        if (special == nullptr) {
          before = false;
          continue;
        }
        const std::string_view name = special->find_string("id").value_or("");
        const auto token = std::find(vocabulary_.tokens.begin(), vocabulary_.tokens.end(), name);
        if (token == vocabulary_.tokens.end()) {
          return damaged(fmt::format("{} is not in the vocabulary", base::printable(name)));
        }
        const auto id = static_cast<uint64_t>(token - vocabulary_.tokens.begin());
        (before ? vocabulary_.bos : vocabulary_.eos) = id;
      }
    }
    vocabulary_.adds_bos = vocabulary_.bos.has_value();
    vocabulary_.adds_eos = vocabulary_.eos.has_value();
    return {};
  }

  const JsonValue& root_;
  Vocabulary vocabulary_;
  std::deque<std::string> texts_;
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> create_from_tokenizer_json(std::string_view text) {
  const JsonValue root = TRY(JsonValue::parse(text, {.bytes_max = kTokenizerJsonBytesMax}));
  if (!root.is_object()) return damaged("it is no object");
  Reader reader(root);
  const Vocabulary vocabulary = TRY(reader.read());
  return create_tokenizer(vocabulary);
}

}  // namespace freehold::model
