// Checks golden/numerics/vectors.txt, which a second implementation of docs/NUMERICS.md made in
// exact rational arithmetic (tools/golden/make_numerics_vectors.py), against ours on every rung of
// the instruction-set ladder that this machine has.

#include <gtest/gtest.h>

#include <bit>
#include <charconv>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/text.h"
#include "ops/attention/attention.h"
#include "ops/kv_write/kv_write.h"
#include "ops/layer_norm/layer_norm.h"
#include "ops/math/functions.h"
#include "ops/math/functions64.h"
#include "ops/math/lanes.h"
#include "ops/op_table.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/rope/rope_table.h"
#include "ops/softmax_sum/softmax_sum.h"
#include "quant/activation.h"

namespace freehold::ops {
namespace {

using Words = std::vector<std::string_view>;

/// One line: lists of words between '|' before and after '='.
struct Vector {
  std::string_view name;
  std::vector<Words> in;
  std::vector<Words> out;
};

Vector parse_line(std::string_view line) {
  Vector vector;
  vector.in.emplace_back();
  std::vector<Words>* side = &vector.in;
  for (const std::string_view word : base::split(line, ' ')) {
    if (word.empty()) continue;
    if (vector.name.empty()) {
      vector.name = word;
    } else if (word == "=") {
      side = &vector.out;
      side->emplace_back();
    } else if (word == "|") {
      side->emplace_back();
    } else {
      side->back().push_back(word);
    }
  }
  return vector;
}

uint64_t number(std::string_view word, int number_base = 16) {
  uint64_t value = 0;
  const auto end = word.data() + word.size();
  EXPECT_EQ(std::from_chars(word.data(), end, value, number_base).ptr, end) << word;
  return value;
}
float f32(std::string_view word) {
  return std::bit_cast<float>(static_cast<uint32_t>(number(word)));
}
double f64(std::string_view word) { return std::bit_cast<double>(number(word)); }
std::vector<float> floats(const Words& words) {
  std::vector<float> values;
  for (const std::string_view word : words) values.push_back(f32(word));
  return values;
}
std::vector<uint32_t> bits(const std::vector<float>& values) {
  std::vector<uint32_t> result;
  for (const float value : values) result.push_back(std::bit_cast<uint32_t>(value));
  return result;
}

/// The tables of every rung that this machine can run.
std::vector<const OpTable*> rungs() {
  std::vector<const OpTable*> tables;
  for (const device::Isa isa : {device::Isa::kScalar, device::Isa::kAvx2, device::Isa::kAvx512}) {
    if (device::best_isa() >= isa) tables.push_back(&op_table(isa));
  }
  return tables;
}

template <class Function>
void check_f32(const Vector& v, Function function) {
  EXPECT_EQ(std::bit_cast<uint32_t>(function(f32(v.in[0][0]))), number(v.out[0][0]));
}

template <class Function>
void check_f64(const Vector& v, Function function) {
  EXPECT_EQ(std::bit_cast<uint64_t>(function(f64(v.in[0][0]))), number(v.out[0][0]));
}

void check_sine_cosine(const Vector& v) {
  const SineCosine both = sine_cosine_f64(f64(v.in[0][0]));
  EXPECT_EQ(std::bit_cast<uint64_t>(both.sine), number(v.out[0][0]));
  EXPECT_EQ(std::bit_cast<uint64_t>(both.cosine), number(v.out[0][1]));
}

void check_rms_norm(const Vector& v) {
  const std::vector<float> x = floats(v.in[1]), w = floats(v.in[2]);
  for (const OpTable* table : rungs()) {
    std::vector<float> y(x.size());
    table->rms_norm({x.data(), x.size(), w.data(), f32(v.in[0][0]), 1, x.size(), y.data(), 0});
    EXPECT_EQ(bits(y), bits(floats(v.out[0])));
  }
}

void check_layer_norm(const Vector& v) {
  const std::vector<float> x = floats(v.in[1]), w = floats(v.in[2]), b = floats(v.in[3]);
  for (const OpTable* table : rungs()) {
    std::vector<float> y(x.size());
    table->layer_norm(
        {x.data(), x.size(), w.data(), b.data(), f32(v.in[0][0]), 1, x.size(), y.data(), x.size()});
    EXPECT_EQ(bits(y), bits(floats(v.out[0])));
  }
}

void check_softmax_sum(const Vector& v) {
  const std::vector<float> x = floats(v.in[0]);
  for (const OpTable* table : rungs()) {
    std::vector<float> p(x.size());
    float maximum = 0;
    float sum = 0;
    table->softmax_sum({x.data(), x.size(), p.data(), &maximum, &sum});
    EXPECT_EQ(bits(p), bits(floats(v.out[0])));
    EXPECT_EQ(bits({sum}), bits(floats(v.out[1])));
  }
}

void check_float_dot(const Vector& v) {
  const std::vector<float> x = floats(v.in[0]), y = floats(v.in[1]);
  EXPECT_EQ(bits({lanes_dot(x.data(), y.data(), x.size())}), bits(floats(v.out[0])));
}

void check_quantise(const Vector& v) {
  const std::vector<float> x = floats(v.in[1]);
  std::vector<int8_t> q(quant::padded_width(x.size()));
  std::vector<float> d(x.size() / 32);
  std::vector<int16_t> sums(q.size() / 16);
  const bool whole = number(v.in[0][0], 10) == 256;
  const auto group = whole ? quant::ActivationGroup::k256 : quant::ActivationGroup::k32;
  EXPECT_TRUE(
      quant::quantise_row_ref({x.data(), x.size(), group, q.data(), d.data(), sums.data()}));
  EXPECT_EQ(std::bit_cast<uint32_t>(d[0]), number(v.out[0][0]));
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(std::to_string(q[i]), v.out[1][i]) << "value " << i;
  }
}

void check_rope(const Vector& v) {
  RopeScaling scaling;
  const std::map<std::string_view, RopeScalingKind> kinds = {{"none", RopeScalingKind::kNone},
                                                             {"linear", RopeScalingKind::kLinear},
                                                             {"yarn", RopeScalingKind::kYarn},
                                                             {"llama3", RopeScalingKind::kLlama3}};
  const Words& in = v.in[0];
  scaling.kind = kinds.at(in[0]);
  scaling.rotary_dim = static_cast<uint32_t>(number(in[1], 10));
  scaling.freq_base = f64(in[3]);
  scaling.factor = f64(in[4]);
  scaling.original_context = f64(in[5]);
  scaling.factors = floats(v.in[1]);
  const RopeTable table = MUST(RopeTable::create(scaling));
  std::vector<float> cosine(table.pairs()), sine(table.pairs());
  table.fill_row(static_cast<uint32_t>(number(in[2], 10)), cosine.data(), sine.data());
  EXPECT_EQ(bits(cosine), bits(floats(v.out[0])));
  EXPECT_EQ(bits(sine), bits(floats(v.out[1])));
}

void check_philox(const Vector& v) {
  base::PhiloxBlock counter;
  for (size_t i = 0; i < 4; ++i) counter[i] = static_cast<uint32_t>(number(v.in[0][i]));
  const base::PhiloxBlock words = base::philox4x32_10(counter, number(v.in[0][4]));
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(words[i], number(v.out[0][i]));
}

void check_uniform(const Vector& v) {
  const uint32_t word = static_cast<uint32_t>(number(v.in[0][0]));
  EXPECT_EQ(bits({static_cast<float>(word >> 8) * 0x1p-24f}), bits(floats(v.out[0])));
}

/// Keys and values by the formula that the maker of the vectors uses, in an f32 cache.
void check_attention(const Vector& v) {
  const uint32_t count = static_cast<uint32_t>(number(v.in[0][0], 10));
  const uint32_t dim = static_cast<uint32_t>(number(v.in[0][1], 10));
  const KvLayout layout{CacheType::kF32, dim, dim};
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::vector<std::vector<Line>> memory;
  std::vector<KvPage> pages;
  for (uint32_t chunk = 0; chunk * kChunkPositions < count; ++chunk) {
    for (const size_t size : {layout.key_bytes(), layout.value_bytes()}) {
      memory.emplace_back(size / sizeof(Line));
    }
    pages.push_back({memory[memory.size() - 2].data()->bytes, memory.back().data()->bytes});
  }
  for (uint32_t i = 0; i < count; ++i) {
    std::vector<float> key(dim), value(dim);
    for (uint32_t j = 0; j < dim; ++j) {
      key[j] = (static_cast<float>((7 * i + 3 * j) % 17) - 8) / 8;
      value[j] = (static_cast<float>((5 * i + 11 * j) % 23) - 11) / 16;
    }
    bool finite = true;
    kv_write_ref({layout, pages[i / kChunkPositions], i % 256, key.data(), value.data(), &finite});
  }
  const std::vector<float> query = floats(v.in[1]);
  for (const OpTable* table : rungs()) {
    std::vector<float> out(dim);
    const AttentionRow row{query.data(), out.data(), 0, count, 0};
    std::vector<Line> scratch(attention_scratch_floats(1, dim) / 16 + 1);
    Attention task;
    task.layout = layout;
    task.pages = pages.data();
    task.rows = &row;
    task.row_count = 1;
    task.scale = f32(v.in[0][2]);
    task.soft_cap = f32(v.in[0][3]);
    task.scratch = reinterpret_cast<float*>(scratch.data());
    table->attention(task);
    EXPECT_EQ(bits(out), bits(floats(v.out[0])));
  }
}

using Check = std::function<void(const Vector&)>;

std::map<std::string_view, Check> checks() {
  const auto by_f32 = [](float (*function)(float)) {
    return [function](const Vector& v) { check_f32(v, function); };
  };
  const auto by_f64 = [](double (*function)(double)) {
    return [function](const Vector& v) { check_f64(v, function); };
  };
  return {{"exp", by_f32([](float x) { return exp_f32(x); })},
          {"log", by_f32([](float x) { return log_f32(x); })},
          {"tanh", by_f32([](float x) { return tanh_f32(x); })},
          {"sigmoid", by_f32([](float x) { return sigmoid_f32(x); })},
          {"silu", by_f32([](float x) { return silu_f32(x); })},
          {"gelu_tanh", by_f32([](float x) { return gelu_tanh_f32(x); })},
          {"gelu_erf", by_f32([](float x) { return gelu_erf_f32(x); })},
          {"softplus", by_f32([](float x) { return softplus_f32(x); })},
          {"exp2_f64", by_f64([](double x) { return exp2_f64(x); })},
          {"log2_f64", by_f64([](double x) { return log2_f64(x); })},
          {"sine_cosine_f64", check_sine_cosine},
          {"rms_norm", check_rms_norm},
          {"layer_norm", check_layer_norm},
          {"softmax_sum", check_softmax_sum},
          {"float_dot", check_float_dot},
          {"quantise", check_quantise},
          {"rope", check_rope},
          {"philox", check_philox},
          {"uniform", check_uniform},
          {"attention", check_attention}};
}

TEST(NumericsVectors, EveryLineHolds) {
  std::ifstream file(std::string(FREEHOLD_SOURCE_DIR) + "/golden/numerics/vectors.txt");
  ASSERT_TRUE(file.good());
  const std::map<std::string_view, Check> by_name = checks();
  std::map<std::string, size_t> seen;
  std::string line;
  for (size_t index = 1; std::getline(file, line); ++index) {
    if (line.empty() || line[0] == '#') continue;
    const Vector vector = parse_line(line);
    const auto check = by_name.find(vector.name);
    ASSERT_NE(check, by_name.end()) << "line " << index << ": no check for " << vector.name;
    ASSERT_FALSE(vector.out.empty()) << "line " << index;
    ++seen[std::string(vector.name)];
    check->second(vector);
    if (HasFailure()) FAIL() << "line " << index << ": " << line.substr(0, 200);
  }
  EXPECT_EQ(seen.size(), by_name.size()) << "a rule without a vector";
}

// Mutant: a vector with one bit flipped is rejected.
TEST(NumericsVectors, OneWrongBitIsSeen) {
  const Vector right = parse_line("exp 3f800000 = 402df854");
  const Vector wrong = parse_line("exp 3f800000 = 402df855");
  const auto result = [](const Vector& v) {
    return std::bit_cast<uint32_t>(exp_f32(f32(v.in[0][0]))) == number(v.out[0][0]);
  };
  EXPECT_TRUE(result(right));
  EXPECT_FALSE(result(wrong));
}

}  // namespace
}  // namespace freehold::ops
