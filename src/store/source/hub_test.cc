// Which file of a repository is meant, and what a hub's answers may and may not do.

#include "store/source/hub.h"

#include <gtest/gtest.h>

#include <map>

namespace freehold::store {
namespace {

std::vector<HubFile> files_of(std::initializer_list<const char*> paths) {
  std::vector<HubFile> files;
  for (const char* path : paths) files.push_back({path, 1000, std::string(64, 'a')});
  return files;
}

std::string chosen(std::initializer_list<const char*> paths, std::string_view quant = "",
                   std::string_view file = "") {
  const auto files = files_of(paths);
  const auto index = choose_file(files, file, quant, "u/r");
  return index.ok() ? files[*index].path : index.error().message + "; " + index.error().hint;
}

TEST(HubTest, ChoosesAsLlamaCppDoes) {
  EXPECT_EQ(chosen({"a-Q2_K.gguf", "a-Q4_K_M.gguf", "a-Q8_0.gguf"}), "a-Q4_K_M.gguf");
  EXPECT_EQ(chosen({"a-Q2_K.gguf", "a.q8_0.gguf"}), "a.q8_0.gguf");
  EXPECT_EQ(chosen({"mmproj-a-Q8_0.gguf", "x.imatrix.gguf", "b-Q5_0.gguf", "c-Q6_K.gguf"}),
            "b-Q5_0.gguf");
  EXPECT_EQ(chosen({"a-Q2_K.gguf", "Q8_0/a-q8.gguf", "a-Q8_0.gguf"}, "q8_0"), "a-Q8_0.gguf");
  EXPECT_EQ(chosen({"a-Q4_K_M.gguf", "a-Q2_K.gguf"}, "", "a-Q2_K.gguf"), "a-Q2_K.gguf");
}

TEST(HubTest, WhatCannotBeChosenListsWhatThereIs) {
  const std::string none = chosen({"a-Q2_K.gguf", "a-Q4_K_M.gguf", "README.md"}, "Q5_0");
  EXPECT_NE(none.find("no file with Q5_0; it has Q2_K (1.0 kB), Q4_K_M (1.0 kB)"),
            std::string::npos)
      << none;
  const std::string two = chosen({"a-Q8_0.gguf", "b-Q8_0.gguf"}, "Q8_0");
  EXPECT_NE(two.find("2 files with Q8_0"), std::string::npos) << two;
  const std::string shards = chosen({"a-Q8_0-00001-of-00002.gguf", "a-Q8_0-00002-of-00002.gguf"});
  EXPECT_NE(shards.find("split into 2 files"), std::string::npos) << shards;
  EXPECT_NE(chosen({"model.safetensors"}).find("no GGUF file"), std::string::npos);
  EXPECT_NE(chosen({"a-Q8_0.gguf"}, "", "b.gguf").find("no file"), std::string::npos);
}

TEST(HubTest, QuantisationsAreReadFromNames) {
  EXPECT_EQ(quant_of("sub/Some-7B-Q4_K_M.gguf"), "Q4_K_M");
  EXPECT_EQ(quant_of("some.IQ2_XXS.gguf"), "IQ2_XXS");
  EXPECT_EQ(quant_of("some-bf16.gguf"), "bf16");
  EXPECT_EQ(quant_of("big-Q8_0-00001-of-00002.gguf"), "Q8_0");
  EXPECT_EQ(quant_of("Qwen3-0.6B.gguf"), "'Qwen3-0.6B.gguf'");
}

/// A hub of prepared answers.
class PreparedClient final : public io::HttpClient {
 public:
  Result<io::HttpAnswer> get(const io::HttpRequest& request) override {
    asked.push_back(request);
    const auto at = answers.find(request.address);
    if (at == answers.end())
      return Error{ErrorCode::kFailed, "nobody answers " + request.address, {}};
    io::HttpAnswer answer = at->second;
    return answer;
  }
  void put(const std::string& address, long status, const std::string& body,
           const std::string& lines = "") {
    io::HttpAnswer answer;
    (void)answer.head.add_line("HTTP/1.1 " + std::to_string(status) + " x\r\n");
    if (!lines.empty()) (void)answer.head.add_line(lines);
    answer.body = body;
    answers[address] = std::move(answer);
  }
  std::map<std::string, io::HttpAnswer> answers;
  std::vector<io::HttpRequest> asked;
};

struct Rig {
  PreparedClient client;
  Observer observer;
  std::map<std::string, std::string> variables = {{"HF_ENDPOINT", "https://hub.test/"},
                                                  {"HF_TOKEN", "secret"}};
  int64_t rested_ms = 0;

