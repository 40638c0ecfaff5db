// The folder of saved conversations finds the longest beginning, keeps to its bound, and never
// hands out anything but what was saved: not after damage, a power loss at any change, or a full
// disk.

#include "runtime/engine/prompt_folder.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/crc32c.h"
#include "base/random.h"
#include "io/simulated_file_system.h"
#include "runtime/cache/snapshot_format.h"
#include "runtime/engine/prompt_cache.h"

namespace freehold::runtime {
namespace {

using Tokens = std::vector<TokenId>;

/// A conversation of `tokens`; its snapshot's payload is theirs.
std::vector<std::byte> entry_of(const Tokens& tokens, size_t payload_bytes = 400) {
  std::vector<std::byte> payload(payload_bytes);
  for (size_t i = 0; i < payload_bytes; ++i) {
    payload[i] = static_cast<std::byte>(tokens[i % tokens.size()]);
  }
  SnapshotHeader header;
  header.positions = static_cast<uint32_t>(tokens.size());
  header.payload_bytes = payload.size();
  header.payload_crc32c = base::crc32c(payload);
  header.model_id = std::string(1, 'm');
  const size_t snapshot = snapshot_header_bytes(header) + payload.size();
  std::vector<std::byte> bytes(prompt_cache_header_bytes(tokens.size()) + snapshot);
  write_prompt_cache_header(tokens, snapshot, bytes);
  const std::span<std::byte> rest = std::span(bytes).last(snapshot);
  write_snapshot_header(header, rest.first(snapshot_header_bytes(header)));
  std::memcpy(rest.data() + snapshot_header_bytes(header), payload.data(), payload.size());
  return bytes;
}

struct Rig {
  io::SimulatedFileSystem disk;
  std::vector<std::string> notes;

