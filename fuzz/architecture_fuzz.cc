// Metadata of any sort for every architecture: keys and tensors from lines of text, read by each
// row of archs.def in turn. A row refuses with words or gives numbers that its own lists and
// functions agree with: tensors of sizes that do not overflow, and a dry run without a problem.
//
// A line is a kind, a name and values, apart by spaces: `u` and `i` whole numbers, `f` numbers, `s`
// a text, `U`, `B` and `F` lists, `t` a tensor in f32 (width, rows). Keys are without the
// architecture.

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "io/simulated_file_system.h"
#include "model/arch/architecture.h"
#include "model/arch/recording_context.h"
#include "model/gguf/gguf_bytes.h"

namespace {

using namespace freehold;

constexpr size_t kLinesMax = 400;
constexpr uint64_t kTensorValuesMax = 1u << 16;
constexpr uint64_t kWeightsMax = uint64_t{1} << 50;  // values of one tensor

std::string_view take_word(std::string_view& line) {
  const size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

template <class T>
T number(std::string_view word) {
  T value{};
  (void)std::from_chars(word.data(), word.data() + word.size(), value);
  return value;
}

template <class T>
std::vector<T> numbers(std::string_view line) {
  std::vector<T> values;
  while (!line.empty()) values.push_back(number<T>(take_word(line)));
  return values;
}

void add_line(model::GgufBytes& bytes, const std::string& architecture, std::string_view line) {
  const std::string_view kind = take_word(line);
  const std::string_view name = take_word(line);
  const std::string key = architecture + "." + std::string(name);
  if (name.empty() || kind.size() != 1) return;
  if (kind == "u") bytes.u32(key, number<uint32_t>(line));
  if (kind == "i") bytes.i64(key, number<int64_t>(line));
  if (kind == "f") bytes.f32(key, number<float>(line));
  if (kind == "s") bytes.text(key, line);
  if (kind == "U") bytes.array(key, 5, numbers<int32_t>(line));
  if (kind == "B") bytes.array(key, 7, numbers<uint8_t>(line));
  if (kind == "F") bytes.array(key, 6, numbers<float>(line));
  if (kind == "t") {
    const auto width = number<uint32_t>(take_word(line));
    const auto rows = number<uint32_t>(take_word(line));
    const uint64_t values = uint64_t{width} * rows;
    if (values <= kTensorValuesMax) bytes.tensor(name, {width, rows}, 0, values * 4);
  }
}

void check_row(const model::Architecture& architecture, const model::GgufModel& file) {
  const auto parameters = architecture.read(file);
  if (!parameters.ok()) {
    CHECK(!parameters.error().message.empty());
    return;
  }
  const auto specs = architecture.weights(*parameters);
  for (const model::WeightSpec& spec : specs) {
    CHECK(spec.rows > 0 && spec.rows < kWeightsMax && spec.width > 0);
    CHECK(spec.width <= kWeightsMax / spec.rows);
  }
  const Status status = model::check_weights(file, specs);
  CHECK(status.ok() || !status.error().message.empty());
  CHECK(model::dry_run(architecture, *parameters).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (const model::Architecture* architecture : model::all_architectures()) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::string name(architecture->name);
    model::GgufBytes bytes;
    bytes.text("general.architecture", name);
    for (size_t lines = 0; !text.empty() && lines < kLinesMax; ++lines) {
      const size_t end = std::min(text.find('\n'), text.size());
      add_line(bytes, name, text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    io::SimulatedFileSystem files;
    files.put("/m.gguf", bytes.build());
    const auto file = model::GgufModel::open(files, "/m.gguf");
    if (file.ok()) check_row(*architecture, *file);
  }
  return 0;
}
