#include "ops/attention/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "base/random.h"
#include "ops/attention/kv_position.h"
#include "ops/kv_write/kv_write.h"
#include "ops/math/functions.h"
#include "ops/op_table.h"

namespace freehold::ops {
namespace {

constexpr CacheType kTypes[] = {CacheType::kF32, CacheType::kF16, CacheType::kQ8_0,
                                CacheType::kK16V8};
constexpr uint32_t kDims[] = {32, 64, 80, 96, 128, 256, 72, 1, 5, 33};

using AttentionFn = void (*)(const Attention&);

/// The fast paths that this processor can run.
std::vector<AttentionFn> fast_paths() {
  std::vector<AttentionFn> paths;
#if defined(__x86_64__)
  paths.push_back(attention_avx2);
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    paths.push_back(attention_avx512);
  }
#endif
  return paths;
}

struct alignas(64) Line {
  std::byte bytes[64];
};

/// Keys and values of one head, and queries over them. Everything not written is NaN in any type.
class Scene {
 public:
  Scene(KvLayout layout, uint32_t first, uint32_t length, uint64_t seed)
      : layout_(layout), first_(first), length_(length), random_(seed) {
    const size_t chunks = (length + kChunkPositions - 1) / kChunkPositions;
    const size_t bytes = layout.key_bytes() + layout.value_bytes();
    memory_.resize(chunks * bytes / sizeof(Line));
    std::memset(static_cast<void*>(memory_.data()), 0xFF, memory_.size() * sizeof(Line));
    std::byte* at = reinterpret_cast<std::byte*>(memory_.data());
    for (size_t c = 0; c < chunks; ++c) {
      const bool seen = (c + 1) * kChunkPositions > first;
      pages_.push_back(seen ? KvPage{at, at + layout.key_bytes()} : KvPage{});
      at += bytes;
    }
  }

  /// Fills every position from `first` on: keys and values in +-magnitude / 2.
  void fill(float key_magnitude = 2, float value_magnitude = 2) {
    for (uint32_t i = first_; i < length_; ++i) {
      const std::vector<float> key = vector(layout_.key_dim, key_magnitude);
      write(i, key, vector(layout_.value_dim, value_magnitude));
    }
  }

  void write(uint32_t index, const std::vector<float>& key, const std::vector<float>& value) {
    bool finite = true;
    kv_write_ref(
        {layout_, pages_[index / kChunkPositions], index % 256, key.data(), value.data(), &finite});
    ASSERT_TRUE(finite);
  }

  std::vector<float> vector(size_t count, float magnitude) {
    std::vector<float> x(count);
    for (float& value : x) value = (random_.uniform() - 0.5f) * magnitude;
    return x;
  }

  void add_row(uint32_t begin, uint32_t end, float sink = 0) {
    queries_.push_back(vector(layout_.key_dim, 4));
    rows_.push_back({queries_.back().data(), nullptr, begin, end, sink});
  }

  /// The last row's biases, exactly as many as it sees keys.
  void add_bias(std::vector<float> bias) {
    biases_.push_back(std::move(bias));
    rows_.back().bias = biases_.back().data();
  }

  /// Rows [begin, end) through `path`: [rows, value_dim].
  std::vector<float> run(AttentionFn path, size_t begin, size_t end) {
    const size_t dim = layout_.value_dim;
    std::vector<float> out((end - begin) * dim, -77.0f);
    std::vector<AttentionRow> rows(rows_.begin() + static_cast<long>(begin),
                                   rows_.begin() + static_cast<long>(end));
    for (size_t r = 0; r < rows.size(); ++r) rows[r].out = out.data() + r * dim;
    const size_t floats = attention_scratch_floats(rows.size(), dim);
    std::vector<Line> scratch(floats / 16 + 1);
    std::memset(static_cast<void*>(scratch.data()), 0xFF, scratch.size() * sizeof(Line));
    task.layout = layout_;
    task.pages = pages_.data();
    task.rows = rows.data();
    task.row_count = rows.size();
    task.scratch = reinterpret_cast<float*>(scratch.data());
    path(task);
    // Nothing behind the scratch was written.
    const float* end_of_scratch = task.scratch + floats;
    for (const float* x = end_of_scratch; x < task.scratch + scratch.size() * 16; ++x) {
      EXPECT_TRUE(std::isnan(*x));
    }
    return out;
  }
  std::vector<float> run(AttentionFn path) { return run(path, 0, rows_.size()); }

