#!/usr/bin/env python3
"""Float64 forward pass of the architectures straight from a GGUF file.

What it is: the slow, plain reading of the architectures that quality is measured against. Weights
are dequantised to what the file says, everything else (norms, RoPE, softmax, keys and values) is
binary64. What it is not: fast, incremental, or a sampler; nothing in the product uses it.

`mutate` names one deliberate mistake (see MUTANTS). The golden maker uses it to show that its
goldens notice each of them; without it the result is the reference.

Needs PyPI gguf, numpy, torch.
"""

import argparse
import json
import math

import gguf
import numpy as np
import torch
from gguf import quants

F64 = torch.float64
OUTPUT_ROWS_PER_STEP = 8192  # Bounds the dequantised slice of the output matrix.

# Architecture -> mistakes a careful person has made or could make.
MUTANTS = {
    "llama": [
        "pairing_halves", "gqa_modulo", "eps_1e-6", "eps_outside_root", "rope_base_10000",
        "scale_from_embedding", "silu_to_gelu", "gate_up_swapped", "residual_from_norm",
        "final_norm_missing", "mask_excludes_self", "rope_scaling_missing", "rope_scaling_inverted",
        "yarn_attention_factor_missing", "yarn_ramp_unrounded", "output_is_embedding",
        "value_head_modulo", "rope_table_f16", "window_plus_one", "window_minus_one",
        "window_missing"],
    "qwen2": [
        "pairing_interleaved", "gqa_modulo", "bias_missing_q", "bias_missing_k", "bias_missing_v",
        "bias_after_rope", "eps_1e-5", "rope_base_10000", "silu_to_gelu", "gate_up_swapped",
        "output_is_embedding", "mask_excludes_self", "rope_scaling_missing",
        "yarn_attention_factor_missing"],
    "qwen3": [
        "pairing_interleaved", "gqa_modulo", "qk_norm_missing", "qk_norm_after_rope", "eps_1e-5",
        "rope_base_10000", "silu_to_gelu", "gate_up_swapped", "output_is_embedding",
        "scale_from_embedding"],
    "qwen3moe": [
        "pairing_interleaved", "qk_norm_missing", "eps_1e-5", "silu_to_gelu", "gate_up_swapped",
        "one_expert_fewer", "one_expert_more", "weights_not_normalised", "weights_equal",
        "router_from_residual", "experts_shifted", "weights_before_down"],
    "gemma3": [
        "embed_scale_missing", "window_plus_one", "window_minus_one", "window_missing",
        "local_base_everywhere", "global_base_everywhere", "pattern_starts_global",
        "pattern_every_5", "qk_norm_after_rope", "qk_norm_missing", "post_norms_missing",
        "post_norm_after_residual", "gelu_erf", "gelu_to_silu", "norm_plus_one_twice", "eps_1e-5",
        "scale_from_head_dim", "scale_from_embedding", "scaling_on_local_too",
        "rope_scaling_missing", "pairing_interleaved", "gqa_modulo", "softcap_missing"],
    "gemma2": [
        "embed_scale_missing", "window_plus_one", "window_minus_one", "window_missing",
        "pattern_starts_global", "post_norms_missing", "post_norm_after_residual", "gelu_erf",
        "gelu_to_silu", "norm_plus_one_twice", "eps_1e-5", "scale_from_head_dim",
        "pairing_interleaved", "gqa_modulo", "softcap_missing", "attention_softcap_missing",
        "attention_softcap_before_scale"],
    "smollm3": [
        "pairing_halves", "rope_everywhere", "pattern_starts_global", "gqa_modulo", "eps_1e-5",
        "rope_base_10000", "silu_to_gelu", "gate_up_swapped", "output_is_embedding"],
    "granite": [
        "pairing_halves", "embed_scale_missing", "residual_scale_missing", "scale_from_head_dim",
        "logit_scale_missing", "logit_scale_inverted", "gqa_modulo", "eps_1e-6", "silu_to_gelu",
        "output_is_embedding"],
    "olmo2": [
        "pairing_interleaved", "qk_norm_missing", "qk_norm_per_head", "qk_norm_after_rope",
        "post_norms_missing", "post_norm_after_residual", "window_plus_one", "window_minus_one",
        "window_missing", "pattern_starts_global", "scaling_on_local_too", "rope_scaling_missing",
        "gqa_modulo", "eps_1e-5", "silu_to_gelu", "output_is_embedding"],
    "exaone4": [
        "pairing_interleaved", "qk_norm_missing", "qk_norm_after_rope", "post_norms_missing",
        "post_norm_after_residual", "window_plus_one", "window_minus_one", "window_missing",
        "pattern_starts_global", "rope_everywhere", "rope_scaling_missing",
        "rope_scaling_inverted", "gqa_modulo", "eps_1e-6", "silu_to_gelu", "output_is_embedding"],
    "glm4": [
        "pairing_halves", "rotary_whole_head", "bias_missing_q", "bias_missing_k", "bias_missing_v",
        "post_norms_missing", "post_norm_after_residual", "gate_up_swapped", "gqa_modulo",
        "eps_1e-5", "silu_to_gelu", "output_is_embedding"],
    "seed_oss": [
        "pairing_interleaved", "bias_missing_q", "bias_missing_k", "bias_missing_v",
        "bias_after_rope", "post_norm_as_in_gemma", "scale_from_embedding", "gqa_modulo",
        "eps_1e-5", "silu_to_gelu", "gate_up_swapped", "output_is_embedding"],
    "phi3": [
        "pairing_interleaved", "key_and_value_swapped", "gate_up_swapped", "window_plus_one",
        "window_minus_one", "window_missing", "rotary_whole_head", "gqa_modulo", "eps_1e-6",
        "silu_to_gelu", "output_is_embedding", "long_rope_other_factors", "long_rope_by_position",
        "long_rope_inverted", "long_rope_attention_factor_missing"],
    "cohere2": [
        "pairing_halves", "layer_norm_to_rms", "serial_block", "rope_everywhere", "rope_nowhere",
        "pattern_starts_global", "pattern_every_5", "window_plus_one", "window_minus_one",
        "window_missing", "logit_scale_missing", "logit_scale_inverted", "gqa_modulo", "eps_1e-6",
        "silu_to_gelu"],
    "gemma3n": [
        "embed_scale_missing", "window_plus_one", "window_minus_one", "window_missing",
        "local_base_everywhere", "scale_from_head_dim", "value_norm_missing", "qk_norm_missing",
        "own_keys_of_the_layer_before", "norm_plus_one_twice", "eps_1e-5", "gelu_erf",
        "pairing_interleaved", "gqa_modulo", "softcap_missing", "predict_missing",
        "predict_transposed", "correct_factor_without_one", "correct_scale_missing",
        "router_input_unscaled", "router_without_tanh", "magnitude_kept", "first_stream_only",
        "laurel_missing", "laurel_not_halved", "gate_not_cut", "gate_cut_by_sample_deviation",
        "layer_input_missing", "layer_input_to_first_too", "layer_input_of_next"],
    "gemma4": [
        "embed_scale_missing", "window_plus_one", "window_minus_one", "window_missing",
        "local_base_everywhere", "rope_scaling_missing", "factors_on_local_too",
        "scale_from_head_dim", "value_norm_missing", "value_after_key_norm", "qk_norm_missing",
        "own_keys_of_the_layer_before", "post_norms_missing", "norm_plus_one_twice", "eps_1e-5",
        "gelu_erf", "gelu_to_silu", "pairing_interleaved", "gqa_modulo", "softcap_missing",
        "layer_scale_missing", "layer_input_missing", "layer_input_of_next",
        "layer_input_token_missing", "layer_input_embedding_missing",
        "layer_input_normed_whole", "layer_input_gate_ungated"],
    "command-r": [
        "pairing_halves", "layer_norm_to_rms", "serial_block", "rope_nowhere", "rope_base_10000",
        "logit_scale_missing", "logit_scale_inverted", "gqa_modulo", "eps_1e-6", "silu_to_gelu"],
    "ernie4_5": [
        "pairing_halves", "scale_from_embedding", "gqa_modulo", "eps_1e-6", "rope_base_10000",
        "silu_to_gelu", "gate_up_swapped", "residual_from_norm", "final_norm_missing"],
    "mistral3": [
        "pairing_halves", "rope_scaling_missing", "rope_scaling_inverted", "yarn_ramp_unrounded",
        "yarn_magnitude_kept", "temperature_missing", "temperature_one_late",
        "temperature_on_keys_too", "temperature_not_stepped", "gqa_modulo", "eps_1e-6",
        "scale_from_embedding", "silu_to_gelu", "output_is_embedding"],
}

