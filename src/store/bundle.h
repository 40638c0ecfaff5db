#pragma once
// A bundle: models in one file for machines without a network (docs/formats/bundle.md). A plain tar
// archive in one fixed order: what is in it, the blobs, the records. Both directions are streams.
// Reading is of hostile input: an entry that is not exactly the one the beginning announced ends
// it, so there are no paths, links or second tries to fear. Not the store; one thread.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/record.h"

namespace freehold::store {

/// Up to into.size() bytes; 0 at the end only.
using ByteSource = std::function<Result<size_t>(std::span<std::byte> into)>;
using ByteSink = std::function<Status(std::span<const std::byte>)>;

inline constexpr size_t kBundleModelsMax = 1000;
inline constexpr uint64_t kBundlePlanBytesMax = 1u << 20;

/// What a bundle holds, in its order.
struct BundlePlan {
  struct Blob {
    std::string sha256;
    uint64_t bytes = 0;
    bool operator==(const Blob&) const = default;
  };
  struct Model {
    ModelName name;
    std::string sha256;
    bool operator==(const Model&) const = default;
  };
  std::vector<Blob> blobs;
  std::vector<Model> models;
  bool operator==(const BundlePlan&) const = default;
};

/// kDamaged where the text is no plan: hashes, names, blobs twice or of no model, models twice or
/// without their blob, sizes that overflow. kRefused for a newer version and for too much.
Result<BundlePlan> parse_bundle_plan(std::string_view text);

class BundleWriter {
 public:
  explicit BundleWriter(ByteSink sink) : sink_(std::move(sink)) {}
  Status begin(const BundlePlan& plan);
  /// Then exactly blob.bytes by add(), then end_entry().
  Status begin_blob(const BundlePlan::Blob& blob);
  Status add(std::span<const std::byte> bytes);
  Status end_entry();
  Status add_record(const ModelRecord& record);
  Status finish();

 private:
  Status add_text(const std::string& path, std::string_view text);
  ByteSink sink_;
  uint64_t in_entry_ = 0;
};

/// The steps in their order: open, each blob, each record, finish. Errors: kDamaged saying what was
/// expected and what is there, kRefused for what is too long or too new, kFailed of the source.
class BundleReader {
 public:
  static Result<BundleReader> open(ByteSource source);
  const BundlePlan& plan() const { return plan_; }
  /// Whether its bytes are those of its hash is for the caller to see.
  Status read_blob(const BundlePlan::Blob& blob, const ByteSink& sink);
  /// A record of that name and blob.
  Result<ModelRecord> read_record(const BundlePlan::Model& model);
  /// The end of the archive, and nothing behind it but a tar program's padding.
  Status finish();

 private:
  explicit BundleReader(ByteSource source) : source_(std::move(source)) {}
  Status read_exactly(std::span<std::byte> into);
  Result<uint64_t> expect_entry(const std::string& path);
  Status skip_padding(uint64_t bytes);
  Result<std::string> read_text(const std::string& path, uint64_t bytes_max);

  ByteSource source_;
  BundlePlan plan_;
};

/// Whether a file's first 512 bytes are a tar archive's.
bool is_tar_header(std::span<const std::byte> block);

}  // namespace freehold::store
