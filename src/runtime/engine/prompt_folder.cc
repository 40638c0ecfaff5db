#include "runtime/engine/prompt_folder.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/crc32c.h"
#include "base/text.h"
#include "runtime/cache/snapshot_format.h"
#include "runtime/engine/prompt_cache.h"

namespace freehold::runtime {

namespace {

constexpr std::string_view kSuffix = ".prompt";
constexpr std::string_view kPartial = ".partial";
constexpr size_t kScopeDigits = 16;
constexpr int kLockWaitMs = 5000;
/// A header of more tokens than any model's context is not read into memory.
constexpr size_t kTokensMax = size_t{1} << 24;

std::string entry_name(const std::string& scope, uint64_t number, uint32_t checksum) {
  return fmt::format("{}-{:012}-{:08x}{}", scope, number, checksum, kSuffix);
}

size_t shared_tokens(std::span<const TokenId> a, std::span<const TokenId> b) {
  const auto [left, right] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<size_t>(left - a.begin());
}

}  // namespace

std::string PromptScope::name() const {
  // FNV-1a over the parts, each ended by a byte that none contains.
  uint64_t hash = 0xCBF29CE484222325u;
  for (const std::string& part : {profile, model_id, cache_type, adapter}) {
    for (const char byte : part + '\xFF') {
      hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001B3u;
    }
  }
  return fmt::format("{:016x}", hash);
}

PromptFolder::PromptFolder(Options options)
    : options_(std::move(options)), scope_(options_.scope.name()) {}

Result<PromptFolder> PromptFolder::open(Options options) {
  TRY(options.files.make_directories(options.path));
  return PromptFolder(std::move(options));
}

Result<std::vector<PromptFolder::Entry>> PromptFolder::entries() {
  std::vector<Entry> found;
  const auto listed = TRY(options_.files.list(options_.path));
  for (const io::DirectoryEntry& file : listed) {
    const std::string_view name = file.name;
    if (file.is_directory || !name.ends_with(kSuffix) || name.size() < kScopeDigits + 2) continue;
    const std::string_view rest = name.substr(kScopeDigits + 1);
    const auto number = base::parse_unsigned(rest.substr(0, rest.find('-')));
    if (name[kScopeDigits] != '-' || !number.ok()) continue;
    found.push_back({file.name, *number, file.size, name.starts_with(scope_)});
  }
  return found;
}

Result<std::vector<TokenId>> PromptFolder::tokens_of(const Entry& entry) {
  const auto file = TRY(options_.files.open(path_of(entry.name)));
  std::vector<std::byte> header(kPromptCacheFixedBytes);
  TRY(file->read_exactly(0, header));
  const size_t count = TRY(prompt_cache_tokens(header, file->size()));
  if (count > kTokensMax) {
    return Error{ErrorCode::kDamaged, "a saved prompt has more tokens than any context", {}};
  }
  header.resize(prompt_cache_header_bytes(count));
  TRY(file->read_exactly(0, header));
  return parse_prompt_cache_header(header, file->size());
}

Result<std::vector<std::byte>> PromptFolder::read(const Entry& entry) {
  const auto file = TRY(options_.files.open(path_of(entry.name)));
  if (file->size() > options_.bytes_max) {
    return Error{ErrorCode::kRefused, "a saved prompt is larger than the folder may be", {}};
  }
  std::vector<std::byte> bytes(file->size());
  TRY(file->read_exactly(0, bytes));
  return bytes;
}

void PromptFolder::forget(const Entry& entry, const Error& why, std::vector<std::string>& notes) {
  if (why.code != ErrorCode::kDamaged) return;  // another program removed it, or its version is new
  notes.push_back(fmt::format("{} is not used: {}", path_of(entry.name), why.message));
  (void)options_.files.remove(path_of(entry.name));
}

std::optional<std::vector<std::byte>> PromptFolder::find(std::span<const TokenId> prompt,
                                                         size_t more_than,
                                                         std::vector<std::string>& notes) {
  const auto all = entries();
  if (!all.ok()) {
    notes.push_back(all.error().message);
    return std::nullopt;
  }
  const Entry* best = nullptr;
  size_t best_shared = more_than;
  uint64_t newest = 0;
  for (const Entry& entry : *all) {
    newest = std::max(newest, entry.number);
    if (!entry.ours) continue;
    const auto tokens = tokens_of(entry);
    if (!tokens.ok()) {
      forget(entry, tokens.error(), notes);
      continue;
    }
    const size_t shared = shared_tokens(*tokens, prompt);
    if (shared <= best_shared) continue;
    best = &entry;
    best_shared = shared;
  }
  if (best == nullptr) return std::nullopt;
  auto bytes = read(*best);
  if (!bytes.ok()) {
    forget(*best, bytes.error(), notes);
    return std::nullopt;
  }
  const auto parsed = parse_prompt_cache(*bytes);
  const Status sound = parsed.ok() ? check_snapshot(parsed->snapshot) : Status(parsed.error());
  if (!sound.ok()) {
    forget(*best, sound.error(), notes);
    return std::nullopt;
  }
  if (best->number < newest) {
    const std::string tail = best->name.substr(best->name.rfind('-'));
    const std::string used = fmt::format("{}-{:012}{}", scope_, newest + 1, tail);
    (void)options_.files.rename(path_of(best->name), path_of(used));  // may be read-only
  }
  return *std::move(bytes);
}

Status PromptFolder::make_room(const std::vector<Entry>& all, const std::vector<bool>& superseded,
                               uint64_t bytes) {
  std::vector<size_t> order(all.size());
  uint64_t total = bytes;
  for (size_t i = 0; i < all.size(); ++i) {
    order[i] = i;
    total += all[i].bytes;
  }
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (superseded[a] != superseded[b]) return bool{superseded[a]};
    return all[a].number < all[b].number;
  });
  for (const size_t i : order) {
    if (total <= options_.bytes_max) break;
    TRY(options_.files.remove(path_of(all[i].name)));
    total -= all[i].bytes;
  }
  return {};
}

