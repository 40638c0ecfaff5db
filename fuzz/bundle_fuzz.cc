// Bundles from any bytes, through the store's own door onto a simulated disk. Sums of headers are
// put right first, or nothing but noise would ever come past them. Whatever comes in: nothing
// outside the store is written, each name has its whole blob, and a refused bundle leaves nothing.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/check.h"
#include "base/clock.h"
#include "io/simulated_file_system.h"
#include "store/store.h"

namespace {

using namespace freehold;  // NOLINT: a fuzzer

std::string with_sums(std::string text) {
  constexpr size_t kBlock = 512;
  for (size_t at = 0; at + kBlock <= text.size(); at += kBlock) {
    if (text.compare(at + 257, 5, "ustar") != 0) continue;
    text.replace(at + 148, 8, 8, ' ');
    unsigned sum = 0;
    for (size_t i = 0; i < kBlock; ++i) sum += static_cast<uint8_t>(text[at + i]);
    for (size_t i = 0; i < 6; ++i) {
      text[at + 148 + i] = static_cast<char>('0' + (sum >> (3 * (5 - i)) & 7));
    }
    text[at + 154] = '\0';
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text = with_sums({reinterpret_cast<const char*>(data), size});
  static const store::Catalogue catalogue = store::Catalogue::built_in();
  io::SimulatedFileSystem disk;
  disk.set_capacity(uint64_t{64} << 20);
  base::SimulatedClock clock{1'700'000'000'000'000'000};
  io::SimulatedProcesses processes([](const auto&, const auto&) -> Result<io::ProcessOutcome> {
    return Error{ErrorCode::kFailed, "none here", {}};
  });
  store::Store store = store::Store::open({disk, processes, clock, catalogue}, "/disk/store");
  size_t at = 0;
  const store::ByteSource source = [&](std::span<std::byte> into) -> Result<size_t> {
    const size_t count = std::min(into.size(), text.size() - at);
    std::memcpy(into.data(), text.data() + at, count);
    at += count;
    return count;
  };
  store::Observer observer;
  const auto imported = store.import_bundle(source, {}, observer);
  for (const std::string& path : disk.all_files()) {
    CHECK(path.starts_with("/disk/store/"));
    CHECK(path.find("..") == std::string::npos);
    CHECK(imported.ok() || path.starts_with("/disk/store/locks/"));
  }
  if (!imported.ok()) return 0;
  CHECK(!imported->empty());
  for (const store::ModelRecord& record : *imported) {
    CHECK(store.verify(record.name.text(), observer).ok());
  }
  return 0;
}
