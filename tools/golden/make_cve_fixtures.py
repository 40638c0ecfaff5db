#!/usr/bin/env python3
"""Writes golden/gguf/cve/*.gguf: one tiny file per known GGUF parser flaw (docs/formats/gguf.md).

Each file is the good base file with one thing wrong, so that a parser which refuses it refuses it
for that thing. good.gguf is the control: it must open. Needs nothing but Python. The table of
expected errors is in src/model/gguf/gguf_cve_test.cc.
"""

import os
import struct
import sys

U8, U32, F32, BOOL, STRING, ARRAY, U64, F64 = 0, 4, 6, 7, 8, 9, 10, 12
FORMAT_F32, FORMAT_F16, FORMAT_Q8_0, FORMAT_IQ2_XXS = 0, 1, 8, 16


def u32(value):
    return struct.pack("<I", value)


def u64(value):
    return struct.pack("<Q", value & (2**64 - 1))


def text(value, length=None):
    raw = value.encode("utf-8") if isinstance(value, str) else value
    return u64(len(raw) if length is None else length) + raw


def key(name, kind, payload):
    return text(name) + u32(kind) + payload


def array(kind, count, payload):
    return u32(kind) + u64(count) + payload


def tensor(name, dims, kind, offset, n_dims=None):
    record = text(name) if isinstance(name, str) else name
    record += u32(len(dims) if n_dims is None else n_dims)
    return record + b"".join(u64(d) for d in dims) + u32(kind) + u64(offset)


TOKENS = ["<unk>", "<s>", "</s>", "a"]


def base():
    """The parts of the good file, by name, in order."""
    return {
        "magic": b"GGUF",
        "version": u32(3),
        "n_tensors": None,
        "n_kv": None,
        "kv": [
            key("general.architecture", STRING, text("llama")),
            key("general.alignment", U32, u32(32)),
            key("tokenizer.ggml.tokens", ARRAY, array(STRING, len(TOKENS), b"".join(map(text, TOKENS)))),
            key("tokenizer.ggml.scores", ARRAY, array(F32, len(TOKENS), bytes(4 * len(TOKENS)))),
            key("tokenizer.ggml.eos_token_id", U32, u32(2)),
            key("tokenizer.ggml.add_bos_token", BOOL, b"\x01"),
        ],
        "tensors": [
            tensor("token_embd.weight", [32, 4], FORMAT_Q8_0, 0),
            tensor("output_norm.weight", [32], FORMAT_F32, 160),
        ],
        "data": bytes(136) + bytes(24) + bytes(128),
        "alignment": 32,
        "cut": None,
    }


def build(parts):
    out = parts["magic"] + parts["version"]
    for name, items in (("n_tensors", "tensors"), ("n_kv", "kv")):
        out += u64(len(parts[items]) if parts[name] is None else parts[name])
    out += b"".join(parts["kv"]) + b"".join(parts["tensors"])
    out += bytes(-len(out) % parts["alignment"]) + parts["data"]
    return out if parts["cut"] is None else out[: parts["cut"]]


def with_key(name, record):
    def change(parts):
        parts["kv"] = [k for k in parts["kv"] if not k.startswith(text(name))] + [record]
    return change


def with_tensors(*records):
    def change(parts):
        parts["tensors"] = list(records)
    return change


def with_part(name, value):
    def change(parts):
        parts[name] = value
    return change


def last_key_first(record):
    def change(parts):
        parts["kv"].append(record)
    return change


EMBEDDING = tensor("token_embd.weight", [32, 4], FORMAT_Q8_0, 0)


def norm(dims, kind=FORMAT_F32, offset=160, n_dims=None):
    return tensor("output_norm.weight", dims, kind, offset, n_dims)


