#include "quant/format.h"

#include "base/check.h"
#include "quant/wide_check.h"

namespace freehold::quant {
namespace {

struct KnownType {
  uint32_t type_id;
  std::string_view name;
};

// Every type number that GGUF has given out (ggml.h of llama.cpp, 2026); those removed from files
// long ago included, so that a message can name them.
constexpr KnownType kKnownTypes[] = {
    {0, "F32"},     {1, "F16"},         {2, "Q4_0"},        {3, "Q4_1"},        {4, "Q4_2"},
    {5, "Q4_3"},    {6, "Q5_0"},        {7, "Q5_1"},        {8, "Q8_0"},        {9, "Q8_1"},
    {10, "Q2_K"},   {11, "Q3_K"},       {12, "Q4_K"},       {13, "Q5_K"},       {14, "Q6_K"},
    {15, "Q8_K"},   {16, "IQ2_XXS"},    {17, "IQ2_XS"},     {18, "IQ3_XXS"},    {19, "IQ1_S"},
    {20, "IQ4_NL"}, {21, "IQ3_S"},      {22, "IQ2_S"},      {23, "IQ4_XS"},     {24, "I8"},
    {25, "I16"},    {26, "I32"},        {27, "I64"},        {28, "F64"},        {29, "IQ1_M"},
    {30, "BF16"},   {31, "Q4_0_4_4"},   {32, "Q4_0_4_8"},   {33, "Q4_0_8_8"},   {34, "TQ1_0"},
    {35, "TQ2_0"},  {36, "IQ4_NL_4_4"}, {37, "IQ4_NL_4_8"}, {38, "IQ4_NL_8_8"}, {39, "MXFP4"},
    {40, "NVFP4"},  {41, "Q1_0"},       {42, "Q2_0"},
};

}  // namespace

PanelDotFn Format::dot(device::Isa isa) const {
  if (isa >= device::Isa::kAmx && dot_amx != nullptr && wide_path_is_exact(*this)) return dot_amx;
  if (isa >= device::Isa::kAvx512 && dot_avx512 != nullptr) return dot_avx512;
  if (isa >= device::Isa::kAvx2 && dot_avx2 != nullptr) return dot_avx2;
  return dot_ref;
}

const Format& format(FormatId id) {
  CHECK(id < FormatId::kCount);
  return all_formats()[static_cast<size_t>(id)];
}

const Format* find_format(uint32_t type_id) {
  for (const Format& row : all_formats()) {
    if (row.type_id == type_id) return &row;
  }
  return nullptr;
}

const Format* find_format(std::string_view name) {
  for (const Format& row : all_formats()) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

std::string_view known_type_name(uint32_t type_id) {
  for (const KnownType& known : kKnownTypes) {
    if (known.type_id == type_id) return known.name;
  }
  return "an unknown type";
}

}  // namespace freehold::quant
