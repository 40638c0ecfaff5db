// What registries say, read; a login goes where it belongs. Whole pulls: tests/registries.py.

#include "store/source/registry.h"

#include <gtest/gtest.h>

namespace freehold::store {
namespace {

TEST(RegistryTest, ChallengesInAllTheirForms) {
  const auto both = parse_challenges(
      R"(Basic realm="a, \"b\"", BEARER Realm = "https://x/token",service=s,scope="repository:a/b:pull,push")");
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0].scheme, "basic");
  EXPECT_EQ(both[0].find("realm"), "a, \"b\"");
  EXPECT_EQ(both[1].scheme, "bearer");
  EXPECT_EQ(both[1].find("realm"), "https://x/token");
  EXPECT_EQ(both[1].find("service"), "s");
  EXPECT_EQ(both[1].find("scope"), "repository:a/b:pull,push");
  EXPECT_EQ(both[1].find("absent"), "");
  EXPECT_TRUE(parse_challenges("").empty());
  EXPECT_TRUE(parse_challenges("=\"x\"").empty());
  EXPECT_EQ(parse_challenges(R"(Bearer realm="never ends)").at(0).find("realm"), "");
  EXPECT_LE(parse_challenges(std::string(10'000, 'a') + std::string(1000, ',') + " b c d").size(),
            16u);
}

std::string entry(const std::string& type, const std::string& more = "") {
  return R"({"mediaType":")" + type + R"(","digest":"sha256:)" + std::string(64, 'a') +
         R"(","size":9)" + more + "}";
}

std::string manifest(const std::string& entries) {
  return R"({"schemaVersion":2,"layers":[)" + entries + "]}";
}

std::string chosen(const std::string& entries) {
  const RegistryManifest parsed = MUST(parse_manifest(manifest(entries)));
  const auto index = choose_layer(parsed, "h/r");
  return index.ok() ? std::to_string(*index) : index.error().message;
}

TEST(RegistryTest, TheModelAmongTheLayers) {
  const std::string text = entry("application/vnd.ollama.image.system");
  EXPECT_EQ(chosen(text + "," + entry("application/vnd.ollama.image.model")), "1");
  EXPECT_EQ(chosen(entry("application/vnd.docker.ai.gguf.v3") + "," +
                   entry("application/vnd.docker.ai.license")),
            "0");
  const std::string titled = R"(,"annotations":{"org.opencontainers.image.title":"A.GGUF"})";
  EXPECT_EQ(chosen(entry("text/plain") + "," + entry("x/y", titled)), "1");
  EXPECT_EQ(chosen(entry("application/octet-stream")), "0");
  EXPECT_EQ(chosen(entry("application/vnd.oci.image.layer.v1.tar+gzip")),
            "'h/r' holds no GGUF file");
  EXPECT_EQ(chosen(entry("x/gguf+gzip")), "'h/r' is packed");
  EXPECT_EQ(chosen(entry("x/gguf") + "," + entry("x/gguf")),
            "'h/r' holds several model files; the store keeps a model in one");
}

TEST(RegistryTest, WhatIsNoManifestIsNamed) {
  for (const std::string body : {"", "[]", "{}", R"({"schemaVersion":1,"layers":[]})",
                                 R"({"schemaVersion":2})", R"({"schemaVersion":2,"layers":{}})",
                                 R"({"schemaVersion":2,"layers":[{"digest":"md5:1","size":1}]})",
                                 R"({"schemaVersion":2,"layers":[{"digest":"sha256:)"
                                 "../../x"
                                 R"(","size":1}]})"}) {
    const auto parsed = parse_manifest(body);
    ASSERT_FALSE(parsed.ok()) << body;
    EXPECT_EQ(parsed.error().code, ErrorCode::kDamaged) << body;
  }
  EXPECT_EQ(parse_manifest(std::string(5u << 20, ' ')).error().code, ErrorCode::kRefused);
}

TEST(RegistryTest, AnIndexIsDecidedByTheMachineOrAsked) {
  const auto index = [](const std::string& entries) {
    return choose_manifest(
        MUST(parse_manifest(R"({"schemaVersion":2,"manifests":[)" + entries + "]}")), "h/r");
  };
  const std::string here = R"(,"platform":{"os":"linux","architecture":"amd64"})";
  const std::string none = R"(,"platform":{"os":"unknown","architecture":"unknown"})";
  EXPECT_EQ(MUST(index(entry("m"))), 0u);
  EXPECT_EQ(MUST(index(entry("m", none) + "," + entry("m"))), 1u);
  EXPECT_EQ(MUST(index(entry("m") + "," + entry("m", here))), 1u);
  EXPECT_EQ(index(entry("m") + "," + entry("m")).error().code, ErrorCode::kUsage);
}

TEST(RegistryTest, LoginsAreForOneHost) {
  EXPECT_EQ(find_login("me:p@ss:word@host.org:5000", "", "host.org:5000"), "me:p@ss:word");
  EXPECT_FALSE(find_login("me:pass@host.org", "", "host.org:5000").has_value());
  EXPECT_FALSE(find_login("me:pass", "", "host.org").has_value());
  EXPECT_FALSE(find_login("me:pa\nss@host.org", "", "host.org").has_value());
  // "me:pass" in base64.
  const std::string config =
      R"({"auths":{"https://host.org/v1/":{"auth":"bWU6cGFzcw=="},"other.org":{}}})";
  EXPECT_EQ(find_login("", config, "host.org"), "me:pass");
  EXPECT_FALSE(find_login("", config, "other.org").has_value());
  EXPECT_FALSE(find_login("", config, "host.org.evil.net").has_value());
  EXPECT_FALSE(find_login("", "{", "host.org").has_value());
  EXPECT_EQ(find_login("", R"({"auths":{"https://index.docker.io/v1/":{"auth":"bWU6cGFzcw=="}}})",
                       "registry-1.docker.io"),
            "me:pass");
}

}  // namespace
}  // namespace freehold::store
