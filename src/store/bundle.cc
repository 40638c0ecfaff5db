#include "store/bundle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "base/bytes.h"
#include "base/json.h"
#include "base/text.h"
#include "store/sha256.h"

namespace freehold::store {

namespace {

constexpr size_t kBlock = 512;  // POSIX.1-1988, ustar interchange format
constexpr uint64_t kOctalMax = 077777777777;
constexpr uint64_t kBytesMax = uint64_t{1} << 50;  // no file is a pebibyte
constexpr size_t kTrailingBytesMax = 1u << 20;  // tar programs fill up to a record, 10 KiB mostly
constexpr std::string_view kPlanPath = "freehold-bundle.json";
constexpr uint64_t kPlanVersion = 1;

using Block = std::array<char, kBlock>;

/// A field of a header: where it begins and how long it is.
struct Field {
  size_t at;
  size_t bytes;
};
constexpr Field kName{0, 100};
constexpr Field kMode{100, 8};
constexpr Field kUser{108, 8};
constexpr Field kGroup{116, 8};
constexpr Field kSize{124, 12};
constexpr Field kTime{136, 12};
constexpr Field kSum{148, 8};
constexpr size_t kType = 156;
constexpr Field kMagic{257, 6};
constexpr Field kVersion{263, 2};
constexpr Field kPrefix{345, 155};

std::string blob_entry(const std::string& sha256) { return "blobs/sha256-" + sha256; }
std::string record_entry(const ModelName& name) {
  return fmt::format("models/{}/{}.json", name.name, name.tag);
}

Error damaged(std::string what) {
  return Error{ErrorCode::kDamaged, "the bundle " + std::move(what), "export it and copy it again"};
}

void put(Block& block, Field field, std::string_view text) {
  std::memcpy(block.data() + field.at, text.data(), std::min(text.size(), field.bytes));
}

std::string_view text_of(const Block& block, Field field) {
  const std::string_view whole(block.data() + field.at, field.bytes);
  return whole.substr(0, whole.find('\0'));
}

/// The sum of a header's bytes, its own field read as spaces.
uint64_t sum_of(const Block& block) {
  uint64_t sum = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    const bool own = i >= kSum.at && i < kSum.at + kSum.bytes;
    sum += own ? static_cast<uint64_t>(' ') : static_cast<uint8_t>(block[i]);
  }
  return sum;
}

/// Octal digits between spaces, ended by a space or a zero byte; nothing where it is not that.
std::optional<uint64_t> octal(std::string_view field) {
  field = field.substr(0, field.find('\0'));
  while (field.starts_with(' ')) field.remove_prefix(1);
  while (field.ends_with(' ')) field.remove_suffix(1);
  if (field.empty() || field.size() > 12) return std::nullopt;
  uint64_t value = 0;
  for (const char c : field) {
    if (c < '0' || c > '7') return std::nullopt;
    value = value * 8 + static_cast<uint64_t>(c - '0');
  }
  return value;
}

/// A size: octal, or for what 11 digits cannot say a byte 0x80 and then binary, as GNU tar has it.
std::optional<uint64_t> size_of(const Block& block) {
  const std::string_view field(block.data() + kSize.at, kSize.bytes);
  if (static_cast<uint8_t>(field[0]) != 0x80) return octal(field);
  uint64_t value = 0;
  for (const char c : field.substr(1)) {
    if (value >> 56 != 0) return std::nullopt;
    value = value << 8 | static_cast<uint8_t>(c);
  }
  return value;
}

Block make_header(const std::string& path, uint64_t bytes) {
  Block block{};
  const size_t slash = path.rfind('/');
  const bool split = path.size() > kName.bytes && slash != std::string::npos;
  put(block, kName, split ? std::string_view(path).substr(slash + 1) : std::string_view(path));
  if (split) put(block, kPrefix, std::string_view(path).substr(0, slash));
  put(block, kMode, "0000644");
  put(block, kUser, "0000000");
  put(block, kGroup, "0000000");
  put(block, kTime, "00000000000");  // the same models make the same bundle
  if (bytes <= kOctalMax) {
    put(block, kSize, fmt::format("{:011o}", bytes));
  } else {
    block[kSize.at] = static_cast<char>(0x80);
    for (size_t i = 0; i < 8; ++i) {
      block[kSize.at + kSize.bytes - 1 - i] = static_cast<char>(bytes >> (8 * i));
    }
  }
  block[kType] = '0';
  put(block, kMagic, "ustar");
  put(block, kVersion, "00");
  put(block, kSum, fmt::format("{:06o}", sum_of(block)));
  block[kSum.at + 7] = ' ';
  return block;
}

std::string path_of(const Block& block) {
  const std::string_view prefix = text_of(block, kPrefix);
  const std::string name(text_of(block, kName));
  return prefix.empty() ? name : fmt::format("{}/{}", prefix, name);
}

/// What an entry that is no file is, for a message.
std::string_view kind_of(char type) {
  switch (type) {
    case '1':
    case '2':
      return "a link";
    case '5':
      return "a folder";
    case '3':
    case '4':
    case '6':
      return "a device";
    default:
      return "no plain file";
  }
}

std::string encode_plan(const BundlePlan& plan) {
  std::string text;
  base::JsonWriter json(text);
  json.begin_object().field("version", kPlanVersion).key("blobs").begin_array();
  for (const BundlePlan::Blob& blob : plan.blobs) {
    json.begin_object().field("sha256", blob.sha256).field("bytes", blob.bytes).end_object();
  }
  json.end_array().key("models").begin_array();
  for (const BundlePlan::Model& model : plan.models) {
    json.begin_object().field("name", model.name.text()).field("sha256", model.sha256).end_object();
  }
  json.end_array().end_object();
  return text + "\n";
}

Status check_plan(const BundlePlan& plan) {
  std::set<std::string> blobs;
  std::set<std::string> used;
  std::set<std::string> names;
  uint64_t total = 0;
  for (const BundlePlan::Blob& blob : plan.blobs) {
    if (!is_sha256(blob.sha256)) return damaged("names a blob whose hash is no SHA-256");
    if (!blobs.insert(blob.sha256).second) return damaged("announces a blob twice");
    const auto sum = base::checked_add(total, blob.bytes);
    if (!sum || *sum > kBytesMax) return damaged("announces more bytes than there can be");
    total = *sum;
  }
  for (const BundlePlan::Model& model : plan.models) {
    if (!names.insert(model.name.text()).second) return damaged("announces a model twice");
    if (!blobs.contains(model.sha256)) return damaged("announces a model without its blob");
    used.insert(model.sha256);
  }
  if (plan.models.empty()) return damaged("announces no models");
  if (used.size() != blobs.size()) return damaged("announces a blob of no model");
  return {};
}

}  // namespace

