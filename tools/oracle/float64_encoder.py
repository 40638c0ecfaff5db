#!/usr/bin/env python3
"""Float64 states, pooled vectors and classifier scores of encoders straight from a GGUF file.

The sibling of float64_forward.py for models whose tokens see their whole text. `mutate` names one
deliberate mistake (see MUTANTS); without it the result is the reference.

Needs PyPI gguf, numpy, torch.
"""

import math

import numpy as np
import torch
from float64_forward import F64, GgufWeights, turn  # noqa: F401  (GgufWeights is for callers)

COMMON = ["causal", "self_only_before", "eps_x10", "rms_for_layer_norm", "embedding_norm_missing",
          "scale_from_width"]
# No bias_missing_k: without RoPE it moves all scores of a query alike, and softmax does not see it.
LEARNED = ["positions_shifted", "positions_missing", "gelu_tanh", "bias_missing_q",
           "bias_missing_v", "bias_missing_output", "mlp_bias_missing",
           "norm_bias_missing", "norm_before_residual"]
# Architecture -> mistakes a careful person has made or could make.
MUTANTS = {
    "bert": COMMON + LEARNED + ["segments_missing", "segments_swapped"],
    "mpnet": COMMON + LEARNED + ["relative_bias_missing", "relative_bias_scaled",
                                 "relative_bias_mirrored", "relative_bias_first_layer_only",
                                 "relative_distance_64"],
    "nomic-bert": COMMON + ["pairing_interleaved", "gate_up_swapped", "silu_to_gelu",
                            "rope_base_x2", "norm_bias_missing", "segments_missing"],
    "modern-bert": COMMON + ["pairing_interleaved", "gate_up_swapped", "gelu_tanh", "rope_base_x2",
                             "window_plus_one", "window_minus_one", "window_missing",
                             "window_not_halved", "pattern_starts_local", "one_base",
                             "first_norm_added", "final_norm_missing"],
}
HEAD_MUTANTS = ["head_activation_missing", "head_bias_missing", "head_norm_missing",
                "head_wrong_state"]


def bucket(relative, buckets, distance_max):
    """MPNet's, for key minus query (Raffel et al., 2019)."""
    half = buckets // 2
    exact = half // 2
    side, apart = (half if relative > 0 else 0), abs(relative)
    if apart < exact:
        return side + apart
    wide = exact + int(math.log(apart / exact) / math.log(distance_max / exact) * (half - exact)
                       + 1e-12)
    return side + min(wide, half - 1)


