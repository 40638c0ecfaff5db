#pragma once
// The models on this machine: blobs named by their SHA-256, names on top, all under one folder. At
// any moment a model is there whole or not at all: a crash, a full disk or a pulled plug leaves the
// old state or the new one, and what is left over is cleared away at the next change.
// Not a cache: nothing is removed unless asked. Any number of processes may use one store at once;
// within a process, one thread an object. Nothing contacts a network except pull().

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "io/file.h"
#include "io/panel_checksums.h"
#include "io/process.h"
#include "store/bundle.h"
#include "store/catalogue.h"
#include "store/foreign/foreign.h"
#include "store/observer.h"
#include "store/record.h"
#include "store/store_files.h"

namespace freehold::store {

struct RemotePull;

/// What the store works with; all outlive it.
struct StoreServices {
  io::FileSystem& files;
  io::ProcessRunner& processes;
  base::Clock& clock;
  const Catalogue& catalogue;
  std::vector<ForeignFolder> foreign = {};  ///< other programs' stores, only read
};

/// What list() found.
struct StoreListing {
  std::vector<ModelRecord> models;  ///< sorted by name
  std::vector<std::string> broken;  ///< a line each for records that cannot be read
};

struct PullOptions {
  bool offline = false;  ///< Refuse (kRefused) before any contact; what is here already is fine.
  /// The registry's own client and its first arguments.
  std::vector<std::string> registry_client = {"python3", "-m", "pip"};
  /// Finds what a source of the catalogue refers to elsewhere; where there is none, such sources
  /// are passed over.
  std::function<Result<RemotePull>(const std::string& reference)> find_elsewhere = {};
};

/// Of a record that create() made, and may make anew.
inline constexpr std::string_view kCreatedSource = "create";

struct ImportOptions {
  ModelSettings settings = {};    ///< what the name asks for
  std::string source = "import";  ///< for people; kCreatedSource may replace a name of that source
  std::string sha256 = {};        ///< what the file is said to be; empty: not known
  /// Makes the second path from the first without copying (io/share_file.h); empty: it is copied.
  std::function<Status(const std::string& from, const std::string& to)> share = {};
};

/// A MODEL argument that was found.
struct FoundModel {
  std::string path;
  ModelSettings settings;          ///< what its name asks for; empty for a path
  std::string licence;             ///< as its record says; empty for a path
  std::vector<std::string> notes;  ///< what of it cannot be honoured, a line each
};

struct PullReport {
  ModelRecord record;
  bool already_here = false;  ///< nothing had to be fetched
  size_t parts_resumed = 0;   ///< kept from an earlier run
};

class Store {
 public:
  /// `home` need not be there. Nothing is written until something is stored.
  static Store open(const StoreServices& services, std::string home);

  /// The file of a MODEL argument: a path as it is (docs/CLI.md), the blob of a name or of a
  /// reference that was pulled, or where another program keeps it. kNotFound with what to do where
  /// there is none, kUsage where it is no name, kDamaged where the blob is gone.
  Result<std::string> resolve(std::string_view model) const;
  /// The same, with what the name asks for.
  Result<FoundModel> find(std::string_view model) const;

  /// What is known of a name.
  Result<ModelRecord> show(std::string_view name) const;
  Result<StoreListing> list() const;
  /// What other programs' stores have.
  ForeignListing list_foreign() const;
  Result<ForeignModel> find_foreign(std::string_view name) const;

  /// Takes a name away, and the blob where no other name has it. Also discards an interrupted pull.
  Status remove(std::string_view name);
  /// A second name for the same blob. kRefused where `to` is another model's.
  Status copy(std::string_view from, std::string_view to);
  /// Reads the whole blob again: kDamaged with the damaged places where it is not what it was. Of
  /// another program's model: kNotFound where nothing says what it should be.
  Status verify(std::string_view name, Observer& observer) const;
  /// Copies a GGUF file into the store under `name`.
  Result<ModelRecord> import(const std::string& path, std::string_view name, Observer& observer) {
    return import(path, name, {}, observer);
  }
  Result<ModelRecord> import(const std::string& path, std::string_view name,
                             const ImportOptions& options, Observer& observer);
  /// A name for the blob of `base`, which asks for `settings` over the base's. A name that create()
  /// made is replaced; kRefused where `name` is another one.
  Result<ModelRecord> create(std::string_view name, std::string_view base,
                             const ModelSettings& settings);
  /// Fetches a model of the catalogue. Interrupted work is kept and gone on with.
  Result<PullReport> pull(std::string_view name, const PullOptions& options, Observer& observer);

