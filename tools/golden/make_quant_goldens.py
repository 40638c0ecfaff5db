#!/usr/bin/env python3
"""Makes golden/quant/*.bin: blocks of every weight format and what the PyPI package `gguf` decodes
them to. Needs numpy and gguf. Same output every time.

File: u32 block count, the blocks, then one little-endian f32 per value.

Also golden/quant/dots.txt: rows times activations by docs/NUMERICS.md, section 1, in exact rational
arithmetic rounded where the page says so. The integers S and M come from gguf's decode of blocks whose
scales are one and zero, so that nothing here knows how a block is packed. One line each:
format, row bytes, q bytes, the groups' scales (f32 bits), y (f32 bits).
"""

import pathlib
import struct
import sys
from fractions import Fraction

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


def to_f32(value):
    """The f32 nearest to a Fraction, ties to even; normal results, subnormals and zero."""
    if value == 0:
        return Fraction(0)
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    while abs(value) >= Fraction(2) ** (exponent + 1):
        exponent += 1
    while abs(value) < Fraction(2) ** exponent:
        exponent -= 1
    unit = Fraction(2) ** (max(exponent, -126) - 23)
    rounded = round(value / unit) * unit  # Python rounds halves to even
    assert abs(rounded) < Fraction(2) ** 128
    return rounded


def with_scales(name, blocks, first, second):
    """The blocks with their scales replaced by 0 or 1."""
    changed = blocks.copy()
    for order, at in enumerate(F16_FIELDS[name]):
        changed[:, at:at + 2] = np.frombuffer(
            np.float16([first, second][order]).tobytes(), np.uint8)
    if name == "MXFP4":
        changed[:, 0] = 128 if first else 0
    return changed


def scales_of(name, block):
    """The two scales, exact."""
    if name == "MXFP4":
        return Fraction(2) ** (int(block[0]) - 128), Fraction(0)
    found = [Fraction(float(block[at:at + 2].view(np.float16)[0])) for at in F16_FIELDS[name]]
    return found[0], found[1] if len(found) > 1 else Fraction(0)


def dot_line(name, rng):
    kind = GGMLQuantizationType[name]
    values, _ = GGML_QUANT_SIZES[kind]
    blocks = quantised_blocks(name, rng)
    if name == "MXFP4":
        blocks[5, 0] = 200  # 254 would overflow
    q = rng.integers(-127, 128, (6, values))
    d = rng.uniform(0.001, 0.02, 6).astype(np.float32)
    decode = lambda b: quants.dequantize(b.reshape(1, -1), kind).reshape(6, values).astype(np.float64)
    two = len(F16_FIELDS[name]) == 2
    sums = (decode(with_scales(name, blocks, 1, 0)) * q).sum(axis=1)
    seconds = (decode(with_scales(name, blocks, 0, 1)) * q).sum(axis=1)
    chain = Fraction(0)
    for b in range(6):
        w, v = scales_of(name, blocks[b])
        t = to_f32(to_f32(Fraction(int(sums[b]))) * w)
        if two:
            t = to_f32(to_f32(Fraction(int(seconds[b]))) * v + t)
        chain = to_f32(t * Fraction(float(d[b])) + chain)
    y = struct.pack(">f", float(chain)).hex()
    scales = ",".join(struct.pack(">f", value).hex() for value in d)
    return f"{name} {blocks.tobytes().hex()} {q.astype(np.int8).tobytes().hex()} {scales} {y}"


def write_dots(folder):
    rng = np.random.default_rng(20260923)
    lines = [dot_line(name, rng) for name in F16_FIELDS for _ in range(2)]
    (folder / "dots.txt").write_text("\n".join(lines) + "\n")


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
    write_dots(folder)


if __name__ == "__main__":
    main()
