// Any bytes as an entry of the folder of saved conversations: its header, its snapshot's header,
// and as a file that find() meets. Nothing but what is whole is ever handed out.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "io/simulated_file_system.h"
#include "runtime/cache/snapshot_format.h"
#include "runtime/engine/prompt_cache.h"
#include "runtime/engine/prompt_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace freehold;
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto parsed = runtime::parse_prompt_cache(bytes);
  const bool whole = parsed.ok() && runtime::check_snapshot(parsed->snapshot).ok();
  (void)runtime::parse_snapshot_header(bytes).ok();

  io::SimulatedFileSystem disk;
  const runtime::PromptScope scope{"fh-1", "m", "f16"};
  disk.put("/p/" + scope.name() + "-000000000001-00000000.prompt",
           {reinterpret_cast<const char*>(data), size});
  auto folder = runtime::PromptFolder::open(
      {.files = disk, .path = "/p", .scope = scope, .bytes_max = uint64_t{1} << 20});
  CHECK(folder.ok());
  std::vector<runtime::TokenId> prompt = {1, 2, 3, 4};
  if (parsed.ok() && !parsed->tokens.empty()) prompt = parsed->tokens;
  std::vector<std::string> notes;
  const auto found = folder->find(prompt, 0, notes);
  CHECK(!found || whole);
  return 0;
}