  /// Fetches a GGUF file from elsewhere (store/remote_pull.h). Interrupted work is kept and gone on
  /// with, unless the file has changed meanwhile. kDamaged where it is no GGUF or not of that
  /// SHA-256, kRefused without `open` where it would have to be asked.
  Result<PullReport> pull_from(const RemotePull& wanted, Observer& observer);
  /// The model whose source is `reference` (as people spell it), whole and here; kNotFound where
  /// there is none.
  Result<ModelRecord> find_by_source(std::string_view reference) const;
  /// Throws away what an interrupted pull_from() kept; kNotFound where there is nothing.
  Status discard_pull(std::string_view reference);

  /// Writes the models' blobs and records as a bundle. kDamaged where a blob is not what its name
  /// says; what was written until then is no bundle.
  Status export_bundle(std::span<const std::string> names, const ByteSink& sink,
                       Observer& observer) const;
  /// Asked about each record of a bundle before anything of it becomes visible; an error ends it.
  using AdmitRecord = std::function<Status(const ModelRecord& record)>;
  /// Brings a bundle's models in, each under its name. Everything is seen and hashed before the
  /// first name is written. kRefused where a name is another model's.
  Result<std::vector<ModelRecord>> import_bundle(const ByteSource& source, const AdmitRecord& admit,
                                                 Observer& observer);

  const std::string& home() const { return paths_.home(); }
  /// Where a record's bytes are.
  std::string blob_path(const ModelRecord& record) const { return paths_.blob(record.sha256); }

 private:
  friend class Puller;
  friend class BundleArrival;
  Store(const StoreServices& services, std::string home)
      : services_(services), paths_(std::move(home)) {}

  static std::string remote_key(const RemotePull& wanted);
  Result<bool> take_remote_from_here(const RemotePull& wanted, ModelRecord& record,
                                     Observer& observer);
  Status bring_remote(const RemotePull& wanted, const std::string& work, ModelRecord& record,
                      PullReport& report, Observer& observer);

  io::FileSystem& files() const { return services_.files; }
  Status verify_foreign(std::string_view name, Observer& observer) const;
  Result<ModelRecord> read_record(const ModelName& name) const;
  Error no_such_model(std::string_view text) const;
  Result<FoundModel> found_record(ModelRecord record) const;
  Status make_folders();
  /// The lock under which names and blobs change.
  Result<std::unique_ptr<io::FileLock>> lock_for_change();
  void clear_leftovers(const io::FileLock& held);
  void remove_unnamed_blobs(const io::FileLock& held);
  void clear_finished_work();
  enum class Replace { kNothing, kCreated };  ///< kCreated: a name that create() made
  /// kRefused where `name` belongs to another blob, or to a name that differs only in case.
  /// Asked early, to fail before the work, and again under the lock, to be sure.
  Status check_name_free(const ModelRecord& record, Replace replace = Replace::kNothing) const;
  Status write_record(const io::FileLock& held, const ModelRecord& record);
  bool blob_is_whole(const std::string& sha256, uint64_t bytes) const;
  /// Moves a finished temporary file into the blobs, its checksums first.
  Status publish_blob(const io::FileLock& held, const std::string& temporary,
                      const std::string& sha256, const io::PanelChecksums& panels);

  StoreServices services_;
  StorePaths paths_;
};

/// Where the store is: FREEHOLD_HOME, else XDG_DATA_HOME/freehold, else HOME/.local/share/freehold,
/// by a look-up in the environment (nullptr: not set). kUsage where none is set or a path is
/// relative.
Result<std::string> store_home(const std::function<const char*(const char*)>& environment);

}  // namespace freehold::store