FIXTURES = {
    # Talos 2024: header counts and lengths that wrap when multiplied or incremented.
    "CVE-2024-21802_dimension_count_huge": with_tensors(EMBEDDING, norm([32], n_dims=0x40000000)),
    "CVE-2024-21825_array_count_wraps": last_key_first(
        key("x.array", ARRAY, array(STRING, 2**60 + 1, text("one")))),
    "CVE-2024-21836_tensor_count_2_61": with_part("n_tensors", 2**61),
    "CVE-2024-23496_key_length_all_ones": last_key_first(text("x", 2**64 - 1) + u32(U32) + u32(1)),
    "CVE-2024-23605_key_count_2_60": with_part("n_kv", 2**60),
    "key_count_FFFFFFFF": with_part("n_kv", 0xFFFFFFFF),
    "CVE-2024-32878_ends_inside_a_value": with_part("cut", 185),
    "CVE-2024-41130_tensor_without_name": with_tensors(
        EMBEDDING, tensor(text(""), [32], FORMAT_F32, 160)),
    # 2025: the vocabulary's lengths read as signed, data size sums that wrap.
    "CVE-2025-49847_token_length_negative": with_key(
        "tokenizer.ggml.tokens",
        key("tokenizer.ggml.tokens", ARRAY, array(STRING, 4, text("<unk>") + text("a", 0x80000001)))),
    "CVE-2025-52566_token_count_negative": with_key(
        "tokenizer.ggml.tokens",
        key("tokenizer.ggml.tokens", ARRAY, array(STRING, 0x80000000, b"".join(map(text, TOKENS))))),
    "CVE-2025-53630_data_size_sum_wraps": with_tensors(
        tensor("token_embd.weight", [2**61], FORMAT_F32, 0),
        tensor("output_norm.weight", [2**61], FORMAT_F32, 2**63)),
    # 2026.
    "CVE-2026-27940_padded_size_wraps": with_tensors(
        EMBEDDING, norm([2**63 - 1], FORMAT_F16)),
    "CVE-2026-33298_tensor_bytes_wrap": with_tensors(EMBEDDING, norm([2**62 + 32], FORMAT_F32)),
    "CVE-2026-33298_dimension_product_wraps": with_tensors(
        EMBEDDING, norm([2**32, 2**32, 2], FORMAT_F32)),
    "CVE-2026-7482_tensor_beyond_the_file": with_tensors(EMBEDDING, norm([2**28], FORMAT_F32)),
    "GHSA-g4cc-763q-h9h6_vocabulary_too_small": lambda parts: (
        with_key("tokenizer.ggml.tokens",
                 key("tokenizer.ggml.tokens", ARRAY, array(STRING, 1, text("a"))))(parts),
        with_key("tokenizer.ggml.scores",
                 key("tokenizer.ggml.scores", ARRAY, array(F32, 1, bytes(4))))(parts)),
    "oss-security-V-01_alignment_huge": with_key(
        "general.alignment", key("general.alignment", U32, u32(0x80000000))),
    "oss-security-V-01_alignment_zero": with_key(
        "general.alignment", key("general.alignment", U32, u32(0))),
    "oss-security-V-01_alignment_not_a_power": with_key(
        "general.alignment", key("general.alignment", U32, u32(48))),
    "oss-security-V-02_string_length_2_63": last_key_first(
        key("x.string", STRING, text("one", 2**63))),
    "oss-security-V-03_five_dimensions": with_tensors(EMBEDDING, norm([2, 2, 2, 2, 2])),
    "oss-security-V-03_no_dimensions": with_tensors(EMBEDDING, norm([])),
    "oss-security-V-04_format_number_all_ones": with_tensors(EMBEDDING, norm([32], 0xFFFFFFFF)),
    "oss-security-V-04_format_number_next": with_tensors(EMBEDDING, norm([32], 99)),
    "oss-security-V-06_offset_wraps": with_tensors(EMBEDDING, norm([32], offset=2**64 - 32)),
    "issue-26690_alignment_as_u64": with_key(
        "general.alignment", key("general.alignment", U64, u64(32))),
    "issue-26690_tokens_as_numbers": with_key(
        "tokenizer.ggml.tokens",
        key("tokenizer.ggml.tokens", ARRAY, array(U32, 4, bytes(16)))),
    "issue-26690_scores_as_strings": with_key(
        "tokenizer.ggml.scores",
        key("tokenizer.ggml.scores", ARRAY, array(STRING, 4, b"".join(map(text, TOKENS))))),
    "issue-26690_template_as_array": last_key_first(
        key("tokenizer.chat_template", ARRAY, array(U8, 3, b"abc"))),
    "issue-26690_merges_as_string": last_key_first(
        key("tokenizer.ggml.merges", STRING, text("a b"))),
    "issue-26318_array_bytes_wrap": last_key_first(
        key("x.array", ARRAY, array(F64, 2**61, bytes(8)))),
    "scores_too_few": with_key(
        "tokenizer.ggml.scores", key("tokenizer.ggml.scores", ARRAY, array(F32, 3, bytes(12)))),
    "special_token_beyond_vocabulary": last_key_first(
        key("tokenizer.ggml.bos_token_id", U32, u32(4))),
    "special_token_as_string": last_key_first(
        key("tokenizer.ggml.bos_token_id", STRING, text("1"))),
    "array_of_arrays": last_key_first(
        key("x.array", ARRAY, array(ARRAY, 1, array(U8, 1, b"x")))),
    "array_element_type_13": last_key_first(key("x.array", ARRAY, array(13, 1, bytes(8)))),
    "value_type_all_ones": last_key_first(key("x.value", 0xFFFFFFFF, bytes(8))),
    "boolean_2": with_key(
        "tokenizer.ggml.add_bos_token", key("tokenizer.ggml.add_bos_token", BOOL, b"\x02")),
    "key_empty": last_key_first(key("", U32, u32(1))),
    "key_not_printable": last_key_first(key("x\x1b[2J", U32, u32(1))),
    "key_twice": last_key_first(key("general.architecture", STRING, text("qwen2"))),
    "tensor_twice": with_tensors(EMBEDDING, tensor("token_embd.weight", [32], FORMAT_F32, 160)),
    "tensor_name_too_long": with_tensors(EMBEDDING, tensor("n" * 65, [32], FORMAT_F32, 160)),
    "tensor_name_not_printable": with_tensors(EMBEDDING, tensor("a\x00b", [32], FORMAT_F32, 160)),
    "tensor_dimension_zero": with_tensors(EMBEDDING, norm([32, 0])),
    "tensor_row_not_whole_blocks": with_tensors(
        tensor("token_embd.weight", [33, 4], FORMAT_Q8_0, 0), norm([32])),
    "tensor_offset_not_aligned": with_tensors(EMBEDDING, norm([32], offset=161)),
    "tensors_overlap": with_tensors(EMBEDDING, norm([32], offset=128)),
    "tensors_leave_a_gap": with_tensors(
        tensor("token_embd.weight", [32, 1], FORMAT_Q8_0, 0), norm([32])),
    "bytes_behind_the_data": with_part("data", base()["data"] + bytes(32)),
    "format_known_but_not_supported": with_tensors(EMBEDDING, norm([256], FORMAT_IQ2_XXS)),
    "version_1": with_part("version", u32(1)),
    "version_4": with_part("version", u32(4)),
    "version_byte_swapped": with_part("version", struct.pack(">I", 3)),
    "magic_byte_swapped": with_part("magic", b"FUGG"),
    "magic_of_ggml": with_part("magic", b"lmgg"),
    "CVE-2024-39720_four_bytes": with_part("cut", 4),
    "three_bytes": with_part("cut", 3),
    "empty": with_part("cut", 0),
}
# Format numbers that GGUF has withdrawn; their block size is 0 in a careless table.
for number in (4, 5, 31, 32, 33, 36, 37, 38):
    FIXTURES[f"oss-security-V-05_format_number_{number}"] = with_tensors(
        EMBEDDING, norm([32], number))


def main():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(root, "golden", "gguf", "cve")
    os.makedirs(folder, exist_ok=True)
    FIXTURES["good"] = lambda parts: None
    for name, change in FIXTURES.items():
        parts = base()
        change(parts)
        with open(os.path.join(folder, name + ".gguf"), "wb") as out:
            out.write(build(parts))
    print(f"{len(FIXTURES)} files in {folder}")


if __name__ == "__main__":
    main()
