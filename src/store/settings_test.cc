// Settings at their door: what is taken over, what is refused by name, and the way through a
// record.

#include "store/settings.h"

#include <gtest/gtest.h>

#include "store/record.h"

namespace freehold::store {
namespace {

ModelRecord record_with(ModelSettings settings) {
  ModelRecord record;
  record.name = {"a", "b"};
  record.sha256 = std::string(64, '1');
  record.settings = std::move(settings);
  return record;
}

std::string value_of(const ModelSettings& settings, std::string_view option) {
  for (const ModelParameter& parameter : settings.parameters) {
    if (parameter.option == option) return parameter.values.front();
  }
  return "none";
}

TEST(Settings, ParametersAreMappedAndBounded) {
  ModelSettings settings;
  EXPECT_TRUE(set_parameter(settings, "temperature", "0.25").ok());
  EXPECT_TRUE(set_parameter(settings, "temperature", "0.5").ok());
  EXPECT_TRUE(set_parameter(settings, "num_ctx", "4096").ok());
  EXPECT_TRUE(set_parameter(settings, "num_predict", "-1").ok());
  EXPECT_TRUE(set_parameter(settings, "seed", "18446744073709551615").ok());
  EXPECT_TRUE(set_parameter(settings, "stop", "<|end|>").ok());
  EXPECT_TRUE(set_parameter(settings, "stop", "User:").ok());
  EXPECT_EQ(value_of(settings, "temperature"), "0.5");
  EXPECT_EQ(value_of(settings, "context"), "4096");
  EXPECT_EQ(value_of(settings, "max-tokens"), "0");
  EXPECT_EQ(settings.parameters.back().values, (std::vector<std::string>{"<|end|>", "User:"}));
  const ModelSettings before = settings;
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"temperature", "-0.1"},
                                                        {"temperature", "nan"},
                                                        {"temperature", "hot"},
                                                        {"top_k", "1.5"},
                                                        {"top_k", "-1"},
                                                        {"top_p", "1.01"},
                                                        {"num_ctx", "0"},
                                                        {"seed", "-1"},
                                                        {"stop", ""},
                                                        {"num_predict", "-3"},
                                                        {"mirostat", "1"},
                                                        {"num_gpu", "3"},
                                                        {"temprature", "1"}}) {
    const Status set = set_parameter(settings, name, value);
    ASSERT_FALSE(set.ok()) << name << " " << value;
    EXPECT_EQ(set.error().code, ErrorCode::kUsage);
    EXPECT_NE(set.error().message.find(name), std::string::npos) << set.error().message;
  }
  EXPECT_EQ(settings, before);
  EXPECT_NE(set_parameter(settings, "mirostat", "1").error().message.find("cannot be honoured"),
            std::string::npos);
}

TEST(Settings, TemplatesAreJinjaOrRefused) {
  ModelSettings settings;
  for (const char* go : {"{{ .Prompt }}", "{{- if .System }}x{{ end }}",
                         "{{ range $i, $_ := .M }}{{end}}", "{{if or .System .Tools}}{{end}}"}) {
    EXPECT_EQ(set_chat_template(settings, go).error().code, ErrorCode::kRefused) << go;
  }
  EXPECT_EQ(set_chat_template(settings, "{% for %}").error().code, ErrorCode::kDamaged);
  EXPECT_TRUE(settings.empty());
  const std::string jinja = "{% for m in messages %}{{ m['content'] }}{% endfor %}";
  EXPECT_TRUE(set_chat_template(settings, jinja).ok());
  EXPECT_EQ(settings.chat_template, jinja);
}

