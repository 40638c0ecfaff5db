// What people type is read into its parts, or refused with the grammar; never a path.

#include "store/source/reference.h"

#include <gtest/gtest.h>

namespace freehold::store {
namespace {

Reference parse(std::string_view text) {
  auto parsed = MUST(parse_reference(text));
  EXPECT_TRUE(parsed.has_value()) << text;
  return parsed.value_or(Reference());
}

TEST(ReferenceTest, NamesAndPathsAreNone) {
  for (const char* text : {"smollm2", "smollm2:latest", "./model.gguf", "../a/b", "models/a.gguf",
                           "~/x/y", "a", "", "folder/model"}) {
    const auto parsed = parse_reference(text);
    EXPECT_TRUE(parsed.ok() && !parsed->has_value()) << text;
  }
}

TEST(ReferenceTest, TheHubInAllItsSpellings) {
  for (const char* text :
       {"hf.co/u/r:Q4_K_M", "huggingface.co/u/r:Q4_K_M", "hf:u/r:Q4_K_M", "hf://u/r:Q4_K_M"}) {
    const Reference reference = parse(text);
    EXPECT_EQ(reference.kind, ReferenceKind::kHub);
    EXPECT_EQ(reference.repository, "u/r");
    EXPECT_EQ(reference.tag, "Q4_K_M");
    EXPECT_EQ(reference.text, "hf.co/u/r:Q4_K_M");
  }
  EXPECT_EQ(parse("hf.co/u/r@v1.0:x/y.gguf").file, "x/y.gguf");
  EXPECT_EQ(parse("hf.co/u/r@v1.0:x/y.gguf").revision, "v1.0");
  EXPECT_EQ(parse("hf.co/u/r/x/y.gguf").text, "hf.co/u/r/x/y.gguf");
  EXPECT_EQ(parse("https://huggingface.co/u/r").text, "hf.co/u/r");
  const Reference page = parse("https://huggingface.co/u/r/resolve/dev/a%20b.gguf?download=true");
  EXPECT_EQ(page.file, "a b.gguf");
  EXPECT_EQ(page.revision, "dev");
  EXPECT_EQ(parse("https://huggingface.co/datasets/u/r/x").kind, ReferenceKind::kAddress);
}

TEST(ReferenceTest, Registries) {
  const std::string digest = "sha256:" + std::string(64, 'a');
  const Reference plain = parse("registry.example.org:5000/team/model:v1");
  EXPECT_EQ(plain.kind, ReferenceKind::kRegistry);
  EXPECT_EQ(plain.host, "registry.example.org:5000");
  EXPECT_EQ(plain.repository, "team/model");
  EXPECT_EQ(plain.tag, "v1");
  EXPECT_EQ(parse("localhost/a").tag, "latest");
  EXPECT_EQ(parse("oci://server/a@" + digest).digest, digest);
  EXPECT_EQ(parse("oci://server/a@" + digest).tag, "");
  EXPECT_EQ(parse("oci://server/a").text, "oci://server/a:latest");
  EXPECT_EQ(parse("oci://server/a").host, "server");
  EXPECT_EQ(parse("oci://hf.co/a/b").text, "oci://hf.co/a/b:latest");
  EXPECT_EQ(parse("oci://server.org/a").text, "server.org/a:latest");
  EXPECT_EQ(parse("ollama.com/smollm2:135m").text, "registry.ollama.ai/library/smollm2:135m");
  EXPECT_EQ(parse("ollama.com/someone/x").text, "registry.ollama.ai/someone/x:latest");
}

TEST(ReferenceTest, WhatIsNoneIsRefused) {
  for (const std::string text : {"hf.co/a",
                                 "hf.co/../x",
                                 "hf.co/a/..",
                                 "hf.co/a/b:",
                                 "hf.co/a/b/../c.gguf",
                                 "hf.co/a/b//c",
                                 "hf:",
                                 "hf.co/a/b@:x",
                                 "hf.co/a/b:q$",
                                 "host:x/a",
                                 "host:0/a",
                                 "host:70000/a",
                                 "host.org/",
                                 "host.org/a//b",
                                 "host.org/../a",
                                 "host.org/a:..",
                                 "host.org/a@sha256:12",
                                 "host.org/a@md5:1",
                                 "oci://",
                                 "oci://-x/a",
                                 "https://huggingface.co/a/b/resolve/main/%zz",
                                 "https://huggingface.co/a/b/resolve/main/%2e%2e/x"}) {
    const auto parsed = parse_reference(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kUsage) << text;
  }
  EXPECT_FALSE(parse_reference("hf.co/a/b:" + std::string(3000, 'x')).ok());
}

TEST(ReferenceTest, NamesComeFromTexts) {
  EXPECT_EQ(store_name_of("Tiny-Q4"), "tiny-q4");
  EXPECT_EQ(store_name_of("../Some%20Model.."), "some-20model.-");
  EXPECT_EQ(store_name_of("///"), "");
  EXPECT_EQ(encode_address_part("a b/c?#%.gguf"), "a%20b/c%3F%23%25.gguf");
}

}  // namespace
}  // namespace freehold::store
