#include "cli/home_disk.h"

namespace freehold::cli {

namespace {

/// Long enough for a steady rate.
constexpr size_t kScratchBytes = size_t{256} << 20;
constexpr size_t kScratchStep = size_t{4} << 20;

Status write_scratch(io::FileSystem& files, const std::string& path) {
  const auto file = TRY(files.create(path, io::WriteMode::kTruncate));
  const std::vector<std::byte> step(kScratchStep, std::byte{0x5A});
  for (size_t done = 0; done < kScratchBytes; done += step.size()) TRY(file->append(step));
  TRY(file->sync());
  return file->close();
}

}  // namespace

Result<device::DiskBandwidth> measure_home(Context& context, device::MemoryAccount& account) {
  TRY(context.files.make_directories(context.home));
  const std::string path = context.home + "/measured.partial";
  const auto measure = [&]() -> Result<device::DiskBandwidth> {
    TRY(write_scratch(context.files, path));
    const auto file = TRY(context.files.open(path));
    return device::measure_disk(context.files, *file, account, context.clock);
  };
  auto measured = measure();
  (void)context.files.remove(path);
  return measured;
}

}  // namespace freehold::cli