Status PromptFolder::write(const std::string& name, std::span<const std::byte> entry) {
  const std::string partial = path_of(name) + std::string(kPartial);
  const auto all_of_it = [&]() -> Status {
    const auto file = TRY(options_.files.create(partial, io::WriteMode::kTruncate));
    TRY(file->append(entry));
    TRY(file->sync());
    TRY(file->close());
    TRY(options_.files.rename(partial, path_of(name)));
    return options_.files.sync_directory(options_.path);
  };
  Status written = all_of_it();
  if (!written.ok()) (void)options_.files.remove(partial);
  return written;
}

Status PromptFolder::save(std::span<const std::byte> entry) {
  const auto tokens = TRY(parse_prompt_cache_header(entry, entry.size()));
  if (entry.size() > options_.bytes_max) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("the conversation takes {}, more than the {} that are allowed",
                    base::human_bytes(entry.size()), base::human_bytes(options_.bytes_max)),
        "give --prompt-cache-bytes"};
  }
  const auto lock = TRY(options_.files.lock(path_of("lock"), kLockWaitMs));
  if (lock == nullptr) {
    return Error{ErrorCode::kRefused, "another program is writing to " + options_.path, {}};
  }
  // Whoever left these is gone: writers hold the lock.
  for (const io::DirectoryEntry& file : TRY(options_.files.list(options_.path))) {
    if (file.name.ends_with(kPartial)) TRY(options_.files.remove(path_of(file.name)));
  }
  const auto all = TRY(entries());
  std::vector<bool> superseded(all.size());
  uint64_t newest = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    newest = std::max(newest, all[i].number);
    if (!all[i].ours) continue;
    const auto theirs = tokens_of(all[i]);
    superseded[i] = !theirs.ok() || shared_tokens(*theirs, tokens) == theirs->size();
  }
  TRY(make_room(all, superseded, entry.size()));
  const auto header = entry.first(prompt_cache_header_bytes(tokens.size()));
  TRY(write(entry_name(scope_, newest + 1, base::crc32c(header)), entry));
  for (size_t i = 0; i < all.size(); ++i) {
    if (superseded[i]) (void)options_.files.remove(path_of(all[i].name));
  }
  return {};
}

}  // namespace freehold::runtime
