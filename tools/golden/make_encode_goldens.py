"""Values and the bytes that the field's quantisers make of them, for src/quant/encode_test.cc.

  make_encode_goldens.py GGML_QUANTS.so OUT_FOLDER

Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, F16 and BF16 come from the PyPI package gguf. GGML_QUANTS.so is llama.cpp's
ggml-quants.c alone (vendored in the source archive of llama-cpp-python), built with -O2 -ffp-contract=off and
empty functions for what it does not reach: its quantize_row_*_ref are the reference of the K formats, and are
held against the package where both write a format. Needs numpy and gguf.
"""

import ctypes
import pathlib
import sys

import gguf
import numpy

BOTH = {"q4_0": 18, "q4_1": 20, "q5_0": 22, "q5_1": 24, "q8_0": 34}
SUPERBLOCKS = {"q2_K": 84, "q3_K": 110, "q4_K": 144, "q5_K": 176, "q6_K": 210}


def make_values():
    """16 x 256 values: plain, with outliers, one-sided, constant, tiny, zero, sparse, steps on ties."""
    random = numpy.random.default_rng(8)
    rows = random.normal(0, 0.02, (16, 256)).astype(numpy.float32)
    rows[1, ::37] *= 40
    rows[2] = numpy.abs(rows[2]) + 0.5
    rows[3] = -numpy.abs(rows[3])
    rows[4] = 0.25
    rows[5] *= 1e-7
    rows[6] = 0
    rows[7, random.integers(0, 256, 240)] = 0
    rows[8] = (numpy.arange(256) % 33 - 16) / 16
    rows[9, 16:32] = 0
    rows[10] *= numpy.repeat(10.0 ** random.uniform(-4, 2, 16), 16)
    rows[11] = numpy.sign(rows[11])
    rows[12, 32:64] = 3
    rows[13] *= 1000
    return rows


def main():
    library = ctypes.CDLL(sys.argv[1])
    out = pathlib.Path(sys.argv[2])
    values = make_values()
    (out / "values.bin").write_bytes(values.tobytes())

    def reference(name, block_values, block_bytes):
        made = ctypes.create_string_buffer(values.size // block_values * block_bytes)
        function = getattr(library, f"quantize_row_{name}_ref")
        function(values.ctypes.data_as(ctypes.c_void_p), made, ctypes.c_int64(values.size))
        return made.raw

    for name, block_bytes in BOTH.items():
        made = gguf.quants.quantize(values, gguf.GGMLQuantizationType[name.upper()]).tobytes()
        if made != reference(name, 32, block_bytes):
            print(f"{name}: the package and llama.cpp differ")
        (out / f"{name}.bin").write_bytes(made)
    for name in ("F16", "BF16"):
        made = gguf.quants.quantize(values, gguf.GGMLQuantizationType[name]).tobytes()
        (out / f"{name.lower()}.bin").write_bytes(made)
    for name, block_bytes in SUPERBLOCKS.items():
        (out / f"{name.lower()}.bin").write_bytes(reference(name, 256, block_bytes))


main()
