#include "cli/options.h"

#include <gtest/gtest.h>

#include <map>

namespace freehold::cli {
namespace {

constexpr Option kOptions[] = {
    {"--threads", 't', OptionKind::kInteger, "N", "threads"},
    {"--top-p", 0, OptionKind::kNumber, "P", "share"},
    {"--json", 0, OptionKind::kFlag, "", "json"},
    {"--stop", 0, OptionKind::kList, "TEXT", "stop"},
    {"--memory", 0, OptionKind::kSize, "BYTES", "budget", false},
    {"--size", 0, OptionKind::kSize, "BYTES", "size"},
};

Result<Arguments> parse(std::vector<std::string> words,
                        std::map<std::string, std::string> environment = {},
                        std::map<std::string, std::string> file = {}) {
  const auto look = [](std::map<std::string, std::string> values) {
    return [values](const std::string& name) -> std::optional<std::string> {
      const auto found = values.find(name);
      if (found == values.end()) return std::nullopt;
      return found->second;
    };
  };
  return parse_arguments("run", kOptions, words, {look(environment), look(file)});
}

TEST(Options, EveryWayToWriteAValue) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"--threads", "3"}, {"--threads=3"}, {"-t", "3"}, {"-t3"}, {"-t=3"}}) {
    const auto arguments = parse(words);
    ASSERT_TRUE(arguments.ok());
    EXPECT_EQ(arguments->integer("--threads", 1, 8, 0).value(), 3);
  }
}

TEST(Options, LaterWinsAndListsGrow) {
  const auto arguments = parse({"-t", "3", "-t", "4", "--stop", "a", "--stop=b", "model"});
  ASSERT_TRUE(arguments.ok());
  EXPECT_EQ(arguments->integer("--threads", 1, 8, 0).value(), 4);
  EXPECT_EQ(arguments->list("--stop"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(arguments->positional(), std::vector<std::string>{"model"});
}

TEST(Options, CommandLineThenEnvironmentThenCommandTableThenFile) {
  const std::map<std::string, std::string> environment{{"FREEHOLD_THREADS", "5"}};
  const std::map<std::string, std::string> file{
      {"run.threads", "6"}, {"threads", "7"}, {"top-p", "0.5"}};
  EXPECT_EQ(parse({"-t2"}, environment, file)->integer("--threads", 1, 8, 0).value(), 2);
  EXPECT_EQ(parse({}, environment, file)->integer("--threads", 1, 8, 0).value(), 5);
  EXPECT_EQ(parse({}, {}, file)->integer("--threads", 1, 8, 0).value(), 6);
  EXPECT_EQ(parse({}, {}, file)->source("--threads"), ValueSource::kFile);
  EXPECT_EQ(parse({}, {}, file)->number("--top-p", 0, 1, 1).value(), 0.5);
  EXPECT_EQ(parse({}, {}, {})->integer("--threads", 1, 8, 1).value(), 1);
}

TEST(Options, WhatIsWrongIsNamed) {
  const auto message = [](Result<Arguments> result) {
    EXPECT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::kUsage);
    return result.error().message + " / " + result.error().hint;
  };
  EXPECT_NE(message(parse({"--thread", "3"})).find("did you mean --threads"), std::string::npos);
  EXPECT_NE(message(parse({"--threads"})).find("needs a value"), std::string::npos);
  EXPECT_NE(message(parse({"--memory", "3G"})).find("not there yet"), std::string::npos);
  EXPECT_NE(message(parse({"--memory=3G"})).find("--memory"), std::string::npos);
  EXPECT_NE(message(parse({}, {{"FREEHOLD_MEMORY", "3G"}})).find("--memory"), std::string::npos);
  EXPECT_NE(message(parse({"-x"})).find("-x"), std::string::npos);
  for (const char* bad : {"0", "9", "x", "", "3.5", "99999999999999999999"}) {
    EXPECT_FALSE(parse({"--threads", bad})->integer("--threads", 1, 8, 1).ok()) << bad;
  }
  EXPECT_FALSE(parse({"--top-p", "nan"})->number("--top-p", 0, 1, 1).ok());
  EXPECT_FALSE(parse({"--size", "-3"})->size("--size").ok());
  EXPECT_FALSE(parse({"--json=maybe"})->flag("--json").ok());
}

TEST(Options, DashesThatAreNoOptions) {
  const auto arguments = parse({"model", "-", "--", "--json"});
  ASSERT_TRUE(arguments.ok());
  EXPECT_EQ(arguments->positional(), (std::vector<std::string>{"model", "-", "--json"}));
  EXPECT_FALSE(arguments->flag("--json").value());
}

TEST(Options, SizesAreBinary) {
  EXPECT_EQ(parse({"--size", "3G"})->size("--size").value(), 3ull << 30);
  EXPECT_FALSE(parse({})->size("--size").value().has_value());
}

}  // namespace
}  // namespace freehold::cli
