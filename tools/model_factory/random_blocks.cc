#include "model_factory/random_blocks.h"

#include <cmath>

#include "base/bytes.h"
#include "base/check.h"
#include "base/float16.h"
#include "base/random.h"

namespace freehold::factory {

namespace {

using Scales = BlockShaper::Scales;

void put_half(uint8_t* at, uint16_t half) { base::store_le(at, half); }

// A scale with a random sign, chosen by the random bytes it replaces: no stored value is biased
// although some formats' integers are (Q4_0 has -8 to 7).
void signed_scale(uint8_t* at, const Scales& scales) {
  const uint16_t sign = static_cast<uint16_t>((at[1] & 0x80) << 8);
  put_half(at, static_cast<uint16_t>(scales.half[at[0]] | sign));
}

// Scale and offset of an unsigned format: the offset cancels the integers' mean up to a tenth.
void scale_and_offset(uint8_t* at, const Scales& scales, float mean) {
  const float scale = scales.wide[at[0]];
  const float wobble = 0.9f + 0.2f / 255.0f * static_cast<float>(at[2]);
  put_half(at, scales.half[at[0]]);
  put_half(at + 2, base::f16_from_float(-mean * wobble * scale));
}

void shape_signed_first(uint8_t* block, const Scales& scales) { signed_scale(block, scales); }
void shape_q4_1(uint8_t* block, const Scales& scales) { scale_and_offset(block, scales, 7.5f); }
void shape_q5_1(uint8_t* block, const Scales& scales) { scale_and_offset(block, scales, 15.5f); }
void shape_q3_k(uint8_t* block, const Scales& scales) { signed_scale(block + 108, scales); }
void shape_q6_k(uint8_t* block, const Scales& scales) { signed_scale(block + 208, scales); }

void shape_q2_k(uint8_t* block, const Scales& scales) {
  // A minimum near its scale, so that dmin = 1.5 d takes the mean of 0…3 away.
  for (int i = 0; i < 16; ++i) {
    const int scale = block[i] & 15;
    const int minimum = (scale & 12) | (block[i] >> 6);
    block[i] = static_cast<uint8_t>(scale | minimum << 4);
  }
  const float scale = scales.wide[block[80]];
  put_half(block + 80, scales.half[block[80]]);
  put_half(block + 82, base::f16_from_float(1.5f * scale));
}

// The eight 6-bit scales and minimums of Q4_K and Q5_K (facts: ggml's packing): the minimum keeps
// the scale's upper bits, so that a sub-block's mean stays near zero.
void pair_scales_and_minimums(uint8_t* packed) {
  for (int i = 0; i < 4; ++i) {
    const int low_scale = packed[i] & 63;
    const int low_minimum = (low_scale & 56) | (packed[i + 4] & 7);
    const int high_scale = (packed[i] >> 6) << 4 | (packed[i + 8] & 15);
    const int high_minimum = (high_scale & 56) | (packed[i + 8] >> 5);
    packed[i + 4] = static_cast<uint8_t>(low_minimum | (high_minimum >> 4) << 6);
    packed[i + 8] = static_cast<uint8_t>((high_scale & 15) | (high_minimum & 15) << 4);
  }
}

void shape_q4_k(uint8_t* block, const Scales& scales) {
  const float scale = scales.wide[block[0]];
  put_half(block, scales.half[block[0]]);
  put_half(block + 2, base::f16_from_float(7.5f * scale));
  pair_scales_and_minimums(block + 4);
}

void shape_q5_k(uint8_t* block, const Scales& scales) {
  const float scale = scales.wide[block[0]];
  put_half(block, scales.half[block[0]]);
  put_half(block + 2, base::f16_from_float(15.5f * scale));
  pair_scales_and_minimums(block + 4);
}

void shape_mxfp4(uint8_t* block, const Scales& scales) {
  block[0] = static_cast<uint8_t>(scales.exponent + (block[0] < scales.exponent_odds ? 1 : 0));
}

void shape_half(uint8_t* value, const Scales& scales) {
  put_half(value, scales.plain[base::load_le<uint16_t>(value) & 4095]);
}

void shape_f32(uint8_t* value, const Scales& scales) {
  const auto bits = static_cast<int32_t>(base::load_le<uint32_t>(value)) >> 7;  // 25 bits, signed
  const float uniform = static_cast<float>(bits) * 0x1p-24f;                    // [-1, 1)
  base::store_le(value, uniform * (1.7320508f * scales.deviation));
}

// How a format's random block becomes a sane one, and the root mean square of its values where the
// scale is 1 (what the integers and sub-scales make alone). A format that is not here gets no
// random model; the test counts them.
struct Recipe {
  std::string_view format;
  float unit_rms;
  void (*shape)(uint8_t* block, const Scales& scales);
};

constexpr Recipe kRecipes[] = {
    {"F32", 1.0f, shape_f32},
    {"F16", 1.0f, shape_half},
    {"BF16", 1.0f, shape_half},
    {"Q4_0", 4.637f, shape_signed_first},     // -8…7
    {"Q4_1", 4.631f, shape_q4_1},             // 0…15 around its mean
    {"Q5_0", 9.247f, shape_signed_first},     // -16…15
    {"Q5_1", 9.276f, shape_q5_1},             // 0…31 around its mean
    {"Q8_0", 73.902f, shape_signed_first},    // -128…127
    {"Q2_K", 10.12f, shape_q2_k},             // 4-bit scale times 0…3, paired minimum
    {"Q3_K", 43.34f, shape_q3_k},             // 6-bit signed scale times -4…3
    {"Q4_K", 169.8f, shape_q4_k},             // 6-bit scale times 0…15, paired minimum
    {"Q5_K", 339.9f, shape_q5_k},             // 6-bit scale times 0…31, paired minimum
    {"Q6_K", 1365.4f, shape_q6_k},            // 8-bit signed scale times -32…31
    {"IQ4_NL", 67.44f, shape_signed_first},   // the codebook
    {"IQ4_XS", 1246.3f, shape_signed_first},  // 6-bit signed scale times the codebook
    {"MXFP4", 2.926f, shape_mxfp4},           // E2M1
};

// Two neighbouring powers of two in the odds that give the wanted mean square.
void choose_exponents(Scales& scales, float scale) {
  int exponent = 0;
  std::frexp(scale, &exponent);
  const float lower = std::ldexp(1.0f, exponent - 1);  // lower <= scale < 2 * lower
  const float ratio = scale / lower;
  scales.exponent = exponent - 1 + 127;
  scales.exponent_odds = static_cast<uint8_t>((ratio * ratio - 1.0f) / 3.0f * 256.0f);
}

}  // namespace

// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014) as a
// function of the place: a tenth of Philox's cost, and weights need no better. Philox finds the
// stream's start.
void fill_random(std::span<std::byte> out, uint64_t seed, uint32_t stream, uint64_t offset) {
  CHECK(offset % 8 == 0 && out.size() % 8 == 0);
  constexpr uint64_t kStep = 0x9E3779B97F4A7C15u;
  const base::PhiloxBlock start = base::philox4x32_10({stream, 0, 0, 0x77656967u}, seed);
  uint64_t state = start[0] | static_cast<uint64_t>(start[1]) << 32;
  state += offset / 8 * kStep;
  for (size_t at = 0; at < out.size(); at += 8) {
    state += kStep;
    uint64_t mixed = state;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    base::store_le(out.data() + at, mixed ^ (mixed >> 31));
  }
}

BlockShaper::BlockShaper(const quant::Format& format, float deviation) : format_(format) {
  float unit_rms = 0;
  for (const Recipe& recipe : kRecipes) {
    if (recipe.format != format.name) continue;
    unit_rms = recipe.unit_rms;
    shape_block_ = recipe.shape;
  }
  CHECK(shape_block_ != nullptr);
  scales_.deviation = deviation;
  const float scale = deviation / unit_rms;
  // Evenly from 3/4 to 5/4 of the mean; the mean square of such factors is 1 + 1/48.
  constexpr float kSpreadRms = 1.010363f;
  for (size_t i = 0; i < 256; ++i) {
    const float factor = 0.75f + (static_cast<float>(i) + 0.5f) / 512.0f;
    scales_.half[i] = base::f16_from_float(scale * factor / kSpreadRms);
    scales_.wide[i] = base::float_from_f16(scales_.half[i]);
  }
  for (size_t i = 0; i < 4096; ++i) {
    const float uniform = (static_cast<float>(i) + 0.5f) / 2048.0f - 1.0f;
    const float value = uniform * 1.7320508f * deviation;
    scales_.plain[i] =
        format.name == "BF16" ? base::bf16_from_float(value) : base::f16_from_float(value);
  }
  choose_exponents(scales_, scale);
}

void BlockShaper::shape(std::span<std::byte> bytes) const {
  CHECK(bytes.size() % format_.block_bytes == 0);
  auto* block = reinterpret_cast<uint8_t*>(bytes.data());
  const uint8_t* end = block + bytes.size();
  for (; block != end; block += format_.block_bytes) shape_block_(block, scales_);
}

}  // namespace freehold::factory
