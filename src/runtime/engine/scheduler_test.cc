#include "runtime/engine/scheduler.h"

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"

namespace freehold::runtime {
namespace {

std::vector<TokenId> tokens(size_t count, TokenId first) {
  std::vector<TokenId> list(count);
  for (size_t i = 0; i < count; ++i) list[i] = first + static_cast<TokenId>(i);
  return list;
}

TEST(Scheduler, PromptsAreSlicedAndTheLastColumnWantsLogits) {
  Scheduler scheduler({.columns_max = 8, .logits_max = 4, .slice_max = 5, .requests_max = 4});
  ASSERT_TRUE(scheduler.admit(1, SequenceId{1}, tokens(7, 100), 0).ok());
  StepPlan plan = scheduler.step();
  ASSERT_EQ(plan.pass.columns.size(), 5u);
  EXPECT_TRUE(plan.logits_of.empty());
  plan = scheduler.step();
  ASSERT_EQ(plan.pass.columns.size(), 2u);
  EXPECT_EQ(plan.logits_of, std::vector<RequestId>{1});
  EXPECT_FALSE(plan.pass.columns[0].wants_logits);
  EXPECT_TRUE(plan.pass.columns[1].wants_logits);
  EXPECT_TRUE(scheduler.step().pass.columns.empty());
}

TEST(Scheduler, DecodingGoesBeforePrompts) {
  Scheduler scheduler({.columns_max = 4, .logits_max = 4, .slice_max = 4, .requests_max = 4});
  ASSERT_TRUE(scheduler.admit(1, SequenceId{1}, tokens(1, 1), 0).ok());
  scheduler.step();
  ASSERT_TRUE(scheduler.admit(2, SequenceId{2}, tokens(20, 50), 0).ok());
  scheduler.append(1, 9);
  const StepPlan plan = scheduler.step();
  ASSERT_EQ(plan.pass.columns.size(), 4u);
  EXPECT_EQ(plan.owner, (std::vector<RequestId>{1, 2, 2, 2}));
  EXPECT_EQ(plan.logits_of, std::vector<RequestId>{1});
}

// A prompt of any length before a short one must not keep it waiting for its whole.
TEST(Scheduler, PromptsShareAPassEvenly) {
  Scheduler scheduler({.columns_max = 16, .logits_max = 4, .slice_max = 16, .requests_max = 4});
  ASSERT_TRUE(scheduler.admit(1, SequenceId{1}, tokens(500, 1000), 0).ok());
  ASSERT_TRUE(scheduler.admit(2, SequenceId{2}, tokens(400, 2000), 0).ok());
  ASSERT_TRUE(scheduler.admit(3, SequenceId{3}, tokens(4, 3000), 0).ok());
  const StepPlan plan = scheduler.step();
  std::map<RequestId, int> columns;
  for (const RequestId owner : plan.owner) ++columns[owner];
  EXPECT_EQ(columns, (std::map<RequestId, int>{{1, 6}, {2, 6}, {3, 4}}));
  EXPECT_EQ(plan.logits_of, std::vector<RequestId>{3});
}

TEST(Scheduler, PromptsLeaveRoomBesideDecoding) {
  Scheduler scheduler({.columns_max = 16,
                       .logits_max = 4,
                       .slice_max = 16,
                       .requests_max = 4,
                       .prompts_beside_decoding_max = 5});
  ASSERT_TRUE(scheduler.admit(1, SequenceId{1}, tokens(40, 1000), 0).ok());
  EXPECT_EQ(scheduler.step().pass.columns.size(), 16u) << "nobody decodes";
  ASSERT_TRUE(scheduler.admit(2, SequenceId{2}, tokens(1, 2000), 0).ok());
  EXPECT_EQ(scheduler.step().pass.columns.size(), 1u + 5u);
}

TEST(Scheduler, AHeldRequestTakesPartInNoPass) {
  Scheduler scheduler({.columns_max = 8, .logits_max = 4, .slice_max = 8, .requests_max = 4});
  ASSERT_TRUE(scheduler.admit(1, SequenceId{1}, tokens(2, 1000), 0).ok());
  ASSERT_TRUE(scheduler.admit(2, SequenceId{2}, tokens(1, 2000), 0).ok());
  scheduler.hold(1, true);
  scheduler.hold(2, true);
  EXPECT_TRUE(scheduler.step().pass.columns.empty());
  scheduler.hold(1, false);
  EXPECT_EQ(scheduler.step().owner, (std::vector<RequestId>{1, 1}));
  scheduler.hold(2, false);
  EXPECT_EQ(scheduler.step().owner, std::vector<RequestId>{2});
}

TEST(Scheduler, RefusesMoreThanItMayRun) {
  Scheduler scheduler({.columns_max = 4, .logits_max = 1, .slice_max = 4, .requests_max = 1});
  ASSERT_TRUE(scheduler.admit(1, SequenceId{1}, tokens(1, 1), 0).ok());
  EXPECT_EQ(scheduler.admit(2, SequenceId{2}, tokens(1, 1), 0).error().code, ErrorCode::kRefused);
}

// Any mix of requests: every token travels once, in order, and nobody starves.
TEST(Scheduler, EveryTokenTravelsOnceInOrder) {
  base::RandomStream random(5);
  for (int round = 0; round < 50; ++round) {
    Scheduler scheduler({.columns_max = 1 + random.below(12),
                         .logits_max = 1 + random.below(4),
                         .slice_max = 1 + random.below(8),
                         .requests_max = 8});
    std::map<RequestId, std::vector<TokenId>> seen;
    std::map<RequestId, int> answers;
    for (RequestId id = 1; id <= 6; ++id) {
      ASSERT_TRUE(scheduler
                      .admit(id, SequenceId{static_cast<uint32_t>(id)},
                             tokens(1 + random.below(20), static_cast<TokenId>(id * 1000)), 0)
                      .ok());
    }
    int idle = 0;
    while (scheduler.size() > 0 && idle < 1000) {
      ++idle;
      const StepPlan plan = scheduler.step();
      ASSERT_FALSE(plan.pass.columns.empty());
      for (size_t i = 0; i < plan.owner.size(); ++i) {
        seen[plan.owner[i]].push_back(plan.pass.columns[i].token);
      }
      for (const RequestId id : plan.logits_of) {
        if (++answers[id] == 4) {
          const auto all = scheduler.tokens(id);
          EXPECT_EQ(seen[id], std::vector<TokenId>(all.begin(), all.end()));
          scheduler.remove(id);
        } else {
          scheduler.append(id, 7);
        }
      }
    }
    EXPECT_EQ(scheduler.size(), 0u);
  }
}

}  // namespace
}  // namespace freehold::runtime