  Result<RemoteModel> find(std::string_view text) {
    const SourceServices services{client,
                                  [this](const std::string& name) -> std::optional<std::string> {
                                    const auto at = variables.find(name);
                                    if (at == variables.end()) return std::nullopt;
                                    return at->second;
                                  },
                                  observer,
                                  [this](int64_t ms) -> Status {
                                    rested_ms += ms;
                                    return {};
                                  }};
    return find_hub_model(services, MUST(parse_reference(text)).value());
  }
};

TEST(HubTest, PinsTheCommitFollowsPagesAndKeepsTheTokenAtHome) {
  Rig rig;
  const std::string commit(40, 'c');
  const std::string tree =
      "https://hub.test/api/models/u/My-GGUF/tree/" + commit + "?recursive=true";
  rig.client.put("https://hub.test/api/models/u/My-GGUF", 200,
                 R"({"sha":")" + commit + R"(","tags":["license:mit"]})");
  rig.client.put(tree, 200, R"([{"type":"file","path":"README.md","size":5}])",
                 "Link: <https://hub.test/next>; rel=\"next\"\r\n");
  rig.client.put("https://hub.test/next", 200,
                 R"([{"type":"file","path":"a b-Q4_K_M.gguf","size":9,"lfs":{"oid":")" +
                     std::string(64, 'f') + R"(","size":9}}])",
                 "Link: <https://elsewhere.test/next>; rel=\"next\"\r\n");
  const RemoteModel model = MUST(rig.find("hf.co/u/My-GGUF"));
  EXPECT_EQ(model.address, "https://hub.test/u/My-GGUF/resolve/" + commit + "/a%20b-Q4_K_M.gguf");
  EXPECT_EQ(model.name, "my");
  EXPECT_EQ(model.bytes, 9u);
  EXPECT_EQ(model.sha256, std::string(64, 'f'));
  EXPECT_EQ(model.licence, "mit");
  EXPECT_EQ(model.authorization, "Bearer secret");
  EXPECT_EQ(rig.client.asked.size(), 3u);  // a page elsewhere is not asked for
}

TEST(HubTest, ClosedMissingAndBusyAreToldApart) {
  Rig rig;
  rig.client.put("https://hub.test/api/models/u/closed", 403, "", "X-Error-Code: GatedRepo\r\n");
  EXPECT_EQ(rig.find("hf.co/u/closed").error().code, ErrorCode::kRefused);
  rig.client.put("https://hub.test/api/models/u/missing", 401, "",
                 "X-Error-Code: RepoNotFound\r\n");
  EXPECT_EQ(rig.find("hf.co/u/missing").error().code, ErrorCode::kNotFound);
  rig.client.put("https://hub.test/api/models/u/busy", 503, "", "Retry-After: 7\r\n");
  const Error busy = rig.find("hf.co/u/busy").error();
  EXPECT_EQ(busy.code, ErrorCode::kFailed);
  EXPECT_NE(busy.message.find("tried 5 times"), std::string::npos);
  EXPECT_EQ(rig.rested_ms, 4 * 7000);
  rig.rested_ms = 0;
  rig.client.put("https://hub.test/api/models/u/later", 429, "", "Retry-After: 3600\r\n");
  EXPECT_NE(rig.find("hf.co/u/later").error().message.find("3600"), std::string::npos);
  EXPECT_EQ(rig.rested_ms, 0);
  EXPECT_NE(rig.find("hf.co/u/nobody").error().message.find("tried 2 times"), std::string::npos);
}

}  // namespace
}  // namespace freehold::store