INTERLEAVED = ("llama", "smollm3", "granite", "glm4", "cohere2", "mistral3",
               "command-r", "ernie4_5")
GELU = ("gemma2", "gemma3", "gemma3n", "gemma4")
# Every n-th layer is global where the file names a window and no pattern; 0: none is.
WINDOW_PATTERN = {"gemma2": 2, "gemma3": 6, "olmo2": 4, "exaone4": 4, "cohere2": 4}
LAYERS_BY_WIDTH = {"gemma2": 46, "gemma3": 62}  # the 27B models, whose scale no key states
LOCAL_ROPE_UNSCALED = ("gemma3", "olmo2", "gemma3n", "gemma4")
PARALLEL = ("cohere2", "command-r")  # attention and MLP side by side, from one LayerNorm
ROPE_ON_LOCAL_ONLY = ("cohere2", "exaone4")


class GgufWeights:
    """A GGUF file's keys and its tensors as float64; decodes on demand and keeps nothing."""

    def __init__(self, path):
        self.reader = gguf.GGUFReader(path)
        self.tensors = {t.name: t for t in self.reader.tensors}
        self.arch = self.key("general.architecture")

    def key(self, name, default=None):
        field = self.reader.fields.get(name)
        return default if field is None else field.contents()

    def arch_key(self, name, default=None):
        return self.key(f"{self.arch}.{name}", default)

    def has(self, name):
        return name in self.tensors

    def rows(self, name, index=slice(None)):
        """Rows `index` of a matrix (or a whole vector), decoded, float64."""
        tensor = self.tensors[name]
        data = tensor.data
        if data.ndim >= 2:
            data = np.ascontiguousarray(data[index])
        return torch.from_numpy(quants.dequantize(data, tensor.tensor_type).astype(np.float64))

    def row_count(self, name):
        return int(self.tensors[name].shape[-1])


