// The table of licences and what each policy says of each kind.

#include "store/licence.h"

#include <gtest/gtest.h>

#include <set>

#include "io/simulated_file_system.h"

namespace freehold::store {
namespace {

TEST(Licence, TheTableIsSound) {
  std::set<std::string_view> names;
  for (const Licence& licence : licences()) {
    EXPECT_TRUE(names.insert(licence.id).second) << licence.id;
    EXPECT_TRUE(names.insert(licence.hub_id).second) << licence.hub_id;
    EXPECT_TRUE(licence.source.starts_with("https://")) << licence.id;
    // The id becomes a file's name.
    EXPECT_EQ(licence.id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                           "0123456789.-"),
              std::string_view::npos);
    EXPECT_TRUE(!licence.needs_acceptance || licence.use != LicenceUse::kAny) << licence.id;
  }
  EXPECT_EQ(find_licence("apache-2.0"), find_licence("APACHE-2.0"));
  EXPECT_EQ(find_licence("gemma")->id, "LicenseRef-Gemma");
  EXPECT_EQ(find_licence("other"), nullptr);
  EXPECT_EQ(find_licence(""), nullptr);
}

TEST(Licence, PoliciesRefuseWithTheReason) {
  const auto allows = [](const char* policy, const char* id) {
    const Status said = check_licence(parse_licence_policy(policy).value(), "m", id);
    if (said.ok()) return std::string("yes");
    EXPECT_EQ(said.error().code, ErrorCode::kRefused);
    return said.error().message;
  };
  for (const char* policy : {"commercial", "government", "research"}) {
    EXPECT_EQ(allows(policy, "apache-2.0"), "yes");
    EXPECT_NE(allows(policy, "unknown").find("nothing states"), std::string::npos);
    EXPECT_NE(allows(policy, "").find("nothing states"), std::string::npos);
    EXPECT_NE(allows(policy, "my-own").find("my-own"), std::string::npos);
  }
  EXPECT_EQ(allows("commercial", "gemma"), "yes");
  EXPECT_NE(allows("government", "gemma").find("Gemma Terms of Use"), std::string::npos);
  EXPECT_NE(allows("commercial", "cc-by-nc-4.0").find("non-commercial use only"),
            std::string::npos);
  EXPECT_NE(allows("government", "qwen-research").find("research only"), std::string::npos);
  EXPECT_EQ(allows("research", "cc-by-nc-4.0"), "yes");
  EXPECT_EQ(allows("research", "qwen-research"), "yes");
  EXPECT_EQ(parse_licence_policy("Commercial").error().code, ErrorCode::kUsage);
}

TEST(Licence, TermsAreAcceptedOnce) {
  io::SimulatedFileSystem disk;
  const Licence& gemma = *find_licence("gemma");
  EXPECT_FALSE(is_licence_accepted(disk, "/home", gemma));
  EXPECT_TRUE(accept_licence(disk, "/home", gemma, 7).ok());
  EXPECT_TRUE(is_licence_accepted(disk, "/home", gemma));
  EXPECT_FALSE(is_licence_accepted(disk, "/home", *find_licence("llama3")));
  EXPECT_FALSE(is_licence_accepted(disk, "/elsewhere", gemma));
}

}  // namespace
}  // namespace freehold::store
