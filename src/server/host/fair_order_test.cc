#include "server/host/fair_order.h"

#include <gtest/gtest.h>

namespace freehold::server {
namespace {

TEST(FairOrder, OneOwnerIsServedInOrderOfArrival) {
  const std::vector<std::string_view> waiting(4, "a");
  EXPECT_EQ(fair_order(waiting, {}), (std::vector<size_t>{0, 1, 2, 3}));
}

TEST(FairOrder, ManyOfOneDoNotHoldUpFewOfAnother) {
  const std::vector<std::string_view> waiting = {"a", "a", "a", "a", "b", "c"};
  EXPECT_EQ(fair_order(waiting, {}), (std::vector<size_t>{0, 4, 5, 1, 2, 3}));
}

TEST(FairOrder, WhatRunsCounts) {
  const std::vector<std::string_view> waiting = {"a", "a", "b"};
  EXPECT_EQ(fair_order(waiting, {{"a", 2}}), (std::vector<size_t>{2, 0, 1}));
  EXPECT_EQ(fair_order(waiting, {{"b", 2}}), (std::vector<size_t>{0, 1, 2}));
  EXPECT_TRUE(fair_order({}, {{"b", 2}}).empty());
}

}  // namespace
}  // namespace freehold::server
