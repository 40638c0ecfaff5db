// Thoughts told from answers, what a terminal is shown, and conversations in files.

#include <gtest/gtest.h>

#include "cli/chat/answer_printer.h"
#include "cli/chat/conversation.h"
#include "io/simulated_file_system.h"

namespace freehold::cli {
namespace {

class StringSink final : public TextSink {
 public:
  void write(std::string_view text) override { content += text; }
  std::string content;
};

std::string shown(std::string_view answer, PrinterOptions options, size_t piece,
                  bool inside = false) {
  StringSink sink;
  AnswerPrinter printer(sink, options);
  printer.begin(inside);
  for (size_t at = 0; at < answer.size(); at += piece) printer(answer.substr(at, piece));
  printer.end();
  return sink.content;
}

TEST(Thinking, ToldFromTheAnswerInPiecesOfAnySize) {
  const std::string_view answer =
      "<think>\nHm, 1 < 2 </th ink>\n</think>\n\nYes, </think> and <think>.";
  for (size_t piece = 1; piece <= answer.size(); ++piece) {
    EXPECT_EQ(shown(answer, {}, piece), std::string(answer) + "\n") << "every byte in a pipe";
    EXPECT_EQ(shown(answer, {.hide_thinking = true}, piece), "Yes, </think> and <think>.\n");
  }
}

TEST(Thinking, BeginsInTheTemplateOrNotAtAll) {
  EXPECT_TRUE(model::opens_thinking("<|assistant|><think>\n"));
  EXPECT_FALSE(model::opens_thinking("<think>\n\n</think>\n\n"));
  EXPECT_FALSE(model::opens_thinking(""));
  EXPECT_EQ(shown("so\n</think>\nYes", {.hide_thinking = true}, 3, true), "Yes\n");
  EXPECT_EQ(shown("so\n</think>\nYes", {.hide_thinking = true}, 3, false), "so\n</think>\nYes\n");
  EXPECT_EQ(shown("<thin", {.hide_thinking = true}, 1), "<thin\n");
  EXPECT_EQ(shown("<think>never ends", {.hide_thinking = true}, 4), "");
  EXPECT_EQ(shown("", {}, 1), "");
}

TEST(Thinking, DimmedOnATerminalThatCan) {
  EXPECT_EQ(shown("<think>a</think>b", {.terminal = true, .dim = true}, 100),
            "\x1b[2m<think>\x1b[0m\x1b[2ma\x1b[0m\x1b[2m</think>\x1b[0mb\n");
  EXPECT_EQ(shown("<think>a</think>b", {.terminal = true}, 100), "<think>a</think>b\n");
}

TEST(Answers, CannotCommandTheTerminal) {
  EXPECT_EQ(shown("a\x1b]0;title\x07"
                  "b",
                  {.terminal = true}, 3),
            "a\uFFFD]0;title\uFFFD"
            "b\n");
  EXPECT_EQ(shown("a\x1b[2J", {}, 3), "a\x1b[2J\n") << "a file gets the bytes";
}

TEST(Conversations, GoToFilesAndBack) {
  io::SimulatedFileSystem files;
  const Conversation one{
      "m", "Be \"short\".", {{"user", "hi\n", {}}, {"assistant", "日本 \\", {}}}};
  ASSERT_TRUE(files.make_directories("/h").ok());
  ASSERT_TRUE(save_conversation(files, "/h", "one", one).ok());
  ASSERT_TRUE(save_conversation(files, "/h", "one", one).ok()) << "once more, over itself";
  const auto loaded = load_conversation(files, "/h", "one");
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(encode_conversation(*loaded), encode_conversation(one));
  EXPECT_EQ(saved_conversations(files, "/h"), std::vector<std::string>{"one"});
  EXPECT_EQ(load_conversation(files, "/h", "two").error().code, ErrorCode::kNotFound);
  for (const char* bad : {"", ".", "..", "../x", "a/b", ".hidden", "a b", "a\n"}) {
    EXPECT_EQ(save_conversation(files, "/h", bad, one).error().code, ErrorCode::kUsage) << bad;
    EXPECT_EQ(load_conversation(files, "/h", bad).error().code, ErrorCode::kUsage) << bad;
  }
}

TEST(Conversations, DamageIsNamed) {
  for (const char* bad : {"", "[]", "{}", R"({"version":2,"messages":[]})", R"({"version":1})",
                          R"({"version":1,"messages":[{"role":"user"}]})",
                          R"({"version":1,"messages":[{"role":"root","content":"x"}]})"}) {
    EXPECT_EQ(parse_conversation(bad).error().code, ErrorCode::kDamaged) << bad;
  }
}

TEST(Conversations, AFullDiskLeavesTheOldOne) {
  io::SimulatedFileSystem files;
  ASSERT_TRUE(files.make_directories("/h").ok());
  ASSERT_TRUE(save_conversation(files, "/h", "a", {"m", {}, {{"user", "old", {}}}}).ok());
  for (const auto operation :
       {io::DiskOperation::kAppend, io::DiskOperation::kSync, io::DiskOperation::kRename}) {
    files.fail({.operation = operation, .error = 28});
    EXPECT_FALSE(save_conversation(files, "/h", "a", {"m", {}, {{"user", "new", {}}}}).ok());
    EXPECT_EQ(load_conversation(files, "/h", "a")->messages[0].content, "old");
  }
}

TEST(History, EntriesOfManyLinesAndBounds) {
  io::SimulatedFileSystem files;
  EXPECT_TRUE(load_history(files, "/h", 10)->empty());
  const std::vector<std::string> entries = {"one", "two\nlines \\n", "日本"};
  for (const std::string& entry : entries) ASSERT_TRUE(append_history(files, "/h", entry).ok());
  EXPECT_EQ(*load_history(files, "/h", 10), entries);
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(append_history(files, "/h", std::to_string(i)).ok());
  EXPECT_EQ(*load_history(files, "/h", 10),
            (std::vector<std::string>{"25", "26", "27", "28", "29"}));
  EXPECT_EQ(load_history(files, "/h", 10)->size(), 5u) << "the file was cut too";
  ASSERT_TRUE(append_history(files, "/h", std::string(kHistoryBytesMax, 'x')).ok());
  EXPECT_EQ(load_history(files, "/h", 10)->size(), 5u) << "what is too long is not kept";
  EXPECT_EQ(parse_history("a\x1b[31m\n\n\xff\n"), (std::vector<std::string>{"a[31m", "\uFFFD"}));
}

}  // namespace
}  // namespace freehold::cli