class Hyper:
    """The keys of the architectures, with the defaults the field's loaders use."""

    def __init__(self, w):
        self.layers = w.arch_key("block_count")
        self.width = w.arch_key("embedding_length")
        self.heads = w.arch_key("attention.head_count")
        self.kv_heads = w.arch_key("attention.head_count_kv", self.heads)
        self.head_dim = w.arch_key("attention.key_length", self.width // self.heads)
        self.eps = w.arch_key("attention.layer_norm_rms_epsilon",
                              w.arch_key("attention.layer_norm_epsilon"))
        self.centred = w.arch in PARALLEL
        self.rotary_dim = w.arch_key("rope.dimension_count", self.head_dim)
        self.rope_base = w.arch_key("rope.freq_base", 10000.0)
        self.rope_base_local = w.arch_key("rope.freq_base_swa",
                                          10000.0 if w.arch in GELU else self.rope_base)
        self.scaling = w.arch_key("rope.scaling.type", "none")
        self.scaling_factor = w.arch_key("rope.scaling.factor", 1.0)
        self.context_original = w.arch_key("rope.scaling.original_context_length",
                                           w.arch_key("context_length"))
        self.yarn_attention_factor = w.arch_key("rope.scaling.attn_factor", 1.0)
        self.yarn_beta_fast = w.arch_key("rope.scaling.yarn_beta_fast", 32.0)
        self.yarn_beta_slow = w.arch_key("rope.scaling.yarn_beta_slow", 1.0)
        self.yarn_log_multiplier = w.arch_key("rope.scaling.yarn_log_multiplier", 0.0)
        self.temperature = w.arch_key("attention.temperature_scale", 0.0)
        self.experts_used = w.arch_key("expert_used_count", 0)
        self.arch = w.arch
        self.window = w.arch_key("attention.sliding_window", 0)
        self.pattern = w.arch_key("attention.sliding_window_pattern",
                                  WINDOW_PATTERN.get(w.arch, 0))
        self.softcap = w.arch_key("final_logit_softcapping", 0.0)
        self.attention_softcap = w.arch_key("attn_logit_softcapping", 0.0)
        self.residual_scale = w.arch_key("residual_scale", 1.0)
        self.embedding_scale = w.arch_key("embedding_scale", 1.0)
        if w.arch in GELU:
            self.embedding_scale = math.sqrt(self.width)
        self.logit_scale = w.arch_key("logit_scale", 1.0)
        if w.arch == "granite":
            self.logit_scale = 1.0 / self.logit_scale
        self.shared_layers = w.arch_key("attention.shared_kv_layers", 0)
        self.per_layer_width = w.arch_key("embedding_length_per_layer_input", 0)
        self.mlp_norm = "post_attention_norm" if w.arch == "seed_oss" else "ffn_norm"
        scale = w.arch_key("attention.scale")
        if scale is None:
            widest = self.layers == LAYERS_BY_WIDTH.get(w.arch)
            dim = self.width // self.heads if widest else self.head_dim
            scale = 1.0 if w.arch in ("gemma3n", "gemma4") else 1.0 / math.sqrt(dim)
        self.attention_scale = scale
        self.interleaved = w.arch in INTERLEAVED


def rms_norm(x, weight, eps):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps) * weight


def yarn_bound(rotations, dim, base, context):
    """Pair index whose wavelength makes `rotations` turns in `context` (YaRN, Peng et al. 2023)."""
    return dim * math.log(context / (rotations * 2 * math.pi)) / (2 * math.log(base))


