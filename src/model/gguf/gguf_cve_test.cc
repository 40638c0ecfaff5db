// One file per known parser flaw (tools/golden/make_cve_fixtures.py writes them;
// docs/formats/gguf.md lists the sources): each is refused, for its own reason, in words of its
// own.

#include <gtest/gtest.h>

#include <set>

#include "io/file.h"
#include "model/gguf/gguf.h"

namespace freehold::model {
namespace {

constexpr const char* kFolder = FREEHOLD_SOURCE_DIR "/golden/gguf/cve";

struct Expected {
  std::string_view file;
  ErrorCode code;
  std::string_view part;
};

constexpr ErrorCode kDamaged = ErrorCode::kDamaged;
constexpr ErrorCode kRefused = ErrorCode::kRefused;

constexpr Expected kTable[] = {
    {"CVE-2024-21802_dimension_count_huge", kDamaged, "has 1073741824 dimensions, not 1 to 4"},
    {"CVE-2024-21825_array_count_wraps", kDamaged, "an array's count is 1152921504606846977"},
    {"CVE-2024-21836_tensor_count_2_61", kDamaged, "the tensor count is 2305843009213693952"},
    {"CVE-2024-23496_key_length_all_ones", kDamaged, "the length of a key is 18446744073709551615"},
    {"CVE-2024-23605_key_count_2_60", kDamaged, "the key count is 1152921504606846976"},
    {"key_count_FFFFFFFF", kDamaged, "the key count is 4294967295"},
    {"CVE-2024-32878_ends_inside_a_value", kDamaged,
     "the file ends at byte 185 inside a string in an array"},
    {"CVE-2024-41130_tensor_without_name", kDamaged, "a tensor's name is empty"},
    {"CVE-2025-49847_token_length_negative", kDamaged,
     "key 'tokenizer.ggml.tokens': the length of a string in an array is 2147483649"},
    {"CVE-2025-52566_token_count_negative", kDamaged,
     "key 'tokenizer.ggml.tokens': an array's count is 2147483648"},
    {"CVE-2025-53630_data_size_sum_wraps", kDamaged,
     "tensor 'token_embd.weight' ends at byte 9223372036854776"},
    {"CVE-2026-27940_padded_size_wraps", kDamaged, "with 18446744073709551614 bytes ends beyond"},
    {"CVE-2026-33298_tensor_bytes_wrap", kDamaged, "more bytes than 64 bits can count"},
    {"CVE-2026-33298_dimension_product_wraps", kDamaged, "more values than 63 bits can count"},
    {"CVE-2026-7482_tensor_beyond_the_file", kDamaged,
     "tensor 'output_norm.weight' ends at byte 10737"},
    {"GHSA-g4cc-763q-h9h6_vocabulary_too_small", kDamaged,
     "key 'tokenizer.ggml.eos_token_id' is 2, but the vocabulary has 1 tokens"},
    {"oss-security-V-01_alignment_huge", kDamaged, "'general.alignment' is 2147483648, not"},
    {"oss-security-V-01_alignment_zero", kDamaged, "'general.alignment' is 0, not"},
    {"oss-security-V-01_alignment_not_a_power", kDamaged, "'general.alignment' is 48, not"},
    {"oss-security-V-02_string_length_2_63", kDamaged,
     "the length of a string is 9223372036854775808"},
    {"oss-security-V-03_five_dimensions", kDamaged, "has 5 dimensions, not 1 to 4"},
    {"oss-security-V-03_no_dimensions", kDamaged, "has 0 dimensions, not 1 to 4"},
    {"oss-security-V-04_format_number_all_ones", kRefused, "(format number 4294967295)"},
    {"oss-security-V-04_format_number_next", kRefused, "(format number 99)"},
    {"oss-security-V-05_format_number_4", kRefused, "format number 4, which GGUF has withdrawn"},
    {"oss-security-V-05_format_number_5", kRefused, "format number 5, which GGUF has withdrawn"},
    {"oss-security-V-05_format_number_31", kRefused, "number 31, which GGUF has withdrawn"},
    {"oss-security-V-05_format_number_32", kRefused, "number 32, which GGUF has withdrawn"},
    {"oss-security-V-05_format_number_33", kRefused, "number 33, which GGUF has withdrawn"},
    {"oss-security-V-05_format_number_36", kRefused, "number 36, which GGUF has withdrawn"},
    {"oss-security-V-05_format_number_37", kRefused, "number 37, which GGUF has withdrawn"},
    {"oss-security-V-05_format_number_38", kRefused, "number 38, which GGUF has withdrawn"},
    {"oss-security-V-06_offset_wraps", kDamaged,
     "at offset 18446744073709551584 with 128 bytes ends beyond"},
    {"issue-26690_alignment_as_u64", kDamaged, "'general.alignment' is of type u64, not u32"},
    {"issue-26690_tokens_as_numbers", kDamaged, "not an array of strings: [4 x u32]"},
    {"issue-26690_scores_as_strings", kDamaged, "not an array of numbers: [4 x string]"},
    {"issue-26690_template_as_array", kDamaged, "is not a string: [3 x u8]"},
    {"issue-26690_merges_as_string", kDamaged, "not an array of strings: 'a b'"},
    {"issue-26318_array_bytes_wrap", kDamaged, "an array's count is 2305843009213693952"},
    {"scores_too_few", kDamaged, "has 3 elements for 4 tokens"},
    {"special_token_beyond_vocabulary", kDamaged,
     "key 'tokenizer.ggml.bos_token_id' is 4, but the vocabulary has 4 tokens"},
    {"special_token_as_string", kDamaged, "is not a token id: '1'"},
    {"array_of_arrays", kRefused, "an array of arrays"},
    {"array_element_type_13", kDamaged, "the array's element type is 13"},
    {"value_type_all_ones", kDamaged, "the value's type is 4294967295"},
    {"boolean_2", kDamaged, "a boolean is 2, not 0 or 1"},
    {"key_empty", kDamaged, "a key is empty"},
    {"key_not_printable", kDamaged, "the key 'x\\x1b[2J' is not printable ASCII"},
    {"key_twice", kDamaged, "key 'general.architecture' is there twice"},
    {"tensor_twice", kDamaged, "tensor 'token_embd.weight' is there twice"},
    {"tensor_name_too_long", kRefused, "the length of a tensor's name"},
    {"tensor_name_not_printable", kDamaged, "the tensor name 'a\\x00b' is not printable ASCII"},
    {"tensor_dimension_zero", kDamaged, "has a dimension of 0"},
    {"tensor_row_not_whole_blocks", kDamaged, "has rows of 33 values, not a multiple of Q8_0's 32"},
    {"tensor_offset_not_aligned", kDamaged, "offset 161, not a multiple of the alignment 32"},
    {"tensors_overlap", kDamaged, "overlaps the tensor before it"},
    {"tensors_leave_a_gap", kDamaged, "leaves unexplained bytes behind the tensor before it"},
    {"bytes_behind_the_data", kDamaged, "32 unexplained bytes follow the tensor data"},
    {"format_known_but_not_supported", kRefused, "is stored as IQ2_XXS"},
    {"version_1", kRefused, "GGUF version 1 is not 2 or 3"},
    {"version_4", kRefused, "GGUF version 4 is not 2 or 3"},
    {"version_byte_swapped", kRefused, "a big-endian GGUF file (version 3)"},
    {"magic_byte_swapped", kDamaged, "it begins with 'FUGG'"},
    {"magic_of_ggml", kDamaged, "it begins with 'lmgg'"},
    {"CVE-2024-39720_four_bytes", kDamaged, "the file ends at byte 4 inside the version"},
    {"three_bytes", kDamaged, "the file ends at byte 3 inside the magic number"},
    {"empty", kDamaged, "the file ends at byte 0 inside the magic number"},
};

TEST(GgufCve, ControlOpens) {
  const auto files = io::make_system_files();
  auto model = GgufModel::open(*files, std::string(kFolder) + "/good.gguf");
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->tensors().size(), 2u);
  EXPECT_EQ(model->metadata().array_size("tokenizer.ggml.tokens"), 4u);
}

TEST(GgufCve, EachIsRefusedForItsOwnReason) {
  const auto files = io::make_system_files();
  std::set<std::string> messages;
  for (const Expected& row : kTable) {
    const std::string path = std::string(kFolder) + "/" + std::string(row.file) + ".gguf";
    auto model = GgufModel::open(*files, path);
    ASSERT_FALSE(model.ok()) << row.file << " was opened";
    const Error& error = model.error();
    EXPECT_EQ(error.code, row.code) << row.file << ": " << error.message;
    ASSERT_TRUE(error.message.starts_with(path + ": ")) << error.message;
    const std::string message = error.message.substr(path.size());
    EXPECT_NE(message.find(row.part), std::string::npos) << row.file << message;
    EXPECT_FALSE(error.hint.empty()) << row.file;
    EXPECT_TRUE(messages.insert(message).second) << row.file << " has another file's message";
  }
}

TEST(GgufCve, TableNamesEveryFile) {
  const auto files = io::make_system_files();
  std::set<std::string> known = {"good.gguf"};
  for (const Expected& row : kTable) known.insert(std::string(row.file) + ".gguf");
  auto entries = files->list(kFolder);
  ASSERT_TRUE(entries.ok());
  for (const io::DirectoryEntry& entry : *entries) {
    EXPECT_EQ(known.erase(entry.name), 1u) << entry.name << " is in no row";
  }
  EXPECT_TRUE(known.empty()) << *known.begin() << " is missing";
}

}  // namespace
}  // namespace freehold::model
