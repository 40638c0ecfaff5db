#include "ops/kv_write/kv_write.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/bytes.h"
#include "base/float16.h"
#include "base/random.h"
#include "ops/attention/kv_position.h"
#include "ops/op_table.h"

namespace freehold::ops {
namespace {

constexpr CacheType kTypes[] = {CacheType::kF32, CacheType::kF16, CacheType::kQ8_0,
                                CacheType::kK16V8};
constexpr uint32_t kDims[] = {1, 5, 31, 32, 33, 64, 72, 80, 96, 128, 200, 256, 300};

using WriteFn = void (*)(const KvWrite&);

/// The fast paths that this processor can run.
std::vector<WriteFn> fast_paths() {
  std::vector<WriteFn> paths;
#if defined(__x86_64__)
  paths.push_back(kv_write_avx2);
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    paths.push_back(kv_write_avx512);
  }
#endif
  return paths;
}

/// A page in memory of its own, filled with 0xEE so that stray writes and short ones are seen.
struct OwnPage {
  explicit OwnPage(const KvLayout& layout)
      : keys(layout.key_bytes(), std::byte{0xEE}), values(layout.value_bytes(), std::byte{0xEE}) {}
  KvPage page() { return {keys.data(), values.data()}; }
  bool operator==(const OwnPage&) const = default;
  std::vector<std::byte> keys;
  std::vector<std::byte> values;
};

/// Vectors with zeros, subnormals, ties and a wide range of magnitudes.
std::vector<float> random_vector(base::RandomStream& random, size_t count) {
  std::vector<float> x(count);
  const float magnitude = std::ldexp(1.0f, static_cast<int>(random.below(30)) - 20);
  for (float& value : x) {
    value = (random.uniform() - 0.5f) * magnitude;
    const uint32_t kind = random.below(16);
    if (kind == 0) value = 0;
    if (kind == 1) value = -0.0f;
    if (kind == 2) value = 1e-41f;
    if (kind == 3) value = 3e-8f * static_cast<float>(random.below(9));  // f16 subnormals and ties
  }
  return x;
}

bool write(WriteFn path, const KvLayout& layout, OwnPage& page, uint32_t position,
           const std::vector<float>& key, const std::vector<float>& value) {
  bool finite = true;
  path({layout, page.page(), position, key.data(), value.data(), &finite});
  return finite;
}

TEST(KvWrite, FastPathsEqualTheReferenceInEveryByte) {
  base::RandomStream random(1);
  for (const CacheType type : kTypes) {
    for (const uint32_t dim : kDims) {
      const KvLayout layout{type, dim, kDims[random.below(std::size(kDims))]};
      OwnPage expected(layout);
      std::vector<OwnPage> actual(fast_paths().size(), OwnPage(layout));
      for (int i = 0; i < 40; ++i) {
        const uint32_t position = i < 2 ? static_cast<uint32_t>(i) * 255 : random.below(256);
        const auto key = random_vector(random, layout.key_dim);
        const auto value = random_vector(random, layout.value_dim);
        const bool finite = write(kv_write_ref, layout, expected, position, key, value);
        for (size_t path = 0; path < actual.size(); ++path) {
          EXPECT_EQ(write(fast_paths()[path], layout, actual[path], position, key, value), finite);
        }
      }
      for (OwnPage& page : actual) EXPECT_TRUE(page == expected) << cache_type_name(type) << dim;
    }
  }
}

TEST(KvWrite, ReadsBackWithinTheTypesError) {
  base::RandomStream random(2);
  for (const CacheType type : kTypes) {
    const KvLayout layout{type, 80, 72};
    OwnPage page(layout);
    std::vector<float> key(80);
    std::vector<float> value(72);
    for (float& x : key) x = random.uniform() * 2 - 1;
    for (float& x : value) x = random.uniform() * 2 - 1;
    ASSERT_TRUE(write(kv_write_ref, layout, page, 77, key, value));
    std::vector<float> key_out(80);
    std::vector<float> value_out(72);
    widen_key(layout, page.page(), 77, 0, 80, key_out.data());
    widen_value(layout, page.page(), 77, 0, 72, value_out.data());
    const auto tolerance = [](KvElement element) {
      if (element == KvElement::kF32) return 0.0f;
      return element == KvElement::kF16 ? 0x1p-11f : 0.5f / 127 + 0x1p-11f;
    };
    for (size_t j = 0; j < key.size(); ++j) {
      EXPECT_LE(std::abs(key[j] - key_out[j]), tolerance(key_element(type)));
    }
    for (size_t j = 0; j < value.size(); ++j) {
      EXPECT_LE(std::abs(value[j] - value_out[j]), tolerance(value_element(type)));
    }
  }
}

// A golden block: amax 2.54 gives d = 0.02 (f16 0x251F) and inv = 50; 0.05 * 50 = 2.5 ties to 2.
TEST(KvWrite, QuantisesAValueBySectionOne) {
  const KvLayout layout{CacheType::kQ8_0, 1, 4};
  OwnPage page(layout);
  const std::vector<float> value = {2.54f, -2.54f, 0.0f, 1.0f};
  ASSERT_TRUE(write(kv_write_ref, layout, page, 3, {1.0f}, value));
  const std::byte* block = page.values.data() + 3 * 34;
  EXPECT_EQ(base::load_le<uint16_t>(block), base::f16_from_float(2.54f / 127.0f));
  EXPECT_EQ(base::load_le<int8_t>(block + 2), 127);
  EXPECT_EQ(base::load_le<int8_t>(block + 3), -127);
  EXPECT_EQ(base::load_le<int8_t>(block + 4), 0);
  EXPECT_EQ(base::load_le<int8_t>(block + 5), 50);
  EXPECT_EQ(base::load_le<int8_t>(block + 6), 0) << "padding of the short group";
  EXPECT_EQ(page.values[2 * 34 + 33], std::byte{0xEE}) << "the position before is untouched";
  EXPECT_EQ(page.values[4 * 34], std::byte{0xEE}) << "the position after is untouched";
}

// Mutant: q from the rounded f16 scale instead of the unrounded inverse. It must show.
TEST(KvWrite, MutantThatQuantisesWithTheRoundedScaleIsSeen) {
  base::RandomStream random(3);
  const KvLayout layout{CacheType::kQ8_0, 32, 32};
  int differing = 0;
  for (int i = 0; i < 50; ++i) {
    OwnPage page(layout);
    std::vector<float> value(32);
    for (float& x : value) x = random.uniform() - 0.5f;
    ASSERT_TRUE(write(kv_write_ref, layout, page, 0, value, value));
    float amax = 0;
    for (const float x : value) amax = std::max(amax, std::abs(x));
    const float rounded = base::float_from_f16(base::f16_from_float(amax / 127.0f));
    for (size_t j = 0; j < value.size(); ++j) {
      const auto mutant = static_cast<int>(std::nearbyint(value[j] / rounded));
      differing += mutant != base::load_le<int8_t>(page.values.data() + 2 + j);
    }
  }
  EXPECT_GT(differing, 0);
}

TEST(KvWrite, ReportsWhatIsNotFiniteAndNeverClearsTheReport) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<WriteFn> paths = fast_paths();
  paths.push_back(kv_write_ref);
  for (const WriteFn path : paths) {
    for (const CacheType type : kTypes) {
      const KvLayout layout{type, 40, 40};
      const std::vector<float> good(40, 1.0f);
      for (const size_t at : {size_t{0}, size_t{31}, size_t{32}, size_t{39}}) {
        for (const float bad : {inf, -inf, nan, -nan}) {
          std::vector<float> x = good;
          x[at] = bad;
          OwnPage page(layout);
          EXPECT_FALSE(write(path, layout, page, 9, x, good));
          EXPECT_FALSE(write(path, layout, page, 9, good, x));
        }
      }
      OwnPage page(layout);
      bool finite = false;
      path({layout, page.page(), 0, good.data(), good.data(), &finite});
      EXPECT_FALSE(finite);
      EXPECT_TRUE(write(path, layout, page, 0, good, good));
    }
  }
}

