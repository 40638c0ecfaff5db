// Any bytes as what people type and what servers say: references, heads of answers, listings of a
// hub, a registry's challenges, manifests and logins. Nothing crashes, and what is accepted keeps
// its promises: a reference reads back the same, a name is a name, a file of a listing is no step
// up.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "io/http_client.h"
#include "store/name.h"
#include "store/source/hub.h"
#include "store/source/registry.h"

namespace {

using namespace freehold;  // NOLINT: a fuzzer's own file

void references(std::string_view text) {
  const auto parsed = store::parse_reference(text);
  const std::string name = store::store_name_of(text);
  CHECK(name.size() <= store::kNamePartBytesMax && name.find("..") == std::string::npos &&
        name.find('/') == std::string::npos);
  if (!parsed.ok() || !*parsed) return;
  const store::Reference& reference = **parsed;
  if (reference.kind == store::ReferenceKind::kAddress) return;
  CHECK(reference.repository.find("..") == std::string::npos);
  const auto again = store::parse_reference(reference.text);
  CHECK(again.ok() && *again && (*again)->text == reference.text);
}

void heads(std::string_view text) {
  io::HttpHead head;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    if (!head.add_line(text.substr(0, end))) return;
    text.remove_prefix(end);
  }
  if (const auto range = head.content_range()) {
    CHECK(range->first <= range->last && range->last < range->total);
  }
  (void)head.content_length();
  CHECK(head.retry_after_seconds() >= 0 && head.retry_after_seconds() <= 3600);
  (void)head.version();
}

void listings(std::string_view text) {
  const auto page = store::parse_answer("http://h/", text);
  if (!page.ok()) return;
  std::vector<store::HubFile> files;
  if (!store::parse_tree(*page, files).ok()) return;
  for (const store::HubFile& file : files) {
    CHECK(("/" + file.path + "/").find("/../") == std::string::npos && !file.path.starts_with('/'));
    (void)store::quant_of(file.path);
    const auto chosen = store::choose_file(files, file.path, "", "a/b");
    CHECK(!chosen.ok() || files[*chosen].path == file.path);
  }
  for (const char* quant : {"", "Q4_K_M", "q8_0"}) {
    (void)store::choose_file(files, "", quant, "a/b").ok();
  }
}

void challenges(std::string_view text) {
  for (const store::Challenge& challenge : store::parse_challenges(text)) {
    CHECK(!challenge.scheme.empty());
    (void)challenge.find("realm");
  }
}

void manifests(std::string_view text) {
  const auto manifest = store::parse_manifest(text);
  if (!manifest.ok()) return;
  for (const store::RegistryLayer& layer : manifest->entries) CHECK(layer.digest.size() == 71);
  const auto chosen = manifest->is_index ? store::choose_manifest(*manifest, "h/r")
                                         : store::choose_layer(*manifest, "h/r");
  CHECK(!chosen.ok() || *chosen < manifest->entries.size());
}

void logins(std::string_view text) {
  for (const auto& login :
       {store::find_login(text, "", "host.org"), store::find_login("", text, "host.org")}) {
    CHECK(!login || login->find('\n') == std::string::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  // The first byte says what the rest is.
  switch (data[0]) {
    case 'r':
      references(text);
      break;
    case 'h':
      heads(text);
      break;
    case 't':
      listings(text);
      break;
    case 'c':
      challenges(text);
      break;
    case 'm':
      manifests(text);
      break;
    case 'l':
      logins(text);
      break;
    default:
      break;
  }
  return 0;
}
