#include "store/foreign/foreign.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"
#include "io/within.h"
#include "store/foreign/kinds.h"
#include "store/name.h"

namespace freehold::store {

namespace {

struct Kind {
  std::string_view prefix;
  std::string_view program;
  Result<ForeignModel> (*find)(const ForeignPlace&, std::string_view);
  void (*list)(const ForeignPlace&, ForeignListing&);
};

constexpr Kind kKinds[] = {
#define FREEHOLD_FOREIGN(prefix, word, program) {prefix, program, find_in_##word, list_##word},
#include "store/foreign/foreign_kinds.def"
#undef FREEHOLD_FOREIGN
};

const Kind* kind_of(std::string_view name) {
  for (const Kind& kind : kKinds) {
    if (name.size() > kind.prefix.size() && name.starts_with(kind.prefix) &&
        name[kind.prefix.size()] == ':') {
      return &kind;
    }
  }
  return nullptr;
}

/// The shard's number and count where `file` ends as "-00001-of-00003.gguf".
std::optional<std::pair<uint64_t, uint64_t>> shard_of(std::string_view file) {
  constexpr std::string_view kForm = "-00001-of-00003.gguf";
  if (file.size() <= kForm.size()) return std::nullopt;
  const std::string_view end = file.substr(file.size() - kForm.size());
  if (end[0] != '-' || end.substr(6, 4) != "-of-" || !end.ends_with(".gguf")) return std::nullopt;
  const auto number = base::parse_unsigned(end.substr(1, 5));
  const auto count = base::parse_unsigned(end.substr(10, 5));
  if (!number.ok() || !count.ok()) return std::nullopt;
  return std::pair{*number, *count};
}

/// Whether `word` stands in `text` between characters that are neither letters nor digits nor '_'.
bool has_word(std::string_view text, std::string_view word) {
  const auto joins = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  for (size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || !joins(text[at - 1])) && (end == text.size() || !joins(text[end]))) return true;
  }
  return false;
}

}  // namespace

std::vector<ForeignFolder> foreign_folders(const Environment& environment) {
  std::vector<ForeignFolder> folders;
  const std::string home = environment("HOME").value_or("");
  const auto add = [&folders](const char* kind, const std::string& path) {
    if (path.starts_with('/')) folders.push_back({kind, path});
  };
  const auto below_home = [&](const char* kind, const char* path) {
    if (!home.empty()) add(kind, home + path);
  };
  const auto cache = environment("XDG_CACHE_HOME");
  const std::string caches = cache && cache->starts_with('/') ? *cache : home + "/.cache";
  if (const auto models = environment("OLLAMA_MODELS")) {
    add("ollama", *models);
  } else {
    below_home("ollama", "/.ollama/models");
    // Where its service on Linux keeps them.
    add("ollama", "/usr/share/ollama/.ollama/models");
  }
  below_home("lmstudio", "/.lmstudio/models");
  below_home("lmstudio", "/.cache/lm-studio/models");
  add("llamacpp", environment("LLAMA_CACHE").value_or(caches + "/llama.cpp"));
  const auto hub = environment("HF_HUB_CACHE");
  const auto hub_home = environment("HF_HOME");
  add("hf-cache", hub ? *hub : hub_home ? *hub_home + "/hub" : caches + "/huggingface/hub");
  return folders;
}

bool is_foreign_name(std::string_view model) { return kind_of(model) != nullptr; }

bool is_foreign_prefix(std::string_view name) {
  return std::any_of(std::begin(kKinds), std::end(kKinds),
                     [name](const Kind& kind) { return same_but_for_case(kind.prefix, name); });
}

Result<ForeignModel> find_foreign(io::FileSystem& files, std::span<const ForeignFolder> folders,
                                  std::string_view name) {
  const Kind* kind = kind_of(name);
  if (kind == nullptr) {
    return Error{ErrorCode::kUsage, base::printable(name) + " is no name in another's store", {}};
  }
  const std::string_view rest = name.substr(kind->prefix.size() + 1);
  std::vector<std::string> looked;
  for (const ForeignFolder& folder : folders) {
    if (folder.kind != kind->prefix) continue;
    auto found = kind->find({files, folder.path, kind->prefix}, rest);
    if (found.ok()) {
      found->name = name;
      return found;
    }
    if (found.error().code != ErrorCode::kNotFound) return found;
    looked.push_back(folder.path);
  }
  return Error{
      ErrorCode::kNotFound,
      fmt::format("{} has no {} in {}", kind->program, base::printable(rest),
                  looked.empty() ? "any folder" : fmt::format("{}", fmt::join(looked, " or "))),
      "see what is there: freehold ls --all"};
}