TEST(KvWrite, OverflowOfF16IsNotFinite) {
  std::vector<WriteFn> paths = fast_paths();
  paths.push_back(kv_write_ref);
  for (const WriteFn path : paths) {
    const std::vector<float> good(33, 1.0f);
    std::vector<float> largest = good;
    largest[32] = 65519.0f;  // rounds to 65504
    std::vector<float> over = good;
    over[32] = 65520.0f;  // ties to infinity
    std::vector<float> over_q8 = good;
    over_q8[32] = 65520.0f * 127.0f;  // its scale overflows
    const KvLayout f16{CacheType::kF16, 33, 33};
    const KvLayout q8{CacheType::kQ8_0, 33, 33};
    const KvLayout f32{CacheType::kF32, 33, 33};
    OwnPage page(f32);
    EXPECT_TRUE(write(path, f16, page, 0, largest, largest));
    EXPECT_FALSE(write(path, f16, page, 0, over, good));
    EXPECT_FALSE(write(path, f16, page, 0, good, over));
    EXPECT_TRUE(write(path, q8, page, 0, over, over));
    EXPECT_FALSE(write(path, q8, page, 0, over_q8, good));
    EXPECT_FALSE(write(path, q8, page, 0, good, over_q8));
    EXPECT_TRUE(write(path, f32, page, 0, over_q8, over_q8));
  }
}