bool is_tar_header(std::span<const std::byte> block) {
  constexpr std::string_view kUstar = "ustar";
  return block.size() >= kBlock &&
         std::memcmp(block.data() + kMagic.at, kUstar.data(), kUstar.size()) == 0;
}

Result<BundlePlan> parse_bundle_plan(std::string_view text) {
  const base::JsonValue root = TRY(base::JsonValue::parse(
      text, {.bytes_max = static_cast<size_t>(kBundlePlanBytesMax), .depth_max = 4}));
  const uint64_t version = root.find_unsigned("version").value_or(0);
  if (version == 0) return damaged("does not say its version");
  if (version > kPlanVersion) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("the bundle is of version {}, this program knows {}", version, kPlanVersion),
        "use a newer freehold"};
  }
  BundlePlan plan;
  if (root.find_elements("models").size() > kBundleModelsMax) {
    return Error{ErrorCode::kRefused,
                 fmt::format("the bundle has more than {} models", kBundleModelsMax),
                 {}};
  }
  for (const base::JsonValue& blob : root.find_elements("blobs")) {
    const auto bytes = blob.find_unsigned("bytes");
    if (!bytes) return damaged("announces a blob without its size");
    plan.blobs.push_back({std::string(blob.find_string("sha256").value_or("")), *bytes});
  }
  for (const base::JsonValue& model : root.find_elements("models")) {
    const auto name = parse_name(model.find_string("name").value_or(""));
    if (!name.ok()) return damaged("announces a model without a name: " + name.error().message);
    plan.models.push_back({*name, std::string(model.find_string("sha256").value_or(""))});
  }
  TRY(check_plan(plan));
  return plan;
}

Status BundleWriter::begin(const BundlePlan& plan) {
  return add_text(std::string(kPlanPath), encode_plan(plan));
}

Status BundleWriter::begin_blob(const BundlePlan::Blob& blob) {
  in_entry_ = 0;
  const Block header = make_header(blob_entry(blob.sha256), blob.bytes);
  return sink_(std::as_bytes(std::span(header)));
}

Status BundleWriter::add(std::span<const std::byte> bytes) {
  in_entry_ += bytes.size();
  return sink_(bytes);
}

Status BundleWriter::end_entry() {
  const Block zeros{};
  const size_t padding = static_cast<size_t>((kBlock - in_entry_ % kBlock) % kBlock);
  in_entry_ = 0;
  return sink_(std::as_bytes(std::span(zeros)).first(padding));
}

Status BundleWriter::add_text(const std::string& path, std::string_view text) {
  const Block header = make_header(path, text.size());
  TRY(sink_(std::as_bytes(std::span(header))));
  TRY(add(std::as_bytes(std::span(text))));
  return end_entry();
}

Status BundleWriter::add_record(const ModelRecord& record) {
  return add_text(record_entry(record.name), encode_record(record));
}