ForeignListing list_foreign(io::FileSystem& files, std::span<const ForeignFolder> folders) {
  ForeignListing listing;
  for (const Kind& kind : kKinds) {
    for (const ForeignFolder& folder : folders) {
      if (folder.kind == kind.prefix) kind.list({files, folder.path, kind.prefix}, listing);
    }
  }
  std::sort(listing.models.begin(), listing.models.end(),
            [](const ForeignModel& a, const ForeignModel& b) { return a.name < b.name; });
  return listing;
}

std::string own_name_of(std::string_view foreign_name) {
  std::string_view rest = foreign_name.substr(foreign_name.find(':') + 1);
  rest = rest.substr(rest.rfind('/') + 1);
  if (rest.ends_with(".gguf")) rest.remove_suffix(5);
  std::string name;
  for (const char c : rest) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '-' || c == '_' || c == ':';
    name += plain ? c : '-';
  }
  return name;
}

bool is_foreign_part(std::string_view part) {
  constexpr size_t kBytesMax = 255;  // of Linux's file systems
  return !part.empty() && part.size() <= kBytesMax && part[0] != '.' &&
         std::none_of(part.begin(), part.end(), [](char c) {
           return static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '/';
         });
}

Error no_foreign_name(const ForeignPlace& place, std::string_view name, std::string_view grammar) {
  return Error{ErrorCode::kUsage,
               fmt::format("{}:{} is no name there", place.prefix, base::printable(name)),
               fmt::format("a name is {}:{}", place.prefix, grammar)};
}

Error not_in_store(const ForeignPlace& place, std::string_view name) {
  return Error{ErrorCode::kNotFound, fmt::format("{} has no {}", place.root, base::printable(name)),
               "see what is there: freehold ls --all"};
}

Result<std::vector<ForeignEntry>> list_foreign_folder(const ForeignPlace& place,
                                                      const std::string& relative) {
  const io::WithinEntry folder = TRY(io::find_within(place.root, relative));
  std::vector<ForeignEntry> entries;
  for (const io::DirectoryEntry& entry : TRY(place.files.list(folder.path))) {
    if (!is_foreign_part(entry.name)) continue;
    const auto reached = io::find_within(place.root, relative + "/" + entry.name);
    if (reached.ok()) entries.push_back({entry.name, reached->is_directory, reached->bytes});
  }
  return entries;
}

bool is_model_file(std::string_view file) {
  const std::string lower = base::lower_case(file.substr(file.rfind('/') + 1));
  if (!lower.ends_with(".gguf") || lower.find("mmproj") != std::string::npos) return false;
  const auto shard = shard_of(lower);
  return !shard || shard->first == 1;
}

Result<std::string> choose_file(const ForeignPlace& place, std::string_view name,
                                const std::vector<std::string>& files, std::string_view quant) {
  const auto of_quant = [&files](std::string_view wanted) {
    std::vector<std::string> fit;
    for (const std::string& file : files) {
      const std::string lower = base::lower_case(file);
      if (has_word(std::string_view(lower).substr(lower.rfind('/') + 1),
                   base::lower_case(wanted))) {
        fit.push_back(file);
      }
    }
    return fit;
  };
  std::vector<std::string> fit = quant.empty() ? files : of_quant(quant);
  if (fit.size() > 1 && quant.empty() && of_quant("q4_k_m").size() == 1) fit = of_quant("q4_k_m");
  if (fit.empty()) return not_in_store(place, name);
  if (fit.size() == 1) return fit[0];
  constexpr size_t kNamesMax = 12;
  std::vector<std::string> names;
  for (const std::string& file : fit) {
    if (names.size() < kNamesMax) names.push_back(file.substr(file.rfind('/') + 1));
  }
  return Error{
      ErrorCode::kUsage,
      fmt::format("{}:{} may be any of {} files: {}", place.prefix, base::printable(name),
                  fit.size(), base::printable(fmt::format("{}", fmt::join(names, ", ")), 1000)),
      "name the file, or its quantisation"};
}

Result<ForeignModel> foreign_file(const ForeignPlace& place, const std::string& relative) {
  ForeignModel model;
  const io::WithinEntry file = TRY(io::find_within(place.root, relative));
  if (file.is_directory) return not_in_store(place, relative);
  model.path = file.path;
  model.bytes = file.bytes;
  const auto shard = shard_of(relative);
  if (!shard) return model;
  // Shards find each other by their names, which a link's target need not have.
  model.path = place.root + "/" + relative;
  constexpr size_t kNumberAt = 19;  // from the end: "00001-of-00003.gguf"
  constexpr uint64_t kShardsMax = 10'000;
  if (shard->second > kShardsMax) return not_in_store(place, relative);
  for (uint64_t i = 2; i <= shard->second; ++i) {
    std::string other = relative;
    other.replace(other.size() - kNumberAt, 5, fmt::format("{:05}", i));
    TRY(io::find_within(place.root, other));
  }
  return model;
}

}  // namespace freehold::store
