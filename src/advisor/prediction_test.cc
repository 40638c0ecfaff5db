// The arithmetic of predictions on invented machines, and rates that survive a file.

#include "advisor/prediction.h"

#include <gtest/gtest.h>

namespace freehold::advisor {
namespace {

/// A model of one matrix of 1000 x 1000 bytes and an output of 1000 x 500, `streamed` of 10 panels
/// each not pinned.
struct Made {
  model::WeightSpec specs[2] = {
      {"w", 1000, 1000, model::WeightRole::kMatrix, 0},
      {"output", 500, 1000, model::WeightRole::kMatrix, model::WeightSpec::kNoLayer}};
  runtime::MemoryPlan plan;

  explicit Made(size_t streamed) {
    for (size_t i = 0; i < 2; ++i) {
      runtime::MatrixLayout matrix;
      matrix.spec = &specs[i];
      matrix.row_bytes = 1000;
      matrix.part_rows = specs[i].rows;
      matrix.panel_rows = specs[i].rows / 10;
      matrix.panels_per_part = 10;
      matrix.pinned.assign(10, true);
      for (size_t panel = 0; panel < streamed; ++panel) matrix.pinned[panel] = false;
      matrix.output_only = i == 1;
      plan.layout.matrices.push_back(matrix);
    }
    plan.pinned = plan.layout.pinned_bytes();
    plan.streamed = plan.layout.streamed_bytes();
    plan.columns_max = 100;
  }
};

MachineRates rates(double memory, double operations, double disk) {
  return {"k", memory, operations, disk, true};
}

TEST(Prediction, ResidentModelsReadMemory) {
  const Made made(0);
  const Prediction got = predict(made.plan, rates(1.5e9, 1e12, 0), 100);
  EXPECT_NEAR(got.decode_tokens_per_second, 1000 / 1.06, 1e-6);
  EXPECT_EQ(got.disk_bytes_per_token, 0);
  EXPECT_FALSE(got.disk_is_the_wall);
}

TEST(Prediction, TheSlowerOfDiskAndComputingCounts) {
  const Made made(4);
  // Beside computing a disk gives nine tenths.
  const Prediction disk = predict(made.plan, rates(1e12, 1e15, 6e8 / 0.9), 100);
  EXPECT_NEAR(disk.decode_tokens_per_second, 1000, 1e-6);  // 600,000 bytes at 6e8
  EXPECT_TRUE(disk.disk_is_the_wall);
  EXPECT_EQ(disk.disk_bytes_per_token, 600'000);
  EXPECT_NEAR(disk.disk_bytes_per_day, 600'000.0 * 1000 * 86400, 1);
  // Slices of 100 columns read the layers once each and the output not at all.
  EXPECT_NEAR(predict(made.plan, rates(1e12, 1e15, 4e8 / 0.9), 250).prefill_tokens_per_second,
              250 / (3 * 400'000 / 4e8), 1e-3);
  const Prediction computing = predict(made.plan, rates(1.5e6, 2e9, 1e12), 100);
  EXPECT_NEAR(computing.decode_tokens_per_second, 1 / 1.06, 1e-6);
  EXPECT_NEAR(computing.prefill_tokens_per_second, 1000 / 1.06, 1e-3);
}

TEST(Prediction, OfExpertsOnlyThoseUsedAreReadAndOnlyThoseMissingFromDisk) {
  // Ten experts of 100,000 bytes, two used by a token; a dense matrix of 1,000,000.
  model::WeightSpec specs[2] = {{"w", 1000, 1000, model::WeightRole::kMatrix, 0},
                                {"e", 1000, 1000, model::WeightRole::kExperts, 0, 10, 2}};
  runtime::MemoryPlan plan;
  for (size_t i = 0; i < 2; ++i) {
    runtime::MatrixLayout matrix;
    matrix.spec = &specs[i];
    matrix.row_bytes = 1000;
    matrix.part_rows = specs[i].rows / specs[i].parts;
    matrix.panel_rows = matrix.part_rows;
    matrix.panels_per_part = 1;
    matrix.pinned.assign(specs[i].parts, true);
    plan.layout.matrices.push_back(matrix);
  }
  plan.columns_max = 100;
  const Prediction resident = predict(plan, rates(1.2e6, 1e12, 1e6), 100);
  EXPECT_NEAR(resident.decode_tokens_per_second, 1 / 1.06, 1e-6);
  EXPECT_EQ(resident.disk_bytes_per_token, 0);
  // Half of them in memory: 100,000 bytes a token.
  plan.layout.matrices[1].pinned.assign(10, false);
  plan.expert_slots = 5 * plan.layout.expert_slot_bytes();
  const Prediction half = predict(plan, rates(1.2e6, 1e12, 1e6 / 0.9), 100);
  EXPECT_NEAR(half.disk_bytes_per_token, 100'000, 1);
  // Reading is as long as computing those that are there (0.1 s, 0.088 s), then the others.
  EXPECT_NEAR(half.decode_tokens_per_second, 1 / (1.06 / 1.2 + 0.1 + 1.06 * 0.1 / 1.2), 1e-6);
  // A hundred tokens touch all of them.
  EXPECT_NEAR(predict(plan, rates(1e15, 1e18, 1e6 / 0.9), 100).prefill_tokens_per_second, 100 / 0.5,
              1e-3);
}

TEST(MachineRates, SurviveAFileAndRefuseNonsense) {
  const MachineRates before = rates(1.25e10, 3e11, 3.5e9);
  const MachineRates after = MUST(MachineRates::parse(before.to_json()));
  EXPECT_EQ(after.to_json(), before.to_json());
  for (const char* text : {"", "[]", "{}", R"({"weight_bytes_per_second":0})"}) {
    EXPECT_FALSE(MachineRates::parse(text).ok()) << text;
  }
}

TEST(MachineRates, AreMeasuredAboveZero) {
  const auto pool = MUST(device::WorkerPool::create({.threads = 2, .pin = false}));
  device::MemoryAccount account;
  base::SystemClock clock;
  const auto got = MUST(measure_rates(*pool, account, clock, device::best_isa(),
                                      quant::format(quant::FormatId::Q4_K)));
  EXPECT_GT(got.weight_bytes_per_second, 1e6);
  EXPECT_GT(got.operations_per_second, 1e6);
  EXPECT_EQ(account.held_total(), 0u);
}

}  // namespace
}  // namespace freehold::advisor