  PromptFolder folder(uint64_t bytes_max = 1 << 20, const std::string& model = "m") {
    return MUST(PromptFolder::open({.files = disk,
                                    .path = "/prompts",
                                    .scope = {"fh-1", model, "f16"},
                                    .bytes_max = bytes_max}));
  }
  /// Tokens of what is found, empty where nothing is.
  Tokens find(PromptFolder folder, const Tokens& prompt, size_t more_than = 0) {
    const auto bytes = folder.find(prompt, more_than, notes);
    if (!bytes) return {};
    const PromptCache parsed = MUST(parse_prompt_cache(*bytes));
    EXPECT_EQ(*bytes, entry_of(parsed.tokens)) << "other bytes than were saved";
    return parsed.tokens;
  }
  size_t entries() {
    size_t count = 0;
    for (const auto& file : MUST(disk.list("/prompts"))) count += file.name.ends_with(".prompt");
    return count;
  }
  uint64_t bytes() {
    uint64_t sum = 0;
    for (const auto& file : MUST(disk.list("/prompts"))) sum += file.size;
    return sum;
  }
};

TEST(PromptFolder, FindsTheLongestBeginningOfItsScope) {
  Rig rig;
  rig.folder().save(entry_of({1, 2, 3, 9})).value();
  rig.folder().save(entry_of({1, 2, 7})).value();
  rig.folder(1 << 20, "another").save(entry_of({1, 2, 3, 4, 5})).value();
  EXPECT_EQ(rig.find(rig.folder(), {1, 2, 3, 4, 5}), (Tokens{1, 2, 3, 9}));
  EXPECT_EQ(rig.find(rig.folder(), {1, 2, 7, 7}), (Tokens{1, 2, 7}));
  EXPECT_EQ(rig.find(rig.folder(), {4}), Tokens{});
  EXPECT_EQ(rig.find(rig.folder(), {1, 2, 3, 4}, 3), Tokens{});  // the caller has as much
  EXPECT_EQ(rig.find(rig.folder(1 << 20, "another"), {1, 2, 3}), (Tokens{1, 2, 3, 4, 5}));
  EXPECT_TRUE(rig.notes.empty());
}

TEST(PromptFolder, AConversationThatGrowsTakesOnePlace) {
  Rig rig;
  Tokens tokens;
  for (TokenId token = 1; token <= 10; ++token) {
    tokens.push_back(token);
    rig.folder().save(entry_of(tokens)).value();
    EXPECT_EQ(rig.entries(), 1u);
  }
  rig.folder().save(entry_of({1, 2, 99})).value();  // another end of it
  EXPECT_EQ(rig.entries(), 2u);
  EXPECT_EQ(rig.find(rig.folder(), tokens), tokens);
}

TEST(PromptFolder, KeepsToItsBoundAndLosesWhatWasNotUsedForLongest) {
  Rig rig;
  const uint64_t each = entry_of({1}).size();
  const uint64_t bound = 4 * each + each / 2;
  for (TokenId token = 1; token <= 4; ++token) rig.folder(bound).save(entry_of({token})).value();
  EXPECT_EQ(rig.find(rig.folder(bound), {1}), Tokens{1});  // used now
  rig.folder(bound).save(entry_of({5})).value();
  EXPECT_LE(rig.bytes(), bound);
  EXPECT_EQ(rig.find(rig.folder(bound), {2}), Tokens{});
  for (const TokenId token : {1, 3, 4, 5}) {
    EXPECT_EQ(rig.find(rig.folder(bound), {token}), Tokens{token});
  }
  const Status refused = rig.folder(each / 2).save(entry_of({6}));
  EXPECT_EQ(refused.error().code, ErrorCode::kRefused);
  EXPECT_EQ(rig.entries(), 4u);
}

TEST(PromptFolder, DamageIsNamedRemovedAndNeverUsed) {
  base::RandomStream random(3);
  for (int round = 0; round < 200; ++round) {
    Rig rig;
    const Tokens tokens = {5, 6, 7, 8};
    rig.folder().save(entry_of(tokens)).value();
    const std::string path = "/prompts/" + MUST(rig.disk.list("/prompts")).front().name;
    std::string content = rig.disk.content(path);
    if (round % 3 == 0) {
      content.resize(random.below(static_cast<uint32_t>(content.size())));
    } else {
      content[random.below(static_cast<uint32_t>(content.size()))] ^=
          static_cast<char>(1 << random.below(8));
    }
    rig.disk.put(path, content);
    EXPECT_EQ(rig.find(rig.folder(), tokens), Tokens{}) << round;
    // A flipped version or a flipped token means another thing, and is not damage to what is there.
    EXPECT_TRUE(rig.notes.empty() || rig.entries() == 0);
    rig.folder().save(entry_of(tokens)).value();
    EXPECT_EQ(rig.find(rig.folder(), tokens), tokens);
  }
}

TEST(PromptFolder, APowerLossAtAnyChangeLeavesWholeEntries) {
  for (uint64_t changes = 0; changes < 40; ++changes) {
    for (uint64_t seed = 1; seed < 6; ++seed) {
      Rig rig;
      const uint64_t bound = entry_of({1}).size() * 3;
      rig.folder(bound).save(entry_of({1, 2})).value();
      rig.folder(bound).save(entry_of({4, 5})).value();
      rig.disk.lose_power_after(changes);
      auto folder = PromptFolder::open({.files = rig.disk,
                                        .path = "/prompts",
                                        .scope = {"fh-1", "m", "f16"},
                                        .bytes_max = bound});
      if (folder.ok()) {
        (void)folder->save(entry_of({1, 2, 3}));
        (void)folder->save(entry_of({7}));
      }
      rig.disk.restart(seed);
      // Whatever is found is what was saved: find() compares.
      for (const Tokens& prompt : {Tokens{1, 2, 3}, Tokens{4, 5}, Tokens{7}}) {
        rig.find(rig.folder(bound), prompt);
      }
      // And the folder works on, with nothing half-written left and its bound kept.
      rig.folder(bound).save(entry_of({9, 9})).value();
      EXPECT_EQ(rig.find(rig.folder(bound), {9, 9}), (Tokens{9, 9}));
      EXPECT_LE(rig.bytes(), bound);
      for (const auto& file : MUST(rig.disk.list("/prompts"))) {
        EXPECT_FALSE(file.name.ends_with(".partial")) << changes;
      }
    }
  }
}

TEST(PromptFolder, AFullDiskKeepsWhatWasThere) {
  Rig rig;
  rig.folder().save(entry_of({1, 2})).value();
  rig.disk.set_capacity(rig.bytes() + 300);
  EXPECT_FALSE(rig.folder().save(entry_of({3, 4})).ok());
  EXPECT_EQ(rig.find(rig.folder(), {1, 2}), (Tokens{1, 2}));
  EXPECT_EQ(rig.entries(), 1u);
}

TEST(PromptFolder, TwoWritersTakeTurns) {
  Rig rig;
  rig.folder().save(entry_of({1})).value();
  const auto held = MUST(rig.disk.lock("/prompts/lock", 0));
  ASSERT_NE(held, nullptr);
  EXPECT_EQ(rig.folder().save(entry_of({2})).error().code, ErrorCode::kRefused);
  EXPECT_EQ(rig.find(rig.folder(), {1}), Tokens{1});  // readers need no lock
}

}  // namespace
}  // namespace freehold::runtime
