#!/usr/bin/env python3
"""LoRA adapters for some of golden/arch's models, and the logits of both together.

What it is: adapters of random numbers under the names, shapes and keys that llama.cpp's
convert_lora_to_gguf.py writes, and the logits of the base with `W + (alpha / rank) B A` in place of
each W, merged and computed in binary64. So nothing of how the product applies them is shared. The
script fails where a mutant's logits stay within the tolerance.

    make_adapter_goldens.py golden/arch golden/adapter

Needs PyPI gguf, numpy, torch.
"""

import argparse
import json
import pathlib
import sys

import gguf
import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "oracle"))
from float64_forward import F64, Forward, GgufWeights  # noqa: E402

TOLERANCE = 1e-4
TOKENS = 48
POSITIONS = (0, 1, 2, 3, 7, 15, 16, 23, 24, 31, 40, 46, 47)
# Base -> (alpha, type of the matrices, why). Ranks differ from matrix to matrix, as PEFT allows.
ADAPTERS = {
    "llama_mha": (12.0, "F32", "every matrix, the embedding and the separate output"),
    "phi3": (5.0, "F16", "q, k and v as one matrix, gate and up as one"),
    "gemma3": (0.0, "Q8_0",
               "no alpha, quantised, an embedding with a factor that is the output matrix too"),
}
MATRICES = ("attn_q", "attn_k", "attn_v", "attn_qkv", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
MUTANTS = {
    "scale_missing": "alpha / rank left out",
    "scale_inverted": "rank / alpha",
    "scale_by_first_rank": "alpha over one rank for all matrices",
    "layers_swapped": "the pairs of layers 0 and 1 exchanged",
    "embedding_left_out": "the pair of the embedding not added",
    "tied_output_adapted": "the embedding's pair added to the output matrix too",
    "last_matrix_left_out": "ffn_down without its pair",
    "twice": "added twice",
}


class AdaptedWeights(GgufWeights):
    """A base whose matrices have an adapter's products merged in; `mutate` as in MUTANTS."""

    def __init__(self, base, adapter, mutate=None):
        super().__init__(base)
        self.adapter, self.mutate = GgufWeights(adapter), mutate
        self.alpha = self.adapter.key("adapter.lora.alpha", 0.0)

    def scale(self, rank):
        if self.mutate == "scale_by_first_rank":
            rank = self.adapter.tensors["blk.0.ffn_up.weight.lora_b"].shape[0]
        scale = self.alpha / rank if self.alpha else 1.0
        return {"scale_missing": 1.0, "scale_inverted": 1.0 / scale, "twice": 2 * scale}.get(
            self.mutate, scale)

    def rows(self, name, index=slice(None)):
        plain = super().rows(name, index)
        of = name
        if self.mutate == "layers_swapped" and name.startswith(("blk.0.", "blk.1.")):
            of = ("blk.1." if name.startswith("blk.0.") else "blk.0.") + name[6:]
        if not self.adapter.has(f"{of}.lora_a"):
            return plain
        if self.mutate == "last_matrix_left_out" and "ffn_down" in name:
            return plain
        a, b = self.adapter.rows(f"{of}.lora_a"), self.adapter.rows(f"{of}.lora_b")
        scale = self.scale(b.shape[1])
        if name != "token_embd.weight":
            return plain + scale * (b[index] @ a)
        looked_up = isinstance(index, np.ndarray)
        if not looked_up and self.mutate != "tied_output_adapted":
            return plain
        if looked_up and self.mutate == "embedding_left_out":
            return plain
        return plain + scale * (a[index] @ b.T)


def random_matrix(random, rows, width, spread):
    return (random.standard_normal((rows, width)) * spread).astype(np.float32)


def write_adapter(path, base, alpha, kind, random):
    writer = gguf.GGUFWriter(path, base.arch)
    writer.add_string(gguf.Keys.General.TYPE, gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    if alpha:
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    kind = gguf.GGMLQuantizationType[kind]

    def add(name, values):
        if values.shape[1] % gguf.GGML_QUANT_SIZES[kind][0] != 0:
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)

    number = 0
    for name, tensor in base.tensors.items():
        embedding = name == "token_embd.weight"
        if not embedding and name != "output.weight" and name.split(".")[-2] not in MATRICES:
            continue
        width, rows = (int(n) for n in tensor.shape)
        rank = (4, 7, 8, 33)[number % 4] if kind != gguf.GGMLQuantizationType.Q8_0 else 32
        number += 1
        if embedding:
            add(f"{name}.lora_a", random_matrix(random, rows, rank, 0.3))
            add(f"{name}.lora_b", random_matrix(random, width, rank, 0.3 / rank ** 0.5))
            continue
        add(f"{name}.lora_a", random_matrix(random, rank, width, width ** -0.5))
        add(f"{name}.lora_b", random_matrix(random, rows, rank, 0.4 / rank ** 0.5))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def distance(want, got):
    """Largest difference over the row's root mean square."""
    return float((np.abs(got - want).max(-1) / np.sqrt((want * want).mean(-1))).max())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("arch_dir", type=pathlib.Path)
    parser.add_argument("out_dir", type=pathlib.Path)
    args = parser.parse_args()
    args.out_dir.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for seed, (name, (alpha, kind, why)) in enumerate(ADAPTERS.items(), 100):
        random = np.random.default_rng(seed)
        base_path, path = args.arch_dir / f"{name}.gguf", args.out_dir / f"{name}.gguf"
        base = GgufWeights(base_path)
        write_adapter(path, base, alpha, kind, random)
        tokens = random.integers(0, base.row_count("token_embd.weight"), TOKENS).tolist()

        def logits(mutate=None):
            weights = AdaptedWeights(base_path, path, mutate)
            return Forward(weights).logits(tokens)[list(POSITIONS)]

        want = logits()
        plain = Forward(base).logits(tokens)[list(POSITIONS)]
        noticed = {"no adapter": distance(want, plain)}
        for mutant in MUTANTS:
            noticed[mutant] = distance(want, logits(mutant))
        # What a base or a file has not, no mutant can get wrong.
        unseen = [m for m, d in noticed.items() if d <= 10 * TOLERANCE]
        excused = {"tied_output_adapted"} if base.has("output.weight") else set()
        if not alpha:
            excused |= {"scale_missing", "scale_inverted", "scale_by_first_rank"}
        if set(unseen) - excused:
            sys.exit(f"{name}: not noticed: {sorted(set(unseen) - excused)}")
        rows = [[float(np.float32(v)) for v in row] for row in want]
        with open(args.out_dir / f"{name}.json", "w") as f:
            json.dump({"base": f"{name}.gguf", "why": why, "tolerance": TOLERANCE, "tokens": tokens,
                       "positions": list(POSITIONS),
                       "mutants": {m: float(f"{d:.2g}") for m, d in noticed.items()
                                   if m not in excused},
                       "logits": [[float(f"{v:.9g}") for v in row] for row in rows]}, f,
                      separators=(",", ":"))
            f.write("\n")
        print(name, {m: f"{d:.2g}" for m, d in noticed.items()})


if __name__ == "__main__":
    main()