  Attention task;
  const std::vector<AttentionRow>& rows() const { return rows_; }
  const KvLayout& layout() const { return layout_; }
  const KvPage* pages() const { return pages_.data(); }
  base::RandomStream& random() { return random_; }

 private:
  KvLayout layout_;
  uint32_t first_;
  uint32_t length_;
  base::RandomStream random_;
  std::vector<Line> memory_;
  std::vector<KvPage> pages_;
  std::vector<std::vector<float>> queries_;
  std::vector<std::vector<float>> biases_;
  std::vector<AttentionRow> rows_;
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void expect_every_path_equal(Scene& scene, const std::string& what) {
  const std::vector<float> expected = scene.run(attention_ref);
  for (const float x : expected) ASSERT_TRUE(std::isfinite(x)) << what;
  for (const AttentionFn path : fast_paths()) {
    const std::vector<float> actual = scene.run(path);
    EXPECT_TRUE(same_bits(actual, expected)) << what;
  }
}

TEST(Attention, FastPathsEqualTheReferenceOverShapes) {
  uint64_t seed = 1;
  for (const CacheType type : kTypes) {
    for (const uint32_t dim : kDims) {
      for (const uint32_t length : {1u, 31u, 32u, 33u, 255u, 256u, 257u, 600u}) {
        base::RandomStream random(++seed);
        Scene scene({type, dim, kDims[random.below(std::size(kDims))]}, 0, length, seed);
        scene.fill();
        scene.task.scale = 0.3f;
        const uint32_t rows = 1 + random.below(9);
        for (uint32_t r = 0; r < rows; ++r) scene.add_row(0, length);
        expect_every_path_equal(scene, std::string(cache_type_name(type)) + " " +
                                           std::to_string(dim) + " " + std::to_string(length));
      }
    }
  }
}

TEST(Attention, FastPathsEqualTheReferenceOverRanges) {
  for (uint64_t seed = 100; seed < 160; ++seed) {
    base::RandomStream random(seed);
    const CacheType type = kTypes[seed % 4];
    const uint32_t length = 1 + random.below(1000);
    const uint32_t first = random.below(3) == 0 ? random.below(length) : 0;
    Scene scene({type, kDims[random.below(7)], kDims[random.below(7)]}, first, length, seed);
    scene.fill();
    scene.task.scale = 0.2f;
    scene.task.soft_cap = random.below(3) == 0 ? 5.0f : 0.0f;
    scene.task.has_sinks = random.below(2) == 0;
    const uint32_t rows = 1 + random.below(40);
    for (uint32_t r = 0; r < rows; ++r) {
      // Windows of any width, often a few positions apart as in a prefill.
      uint32_t begin = first + random.below(length - first);
      if (random.below(2) == 0) begin = first;
      uint32_t end = begin + 1 + random.below(length - begin);
      if (random.below(2) == 0) end = length - std::min(r, length - begin - 1);
      scene.add_row(begin, end, random.uniform() * 6 - 3);
    }
    expect_every_path_equal(scene, "seed " + std::to_string(seed));
  }
}

TEST(Attention, SharingRowsChangesNoBit) {
  for (const CacheType type : kTypes) {
    Scene scene({type, 64, 72}, 0, 700, 7);
    scene.fill();
    scene.task.scale = 0.125f;
    // 7 columns of 3 heads with a window of 300.
    for (uint32_t column = 0; column < 7; ++column) {
      for (int head = 0; head < 3; ++head) {
        const uint32_t end = 640 + column * 5;
        scene.add_row(end - 300, end);
      }
    }
    std::vector<AttentionFn> paths = fast_paths();
    paths.push_back(attention_ref);
    const std::vector<float> expected = scene.run(attention_ref);
    for (const AttentionFn path : paths) {
      for (const size_t step : {size_t{1}, size_t{2}, size_t{5}, size_t{21}}) {
        std::vector<float> joined;
        for (size_t begin = 0; begin < 21; begin += step) {
          const auto part = scene.run(path, begin, std::min<size_t>(21, begin + step));
          joined.insert(joined.end(), part.begin(), part.end());
        }
        EXPECT_TRUE(same_bits(joined, expected));
      }
    }
  }
}

// A chain that underflows to -0 must not meet the +0 of a key that is not there.
TEST(Attention, AbsentKeysDoNotEvenTurnMinusZero) {
  const KvLayout layout{CacheType::kF32, 32, 32};
  Scene scene(layout, 0, 64, 8);
  const std::vector<float> key_high(32, 1.0f);
  const std::vector<float> key_low(32, -1.0f);
  const std::vector<float> tiny(32, -0x1p-110f);
  const std::vector<float> zero(32, 0.0f);
  for (uint32_t i = 0; i < 64; ++i) {
    scene.write(i, i == 0 ? key_high : key_low, i == 0 ? zero : (i == 1 ? tiny : zero));
  }
  scene.add_row(0, 2);  // -0 at its end
  scene.add_row(0, 40);
  const std::vector<float> one(32, 1.0f);
  // p = exp(-64), so p * 2^-110 is below half the smallest subnormal.
  AttentionRow row_short = scene.rows()[0];
  AttentionRow row_long = scene.rows()[1];
  row_short.query = row_long.query = one.data();
  const auto run = [&](AttentionFn path) {
    std::vector<float> out(64);
    row_short.out = out.data();
    row_long.out = out.data() + 32;
    const AttentionRow rows[] = {row_short, row_long};
    std::vector<Line> scratch(attention_scratch_floats(2, 32) / 16 + 1);
    path(
        {layout, scene.pages(), rows, 2, 1.0f, 0, false, reinterpret_cast<float*>(scratch.data())});
    return out;
  };
  const auto expected = run(attention_ref);
  EXPECT_TRUE(std::signbit(expected[0])) << "the scene shows nothing";
  EXPECT_FALSE(std::signbit(expected[32]));
  for (const AttentionFn path : fast_paths()) EXPECT_TRUE(same_bits(run(path), expected));
}

TEST(Attention, ScoresThatAreNotFiniteSpoilOnlyTheirOwnRow) {
  std::vector<AttentionFn> paths = fast_paths();
  paths.push_back(attention_ref);
  for (const float bad :
       {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
        std::numeric_limits<float>::quiet_NaN()}) {
    Scene scene({CacheType::kF16, 64, 64}, 0, 300, 9);
    scene.fill();
    for (int r = 0; r < 3; ++r) scene.add_row(0, 300);
    const auto good = scene.run(attention_ref);
    const_cast<float*>(scene.rows()[1].query)[5] = bad;
    for (const AttentionFn path : paths) {
      const auto out = scene.run(path);
      EXPECT_EQ(std::memcmp(out.data(), good.data(), 64 * sizeof(float)), 0);
      EXPECT_EQ(std::memcmp(out.data() + 128, good.data() + 128, 64 * sizeof(float)), 0);
      for (size_t j = 64; j < 128; ++j) EXPECT_FALSE(std::isfinite(out[j]));
    }
  }
}

// --- The rule itself, written a second time, right and wrong ------------------------------------

struct Variant {
  uint32_t chunk = 256;
  bool merge_descending = false;
  bool masked_is_minus_infinity = false;  // from index 0 on, instead of absent
  bool scale_in_query = false;
  bool two_accumulators = false;
  size_t lanes = 32;
};

struct Softmax {
  float m = 0;
  float l = 0;
  std::vector<float> o;
};

/// f32 attention of one row by `variant`.
class Model {
 public:
  Model(const Scene& scene, const Variant& variant) : scene_(scene), variant_(variant) {}

