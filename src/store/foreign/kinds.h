#pragma once
// What each kind of foreign store does, by rows of foreign_kinds.def, and what they share. Internal
// to store/foreign.

#include <string>
#include <string_view>
#include <vector>

#include "store/foreign/foreign.h"

namespace freehold::store {

/// One folder of a kind, while it is being looked through.
struct ForeignPlace {
  io::FileSystem& files;
  const std::string& root;
  std::string_view prefix;  // of the names, without the colon
};

/// `name` is without its prefix. kNotFound lets the next folder of the kind be tried.
#define FREEHOLD_FOREIGN(prefix, word, program)                                          \
  Result<ForeignModel> find_in_##word(const ForeignPlace& place, std::string_view name); \
  void list_##word(const ForeignPlace& place, ForeignListing& listing);
#include "store/foreign/foreign_kinds.def"
#undef FREEHOLD_FOREIGN

/// Whether `part` can be one file's or folder's name there: not empty, not hidden, no '/', no
/// control characters, at most 255 bytes.
bool is_foreign_part(std::string_view part);

/// kUsage: what the grammar of a kind's names is.
Error no_foreign_name(const ForeignPlace& place, std::string_view name, std::string_view grammar);
Error not_in_store(const ForeignPlace& place, std::string_view name);

/// Entries of the folder `relative`, with what links lead to; those that lead out or are neither
/// file nor folder are left out. kNotFound where there is no folder.
struct ForeignEntry {
  std::string name;
  bool is_directory = false;
  uint64_t bytes = 0;
};
Result<std::vector<ForeignEntry>> list_foreign_folder(const ForeignPlace& place,
                                                      const std::string& relative);

/// Names of GGUF files that are models: no projectors, of shards the first.
bool is_model_file(std::string_view file);

/// The one of `files` (paths below the place) that `quant` ("Q4_K_M", or empty) asks for; where
/// there are several and nothing is asked, Q4_K_M, which hubs recommend. kUsage naming them,
/// kNotFound.
Result<std::string> choose_file(const ForeignPlace& place, std::string_view name,
                                const std::vector<std::string>& files, std::string_view quant);

/// The file `relative`, and where it is the first of several shards, all of them.
Result<ForeignModel> foreign_file(const ForeignPlace& place, const std::string& relative);

}  // namespace freehold::store
