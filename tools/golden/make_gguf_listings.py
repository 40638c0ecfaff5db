#!/usr/bin/env python3
"""Writes golden/gguf/real/NAME.txt: what PyPI `gguf` reads in each real model, as plain lines.

    make_gguf_listings.py FOLDER_WITH_MODELS

src/model/gguf/gguf_real_test.cc compares our reader with these lines where the models are present.
Lines: `key NAME TYPE COUNT HASH` in file order and `tensor NAME FORMAT DIMS OFFSET BYTES`. HASH is
FNV-1a (64 bits) over the value's bytes as the file has them, strings without their lengths.
Tested with gguf 0.17 and later.
"""

import os
import sys

from gguf import GGUFReader
from gguf.constants import GGUFValueType

TYPE_NAMES = {
    GGUFValueType.UINT8: "u8", GGUFValueType.INT8: "i8", GGUFValueType.UINT16: "u16",
    GGUFValueType.INT16: "i16", GGUFValueType.UINT32: "u32", GGUFValueType.INT32: "i32",
    GGUFValueType.FLOAT32: "f32", GGUFValueType.BOOL: "bool", GGUFValueType.STRING: "string",
    GGUFValueType.UINT64: "u64", GGUFValueType.INT64: "i64", GGUFValueType.FLOAT64: "f64",
}


def fnv1a(chunks):
    value = 0xCBF29CE484222325
    for chunk in chunks:
        for byte in chunk:
            value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def listing(path):
    reader = GGUFReader(path)
    for name, field in reader.fields.items():
        if name.startswith("GGUF."):
            continue
        kind = TYPE_NAMES[field.types[-1]]
        if field.types[0] == GGUFValueType.ARRAY:
            kind = f"[{kind}]"
        chunks = (bytes(field.parts[index]) for index in field.data)
        yield f"key {name} {kind} {len(field.data)} {fnv1a(chunks):016x}"
    for tensor in reader.tensors:
        dims = "x".join(str(int(d)) for d in tensor.shape)
        yield (f"tensor {tensor.name} {tensor.tensor_type.name} {dims} "
               f"{int(tensor.data_offset)} {int(tensor.n_bytes)}")


def main():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    folder = os.path.join(root, "golden", "gguf", "real")
    os.makedirs(folder, exist_ok=True)
    for name in ("smollm2", "gemma3", "qwen05", "qwen15"):
        path = os.path.join(sys.argv[1], name + ".gguf")
        with open(os.path.join(folder, name + ".txt"), "w", encoding="utf-8") as out:
            out.writelines(line + "\n" for line in listing(path))
        print("wrote", name)


if __name__ == "__main__":
    main()
