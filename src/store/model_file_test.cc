// Model files: what they may say, and complaints with their lines.

#include "store/model_file.h"

#include <gtest/gtest.h>

namespace freehold::store {
namespace {

TEST(ModelFile, ReadsWhatPeopleWrite) {
  const ModelFile file = parse_model_file(
                             "# a helper\n"
                             "from smollm2:135m-instruct\r\n"
                             "\n"
                             "  SYSTEM \"\"\"You are\n"
                             "  \"brief\".\n"
                             "\"\"\"\n"
                             "PARAMETER temperature 0.5\n"
                             "parameter stop \"<|im_end|>\"\n"
                             "PARAMETER stop   User: \n"
                             "MESSAGE user Is it day?\n"
                             "MESSAGE assistant \"yes\"\n"
                             "TEMPLATE \"{% for m in messages %}{{ m.content }}{% endfor %}\"\n"
                             "LICENSE MIT\n"
                             "LICENSE \"\"\"terms\"\"\"")
                             .value();
  EXPECT_EQ(file.from, "smollm2:135m-instruct");
  EXPECT_EQ(file.settings.system, "You are\n  \"brief\".\n");
  ASSERT_EQ(file.settings.parameters.size(), 2u);
  EXPECT_EQ(file.settings.parameters[1].values, (std::vector<std::string>{"<|im_end|>", "User:"}));
  EXPECT_EQ(file.settings.messages[0], (FirstMessage{"user", "Is it day?"}));
  EXPECT_EQ(file.settings.messages[1].content, "yes");
  EXPECT_EQ(file.settings.licence_text, "MIT\n\nterms");
}

TEST(ModelFile, ComplaintsNameTheirLine) {
  const auto says = [](const std::string& lines, const std::string& message, ErrorCode code) {
    const auto file = parse_model_file("FROM a\n" + lines);
    ASSERT_FALSE(file.ok()) << lines;
    EXPECT_EQ(file.error().code, code) << lines;
    EXPECT_EQ(file.error().message.find(message), 0u) << file.error().message;
  };
  says("FRUM b", "line 2: 'FRUM' is no instruction", ErrorCode::kUsage);
  says("\nREQUIRES 0.9", "line 3: 'REQUIRES' is no instruction", ErrorCode::kUsage);
  says("FROM b", "line 2: FROM stands here twice", ErrorCode::kUsage);
  says("SYSTEM x\nSYSTEM y", "line 3: SYSTEM stands here twice", ErrorCode::kUsage);
  says("SYSTEM", "line 2: SYSTEM lacks its value", ErrorCode::kUsage);
  says("PARAMETER top_k", "line 2: PARAMETER lacks", ErrorCode::kUsage);
  says("PARAMETER top_k many", "line 2: parameter 'top_k' cannot be", ErrorCode::kUsage);
  says("PARAMETER mirostat 1", "line 2: parameter 'mirostat' cannot be honoured",
       ErrorCode::kUsage);
  says("SYSTEM \"\"\"a\nb", "line 2: three quotes are not closed", ErrorCode::kUsage);
  says("SYSTEM \"a", "line 2: a quote is not closed", ErrorCode::kUsage);
  says("SYSTEM \"", "line 2: a quote is not closed", ErrorCode::kUsage);
  says("SYSTEM \"\"\"a\nb\"\"\" c", "line 2: something stands behind", ErrorCode::kUsage);
  says("ADAPTER ./lora.gguf", "line 2: ADAPTER './lora.gguf': adapters", ErrorCode::kUsage);
  says("MESSAGE root hi", "line 2: a message's role", ErrorCode::kUsage);
  says("TEMPLATE {{ .Prompt }}", "line 2: the template is in Go", ErrorCode::kRefused);
  says("TEMPLATE {% if %}", "line 2: ", ErrorCode::kDamaged);
  says("SYSTEM \xFF", "line 2: the system prompt is not UTF-8", ErrorCode::kDamaged);
  EXPECT_EQ(parse_model_file("").error().code, ErrorCode::kUsage);
  EXPECT_EQ(parse_model_file(std::string(kModelFileBytesMax + 1, '\n')).error().code,
            ErrorCode::kRefused);
}

TEST(ModelFile, SettingsAsTextReadBackTheSame) {
  ModelSettings settings;
  ASSERT_TRUE(set_system(settings, "two\nlines \"here\"").ok());
  ASSERT_TRUE(set_parameter(settings, "stop", " end").ok());
  ASSERT_TRUE(set_parameter(settings, "num_predict", "-2").ok());
  ASSERT_TRUE(set_parameter(settings, "min_p", "0.1").ok());
  ASSERT_TRUE(add_message(settings, "user", "hi").ok());
  ASSERT_TRUE(add_licence_text(settings, "MIT").ok());
  const auto sorted = [](ModelSettings value) {
    std::sort(value.parameters.begin(), value.parameters.end(),
              [](const auto& a, const auto& b) { return a.option < b.option; });
    return value;
  };
  const auto again = parse_model_file("FROM x\n" + settings_text(settings));
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(sorted(again->settings), sorted(settings));
}

TEST(ModelFile, OwnSettingsComeOverTheBases) {
  ModelSettings base;
  ASSERT_TRUE(set_system(base, "old").ok());
  ASSERT_TRUE(set_parameter(base, "stop", "a").ok());
  ASSERT_TRUE(set_parameter(base, "top_k", "5").ok());
  ASSERT_TRUE(add_message(base, "user", "old").ok());
  ASSERT_TRUE(add_licence_text(base, "base's").ok());
  ModelSettings own;
  ASSERT_TRUE(set_parameter(own, "stop", "b").ok());
  ASSERT_TRUE(add_licence_text(own, "own").ok());
  const ModelSettings both = settings_over(base, own).value();
  EXPECT_EQ(both.system, "old");
  EXPECT_EQ(both.messages.size(), 1u);
  EXPECT_EQ(both.licence_text, "base's\n\nown");
  ASSERT_EQ(both.parameters.size(), 2u);
  EXPECT_EQ(both.parameters[1].values, std::vector<std::string>{"b"});
  ModelSettings large;
  ASSERT_TRUE(set_system(large, std::string(kSettingsBytesMax - 10, 'x')).ok());
  EXPECT_EQ(settings_over(base, large).error().code, ErrorCode::kRefused);
}

}  // namespace
}  // namespace freehold::store
