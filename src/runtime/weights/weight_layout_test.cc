// Panels tile their matrices, and what is pinned is spread evenly and never more than allowed.

#include "runtime/weights/weight_layout.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "runtime/engine/test_model.h"

namespace freehold::runtime {
namespace {

/// A model of which only the header is read.
struct Header {
  std::unique_ptr<Model> model;

  explicit Header(const std::string& architecture, uint32_t layers = 6) {
    auto options = small_model(architecture, "Q4_K_M");
    options.layers = architecture == "gemma3" ? 7 : layers;
    options.width = 512;
    options.ffn_width = 4096;
    options.vocabulary = 4096;
    const auto files = io::make_system_files();
    const std::string path = testing::TempDir() + "freehold-layout-" + architecture + "-" +
                             std::to_string(::getpid()) + ".gguf";
    MUST(factory::write_model(*files, path, options));
    model = MUST(Model::open(
        std::make_unique<model::GgufModel>(MUST(model::GgufModel::open(*files, path)))));
    std::filesystem::remove(path);
  }
};

TEST(WeightLayout, PanelsTileEveryMatrix) {
  const Header header("llama");
  for (const uint64_t most : {kPanelBytesMin, uint64_t{300'000}, kPanelBytesMax}) {
    const WeightLayout layout = header.model->layout(most);
    for (const MatrixLayout& matrix : layout.matrices) {
      uint64_t rows = 0;
      for (size_t panel = 0; panel < matrix.panels(); ++panel) {
        EXPECT_GT(matrix.rows_of(panel), 0u);
        EXPECT_LE(matrix.bytes_of(panel), std::max(most, 16 * matrix.row_bytes));
        rows += matrix.rows_of(panel);
      }
      EXPECT_EQ(rows, matrix.spec->rows) << matrix.spec->name;
      EXPECT_EQ(matrix.panel_rows % 16, 0u);
    }
  }
}

TEST(WeightLayout, TheOutputMatrixComesLastAlsoWhereItIsTheEmbedding) {
  for (const char* architecture : {"llama", "gemma3"}) {
    const Header header(architecture);
    const WeightLayout layout = header.model->layout();
    for (size_t i = 0; i < layout.matrices.size(); ++i) {
      EXPECT_EQ(layout.matrices[i].output_only, i + 1 == layout.matrices.size());
    }
    const uint64_t listed = layout.bytes();
    uint64_t in_file = 0;
    for (const model::WeightSpec& spec : header.model->specs()) {
      const bool read =
          spec.role == model::WeightRole::kMatrix ||
          (spec.role == model::WeightRole::kEmbedding && header.model->parameters().tied_output);
      if (read) in_file += header.model->file().find(spec.name)->bytes;
    }
    EXPECT_EQ(listed, in_file);
  }
}

/// The largest distance, over all places in a pass, between what is pinned of the large matrices so
/// far and the share of them that is pinned in all.
double unevenness(const WeightLayout& layout) {
  uint64_t all = 0;
  uint64_t pinned = 0;
  const auto each = [&](auto&& visit) {
    for (const MatrixLayout& matrix : layout.matrices) {
      if (matrix.spec->rows * matrix.row_bytes < (uint64_t{1} << 20)) continue;
      for (size_t panel = 0; panel < matrix.panels(); ++panel) {
        visit(matrix.bytes_of(panel), matrix.pinned[panel]);
      }
    }
  };
  each([&](uint64_t bytes, bool is_pinned) {
    all += bytes;
    pinned += is_pinned ? bytes : 0;
  });
  const double share = static_cast<double>(pinned) / static_cast<double>(all);
  double passed = 0;
  double so_far = 0;
  double worst = 0;
  each([&](uint64_t bytes, bool is_pinned) {
    passed += static_cast<double>(bytes);
    so_far += is_pinned ? static_cast<double>(bytes) : 0;
    worst = std::max(worst, std::abs(so_far - share * passed));
  });
  return worst;
}

TEST(WeightLayout, PinsEvenlyAndNeverMoreThanAllowed) {
  const Header header("llama");
  WeightLayout layout = header.model->layout(uint64_t{256} << 10);
  const uint64_t all = layout.bytes();
  for (int eighths = 0; eighths <= 8; ++eighths) {
    const uint64_t allowed = all / 8 * static_cast<uint64_t>(eighths);
    layout.pin_at_most(allowed);
    EXPECT_LE(layout.pinned_bytes(), allowed);
    EXPECT_EQ(layout.pinned_bytes() + layout.streamed_bytes(), all);
    EXPECT_LT(unevenness(layout), 2.0 * (uint64_t{256} << 10)) << eighths;
    // Nothing much is left unused.
    EXPECT_GT(layout.pinned_bytes() + (uint64_t{512} << 10), allowed) << eighths;
  }
  layout.pin_at_most(all);
  EXPECT_EQ(layout.streamed_bytes(), 0u);
  EXPECT_EQ(layout.streamed_panel_bytes_max(), 0u);
}

TEST(WeightLayout, PinningTheFirstPanelsWouldBeNoticed) {  // The mutant.
  const Header header("llama");
  WeightLayout layout = header.model->layout(uint64_t{256} << 10);
  layout.pin_at_most(0);
  uint64_t left = layout.bytes() / 2;
  for (MatrixLayout& matrix : layout.matrices) {
    for (size_t panel = 0; panel < matrix.panels() && left >= matrix.bytes_of(panel); ++panel) {
      matrix.pinned[panel] = true;
      left -= matrix.bytes_of(panel);
    }
  }
  EXPECT_GT(unevenness(layout), 2.0 * (uint64_t{256} << 10));
}

// The control: what a cache of the same bytes would read that keeps what was used last.
TEST(WeightLayout, RecencyInPlaceOfPinningReadsMore) {
  const Header header("llama");
  WeightLayout layout = header.model->layout(uint64_t{256} << 10);
  const uint64_t all = layout.bytes();
  layout.pin_at_most(all / 2);
  std::vector<uint64_t> panels;  // bytes, in the order of a pass
  for (const MatrixLayout& matrix : layout.matrices) {
    for (size_t panel = 0; panel < matrix.panels(); ++panel)
      panels.push_back(matrix.bytes_of(panel));
  }
  std::vector<size_t> kept;  // least recent first
  uint64_t held = 0;
  uint64_t read = 0;
  constexpr size_t kPasses = 5;
  for (size_t step = 0; step < kPasses * panels.size(); ++step) {
    const size_t panel = step % panels.size();
    const auto found = std::find(kept.begin(), kept.end(), panel);
    if (found != kept.end()) {
      kept.erase(found);
    } else {
      read += panels[panel];
      held += panels[panel];
      while (held > layout.pinned_bytes()) {
        held -= panels[kept.front()];
        kept.erase(kept.begin());
      }
    }
    kept.push_back(panel);
  }
  const uint64_t pinning_reads = layout.pinned_bytes() + kPasses * layout.streamed_bytes();
  EXPECT_EQ(read, kPasses * all);  // never what it still has
  EXPECT_GT(read, pinning_reads * 3 / 2);
}

}  // namespace
}  // namespace freehold::runtime