  std::vector<float> attend(const AttentionRow& row) const {
    uint32_t begin = row.key_begin;
    if (variant_.masked_is_minus_infinity) begin = 0;
    std::vector<Softmax> parts;
    while (begin < row.key_end) {
      const uint32_t next = (begin / variant_.chunk + 1) * variant_.chunk;
      parts.push_back(part(row, begin, std::min(next, row.key_end)));
      begin = next;
    }
    if (variant_.merge_descending) std::reverse(parts.begin(), parts.end());
    Softmax total = parts[0];
    for (size_t i = 1; i < parts.size(); ++i) total = merged(total, parts[i]);
    for (float& x : total.o) x = x / total.l;
    return total.o;
  }

 private:
  float score(const AttentionRow& row, uint32_t i) const {
    if (i < row.key_begin) return -std::numeric_limits<float>::infinity();
    std::vector<float> key(scene_.layout().key_dim);
    widen_key(scene_.layout(), scene_.pages()[i / 256], i % 256, 0, key.size(), key.data());
    float s[2] = {};
    for (size_t j = 0; j < key.size(); ++j) {
      float& chain = s[variant_.two_accumulators ? j % 2 : 0];
      const float scale = variant_.scale_in_query ? scene_.task.scale : 1.0f;
      chain = std::fma(row.query[j] * scale, key[j], chain);
    }
    return variant_.scale_in_query ? s[0] + s[1] : (s[0] + s[1]) * scene_.task.scale;
  }