Status BundleWriter::finish() {
  const std::array<std::byte, 2 * kBlock> zeros{};
  return sink_(zeros);
}

Result<BundleReader> BundleReader::open(ByteSource source) {
  BundleReader reader(std::move(source));
  reader.plan_ =
      TRY(parse_bundle_plan(TRY(reader.read_text(std::string(kPlanPath), kBundlePlanBytesMax))));
  return reader;
}

Status BundleReader::read_exactly(std::span<std::byte> into) {
  while (!into.empty()) {
    const size_t got = TRY(source_(into));
    if (got == 0) return damaged("ends too early");
    into = into.subspan(got);
  }
  return {};
}

/// The header of exactly that entry; its size.
Result<uint64_t> BundleReader::expect_entry(const std::string& path) {
  Block block{};
  TRY(read_exactly(std::as_writable_bytes(std::span(block))));
  if (std::all_of(block.begin(), block.end(), [](char c) { return c == '\0'; })) {
    return damaged(fmt::format("ends before its entry {}", path));
  }
  const std::string_view sum(block.data() + kSum.at, kSum.bytes);
  if (!is_tar_header(std::as_bytes(std::span(block))) || octal(sum) != sum_of(block)) {
    return damaged("is no tar archive, or damaged: a header is none");
  }
  const std::string found = path_of(block);
  if (found != path) {
    return damaged(
        fmt::format("has the entry {} where {} belongs", base::printable(found, 200), path));
  }
  if (block[kType] != '0' && block[kType] != '\0') {
    return damaged(fmt::format("has {} in the place of {}", kind_of(block[kType]), path));
  }
  const auto bytes = size_of(block);
  if (!bytes || *bytes > kBytesMax) return damaged(fmt::format("has no size for {}", path));
  return *bytes;
}

Status BundleReader::skip_padding(uint64_t bytes) {
  Block block{};
  const auto rest = std::span(block).first(static_cast<size_t>((kBlock - bytes % kBlock) % kBlock));
  TRY(read_exactly(std::as_writable_bytes(rest)));
  if (std::all_of(rest.begin(), rest.end(), [](char c) { return c == '\0'; })) return {};
  return damaged("hides bytes behind an entry");
}

Result<std::string> BundleReader::read_text(const std::string& path, uint64_t bytes_max) {
  const uint64_t bytes = TRY(expect_entry(path));
  if (bytes > bytes_max) {
    return Error{ErrorCode::kRefused,
                 fmt::format("the bundle's {} has {}, at most {} are read", path,
                             base::human_bytes(bytes), base::human_bytes(bytes_max)),
                 {}};
  }
  std::string text(static_cast<size_t>(bytes), '\0');
  TRY(read_exactly(std::as_writable_bytes(std::span(text))));
  TRY(skip_padding(bytes));
  return text;
}

Status BundleReader::read_blob(const BundlePlan::Blob& blob, const ByteSink& sink) {
  const std::string path = blob_entry(blob.sha256);
  const uint64_t bytes = TRY(expect_entry(path));
  if (bytes != blob.bytes) {
    return damaged(fmt::format("has {} bytes of {}, {} were announced", bytes, path, blob.bytes));
  }
  std::vector<std::byte> buffer(static_cast<size_t>(std::min<uint64_t>(bytes, 1u << 20)));
  for (uint64_t left = bytes; left > 0;) {
    const auto piece =
        std::span(buffer).first(static_cast<size_t>(std::min<uint64_t>(left, buffer.size())));
    TRY(read_exactly(piece));
    TRY(sink(piece));
    left -= piece.size();
  }
  return skip_padding(bytes);
}

Result<ModelRecord> BundleReader::read_record(const BundlePlan::Model& model) {
  const std::string path = record_entry(model.name);
  const std::string text = TRY(read_text(path, kRecordBytesMax));
  auto record = parse_record(text);
  if (!record.ok()) return std::move(record).error().within("the bundle's " + path);
  const auto blob = std::find_if(plan_.blobs.begin(), plan_.blobs.end(),
                                 [&](const auto& each) { return each.sha256 == model.sha256; });
  if (record->name != model.name || record->sha256 != model.sha256 || blob == plan_.blobs.end() ||
      record->bytes != blob->bytes) {
    return damaged(fmt::format("has a record at {} that is of another model", path));
  }
  return record;
}

Status BundleReader::finish() {
  std::array<std::byte, 4096> buffer{};
  size_t seen = 0;
  while (true) {
    const size_t got = TRY(source_(buffer));
    if (got == 0) break;
    seen += got;
    const auto piece = std::span(buffer).first(got);
    if (seen > kTrailingBytesMax || std::any_of(piece.begin(), piece.end(), [](std::byte byte) {
          return byte != std::byte{0};
        })) {
      return damaged("has something behind its last entry");
    }
  }
  if (seen < 2 * kBlock) return damaged("ends too early");
  return {};
}

}  // namespace freehold::store
