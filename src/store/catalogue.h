#pragma once
// The models that `pull` knows by name: what each is, its licence, its size and hash, and where it
// can be had, in the order to try. Data, from catalogue.json, built into the program; an update of
// the list is an edit of that file. Immutable after parse(); any thread.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/name.h"

namespace freehold::store {

/// One file of a registry package that holds a part of the model.
struct PackagePart {
  std::string package;
  std::string version;
  std::string member;        ///< pattern of the one member inside, for matches_pattern()
  uint64_t fetch_bytes = 0;  ///< of the package, for progress and space
  uint64_t bytes = 0;        ///< of the member
};

/// A way to have the model. Kinds this program does not know are kept, and skipped by name.
struct CatalogueSource {
  std::string kind;                ///< "python-package", "hub"…
  bool third_party = false;        ///< uploaded by someone else than its publisher
  std::vector<PackagePart> parts;  ///< of a "python-package"; joined in this order
  std::string reference;           ///< of a "hub": "hf.co/USER/REPO/FILE"; may be empty
};

inline constexpr std::string_view kPythonPackage = "python-package";
inline constexpr std::string_view kHubFile = "hub";

struct CatalogueModel {
  std::vector<ModelName> names;  ///< the first is the full one
  std::string description;
  std::string architecture;
  uint64_t bytes = 0;
  std::string sha256;
  std::string licence;  ///< SPDX id
  std::string licence_title;
  std::string upstream;  ///< the publisher's own name for it
  std::vector<CatalogueSource> sources;
};

class Catalogue {
 public:
  /// kDamaged with what is wrong. Hashes, names, sums of parts and uniqueness are checked.
  static Result<Catalogue> parse(std::string_view json);
  /// The list this program was built with.
  static Catalogue built_in();

  std::span<const CatalogueModel> models() const { return models_; }
  /// nullptr where no model has that name.
  const CatalogueModel* find(const ModelName& name) const;
  /// The names closest to `text`, at most three, for "did you mean".
  std::vector<std::string> suggest(std::string_view text) const;

 private:
  std::vector<CatalogueModel> models_;
};

/// The short way to type a name: without the default tag.
std::string short_text(const ModelName& name);

}  // namespace freehold::store