class Encoder:
    """One model; `states` runs a whole text, `scores` its classifier."""

    def __init__(self, weights, mutate=None):
        self.w, self.m = weights, mutate
        self.heads = weights.arch_key("attention.head_count")
        self.width = weights.arch_key("embedding_length")
        self.eps = weights.arch_key("attention.layer_norm_epsilon")
        self.eps *= 10 if mutate == "eps_x10" else 1

    def norm(self, x, prefix):
        weight = self.w.rows(f"{prefix}.weight")
        if self.m != "rms_for_layer_norm":
            x = x - x.mean(-1, keepdim=True)
        x = x / torch.sqrt((x * x).mean(-1, keepdim=True) + self.eps) * weight
        if self.w.has(f"{prefix}.bias") and self.m != "norm_bias_missing":
            x = x + self.w.rows(f"{prefix}.bias")
        return x

    def linear(self, x, prefix, unbiased=""):
        y = x @ self.w.rows(f"{prefix}.weight").T
        if self.w.has(f"{prefix}.bias") and self.m != unbiased:
            y = y + self.w.rows(f"{prefix}.bias")
        return y

    def embed(self, tokens, second_from):
        w, count = self.w, len(tokens)
        x = w.rows("token_embd.weight", np.asarray(tokens))
        if w.has("token_types.weight") and self.m != "segments_missing":
            segment = (np.arange(count) >= second_from).astype(int)
            if self.m == "segments_swapped":
                segment = 1 - segment
            x = x + w.rows("token_types.weight", segment)
        if w.has("position_embd.weight") and self.m != "positions_missing":
            first = 1 if self.m == "positions_shifted" else 0
            x = x + w.rows("position_embd.weight", np.arange(first, first + count))
        return x if self.m == "embedding_norm_missing" else self.norm(x, "token_embd_norm")

    def window(self, layer):
        """Positions seen on either side, or None."""
        window = self.w.arch_key("attention.sliding_window")
        if window is None or self.m == "window_missing":
            return None
        pattern = self.w.arch_key("attention.sliding_window_pattern", 3)
        first = pattern - 1 if self.m == "pattern_starts_local" else 0
        if layer % pattern == first:
            return None
        if self.m == "window_not_halved":
            return window
        return window // 2 + {"window_plus_one": 1, "window_minus_one": -1}.get(self.m, 0)

    def rope(self, x, layer):
        if self.w.has("position_embd.weight"):
            return x
        base = self.w.arch_key("rope.freq_base", 10000.0)
        pattern = self.w.arch_key("attention.sliding_window_pattern", 3)
        if self.w.arch == "modern-bert" and layer % pattern != 0 and self.m != "one_base":
            base = self.w.arch_key("rope.freq_base_swa", 10000.0)
        base *= 2 if self.m == "rope_base_x2" else 1
        half = x.shape[-1] // 2
        angle = torch.arange(x.shape[0], dtype=F64)[:, None] * base ** (
            -torch.arange(half, dtype=F64) / half)[None, :]
        return turn(x, torch.cos(angle)[:, None], torch.sin(angle)[:, None],
                    self.m == "pairing_interleaved")

    def relative_bias(self, count, layer):
        """[heads, queries, keys], or 0."""
        if not self.w.has("attn_rel_b.weight") or self.m == "relative_bias_missing":
            return 0
        if self.m == "relative_bias_first_layer_only" and layer > 0:
            return 0
        table = self.w.rows("attn_rel_b.weight")
        sign = -1 if self.m == "relative_bias_mirrored" else 1
        most = 64 if self.m == "relative_distance_64" else 128
        index = torch.tensor([[bucket(sign * (k - q), table.shape[0], most) for k in range(count)]
                              for q in range(count)])
        return table[index].permute(2, 0, 1)

    def attention(self, x, layer):
        p, count = f"blk.{layer}.", x.shape[0]
        if self.w.has(f"{p}attn_qkv.weight"):
            q, k, v = self.linear(x, f"{p}attn_qkv").chunk(3, -1)
        else:
            q, k, v = (self.linear(x, f"{p}attn_{s}", f"bias_missing_{s}") for s in "qkv")
        q, k, v = (t.reshape(count, self.heads, -1) for t in (q, k, v))
        q, k = self.rope(q, layer), self.rope(k, layer)
        scale = 1 / math.sqrt(self.width if self.m == "scale_from_width" else q.shape[-1])
        scores = torch.einsum("qhd,khd->hqk", q, k) * scale
        bias = self.relative_bias(count, layer)
        scores = scores + (bias * scale if self.m == "relative_bias_scaled" else bias)
        distance = torch.arange(count)[None, :] - torch.arange(count)[:, None]
        hidden = torch.zeros(count, count, dtype=torch.bool)
        if self.m == "causal":
            hidden |= distance > 0
        if self.m == "self_only_before":
            hidden |= distance >= count - 1  # the first does not see the last
        window = self.window(layer)
        if window is not None:
            hidden |= distance.abs() > window
        y = torch.softmax(scores.masked_fill(hidden, -math.inf), -1)
        y = torch.einsum("hqk,khd->qhd", y, v).reshape(count, -1)
        return self.linear(y, f"{p}attn_output", "bias_missing_output")

    def mlp(self, x, p):
        gelu = "tanh" if self.m == "gelu_tanh" else "none"
        act = lambda t: torch.nn.functional.gelu(t, approximate=gelu)  # noqa: E731
        if self.w.arch in ("bert", "mpnet"):
            up = act(self.linear(x, f"{p}ffn_up", "mlp_bias_missing"))
            return self.linear(up, f"{p}ffn_down", "mlp_bias_missing")
        if self.w.arch == "nomic-bert":
            gate, up = self.linear(x, f"{p}ffn_gate"), self.linear(x, f"{p}ffn_up")
            if self.m != "silu_to_gelu":
                act = torch.nn.functional.silu
        else:
            gate, up = self.linear(x, f"{p}ffn_up").chunk(2, -1)
        if self.m == "gate_up_swapped":
            gate, up = up, gate
        return self.linear(act(gate) * up, f"{p}ffn_down")

    def layer(self, x, layer):
        p = f"blk.{layer}."
        if self.w.arch == "modern-bert":
            first = layer == 0 and self.m != "first_norm_added"
            name = "token_embd_norm" if layer == 0 else f"{p}attn_norm"
            x = x + self.attention(x if first else self.norm(x, name), layer)
            return x + self.mlp(self.norm(x, f"{p}ffn_norm"), p)
        for part, norm in ((lambda t: self.attention(t, layer), "attn_output_norm"),
                           (lambda t: self.mlp(t, p), "layer_output_norm")):
            if self.m == "norm_before_residual":
                x = x + self.norm(part(x), f"{p}{norm}")
            else:
                x = self.norm(x + part(x), f"{p}{norm}")
        return x

    def states(self, tokens, second_from=1 << 30):
        """[tokens, width]"""
        x = self.embed(tokens, second_from)
        for layer in range(self.w.arch_key("block_count")):
            x = self.layer(x, layer)
        if self.w.arch == "modern-bert" and self.m != "final_norm_missing":
            x = self.norm(x, "output_norm")
        return x

    def scores(self, states):
        """Of the classifier, from all states of a text."""
        mean = self.w.arch == "modern-bert" and self.w.arch_key("classifier.pooling_type", 1) == 1
        if self.m == "head_wrong_state":
            mean = not mean
        x = states.mean(0) if mean else states[0]
        unbiased = self.m == "head_bias_missing"
        if self.w.has("cls.weight"):
            x = x @ self.w.rows("cls.weight").T
            if self.w.has("cls.bias") and not unbiased:
                x = x + self.w.rows("cls.bias")
            if self.m != "head_activation_missing":
                gelu = self.w.arch == "modern-bert"
                x = torch.nn.functional.gelu(x) if gelu else torch.tanh(x)
        if self.w.has("cls.norm.weight") and self.m != "head_norm_missing":
            x = self.norm(x, "cls.norm")
        x = x @ self.w.rows("cls.output.weight").T
        if self.w.has("cls.output.bias") and not unbiased:
            x = x + self.w.rows("cls.output.bias")
        return x
