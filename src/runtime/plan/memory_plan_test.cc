// The plan adds up, keeps to its budget, streams only what it must, and refuses with a number that
// works.

#include "runtime/plan/memory_plan.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "runtime/engine/test_model.h"

namespace freehold::runtime {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

struct Planned {
  std::unique_ptr<Model> model;

  explicit Planned(const std::string& architecture = "llama") {
    auto options = small_model(architecture, "Q4_K_M");
    options.experts = 32;
    options.experts_used = 4;
    options.layers = 12;
    options.width = 768;
    options.ffn_width = 4096;
    options.vocabulary = 8192;
    const auto files = io::make_system_files();
    const std::string path =
        testing::TempDir() + "freehold-plan-" + std::to_string(::getpid()) + ".gguf";
    MUST(factory::write_model(*files, path, options));
    model = MUST(Model::open(
        std::make_unique<model::GgufModel>(MUST(model::GgufModel::open(*files, path)))));
    std::filesystem::remove(path);
  }
  Result<MemoryPlan> plan(uint64_t budget, uint64_t held = 10 * kMiB) const {
    return plan_memory(*model,
                       {.cache_type = ops::CacheType::kF16,
                        .positions = 512,
                        .columns_max = 256,
                        .columns_min = 16,
                        .threads = 2},
                       {budget, held});
  }
};

TEST(MemoryPlan, WithoutALimitEverythingIsPinned) {
  const Planned planned;
  const MemoryPlan plan = MUST(planned.plan(Budget::kUnlimited));
  EXPECT_FALSE(plan.streams());
  EXPECT_EQ(plan.ring, 0u);
  EXPECT_EQ(plan.columns_max, 256u);
  EXPECT_EQ(plan.pinned, plan.layout.bytes());
}

TEST(MemoryPlan, EveryBudgetFromTheLeastUpIsKept) {
  const Planned planned;
  const MemoryPlan all = MUST(planned.plan(Budget::kUnlimited));
  const auto refused = planned.plan(1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kRefused);
  // The hint names the least; from there on plans are made, and more memory never streams more.
  const std::string& hint = refused.error().hint;
  const uint64_t least = std::stoull(hint.substr(hint.find("--memory ") + 9)) * kMiB;
  EXPECT_LT(least, all.total());
  uint64_t streamed_before = UINT64_MAX;
  for (uint64_t budget = least; budget < all.total() + 8 * kMiB; budget += kMiB) {
    const auto plan = planned.plan(budget);
    ASSERT_TRUE(plan.ok()) << budget << plan.error().message;
    EXPECT_LE(plan->total(), budget);
    EXPECT_EQ(plan->streams(), budget < all.total()) << budget;
    EXPECT_EQ(plan->bytes_per_pass(), all.pinned);
    // A longer pass may cost a panel or two.
    EXPECT_LE(plan->streamed,
              streamed_before == UINT64_MAX ? UINT64_MAX : streamed_before + 8 * kMiB);
    streamed_before = plan->streamed;
  }
  EXPECT_FALSE(planned.plan(least - 2 * kMiB).ok());
}

TEST(MemoryPlan, DensePartsArePinnedBeforeExpertsHaveMoreThanTheirLeast) {
  const Planned planned("qwen3moe");
  const MemoryPlan all = MUST(planned.plan(Budget::kUnlimited));
  EXPECT_EQ(all.pinned, all.layout.bytes());
  EXPECT_EQ(all.expert_slots, 0u);
  EXPECT_LT(all.bytes_per_pass(), all.layout.bytes());
  const uint64_t dense = all.layout.bytes() - all.layout.expert_bytes();
  const auto refused = planned.plan(1);
  const std::string& hint = refused.error().hint;
  const uint64_t least = std::stoull(hint.substr(hint.find("--memory ") + 9)) * kMiB;
  double missing_before = 1;
  bool saw_streamed = false;
  bool saw_slots = false;
  for (uint64_t budget = least; budget < all.total(); budget += kMiB) {
    const auto plan = planned.plan(budget);
    ASSERT_TRUE(plan.ok()) << budget << plan.error().message;
    EXPECT_LE(plan->total(), budget);
    ASSERT_TRUE(plan->streams());
    EXPECT_GE(plan->expert_slots, 4 * plan->layout.expert_slot_bytes());
    saw_streamed = saw_streamed || plan->streamed > 0;
    saw_slots = saw_slots || plan->streamed == 0;
    if (plan->streamed > 0) {
      EXPECT_LT(plan->expert_slots, 5 * plan->layout.expert_slot_bytes());
    } else {
      EXPECT_EQ(plan->pinned, dense);
      EXPECT_EQ(plan->ring, 0u);
      // A longer pass may cost a few slots.
      EXPECT_LE(plan->expert_miss_share(), missing_before + 0.1);
      missing_before = plan->expert_miss_share();
    }
  }
  EXPECT_TRUE(saw_streamed);
  EXPECT_TRUE(saw_slots);
}

TEST(MemoryPlan, WhatTheProcessHoldsCounts) {
  const Planned planned;
  const MemoryPlan all = MUST(planned.plan(Budget::kUnlimited, 10 * kMiB));
  EXPECT_FALSE(MUST(planned.plan(all.total(), 10 * kMiB)).streams());
  EXPECT_TRUE(MUST(planned.plan(all.total(), 11 * kMiB)).streams());
}

}  // namespace
}  // namespace freehold::runtime
