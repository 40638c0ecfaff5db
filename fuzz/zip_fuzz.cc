// Any bytes as an archive: opened, and every member unpacked as far as a bound, without a crash and
// without more output than the member says.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "io/simulated_file_system.h"
#include "store/zip.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace freehold;
  io::SimulatedFileSystem disk;
  disk.put("/a.whl", {reinterpret_cast<const char*>(data), size});
  const auto file = disk.open("/a.whl").value();
  const Result<store::ZipArchive> archive = store::ZipArchive::open(*file);
  if (!archive.ok()) return 0;
  constexpr uint64_t kUnpackedMax = 1u << 20;  // keeps one run short
  for (const store::ZipMember& member : archive->members()) {
    uint64_t total = 0;
    const Status read = archive->read(member, [&total](std::span<const std::byte> bytes) -> Status {
      total += bytes.size();
      if (total > kUnpackedMax) return Error{ErrorCode::kRefused, "enough", {}};
      return {};
    });
    CHECK(total <= member.bytes);
    CHECK(!read.ok() || total == member.bytes);
  }
  (void)archive->find_one("*.gguf").ok();
  return 0;
}