def rope_frequencies(h, dim, base, factors, scaled, mutate):
    """Inverse frequencies [dim / 2] and the factor on cosine and sine."""
    pair = torch.arange(dim // 2, dtype=F64)
    inv = base ** (-2.0 * pair / dim)
    if factors is not None and mutate != "rope_scaling_missing":
        inv = inv * factors if mutate == "rope_scaling_inverted" else inv / factors
    if not scaled or h.scaling == "none" or mutate == "rope_scaling_missing":
        return inv, 1.0
    factor = 1.0 / h.scaling_factor if mutate == "rope_scaling_inverted" else h.scaling_factor
    if h.scaling == "linear":
        return inv / factor, 1.0
    assert h.scaling == "yarn", h.scaling
    low = yarn_bound(h.yarn_beta_fast, dim, base, h.context_original)
    high = yarn_bound(h.yarn_beta_slow, dim, base, h.context_original)
    if mutate != "yarn_ramp_unrounded":
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dim - 1)
    ramp = ((pair - low) / max(high - low, 0.001)).clamp(0, 1)
    inv = inv / factor * ramp + inv * (1 - ramp)
    attention = h.yarn_attention_factor * (1.0 + 0.1 * math.log(factor))
    if h.yarn_log_multiplier and mutate != "yarn_magnitude_kept":
        attention /= 1.0 + 0.1 * h.yarn_log_multiplier * math.log(factor)
    return inv, 1.0 if mutate == "yarn_attention_factor_missing" else attention


def turn(x, cosine, sine, interleaved):
    """RoPE on [tokens, heads, head_dim] by [tokens, 1, rotary_dim / 2]; the rest stays."""
    rotary = 2 * cosine.shape[-1]
    if rotary < x.shape[-1]:
        return torch.cat((turn(x[..., :rotary], cosine, sine, interleaved), x[..., rotary:]), -1)
    out = torch.empty_like(x)
    if interleaved:
        a, b = x[..., 0::2], x[..., 1::2]
        out[..., 0::2], out[..., 1::2] = a * cosine - b * sine, b * cosine + a * sine
    else:
        half = x.shape[-1] // 2
        a, b = x[..., :half], x[..., half:]
        out[..., :half], out[..., half:] = a * cosine - b * sine, b * cosine + a * sine
    return out