TEST(Settings, OllamasLayersAreTakenOver) {
  ModelSettings settings;
  std::vector<std::string> notes;
  const auto add = [&](std::string_view kind, std::string_view content) {
    return add_ollama_layer(settings, kind, content, notes);
  };
  EXPECT_TRUE(add("system", "You are short.").ok());
  EXPECT_TRUE(add("params", R"({"temperature":0.7,"stop":["a","b"],"mirostat":1,"num_ctx":2048,
                               "use_mmap":true,"top_k":{"x":1}})")
                  .ok());
  EXPECT_TRUE(add("template", "{{ .Prompt }}").ok());
  EXPECT_TRUE(add("license", "one").ok());
  EXPECT_TRUE(add("license", "two").ok());
  EXPECT_TRUE(add("messages", R"([{"role":"user","content":"hi"}])").ok());
  EXPECT_TRUE(add("adapter", "sha256:0").ok());
  EXPECT_TRUE(add("model", "GGUF").ok());
  EXPECT_EQ(settings.system, "You are short.");
  EXPECT_EQ(value_of(settings, "temperature"), "0.7");
  EXPECT_EQ(settings.licence_text, "one\n\ntwo");
  EXPECT_EQ(settings.messages.size(), 1u);
  EXPECT_EQ(settings.adapter, "sha256:0");
  EXPECT_TRUE(settings.chat_template.empty());
  EXPECT_EQ(notes.size(), 4u);  // mirostat, use_mmap, top_k, the template
  EXPECT_EQ(parse_record(encode_record(record_with(settings))).value().settings, settings);
  EXPECT_EQ(add("params", "[1]").error().code, ErrorCode::kDamaged);
  EXPECT_EQ(add("params", "{").error().code, ErrorCode::kDamaged);
  EXPECT_EQ(add("messages", R"([{"role":"root","content":"hi"}])").error().code,
            ErrorCode::kDamaged);
  EXPECT_EQ(add("messages", R"([{"role":"user"}])").error().code, ErrorCode::kDamaged);
  EXPECT_EQ(add("system", "\xFF").error().code, ErrorCode::kDamaged);
  EXPECT_EQ(add("license", std::string(kSettingsBytesMax, 'x')).error().code, ErrorCode::kRefused);
}

TEST(Settings, RecordsOfBothVersionsAreRead) {
  ModelRecord record = record_with({});
  EXPECT_NE(encode_record(record).find("\"version\": 1"), std::string::npos);
  EXPECT_EQ(parse_record(encode_record(record)).value(), record);
  ASSERT_TRUE(set_system(record.settings, "s").ok());
  EXPECT_NE(encode_record(record).find("\"version\": 2"), std::string::npos);
  EXPECT_EQ(parse_record(encode_record(record)).value(), record);
  std::string newer = encode_record(record);
  newer.replace(newer.find("\"version\": 2"), 12, "\"version\": 3");
  EXPECT_EQ(parse_record(newer).error().code, ErrorCode::kRefused);
}

TEST(Settings, TheLargestFitTheirRecord) {
  ModelSettings settings;
  // Each becomes two bytes in JSON; control characters would be six and are not what texts are of.
  ASSERT_TRUE(set_system(settings, std::string(kSettingsBytesMax - 1024, '\n')).ok());
  const std::string text = encode_record(record_with(settings));
  EXPECT_LE(text.size(), kRecordBytesMax);
  EXPECT_EQ(parse_record(text).value().settings, settings);
}

TEST(Settings, DamagedOnesAreNamed) {
  const auto reads = [](const std::string& settings) {
    std::string text = encode_record(record_with({}));
    text.insert(text.rfind('}'), ",\"settings\":" + settings);
    return parse_record(text);
  };
  EXPECT_TRUE(reads("{}").ok());
  for (const char* bad : {R"({"parameters":{"temperature":["x"]}})",
                          R"({"parameters":{"temp":["1"]}})", R"({"parameters":{"stop":[1]}})",
                          R"({"template":"{% if %}"})", R"({"template":"{{ .Prompt }}"})",
                          R"({"messages":[{"role":"x","content":""}]})", R"({"messages":[1]})"}) {
    const auto record = reads(bad);
    ASSERT_FALSE(record.ok()) << bad;
    EXPECT_EQ(record.error().code, ErrorCode::kDamaged) << bad;
    EXPECT_EQ(record.error().message.find("settings: "), 0u) << record.error().message;
  }
}

}  // namespace
}  // namespace freehold::store