TEST(KvPosition, PackUnpackAndCopyMoveExactBytes) {
  base::RandomStream random(4);
  for (const CacheType type : kTypes) {
    const KvLayout layout{type, 72, 40};
    OwnPage from(layout);
    OwnPage through_pack(layout);
    OwnPage through_copy(layout);
    for (uint32_t position = 0; position < 256; ++position) {
      const auto key = random_vector(random, 72);
      write(kv_write_ref, layout, from, position, key, random_vector(random, 40));
    }
    std::vector<std::byte> bytes(packed_position_bytes(layout));
    for (uint32_t position = 0; position < 256; ++position) {
      const uint32_t target = position ^ 0x55u;
      pack_position(layout, from.page(), position, bytes.data());
      unpack_position(layout, bytes.data(), through_pack.page(), target);
      copy_position(layout, from.page(), position, through_copy.page(), target);
      std::vector<std::byte> again(bytes.size());
      pack_position(layout, through_copy.page(), target, again.data());
      EXPECT_EQ(bytes, again);
    }
    EXPECT_TRUE(through_pack == through_copy);
    EXPECT_FALSE(through_pack == from);
    OwnPage first(layout);
    copy_first_positions(layout, from.page(), 33, first.page());
    std::vector<std::byte> again(bytes.size());
    for (uint32_t position = 0; position < 33; ++position) {
      pack_position(layout, from.page(), position, bytes.data());
      pack_position(layout, first.page(), position, again.data());
      EXPECT_EQ(bytes, again);
    }
  }
}

TEST(KvLayout, SizesAndNames) {
  EXPECT_EQ((KvLayout{CacheType::kF16, 128, 128}).key_bytes(), 65536u);
  EXPECT_EQ((KvLayout{CacheType::kF16, 128, 64}).value_bytes(), 32768u);
  EXPECT_EQ((KvLayout{CacheType::kQ8_0, 80, 80}).key_bytes(), 8u * 3 * (64 + 1024));
  EXPECT_EQ((KvLayout{CacheType::kK16V8, 80, 80}).value_bytes(), 256u * 3 * 34);
  for (const CacheType type : kTypes) {
    EXPECT_EQ(parse_cache_type(cache_type_name(type)), type);
    for (const uint32_t dim : kDims) {
      EXPECT_EQ((KvLayout{type, dim, dim}).key_bytes() % 64, 0u);
      EXPECT_EQ((KvLayout{type, dim, dim}).value_bytes() % 64, 0u);
    }
  }
  EXPECT_FALSE(parse_cache_type("q4_0").has_value());
}

}  // namespace
}  // namespace freehold::ops