  Softmax part(const AttentionRow& row, uint32_t begin, uint32_t end) const {
    std::vector<float> p;
    for (uint32_t i = begin; i < end; ++i) p.push_back(score(row, i));
    Softmax result;
    result.m = *std::max_element(p.begin(), p.end());
    result.o.resize(scene_.layout().value_dim);
    float lanes[32] = {};
    std::vector<float> value(result.o.size());
    for (uint32_t i = begin; i < end; ++i) {
      p[i - begin] = exp_f32(p[i - begin] - result.m);
      lanes[i % variant_.lanes] += p[i - begin];
      if (i < row.key_begin) continue;
      widen_value(scene_.layout(), scene_.pages()[i / 256], i % 256, 0, value.size(), value.data());
      for (size_t j = 0; j < value.size(); ++j) {
        result.o[j] = std::fma(p[i - begin], value[j], result.o[j]);
      }
    }
    for (size_t half = 16; half > 0; half /= 2) {
      for (size_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
    }
    result.l = lanes[0];
    return result;
  }

  Softmax merged(const Softmax& a, const Softmax& b) const {
    Softmax result;
    result.m = std::max(a.m, b.m);
    const float scale_a = exp_f32(a.m - result.m);
    const float scale_b = exp_f32(b.m - result.m);
    result.l = std::fma(a.l, scale_a, b.l * scale_b);
    for (size_t j = 0; j < a.o.size(); ++j) {
      result.o.push_back(std::fma(a.o[j], scale_a, b.o[j] * scale_b));
    }
    return result;
  }

  const Scene& scene_;
  Variant variant_;
};

/// A scene with windows, chunk edges and a sharp enough softmax for every rule to show.
std::unique_ptr<Scene> rule_scene(CacheType type) {
  auto scene = std::make_unique<Scene>(KvLayout{type, 64, 48}, 0, 900, 11);
  scene->fill();
  scene->task.scale = 0.37f;
  for (const uint32_t end : {40u, 256u, 257u, 513u, 900u}) {
    scene->add_row(0, end);
    scene->add_row(end / 3, end);
  }
  scene->add_row(300, 900);
  scene->add_row(511, 900);
  return scene;
}

std::vector<float> run_model(Scene& scene, const Variant& variant) {
  std::vector<float> all;
  for (const AttentionRow& row : scene.rows()) {
    const std::vector<float> out = Model(scene, variant).attend(row);
    all.insert(all.end(), out.begin(), out.end());
  }
  return all;
}

TEST(Attention, ReferenceEqualsTheRuleWrittenASecondTime) {
  for (const CacheType type : kTypes) {
    const auto scene = rule_scene(type);
    EXPECT_TRUE(same_bits(scene->run(attention_ref), run_model(*scene, {})));
  }
}

TEST(Attention, MutantsAreSeen) {
  const auto scene = rule_scene(CacheType::kF16);
  const std::vector<float> right = scene->run(attention_ref);
  const auto differs = [&](Variant variant) {
    return !same_bits(run_model(*scene, variant), right);
  };
  EXPECT_TRUE(differs({.chunk = 128}));
  EXPECT_TRUE(differs({.merge_descending = true}));
  EXPECT_TRUE(differs({.scale_in_query = true}));
  EXPECT_TRUE(differs({.two_accumulators = true}));
  EXPECT_TRUE(differs({.lanes = 16}));
}

// Masked keys as -infinity instead of absent: right as long as their chunk has a key that is seen
// (exp(-infinity) = +0), and not a number where a whole chunk is masked.
TEST(Attention, MutantWithMinusInfinityForMaskedKeysIsSeen) {
  Scene scene({CacheType::kF16, 32, 32}, 0, 600, 12);
  scene.fill();
  scene.add_row(100, 600);
  scene.add_row(300, 600);
  const Model mutant(scene, {.masked_is_minus_infinity = true});
  EXPECT_TRUE(same_bits(mutant.attend(scene.rows()[0]), scene.run(attention_ref, 0, 1)));
  EXPECT_FALSE(same_bits(mutant.attend(scene.rows()[1]), scene.run(attention_ref, 1, 2)));
}

TEST(Attention, EqualsASoftmaxInBinary64WithinTolerance) {
  for (const CacheType type : kTypes) {
    const auto scene = rule_scene(type);
    scene->task.soft_cap = 8;
    const std::vector<float> actual = scene->run(attention_ref);
    const size_t dim = scene->layout().value_dim;
    for (size_t r = 0; r < scene->rows().size(); ++r) {
      const AttentionRow& row = scene->rows()[r];
      std::vector<double> o(dim);
      double l = 0;
      std::vector<float> key(scene->layout().key_dim);
      std::vector<float> value(dim);
      for (uint32_t i = row.key_begin; i < row.key_end; ++i) {
        const KvPage& page = scene->pages()[i / 256];
        widen_key(scene->layout(), page, i % 256, 0, key.size(), key.data());
        widen_value(scene->layout(), page, i % 256, 0, dim, value.data());
        double s = 0;
        for (size_t j = 0; j < key.size(); ++j) s += double{row.query[j]} * key[j];
        s = 8 * std::tanh(s * scene->task.scale / 8);
        l += std::exp(s);
        for (size_t j = 0; j < dim; ++j) o[j] += std::exp(s) * value[j];
      }
      for (size_t j = 0; j < dim; ++j) EXPECT_NEAR(actual[r * dim + j], o[j] / l, 3e-6);
    }
  }
}

TEST(Attention, ASinkTakesItsShareAndNothingElse) {
  Scene scene({CacheType::kF32, 32, 32}, 0, 300, 13);
  scene.fill();
  scene.task.scale = 0.1f;
  scene.add_row(0, 300, 4.0f);
  const auto without = scene.run(attention_ref);
  scene.task.has_sinks = true;
  const auto with = scene.run(attention_ref);
  // p_i / (sum p + exp(sink)) for every i: one common factor.
  double l = 0;
  std::vector<float> key(32);
  for (uint32_t i = 0; i < 300; ++i) {
    widen_key(scene.layout(), scene.pages()[i / 256], i % 256, 0, 32, key.data());
    double s = 0;
    for (size_t j = 0; j < 32; ++j) s += double{scene.rows()[0].query[j]} * key[j];
    l += std::exp(s * 0.1);
  }
  const double factor = l / (l + std::exp(4.0));
  for (size_t j = 0; j < 32; ++j) EXPECT_NEAR(with[j], without[j] * factor, 2e-6);
}

TEST(Attention, ABiasBelongsToItsKeyOnEveryPath) {
  constexpr uint32_t kLength = 700;
  for (const CacheType type : {CacheType::kF32, CacheType::kF16}) {
    Scene scene({type, 40, 24}, 0, kLength, 91);
    scene.fill();
    for (uint32_t r = 0; r < 24; ++r) {
      const uint32_t begin = r % 3 == 0 ? 0 : scene.random().below(kLength - 1);
      scene.add_row(begin, begin + 1 + scene.random().below(kLength - begin));
      if (r % 4 == 3) continue;  // rows without one beside them
      scene.add_bias(scene.vector(scene.rows().back().key_end - begin, 6));
    }
    expect_every_path_equal(scene, "biases");
  }
}

// A bias that is low everywhere but at one key leaves that key's value.
TEST(Attention, ABiasIsAddedToTheScore) {
  constexpr uint32_t kLength = 300;
  constexpr uint32_t kBegin = 37;
  for (const uint32_t chosen : {kBegin, 255u, 256u, kLength - 1}) {
    Scene scene({CacheType::kF32, 16, 16}, 0, kLength, 92);
    scene.fill();
    const std::vector<float> value(16, 5.0f);
    scene.write(chosen, scene.vector(16, 2), value);
    scene.add_row(kBegin, kLength);
    std::vector<float> bias(kLength - kBegin, -200.0f);
    bias[chosen - kBegin] = 0;
    scene.add_bias(bias);
    EXPECT_EQ(scene.run(attention_ref), value) << chosen;
  }
}

}  // namespace
}  // namespace freehold::ops