def long_rope_table(h, w, count, base, mutate):
    """LongRoPE (Ding et al., 2024): one of two sets of divisors, by the length of the whole run."""
    dim = h.head_dim if mutate == "rotary_whole_head" else h.rotary_dim
    inv = base ** (-2.0 * torch.arange(dim // 2, dtype=F64) / dim)
    sets = {name: w.rows(f"rope_factors_{name}.weight") for name in ("short", "long")}
    chosen = "long" if count > h.context_original else "short"
    if mutate == "long_rope_other_factors":
        chosen = "short" if chosen == "long" else "long"
    factors = sets[chosen]
    if mutate == "rotary_whole_head":
        factors = torch.nn.functional.pad(factors, (0, dim // 2 - len(factors)), value=1.0)
    inv = inv * factors if mutate == "long_rope_inverted" else inv / factors
    angle = torch.arange(count, dtype=F64)[:, None] * inv[None, :]
    if mutate == "long_rope_by_position" and chosen == "long":
        early = min(count, int(h.context_original))
        angle[:early] *= factors / sets["short"]
    magnitude = 1.0 if mutate == "long_rope_attention_factor_missing" else h.yarn_attention_factor
    return (torch.cos(angle) * magnitude)[:, None, :], (torch.sin(angle) * magnitude)[:, None, :]


def rope_table(h, w, count, local, mutate):
    base = h.rope_base_local if local else h.rope_base
    if mutate == "local_base_everywhere":
        base = h.rope_base_local
    elif mutate == "global_base_everywhere":
        base = h.rope_base
    elif mutate == "rope_base_10000":
        base = 10000.0
    if w.has("rope_factors_long.weight"):
        return long_rope_table(h, w, count, base, mutate)
    factors = w.rows("rope_freqs.weight") if w.has("rope_freqs.weight") else None
    dim = h.head_dim if mutate == "rotary_whole_head" else h.rotary_dim
    if h.arch == "gemma4" and local:
        dim = w.arch_key("rope.dimension_count_swa")
        factors = factors[:dim // 2] if mutate == "factors_on_local_too" else None
    scaled = not local or mutate == "scaling_on_local_too"
    inv, attention = rope_frequencies(h, dim, base, factors, scaled, mutate)
    angle = torch.arange(count, dtype=F64)[:, None] * inv[None, :]
    return (torch.cos(angle) * attention)[:, None, :], (torch.sin(angle) * attention)[:, None, :]


def temperature(h, count, mutate):
    """What queries are multiplied by, [tokens, 1, 1]."""
    contexts = torch.arange(count, dtype=F64) - (1 if mutate == "temperature_one_late" else 0)
    contexts = contexts.clamp(min=0) / h.context_original
    if mutate != "temperature_not_stepped":
        contexts = torch.floor(contexts)
    return (1.0 + h.temperature * torch.log(1.0 + contexts))[:, None, None]


def is_local(h, layer, mutate):
    if not h.window:
        return False
    if isinstance(h.pattern, list):
        return bool(h.pattern[layer - 1 if mutate == "pattern_starts_global" else layer])
    if h.pattern == 0:
        return True
    if mutate == "pattern_starts_global":
        return layer % h.pattern != 0
    return (layer + 1) % (5 if mutate == "pattern_every_5" else h.pattern) != 0


def is_turned(h, layer, mutate):
    if mutate in ("rope_everywhere", "rope_nowhere"):
        return mutate == "rope_everywhere"
    if h.arch == "smollm3":
        return layer % 4 != (0 if mutate == "pattern_starts_global" else 3)
    if h.arch in ROPE_ON_LOCAL_ONLY and h.window:
        return is_local(h, layer, mutate)
    return True


def attend(h, q, k, v, local, scale, mutate):
    """q [tokens, heads, dim], k and v [tokens, kv_heads, dim] -> [tokens, heads * dim]."""
    count, kv_heads = q.shape[0], k.shape[1]
    group = h.heads // kv_heads
    head = torch.arange(h.heads)
    k_of = head % kv_heads if mutate == "gqa_modulo" else head // group
    v_of = head % kv_heads if mutate in ("gqa_modulo", "value_head_modulo") else head // group
    distance = torch.arange(count)[:, None] - torch.arange(count)[None, :]
    hidden = distance < (1 if mutate == "mask_excludes_self" else 0)
    hidden[0, 0] = False
    if local and mutate != "window_missing":
        window = h.window + {"window_plus_one": 1, "window_minus_one": -1}.get(mutate, 0)
        hidden |= distance >= window
    out = torch.empty_like(q)
    for i in range(h.heads):
        scores = q[:, i] @ k[:, k_of[i]].T
        if mutate == "attention_softcap_before_scale":
            scores = h.attention_softcap * torch.tanh(scores / h.attention_softcap)
        scores = scores * scale
        if h.attention_softcap and not (mutate or "").startswith("attention_softcap"):
            scores = h.attention_softcap * torch.tanh(scores / h.attention_softcap)
        out[:, i] = torch.softmax(scores.masked_fill(hidden, -math.inf), -1) @ v[:, v_of[i]]
    return out.reshape(count, -1)


def activation(x, gelu, mutate):
    if mutate == "silu_to_gelu":
        gelu = True
    elif mutate == "gelu_to_silu":
        gelu = False
    if not gelu:
        return torch.nn.functional.silu(x)
    return torch.nn.functional.gelu(x, approximate="none" if mutate == "gelu_erf" else "tanh")


class Forward:
    """One model; `hidden` and `logits` run a whole token list from position 0."""

    def __init__(self, weights, mutate=None):
        self.w, self.h, self.mutate = weights, Hyper(weights), mutate
        self.shared = {}  # (keys, values) by whether the layer is local
        self.eps = {"eps_1e-5": 1e-5, "eps_1e-6": 1e-6}.get(mutate, self.h.eps)

    def norm(self, x, name):
        weight = self.w.rows(name)
        if self.mutate == "norm_plus_one_twice":
            weight = weight + 1
        if self.h.centred and self.mutate != "layer_norm_to_rms":
            x = x - x.mean(-1, keepdim=True)
        if self.mutate == "eps_outside_root":
            return x / (torch.sqrt((x * x).mean(-1, keepdim=True)) + self.eps) * weight
        return rms_norm(x, weight, self.eps)

    def head_norm(self, x, prefix):
        """x [tokens, heads, head_dim], normed as its weight is wide: per head or over all."""
        weight = self.w.rows(f"{prefix}.weight")
        if weight.shape[-1] == x.shape[-1]:
            return self.norm(x, f"{prefix}.weight")
        if self.mutate == "qk_norm_per_head":
            return rms_norm(x, weight.reshape(-1, self.h.head_dim), self.eps)
        return self.norm(x.reshape(x.shape[0], -1), f"{prefix}.weight").reshape(x.shape)

    def linear(self, x, prefix, bias=True):
        y = x @ self.w.rows(f"{prefix}.weight").T
        if bias and self.w.has(f"{prefix}.bias"):
            y = y + self.w.rows(f"{prefix}.bias")
        return y

    def attention(self, x, layer):
        h, m, w, p = self.h, self.mutate, self.w, f"blk.{layer}."
        count, local = x.shape[0], is_local(h, layer, m)
        unbiased = {"bias_missing_q": "q", "bias_missing_k": "k", "bias_missing_v": "v",
                    "bias_after_rope": "qk"}.get(m, "")
        if w.has(f"{p}attn_qkv.weight"):
            parts = [h.heads * h.head_dim, h.kv_heads * h.head_dim, h.kv_heads * h.head_dim]
            q, k, v = self.linear(x, f"{p}attn_qkv").split(parts, -1)
            if m == "key_and_value_swapped":
                k, v = v, k
        else:
            q, k, v = (self.linear(x, f"{p}attn_{s}", s not in unbiased)
                       if w.has(f"{p}attn_{s}.weight") else None for s in "qkv")
        dim = w.arch_key("attention.key_length_swa", h.head_dim) if local else h.head_dim
        shared = k is None or layer >= h.layers - h.shared_layers
        if shared:
            k, v = self.shared[local != (m == "own_keys_of_the_layer_before")]
        q, k, v = (None if t is None else t.reshape(count, -1, dim) for t in (q, k, v))
        if not shared and v is None:
            v = self.head_norm(k, f"{p}attn_k_norm") if m == "value_after_key_norm" else k
        normed = w.has(f"{p}attn_q_norm.weight") and m != "qk_norm_missing"
        if h.arch in ("gemma3n", "gemma4") and not shared and m != "value_norm_missing":
            v = rms_norm(v, 1.0, self.eps)
        if normed and m != "qk_norm_after_rope":
            q = self.head_norm(q, f"{p}attn_q_norm")
            k = k if shared else self.head_norm(k, f"{p}attn_k_norm")
        cosine, sine = rope_table(h, w, count, local and h.arch in LOCAL_ROPE_UNSCALED, m)
        if not is_turned(h, layer, m):
            cosine, sine = torch.ones_like(cosine), torch.zeros_like(sine)
        interleaved = h.interleaved
        if m in ("pairing_halves", "pairing_interleaved"):
            interleaved = m == "pairing_interleaved"
        if m == "rope_table_f16":
            cosine, sine = (t.to(torch.float16).to(F64) for t in (cosine, sine))
        q = turn(q, cosine, sine, interleaved)
        k = k if shared else turn(k, cosine, sine, interleaved)
        if h.temperature and m != "temperature_missing":
            q = q * temperature(h, count, m)
            k = k * temperature(h, count, m) if m == "temperature_on_keys_too" else k
        if normed and m == "qk_norm_after_rope":
            q, k = self.head_norm(q, f"{p}attn_q_norm"), self.head_norm(k, f"{p}attn_k_norm")
        if m == "bias_after_rope":
            q = q + w.rows(f"{p}attn_q.bias").reshape(-1, h.head_dim)
            k = k + w.rows(f"{p}attn_k.bias").reshape(-1, h.head_dim)
        if not shared:
            self.shared[local] = k, v
        scale = {"scale_from_embedding": 1 / math.sqrt(h.width // h.heads),
                 "scale_from_head_dim": 1 / math.sqrt(dim)}.get(m, h.attention_scale)
        return self.linear(attend(h, q, k, v, local, scale, m), f"{p}attn_output")

    def post(self, y, name):
        if self.mutate in ("post_norms_missing", "post_norm_after_residual"):
            return y
        if not self.w.has(name):
            return y
        return self.norm(y, name)

    def layer(self, x, layer):
        m, p = self.mutate, f"blk.{layer}."
        scale = 1.0 if m == "residual_scale_missing" else self.h.residual_scale
        normed = self.norm(x, f"{p}attn_norm.weight") if self.w.has(f"{p}attn_norm.weight") else x
        y = self.attention(normed, layer)
        if self.h.arch != "seed_oss" or m == "post_norm_as_in_gemma":
            y = self.post(y, f"{p}post_attention_norm.weight")
        if self.h.arch in PARALLEL and m != "serial_block":
            return x + y + self.mlp(normed, p)
        x = (normed if m == "residual_from_norm" else x) + scale * y
        if m == "post_norm_after_residual":
            x = self.norm(x, f"{p}post_attention_norm.weight")
        norm = f"{p}{self.h.mlp_norm}.weight"
        if self.h.centred:
            norm = f"{p}attn_norm.weight"  # the serial block of a mutant
        normed = self.norm(x, norm) if self.w.has(norm) else x
        if self.h.experts_used:
            return x + self.experts(normed, x, layer)
        y = self.post(self.mlp(normed, p), f"{p}post_ffw_norm.weight")
        x = x + scale * y
        if m == "post_norm_after_residual":
            x = self.norm(x, f"{p}post_ffw_norm.weight")
        if self.h.per_layer_width and m != "layer_input_missing":
            x = x + self.layer_input_block(x, layer)
        if self.w.has(f"{p}layer_output_scale.weight") and m != "layer_scale_missing":
            x = x * self.w.rows(f"{p}layer_output_scale.weight")
        return x

    def modalities(self, x, p):
        normed = self.norm(x, f"{p}altup_router_norm.weight")
        if self.mutate != "router_input_unscaled":
            normed = normed / self.h.width
        routed = self.linear(normed, f"{p}altup_router")
        return routed if self.mutate == "router_without_tanh" else torch.tanh(routed)

    def streamed_layer(self, streams, layer):
        """Gemma 3n's layer on [streams, tokens, width]."""
        m, p = self.mutate, f"blk.{layer}."
        count = streams.shape[0]
        mix = self.linear(self.modalities(streams[0], p), f"{p}altup_predict_coef")
        mix = mix.reshape(-1, count, count)
        if m == "predict_transposed":
            mix = mix.transpose(1, 2)
        predicted = streams + torch.einsum("tij,jtw->itw", mix, streams)
        if m == "predict_missing":
            predicted = streams
        x = predicted[0]
        normed = self.norm(x, f"{p}attn_norm.weight")
        laurel = self.linear(self.linear(normed, f"{p}laurel_l"), f"{p}laurel_r")
        laurel = normed + self.norm(laurel, f"{p}laurel_post_norm.weight")
        x = x + self.norm(self.attention(normed, layer), f"{p}post_attention_norm.weight")
        if m != "laurel_missing":
            x = (x + laurel) / (1.0 if m == "laurel_not_halved" else math.sqrt(2))
        normed = self.norm(x, f"{p}ffn_norm.weight")
        gate, up = self.linear(normed, f"{p}ffn_gate"), self.linear(normed, f"{p}ffn_up")
        cut = self.w.arch_key("activation_sparsity_scale")[layer]
        if cut > -math.inf and m != "gate_not_cut":
            deviation = gate.std(-1, keepdim=True, unbiased=m == "gate_cut_by_sample_deviation")
            gate = torch.relu(gate - gate.mean(-1, keepdim=True) - cut * deviation)
        y = self.linear(activation(gate, True, m) * up, f"{p}ffn_down")
        x = x + self.norm(y, f"{p}post_ffw_norm.weight")
        share = self.linear(self.modalities(x, p), f"{p}altup_correct_coef")
        share = share + (0 if m == "correct_factor_without_one" else 1)
        out = predicted + torch.einsum("ti,tw->itw", share, x - predicted[0])
        first = out[0]
        if m != "correct_scale_missing":
            first = first * self.w.rows(f"{p}altup_correct_scale.weight")
        if m != "layer_input_missing":
            out[0 if m == "layer_input_to_first_too" else 1:] += self.layer_input_block(first, layer)
        return out

    def stream_products(self, name, xs):
        """Each of xs times its own matrix, made as large as the active stream."""
        like = self.active.pow(2).mean(-1, keepdim=True).sqrt()
        for x, matrix in zip(xs, self.w.rows(name)):
            y = x @ matrix.T
            size = y.pow(2).mean(-1, keepdim=True).clamp(min=1e-5).sqrt()
            yield y if self.mutate == "magnitude_kept" else y * like / size

    def run_streams(self, x):
        """Gemma 3n from the embedded tokens to what the last norm sees."""
        self.active = x
        streams = torch.stack([x, *self.stream_products("altup_proj.weight", [x] * 3)])
        for layer in range(self.h.layers):
            streams = self.streamed_layer(streams, layer)
        if self.mutate == "first_stream_only":
            return streams[0]
        self.active = streams[0]
        return torch.stack([streams[0], *self.stream_products("altup_unembd_proj.weight",
                                                              streams[1:])]).mean(0)

    def layer_inputs(self, tokens, x):
        """Inputs of all layers by token, [tokens, layers, width of one]."""
        m, h, width = self.mutate, self.h, self.h.per_layer_width
        of_token = self.w.rows("per_layer_token_embd.weight", np.asarray(tokens)) * math.sqrt(width)
        of_embedding = self.linear(x, "per_layer_model_proj") / math.sqrt(h.width)
        weight = self.w.rows("per_layer_proj_norm.weight")
        if m == "layer_input_normed_whole":
            of_embedding = rms_norm(of_embedding, weight.repeat(h.layers), self.eps)
        of_embedding = of_embedding.reshape(-1, h.layers, width)
        if m != "layer_input_normed_whole":
            of_embedding = self.norm(of_embedding, "per_layer_proj_norm.weight")
        of_token = of_token.reshape(-1, h.layers, width)
        if m == "layer_input_token_missing":
            of_token = torch.zeros_like(of_token)
        if m == "layer_input_embedding_missing":
            of_embedding = torch.zeros_like(of_embedding)
        return (of_token + of_embedding) * 0.5 ** 0.5

    def layer_input_block(self, x, layer):
        m, p = self.mutate, f"blk.{layer}."
        gate = self.linear(x, f"{p}inp_gate")
        if m != "layer_input_gate_ungated":
            gate = activation(gate, True, m)
        of = (layer + 1) % self.h.layers if m == "layer_input_of_next" else layer
        y = self.linear(gate * self.inputs[:, of], f"{p}proj")
        return self.norm(y, f"{p}post_norm.weight")

    def mlp(self, x, p):
        if self.w.has(f"{p}ffn_gate.weight"):
            gate, up = self.linear(x, f"{p}ffn_gate"), self.linear(x, f"{p}ffn_up")
        else:
            gate, up = self.linear(x, f"{p}ffn_up").chunk(2, -1)
        if self.mutate == "gate_up_swapped":
            gate, up = up, gate
        return self.linear(activation(gate, self.w.arch in GELU, self.mutate) * up, f"{p}ffn_down")

    def experts(self, x, residual, layer):
        """Mixture of experts; every column's chosen ones in ascending order."""
        m, w, p = self.mutate, self.w, f"blk.{layer}."
        r = (residual if m == "router_from_residual" else x) @ w.rows(f"{p}ffn_gate_inp.weight").T
        used = self.h.experts_used + {"one_expert_fewer": -1, "one_expert_more": 1}.get(m, 0)
        values, chosen = torch.topk(torch.softmax(r, -1), used, dim=-1)
        if m != "weights_not_normalised":
            values = values / values.sum(-1, keepdim=True)
        if m == "weights_equal":
            values = torch.full_like(values, 1 / used)
        out = torch.zeros_like(x)
        for e in range(r.shape[-1]):
            of = (e + 1) % r.shape[-1] if m == "experts_shifted" else e
            column, slot = torch.where(chosen == e)
            gate, up, down = (w.rows(f"{p}ffn_{s}_exps.weight", of) for s in ("gate", "up", "down"))
            if m == "gate_up_swapped":
                gate, up = up, gate
            middle = activation(x[column] @ gate.T, False, m) * (x[column] @ up.T)
            weight = values[column, slot, None]
            if m == "weights_before_down":
                middle, weight = middle * (1 - weight), 1
            out[column] += weight * (middle @ down.T)
        return out

    def hidden(self, tokens):
        """Final normed hidden states [tokens, width]."""
        x = self.w.rows("token_embd.weight", np.asarray(tokens))
        if self.mutate != "embed_scale_missing":
            x = x * self.h.embedding_scale
        if self.h.per_layer_width:
            self.inputs = self.layer_inputs(tokens, x)
        if self.h.arch == "gemma3n":
            x = self.run_streams(x)
        else:
            for layer in range(self.h.layers):
                x = self.layer(x, layer)
        return x if self.mutate == "final_norm_missing" else self.norm(x, "output_norm.weight")

    def logits_into(self, hidden, out):
        """Writes [tokens, vocabulary] into `out` (any dtype), some rows of the matrix at a time."""
        name = "output.weight"
        if not self.w.has(name) or self.mutate == "output_is_embedding":
            name = "token_embd.weight"
        for start in range(0, self.w.row_count(name), OUTPUT_ROWS_PER_STEP):
            part = hidden @ self.w.rows(name, slice(start, start + OUTPUT_ROWS_PER_STEP)).T
            scale = self.h.logit_scale
            if self.mutate == "logit_scale_inverted":
                scale = 1.0 / scale
            if self.mutate != "logit_scale_missing":
                part = part * scale
            if self.h.softcap and self.mutate != "softcap_missing":
                part = torch.tanh(part / self.h.softcap) * self.h.softcap
            out[:, start:start + part.shape[1]] = part.numpy()

    def logits(self, tokens):
        out = np.empty((len(tokens), self.w.row_count("token_embd.weight")))
        self.logits_into(self.hidden(tokens), out)
        return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--chunks", required=True, help="JSON: a list of token lists")
    parser.add_argument("--output", required=True,
                        help="raw little-endian f32, one [tokens, vocabulary] after another")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    forward = Forward(GgufWeights(args.model))
    with open(args.chunks) as f:
        chunks = json.load(f)
    with open(args.output, "wb") as f, torch.no_grad():
        for tokens in chunks:
            out = np.empty((len(tokens), forward.w.row_count("token_embd.weight")), dtype="<f4")
            forward.logits_into(forward.hidden(tokens), out)
            f.write(out.tobytes())


if __name__ == "__main__":
    main()
