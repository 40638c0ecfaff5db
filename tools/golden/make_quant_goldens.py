#!/usr/bin/env python3
"""Makes golden/quant/*.bin: blocks of every weight format and what the PyPI package `gguf` decodes
them to. Needs numpy and gguf. Same output every time.

File: u32 block count, the blocks, then one little-endian f32 per value.
"""

import pathlib
import sys

import numpy as np
from gguf import GGMLQuantizationType, GGML_QUANT_SIZES, quants

# Byte offsets of the f16 scales in a block.
F16_FIELDS = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82],
    "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0],
    "MXFP4": [],
}
FLOATS = ["F32", "F16", "BF16"]
# A plain value, a negative one, zero, the largest, a subnormal, the smallest subnormal.
F16_VALUES = [0x2E66, 0xA11C, 0x0000, 0x7BFF, 0x03FF, 0x8001]
E8M0_VALUES = [0, 1, 2, 120, 127, 254]


def quantised_blocks(name, rng):
    _, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    blocks = rng.integers(0, 256, (6, size), dtype=np.uint8)
    blocks[4] = 0xFF
    blocks[5] = 0x00
    for index in range(6):
        for order, at in enumerate(F16_FIELDS[name]):
            value = F16_VALUES[(index + 3 * order) % 6]
            blocks[index, at:at + 2] = np.frombuffer(np.uint16(value).tobytes(), np.uint8)
        if name == "MXFP4":
            blocks[index, 0] = E8M0_VALUES[index]
    return blocks


def float_blocks(name, rng):
    if name == "F32":
        values = rng.integers(0, 2**32, 64, dtype=np.uint64).astype(np.uint32)
        values[(values & 0x7F800000) == 0x7F800000] = 1  # no NaN: its payload is nobody's promise
    else:
        values = rng.integers(0, 2**16, 64, dtype=np.uint32).astype(np.uint16)
        exponent = 0x7C00 if name == "F16" else 0x7F80
        values[(values & exponent) == exponent] = 1
        values[0] = exponent  # infinity
    return values.view(np.uint8).reshape(64, -1)


def main():
    folder = pathlib.Path(__file__).resolve().parents[2] / "golden" / "quant"
    folder.mkdir(parents=True, exist_ok=True)
    for name in [*FLOATS, *F16_FIELDS]:
        rng = np.random.default_rng(20260922)
        blocks = float_blocks(name, rng) if name in FLOATS else quantised_blocks(name, rng)
        kind = GGMLQuantizationType[name]
        values = quants.dequantize(blocks.reshape(1, -1), kind).astype("<f4").reshape(-1)
        path = folder / f"{name.lower()}.bin"
        path.write_bytes(np.uint32(len(blocks)).tobytes() + blocks.tobytes() + values.tobytes())
        print(path.name, len(blocks), "blocks", file=sys.stderr)


if __name__ == "__main__":
    main()
