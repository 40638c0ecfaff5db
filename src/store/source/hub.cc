#include "store/source/hub.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"
#include "store/sha256.h"

namespace freehold::store {

namespace {

constexpr size_t kPagesMax = 64;
constexpr size_t kFilesMax = 100'000;
constexpr size_t kPageBytesMax = size_t{16} << 20;
constexpr size_t kChoicesShown = 24;
/// What a person who says nothing gets, as llama.cpp has it.
constexpr std::string_view kPreferred[] = {"q4_k_m", "q8_0"};
/// Files beside a model: vision projectors, importance matrices, drafts of several kinds.
constexpr std::string_view kNoModels[] = {"mmproj",  "imatrix", "mtp-",
                                          "eagle3-", "dflash-", "dspark-"};

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool is_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

struct Shard {
  uint64_t index = 1, count = 1;
};

/// "NAME-00001-of-00003.gguf".
Shard shard_of(std::string_view path) {
  constexpr size_t kEnd = std::string_view("-00001-of-00003.gguf").size();
  if (path.size() <= kEnd) return {};
  const std::string_view end = path.substr(path.size() - kEnd);
  if (end[0] != '-' || end.substr(6, 4) != "-of-" || !is_digits(end.substr(1, 5)) ||
      !is_digits(end.substr(10, 5))) {
    return {};
  }
  return {base::parse_unsigned(end.substr(1, 5)).value(),
          base::parse_unsigned(end.substr(10, 5)).value()};
}

bool is_model(std::string_view path) {
  const std::string name = base::lower_case(file_name(path));
  if (!name.ends_with(".gguf") || shard_of(name).index > 1) return false;
  return std::none_of(std::begin(kNoModels), std::end(kNoModels),
                      [&](std::string_view mark) { return name.find(mark) != std::string::npos; });
}

/// Whether `quant` (small letters) stands in the path before '-' or '.'.
bool holds(std::string_view path, std::string_view quant) {
  const std::string text = base::lower_case(path);
  for (size_t at = text.find(quant); at != std::string::npos; at = text.find(quant, at + 1)) {
    const size_t end = at + quant.size();
    if (end < text.size() && (text[end] == '-' || text[end] == '.')) return true;
  }
  return false;
}

std::string choices(std::span<const HubFile> files) {
  std::vector<std::string> shown;
  for (const HubFile& file : files) {
    if (!is_model(file.path)) continue;
    const uint64_t shards = shard_of(file.path).count;
    shown.push_back(
        fmt::format("{} ({})", quant_of(file.path),
                    shards > 1 ? fmt::format("{} shards", shards) : base::human_bytes(file.bytes)));
  }
  if (shown.empty()) return "it has no GGUF files";
  const size_t all = shown.size();
  shown.resize(std::min(all, kChoicesShown));
  return fmt::format("it has {}{}", fmt::join(shown, ", "),
                     all > kChoicesShown ? fmt::format(" and {} more", all - kChoicesShown) : "");
}

Result<size_t> whole_or_refused(std::span<const HubFile> files, size_t index) {
  TRY(refuse_shard(files[index].path, "; " + choices(files)));
  return index;
}

std::string endpoint(const SourceServices& services) {
  std::string text = services.environment("HF_ENDPOINT").value_or("https://huggingface.co");
  while (text.ends_with('/')) text.pop_back();
  return text;
}

std::string bearer(const SourceServices& services) {
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    if (const auto token = services.environment(name)) return "Bearer " + *token;
  }
  return {};
}

std::string gated_hint(const Reference& reference, bool with_token) {
  return with_token ? fmt::format(
                          "the token in HF_TOKEN may not read {}: accept its terms on its page, "
                          "hf.co/{}, with that account",
                          reference.repository, reference.repository)
                    : fmt::format(
                          "if it is gated, accept its terms on its page, hf.co/{}, then set "
                          "HF_TOKEN to a token of that account",
                          reference.repository);
}

Error explain(const Reference& reference, const std::string& address, const io::HttpHead& head,
              bool with_token) {
  const std::string_view code = head.find("x-error-code").value_or("");
  const bool closed = head.status == 401 || head.status == 403;
  if (head.status == 404 || code == "RepoNotFound" || code == "RevisionNotFound") {
    return {ErrorCode::kNotFound,
            fmt::format("there is no repository {}{}", reference.repository,
                        reference.revision.empty() ? "" : " with revision " + reference.revision),
            "check its name; if it is private, set HF_TOKEN"};
  }
  if (closed) {
    return {ErrorCode::kRefused,
            fmt::format("{} is gated or private ({} answers {})", reference.repository,
                        io::shown_address(address), head.status),
            gated_hint(reference, with_token)};
  }
  return io::status_error(address, head);
}

Result<io::HttpAnswer> ask_hub(const SourceServices& services, const Reference& reference,
                               const std::string& address) {
  const std::string authorization = bearer(services);
  io::HttpAnswer answer = TRY(ask(services, {.address = address,
                                             .headers = {{"Accept", "application/json"}},
                                             .authorization = authorization,
                                             .bytes_max = kPageBytesMax}));
  if (answer.head.status == 200) return answer;
  return explain(reference, address, answer.head, !authorization.empty());
}

/// The address of the next page, from `Link: <…>; rel="next"`; only the hub's own.
std::optional<std::string> next_page(const io::HttpHead& head, const std::string& hub) {
  const std::string_view link = head.find("link").value_or("");
  const size_t end = link.find('>');
  if (!link.starts_with('<') || end == std::string_view::npos) return std::nullopt;
  if (link.find("rel=\"next\"", end) == std::string_view::npos) return std::nullopt;
  const std::string address(link.substr(1, end - 1));
  if (!io::is_same_origin(address, hub)) return std::nullopt;
  return address;
}

Result<std::vector<HubFile>> list_files(const SourceServices& services, const Reference& reference,
                                        const std::string& hub, const std::string& revision) {
  std::vector<HubFile> files;
  std::optional<std::string> address =
      fmt::format("{}/api/models/{}/tree/{}?recursive=true", hub, reference.repository, revision);
  for (size_t page = 0; address && page < kPagesMax && files.size() < kFilesMax; ++page) {
    const io::HttpAnswer answer = TRY(ask_hub(services, reference, *address));
    const base::JsonValue value = TRY(parse_answer(*address, answer.body));
    Status read = parse_tree(value, files);
    if (!read.ok()) return std::move(read).error().within(io::shown_address(*address));
    address = next_page(answer.head, hub);
  }
  return files;
}

bool is_commit(std::string_view text) {
  return text.size() == 40 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

void read_licence(const base::JsonValue& info, RemoteModel& model) {
  for (const base::JsonValue& tag : info.find_elements("tags")) {
    const std::string_view text = tag.as_string().value_or("");
    if (text.starts_with("license:") && text.size() <= 72) model.licence = text.substr(8);
  }
  const base::JsonValue* const card = info.find("cardData");
  if (card == nullptr) return;
  const std::string_view title = card->find_string("license_name").value_or("");
  if (!title.empty() && title.size() <= 200) model.licence_title = title;
}

}  // namespace

Status parse_tree(const base::JsonValue& page, std::vector<HubFile>& files) {
  if (!page.is_array()) {
    return Error{ErrorCode::kDamaged, "not a listing of files", "check HF_ENDPOINT"};
  }
  for (const base::JsonValue& entry : page.elements()) {
    if (entry.find_string("type").value_or("") != "file") continue;
    HubFile file;
    file.path = entry.find_string("path").value_or("");
    const auto parsed = parse_reference("hf.co/a/b/" + file.path);
    if (file.path.empty() || !parsed.ok())
      continue;  // A step up or a control character: nothing that we would ask for.
    file.bytes = entry.find_unsigned("size").value_or(0);
    if (const base::JsonValue* const large = entry.find("lfs");
        large != nullptr && !large->is_null()) {
      file.sha256 = large->find_string("oid").value_or("");
      file.bytes = large->find_unsigned("size").value_or(file.bytes);
      if (!is_sha256(file.sha256)) {
        return Error{ErrorCode::kDamaged,
                     fmt::format("the hash of {} is none", base::printable(file.path)),
                     {}};
      }
    }
    files.push_back(std::move(file));
  }
  return {};
}

uint64_t shards_of(std::string_view path) { return shard_of(path).count; }

Status refuse_shard(std::string_view path, const std::string& also) {
  const uint64_t count = shards_of(path);
  if (count <= 1) return {};
  return Error{ErrorCode::kRefused,
               fmt::format("{} is split into {} files; the store keeps a model in one",
                           base::printable(file_name(path), 120), count),
               fmt::format("fetch the shards into a folder and run the first by its path{}", also)};
}

std::string quant_of(std::string_view path) {
  std::string_view stem = file_name(path);
  stem = stem.substr(0, stem.size() - std::min<size_t>(stem.size(), 5));
  if (shard_of(path).count > 1) stem = stem.substr(0, stem.size() - 15);
  size_t end = stem.size();
  while (end > 0) {
    const size_t start = stem.find_last_of("-.", end - 1);
    const size_t from = start == std::string_view::npos ? 0 : start + 1;
    const std::string word = base::lower_case(stem.substr(from, end - from));
    const bool counted = word.size() > 1 && (word[0] == 'q' || word.starts_with("iq")) &&
                         word.find_first_of("0123456789") <= 2;
    if (counted || word == "f16" || word == "f32" || word == "bf16" || word.starts_with("mxfp4")) {
      return std::string(stem.substr(from, end - from));
    }
    if (start == std::string_view::npos) break;
    end = start;
  }
  return base::printable(file_name(path), 120);
}

Result<size_t> choose_file(std::span<const HubFile> files, std::string_view file,
                           std::string_view quant, const std::string& repository) {
  if (!file.empty()) {
    for (size_t i = 0; i < files.size(); ++i) {
      if (files[i].path == file) return whole_or_refused(files, i);
    }
    return Error{ErrorCode::kNotFound,
                 fmt::format("{} has no file {}", repository, base::printable(file)),
                 choices(files)};
  }
  const auto all_with = [&](std::string_view wanted) {
    std::vector<size_t> found;
    for (size_t i = 0; i < files.size(); ++i) {
      if (is_model(files[i].path) && holds(files[i].path, wanted)) found.push_back(i);
    }
    return found;
  };
  if (!quant.empty()) {
    const std::vector<size_t> found = all_with(base::lower_case(quant));
    if (found.empty()) {
      return Error{ErrorCode::kNotFound, fmt::format("{} has no file with {}", repository, quant),
                   choices(files)};
    }
    if (found.size() == 1) return whole_or_refused(files, found[0]);
    std::vector<std::string> names;
    for (const size_t i : found) names.push_back(base::printable(files[i].path, 120));
    names.resize(std::min(names.size(), kChoicesShown));
    return Error{ErrorCode::kUsage,
                 fmt::format("{} has {} files with {}", repository, found.size(), quant),
                 fmt::format("say which, behind the colon: {}", fmt::join(names, ", "))};
  }
  for (const std::string_view wanted : kPreferred) {
    if (const auto found = all_with(wanted); !found.empty())
      return whole_or_refused(files, found[0]);
  }
  for (size_t i = 0; i < files.size(); ++i) {
    if (is_model(files[i].path)) return whole_or_refused(files, i);
  }
  return Error{ErrorCode::kNotFound, fmt::format("{} has no GGUF file", repository),
               "look for a repository of the same model with GGUF in its name"};
}

Result<RemoteModel> find_hub_model(const SourceServices& services, const Reference& reference) {
  const std::string hub = endpoint(services);
  Status fine = io::check_http_address(hub);
  if (!fine.ok()) return std::move(fine).error().within("HF_ENDPOINT");
  const std::string wanted = reference.revision.empty() ? "main" : reference.revision;
  const std::string about = fmt::format("{}/api/models/{}{}", hub, reference.repository,
                                        reference.revision.empty() ? "" : "/revision/" + wanted);
  const base::JsonValue info =
      TRY(parse_answer(about, TRY(ask_hub(services, reference, about)).body));
  // From here on one commit is asked, so that no listing and file of two versions meet.
  const std::string_view commit = info.find_string("sha").value_or("");
  const std::string revision = is_commit(commit) ? std::string(commit) : wanted;
  const std::vector<HubFile> files = TRY(list_files(services, reference, hub, revision));
  const size_t chosen =
      TRY(choose_file(files, reference.file, reference.tag, reference.repository));
  const HubFile& file = files[chosen];
  RemoteModel model;
  model.reference = reference.text;
  model.address = fmt::format("{}/{}/resolve/{}/{}", hub, reference.repository, revision,
                              encode_address_part(file.path));
  model.authorization = bearer(services);
  model.refused_hint = gated_hint(reference, !model.authorization.empty());
  model.bytes = file.bytes;
  model.sha256 = file.sha256;
  model.description = fmt::format("hf.co/{}", reference.repository);
  read_licence(info, model);
  std::string name = store_name_of(file_name(reference.repository));
  if (name.ends_with("-gguf")) name.resize(name.size() - 5);
  const std::string tag = store_name_of(!reference.tag.empty()    ? reference.tag
                                        : !reference.file.empty() ? quant_of(file.path)
                                                                  : "");
  model.name = tag.empty() ? name : fmt::format("{}:{}", name, tag);
  model.notes.push_back(
      fmt::format("file: {} ({})", base::printable(file.path, 120), base::human_bytes(file.bytes)));
  if (file.sha256.empty()) {
    model.notes.emplace_back(
        "the hub gives no SHA-256 for this file; what arrives is taken as it is");
  }
  return model;
}

}  // namespace freehold::store
