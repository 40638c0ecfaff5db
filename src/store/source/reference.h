#pragma once
// What a person types for a model that is elsewhere, read into its parts (docs/CLI.md, `pull`).
// Pure values; hostile input. Nothing here becomes a path of this machine.

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace freehold::store {

enum class ReferenceKind {
  kAddress,  ///< http or https, of the file itself
  kHub,      ///< a repository of the Hugging Face hub or of a mirror of it
  kRegistry  ///< an OCI or Ollama registry
};

struct Reference {
  ReferenceKind kind = ReferenceKind::kAddress;
  std::string text = {};        ///< canonical: for records and messages
  std::string host = {};        ///< of a registry, with its port
  std::string repository = {};  ///< "USER/REPO", or a registry's NAME
  std::string revision = {};    ///< of a hub; empty: main
  std::string file = {};        ///< of a hub; empty: to be chosen
  std::string tag = {};         ///< a hub's quantisation (may be empty) or a registry's tag
  std::string digest = {};      ///< "sha256:HEX" of a registry's manifest; empty: by tag
};

/// The reference that `text` is: an address, `hf.co/…`, `hf:…`, `huggingface.co/…`, `oci://…`,
/// `ollama.com/…` or `HOST[:PORT]/NAME…` with a dot, a colon or "localhost" in its first part.
/// Nothing for names of the catalogue and paths; kUsage with the grammar for what begins as a
/// reference and is none.
Result<std::optional<Reference>> parse_reference(std::string_view text);

/// Whether `text` is a reference, well or badly written.
bool is_reference(std::string_view text);

/// `text` for a part of an address: everything but letters, digits, '-', '.', '_', '~' and '/' as
/// %XX.
std::string encode_address_part(std::string_view text);

/// `text` as a name of the store: small letters, anything else joined by '-'; may be empty.
std::string store_name_of(std::string_view text);

}  // namespace freehold::store
