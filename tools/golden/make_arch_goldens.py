#!/usr/bin/env python3
"""Makes golden/arch: tiny random models as GGUF and their reference logits.

Each model is built by `transformers` from a seed, run there in binary64, and written as GGUF by the
mapping below (the field's convention: tensor names, row order of llama's q and k, gemma's norm
weights plus one, keys). The reference is `transformers`' own result, so it shares no code with the
mapping or with Freehold. Every golden is then shown to notice the mistakes of
tools/oracle/float64_forward.py; one that it should notice and does not is an error.

Run on demand, never by the tests: needs PyPI torch, transformers, gguf, numpy.
    make_arch_goldens.py OUT_DIR [--only NAME] [--keep-hf DIR]
"""

import argparse
import contextlib
import hashlib
import importlib
import json
import math
import os
import sys

import gguf
import numpy as np
import torch
import transformers
from transformers import masking_utils, modeling_rope_utils

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracle"))
import float64_forward  # noqa: E402

# The architecture of a file -> that of transformers, where the two names differ, and the stem of its
# classes. A variant may name another of the same files ("hf").
HF = {"qwen3moe": "qwen3_moe", "gemma3": "gemma3", "mistral3": "ministral3",
      "command-r": "cohere"}
HF_CLASSES = {"llama": "Llama", "qwen2": "Qwen2", "qwen3": "Qwen3", "qwen3_moe": "Qwen3Moe",
              "gemma3": "Gemma3", "gemma2": "Gemma2", "mistral": "Mistral", "smollm3": "SmolLM3",
              "granite": "Granite", "olmo2": "Olmo2", "olmo3": "Olmo3", "exaone4": "Exaone4",
              "glm4": "Glm4", "seed_oss": "SeedOss", "phi3": "Phi3", "cohere2": "Cohere2",
              "ministral3": "Ministral3", "gemma4": "Gemma4",
              "cohere": "Cohere", "ernie4_5": "Ernie4_5", "gemma3n": "Gemma3n"}
GEMMA = ("gemma2", "gemma3")  # whose norm weights are written plus one
PERMUTED = ("llama", "smollm3", "granite", "mistral3")  # whose q and k rows are written as neighbours
TOLERANCE = 1e-4  # Largest difference allowed, over the row's root mean square.
VOCABULARY = 128

# name -> architecture, HF settings, tokens to run, and what the variant is there for.
VARIANTS = {
    "llama_gqa": dict(
        arch="llama", seed=101, tokens=300,
        why="grouped heads 4/2, tied output, prompt over more than one attention chunk",
        config=dict(hidden_size=64, intermediate_size=96, num_hidden_layers=2,
                    num_attention_heads=4, num_key_value_heads=2, head_dim=16, rms_norm_eps=1e-5,
                    tie_word_embeddings=True, rope_theta=50000.0)),
    "llama_mha": dict(
        arch="llama", seed=102, tokens=48,
        why="as many key heads as query heads, separate output, width 48 (odd tails)",
        config=dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2,
                    num_attention_heads=3, num_key_value_heads=3, head_dim=16, rms_norm_eps=1e-5,
                    tie_word_embeddings=False, rope_theta=10000.0)),
    "llama_rope_llama3": dict(
        arch="llama", seed=103, tokens=64,
        why="Llama 3 frequency factors (rope_freqs.weight), one key head, head_dim not width/heads",
        config=dict(hidden_size=48, intermediate_size=64, num_hidden_layers=2,
                    num_attention_heads=4, num_key_value_heads=1, head_dim=16, rms_norm_eps=1e-5,
                    tie_word_embeddings=False, rope_theta=500000.0,
                    rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0,
                                      high_freq_factor=4.0, original_max_position_embeddings=64))),
    "llama_rope_linear": dict(
        arch="llama", seed=104, tokens=48, why="linear scaling by 4",
        config=dict(hidden_size=48, intermediate_size=64, num_hidden_layers=2,
                    num_attention_heads=3, num_key_value_heads=1, head_dim=16, rms_norm_eps=1e-5,
                    tie_word_embeddings=True, rope_theta=10000.0,
                    rope_scaling=dict(rope_type="linear", factor=4.0))),
    "llama_rope_yarn": dict(
        arch="llama", seed=105, tokens=64, why="YaRN by 4 over an original context of 1024",
        config=dict(hidden_size=48, intermediate_size=64, num_hidden_layers=2,
                    num_attention_heads=4, num_key_value_heads=2, head_dim=32, rms_norm_eps=1e-5,
                    tie_word_embeddings=True, rope_theta=10000.0,
                    rope_scaling=dict(rope_type="yarn", factor=4.0,
                                      original_max_position_embeddings=1024))),
    "qwen2_tied": dict(
        arch="qwen2", seed=201, tokens=300,
        why="biases on q, k, v; grouped heads 4/2; tied output; more than one attention chunk",
        config=dict(hidden_size=64, intermediate_size=96, num_hidden_layers=2,
                    num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-6,
                    tie_word_embeddings=True, rope_theta=1000000.0)),
    "qwen2_untied_yarn": dict(
        arch="qwen2", seed=202, tokens=64, why="separate output, YaRN by 4, six heads on two",
        config=dict(hidden_size=96, intermediate_size=64, num_hidden_layers=1,
                    num_attention_heads=6, num_key_value_heads=2, rms_norm_eps=1e-6,
                    tie_word_embeddings=False, rope_theta=1000000.0,
                    rope_scaling=dict(rope_type="yarn", factor=4.0,
                                      original_max_position_embeddings=1024))),
    "qwen3": dict(
        arch="qwen3", seed=211, tokens=64,
        why="norms on the heads of q and k, head_dim not width/heads, separate output",
        config=dict(hidden_size=64, intermediate_size=96, num_hidden_layers=2,
                    num_attention_heads=4, num_key_value_heads=2, head_dim=32, rms_norm_eps=1e-6,
                    tie_word_embeddings=False, rope_theta=1000000.0)),
    "qwen3moe": dict(
        arch="qwen3moe", seed=221, tokens=64,
        why="nine experts of which three are used, their width unlike the model's, separate output",
        config=dict(hidden_size=64, intermediate_size=96, moe_intermediate_size=40, num_experts=9,
                    num_experts_per_tok=3, norm_topk_prob=True, decoder_sparse_step=1,
                    mlp_only_layers=[], num_hidden_layers=2, num_attention_heads=4,
                    num_key_value_heads=2, head_dim=16, rms_norm_eps=1e-6,
                    tie_word_embeddings=False, rope_theta=1000000.0)),
    "gemma3": dict(
        arch="gemma3", seed=301, tokens=300,
        why="seven layers (layer 5 is global), window 16, two RoPE bases, more than one chunk",
        config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=7,
                    num_attention_heads=2, num_key_value_heads=1, head_dim=16, rms_norm_eps=1e-6,
                    sliding_window=16, query_pre_attn_scalar=16,
                    rope_parameters=dict(
                        full_attention=dict(rope_type="default", rope_theta=1000000.0),
                        sliding_attention=dict(rope_type="default", rope_theta=10000.0)))),
    "gemma3_linear": dict(
        arch="gemma3", seed=302, tokens=64,
        why="linear scaling on global layers only, local base 5000, window 24, logit soft-cap",
        config=dict(hidden_size=48, intermediate_size=32, num_hidden_layers=6,
                    num_attention_heads=4, num_key_value_heads=2, head_dim=8, rms_norm_eps=1e-6,
                    sliding_window=24, query_pre_attn_scalar=8, final_logit_softcapping=0.25,
                    rope_parameters=dict(
                        full_attention=dict(rope_type="linear", rope_theta=1000000.0, factor=8.0),
                        sliding_attention=dict(rope_type="default", rope_theta=5000.0)))),
    "gemma3_27b_shape": dict(
        arch="gemma3", seed=303, tokens=48, f16=True, small_steps=True, embedding=0.1,
        why="62 layers: the one size whose attention scale is 1/sqrt(width/heads); F16 matrices",
        config=dict(hidden_size=16, intermediate_size=16, num_hidden_layers=62,
                    num_attention_heads=4, num_key_value_heads=1, head_dim=8, rms_norm_eps=1e-6,
                    sliding_window=16, query_pre_attn_scalar=4,
                    rope_parameters=dict(
                        full_attention=dict(rope_type="default", rope_theta=1000000.0),
                        sliding_attention=dict(rope_type="default", rope_theta=10000.0)))),
    "gemma2": dict(
        arch="gemma2", seed=311, tokens=300,
        why="windows of 16 on layers 0 and 2 of 4, both soft caps low enough to bend, two chunks",
        config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=4,
                    num_attention_heads=4, num_key_value_heads=2, head_dim=16, rms_norm_eps=1e-6,
                    sliding_window=16, query_pre_attn_scalar=16, attn_logit_softcapping=1.5,
                    final_logit_softcapping=0.25, rope_theta=10000.0)),
    "gemma2_27b_shape": dict(
        arch="gemma2", seed=312, tokens=32, f16=True, small_steps=True, embedding=0.1,
        why="46 layers: the one size whose attention scale is 1/sqrt(width/heads); F16 matrices",
        config=dict(hidden_size=16, intermediate_size=16, num_hidden_layers=46,
                    num_attention_heads=4, num_key_value_heads=1, head_dim=8, rms_norm_eps=1e-6,
                    sliding_window=16, query_pre_attn_scalar=4, attn_logit_softcapping=3.0,
                    final_logit_softcapping=2.0, rope_theta=10000.0)),
    "llama_window": dict(
        arch="llama", hf="mistral", seed=106, tokens=300, why="Mistral's window of 24 on all layers",
        config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                    num_attention_heads=4, num_key_value_heads=2, head_dim=16, rms_norm_eps=1e-5,
                    sliding_window=24, tie_word_embeddings=False, rope_theta=1000000.0)),
    "smollm3": dict(
        arch="smollm3", seed=321, tokens=64, why="five layers, the fourth without RoPE; separate output",
        config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=5,
                    num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-6,
                    tie_word_embeddings=False, rope_theta=5000000.0)),
    "granite": dict(
        arch="granite", seed=331, tokens=64,
        why="factors on embedding, residual, attention scores and logits; separate output",
        config=dict(hidden_size=48, intermediate_size=64, num_hidden_layers=2,
                    num_attention_heads=6, num_key_value_heads=2, rms_norm_eps=1e-5,
                    embedding_multiplier=2.0, residual_multiplier=0.22,
                    attention_multiplier=0.5, logits_scaling=8.0,
                    tie_word_embeddings=False, rope_theta=10000.0)),
    "olmo2": dict(
        arch="olmo2", seed=341, tokens=64,
        why="norms behind the blocks only, on q and k over all heads; separate output",
        config=dict(hidden_size=64, intermediate_size=48, num_hidden_layers=2,
                    num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-6,
                    tie_word_embeddings=False, rope_theta=500000.0)),
    "olmo2_windows": dict(
        arch="olmo2", hf="olmo3", seed=342, tokens=300,
        why="OLMo 3: windows of 16 on three of four layers, YaRN on the global one only",
        config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=5,
                    num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-6,
                    sliding_window=16, tie_word_embeddings=False,
                    rope_parameters=dict(
                        full_attention=dict(rope_type="yarn", rope_theta=500000.0, factor=8.0,
                                            original_max_position_embeddings=512),
                        sliding_attention=dict(rope_type="default", rope_theta=500000.0)))),
    "exaone4": dict(
        arch="exaone4", seed=351, tokens=300,
        why="windows of 16 on four of five layers, which alone are turned; norms on heads",
        config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=5,
                    num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-5,
                    sliding_window=16, sliding_window_pattern=4, tie_word_embeddings=False,
                    rope_theta=1000000.0)),
    "exaone4_dense": dict(
        arch="exaone4", seed=352, tokens=64,
        why="no windows: every layer is turned, with Llama 3's frequency factors; tied output",
        config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=4,
                    num_attention_heads=2, num_key_value_heads=1, rms_norm_eps=1e-5,
                    sliding_window=None, layer_types=["full_attention"] * 4, tie_word_embeddings=True,
                    rope_theta=1000000.0,
                    rope_scaling=dict(rope_type="llama3", factor=16.0, low_freq_factor=1.0,
                                      high_freq_factor=4.0, original_max_position_embeddings=64))),
    "glm4": dict(
        arch="glm4", seed=361, tokens=64,
        why="RoPE on half of every head, biases, norms on both sides, gate and up in one matrix",
        config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                    num_attention_heads=4, num_key_value_heads=2, head_dim=16, rms_norm_eps=1e-6,
                    tie_word_embeddings=False, rope_theta=10000.0,
                    rope_scaling=dict(partial_rotary_factor=0.5))),
    "seed_oss": dict(
        arch="seed_oss", seed=371, tokens=64,
        why="biases on q, k, v; the MLP's norm under another name; head_dim not width/heads",
        config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                    num_attention_heads=4, num_key_value_heads=2, head_dim=16, rms_norm_eps=1e-6,
                    tie_word_embeddings=False, rope_theta=10000000.0)),
    "phi3": dict(
        arch="phi3", seed=381, tokens=300,
        why="q, k, v in one matrix, gate and up in one, a window of 24 on all layers",
        config=dict(hidden_size=48, intermediate_size=40, num_hidden_layers=2,
                    num_attention_heads=6, num_key_value_heads=2, rms_norm_eps=1e-5,
                    sliding_window=24, original_max_position_embeddings=4096,
                    tie_word_embeddings=False, rope_theta=10000.0)),
    "phi3_long_rope": dict(
        arch="phi3", seed=383, tokens=300,
        why="LongRoPE over three quarters of a head, a run longer than the original context of 64",
        config=dict(hidden_size=64, intermediate_size=40, num_hidden_layers=2,
                    num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-5,
                    sliding_window=None, original_max_position_embeddings=64,
                    partial_rotary_factor=0.75, tie_word_embeddings=False, rope_theta=10000.0,
                    rope_scaling=dict(rope_type="longrope",
                                      short_factor=[1.0, 1.1, 1.2, 1.4, 1.7, 2.0],
                                      long_factor=[1.05, 1.5, 2.5, 6.0, 14.0, 40.0]))),
    "phi3_short_rope": dict(
        arch="phi3", seed=385, tokens=64,
        why="LongRoPE, a run just as long as the original context of 64",
        config=dict(hidden_size=48, intermediate_size=40, num_hidden_layers=2,
                    num_attention_heads=6, num_key_value_heads=2, rms_norm_eps=1e-5,
                    sliding_window=None, original_max_position_embeddings=64,
                    tie_word_embeddings=True, rope_theta=10000.0,
                    rope_scaling=dict(rope_type="longrope", short_factor=[1.0, 1.3, 1.9, 2.4],
                                      long_factor=[1.2, 2.5, 9.0, 40.0]))),
    "cohere2": dict(
        arch="cohere2", seed=391, tokens=300,
        why="six layers, the fourth global and not turned; parallel block; logit factor; window 16",
        config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=6,
                    num_attention_heads=4, num_key_value_heads=2, layer_norm_eps=1e-5,
                    sliding_window=16, logit_scale=0.25, rope_theta=50000.0)),
    "gemma3n": dict(
        arch="gemma3n", seed=441, tokens=300,
        why="four streams, Laurel of rank 8, two layers with gates cut, inputs by token, two of five "
            "layers read the keys and values of earlier ones, window 16, soft cap on the logits",
        config=dict(hidden_size=32, intermediate_size=32, num_hidden_layers=5,
                    num_attention_heads=4, num_key_value_heads=2, head_dim=8, rms_norm_eps=1e-6,
                    sliding_window=16, hidden_size_per_layer_input=8, num_kv_shared_layers=2,
                    laurel_rank=8, activation_sparsity_pattern=[0.8, 0.8, 0.0, 0.0, 0.0],
                    final_logit_softcapping=0.5,
                    layer_types=[f"{kind}_attention" for kind in
                                 ("sliding", "full", "sliding", "sliding", "full")],
                    rope_parameters=dict(
                        full_attention=dict(rope_type="default", rope_theta=1000000.0),
                        sliding_attention=dict(rope_type="default", rope_theta=10000.0)))),
    "gemma4": dict(
        arch="gemma4", seed=411, tokens=300,
        why="E2B's shape: inputs by token for every layer, two of five layers read the keys and "
            "values of earlier ones and are twice as wide, heads of 16 and 8, window 16",
        config=dict(hidden_size=32, intermediate_size=32, num_hidden_layers=5,
                    num_attention_heads=4, num_key_value_heads=2, head_dim=8, global_head_dim=16,
                    rms_norm_eps=1e-6, sliding_window=16, hidden_size_per_layer_input=8,
                    num_kv_shared_layers=2, use_double_wide_mlp=True,
                    layer_types=[f"{kind}_attention" for kind in
                                 ("sliding", "full", "sliding", "sliding", "full")],
                    rope_parameters=dict(
                        full_attention=dict(rope_type="proportional", rope_theta=1000000.0,
                                            partial_rotary_factor=0.25),
                        sliding_attention=dict(rope_type="default", rope_theta=10000.0)))),
    "gemma4_31b_shape": dict(
        arch="gemma4", seed=412, tokens=64,
        why="31B's shape: no inputs by token; global layers with fewer keys, which are their values "
            "too; a soft cap on the logits",
        config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=3,
                    num_attention_heads=4, num_key_value_heads=2, head_dim=8, global_head_dim=16,
                    layer_types=["sliding_attention"] * 2 + ["full_attention"], num_global_key_value_heads=1, attention_k_eq_v=True, rms_norm_eps=1e-6,
                    sliding_window=24, hidden_size_per_layer_input=0, final_logit_softcapping=0.25,
                    rope_parameters=dict(
                        full_attention=dict(rope_type="proportional", rope_theta=1000000.0,
                                            partial_rotary_factor=0.25),
                        sliding_attention=dict(rope_type="default", rope_theta=10000.0)))),
    "command_r": dict(
        arch="command-r", seed=421, tokens=64,
        why="parallel block, every layer turned, logit factor",
        config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                    num_attention_heads=4, num_key_value_heads=2, layer_norm_eps=1e-5,
                    logit_scale=0.0625, rope_theta=8000000.0)),
    "ernie4_5": dict(
        arch="ernie4_5", seed=431, tokens=64,
        why="neighbours turned without a permutation, head_dim not width/heads, tied output",
        config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                    num_attention_heads=4, num_key_value_heads=2, head_dim=16, rms_norm_eps=1e-5,
                    tie_word_embeddings=True, rope_theta=500000.0)),
    "mistral3": dict(
        arch="mistral3", seed=401, tokens=300,
        why="YaRN by 16 over an original context of 16, its magnitude cancelled; queries that grow",
        config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                    num_attention_heads=4, num_key_value_heads=2, head_dim=16, rms_norm_eps=1e-5,
                    tie_word_embeddings=False, rope_theta=64.0,
                    rope_scaling=dict(rope_type="yarn", factor=16.0, beta_fast=32.0, beta_slow=1.0,
                                      mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.1,
                                      original_max_position_embeddings=16))),
}


def hf_name(variant):
    return variant.get("hf") or HF.get(variant["arch"], variant["arch"])


def hf_modules():
    """Every modelling module in use."""
    return [importlib.import_module(f"transformers.models.{name}.modeling_{name}")
            for name in HF_CLASSES]


class Float64Torch:
    """Stands in for the `torch` name of a module so that its casts to f32 become casts to f64."""

    def __init__(self, real):
        self._real = real

    def __getattr__(self, name):
        return self._real.float64 if name in ("float32", "float") else getattr(self._real, name)


@contextlib.contextmanager
def everything_in_float64():
    """transformers casts norms, RoPE and softmax to f32 whatever the model's type; undo that."""
    modules = [*hf_modules(), modeling_rope_utils, masking_utils]
    saved = [m.torch for m in modules], torch.Tensor.float
    for m in modules:
        m.torch = Float64Torch(torch)
    torch.Tensor.float = torch.Tensor.double
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        for m, t in zip(modules, saved[0]):
            m.torch = t
        torch.Tensor.float = saved[1]
        torch.set_default_dtype(torch.float32)


def hf_config(variant):
    settings = dict(variant["config"], vocab_size=VOCABULARY, max_position_embeddings=4096,
                    attn_implementation="eager", bos_token_id=1, eos_token_id=2, pad_token_id=0)
    if variant["arch"] == "gemma3":
        return transformers.Gemma3TextConfig(**settings)
    if variant["arch"] == "gemma3n":
        return transformers.Gemma3nTextConfig(vocab_size_per_layer_input=VOCABULARY, **settings)
    if variant["arch"] == "gemma4":
        return transformers.Gemma4TextConfig(vocab_size_per_layer_input=VOCABULARY, **settings)
    if "rope_parameters" not in settings:
        theta, scaling = settings.pop("rope_theta"), settings.pop("rope_scaling", {})
        settings["rope_parameters"] = {"rope_type": "default", "rope_theta": theta, **scaling}
    if hf_name(variant) == "llama":
        return transformers.LlamaConfig(attention_bias=False, **settings)
    if variant["arch"] == "qwen3":
        return transformers.Qwen3Config(use_sliding_window=False, attention_bias=False, **settings)
    if variant["arch"] == "qwen3moe":
        config = transformers.Qwen3MoeConfig(use_sliding_window=False, **settings)
        config._experts_implementation = "eager"
        return config
    if variant["arch"] == "qwen2":
        return transformers.Qwen2Config(use_sliding_window=False, **settings)
    return getattr(transformers, HF_CLASSES[hf_name(variant)] + "Config")(**settings)


def hf_model(config, dtype):
    name = HF_CLASSES[config.model_type.removesuffix("_text")] + "ForCausalLM"
    return getattr(transformers, name)(config).to(dtype).eval()


def random_weights(model, variant):
    """f32 values chosen so that every part of the model moves the logits well above the tolerance.

    `small_steps` keeps 62 layers from amplifying f32 rounding beyond it.
    """
    rng = np.random.default_rng(variant["seed"])
    gemma = variant["arch"] in GEMMA
    weights = {}
    for name, tensor in sorted(model.state_dict().items()):
        shape = tuple(tensor.shape)
        if variant["arch"] == "gemma3n" and name.endswith(
                ("post_laurel_norm.weight", "post_per_layer_input_norm.weight")):
            value = 0.5 + 0.2 * rng.standard_normal(shape)
        elif name.endswith("norm.weight"):
            value = (0.0 if gemma else 1.0) + 0.3 * rng.standard_normal(shape)
            if variant.get("small_steps") and "post_" in name:
                value = value - 0.7
            if variant["arch"] in ("gemma3n", "gemma4") and ("q_norm" in name or "k_norm" in name):
                value = value * 0.6  # whose product is no further scaled
        elif name.endswith("correct_output_scale"):
            value = 1.0 + 0.3 * rng.standard_normal(shape)
        elif name.endswith("modality_router.weight"):
            value = 2.0 * rng.standard_normal(shape)  # its input is divided by the width
        elif name.endswith(("prediction_coefs.weight", "correction_coefs.weight")):
            value = 0.15 * rng.standard_normal(shape)
        elif name.endswith("layer_scalar"):
            value = rng.uniform(0.5, 1.5, shape)
        elif name.endswith(".bias"):
            value = 0.7 * rng.standard_normal(shape)
        elif "embed_tokens_per_layer" in name:
            value = rng.standard_normal(shape)
        elif "embed_tokens" in name or name == "lm_head.weight":
            size = variant.get("embedding", 0.02 if gemma else 0.05)
            value = size * rng.standard_normal(shape)
        else:
            gain = 1.3 if ("q_proj" in name or "k_proj" in name) else 1.0
            if name.endswith("mlp.gate.weight"):
                gain = 2.0  # experts are chosen by more than chance
            value = gain / np.sqrt(shape[-1]) * rng.standard_normal(shape)
        if variant.get("f16") and len(shape) == 2:
            value = value.astype(np.float16)
        weights[name] = torch.from_numpy(np.asarray(value).astype(np.float32))
    if "lm_head.weight" in weights and model.config.tie_word_embeddings:
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    return weights


# --- The mapping to GGUF ---------------------------------------------------------------------

TENSOR_NAMES = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "mlp.gate": "ffn_gate_inp",
    "mlp.experts.gate": "ffn_gate_exps", "mlp.experts.up": "ffn_up_exps",
    "mlp.experts.down": "ffn_down_exps", "self_attn.qkv_proj": "attn_qkv",
    "mlp.gate_up_proj": "ffn_up"}
TENSOR_NAMES_PLAIN = dict(TENSOR_NAMES, post_attention_layernorm="ffn_norm")
TENSOR_NAMES_POST = dict(TENSOR_NAMES, post_attention_layernorm="post_attention_norm",
                         pre_feedforward_layernorm="ffn_norm",
                         post_feedforward_layernorm="post_ffw_norm")
TENSOR_NAMES_GLM4 = dict(TENSOR_NAMES_PLAIN, post_self_attn_layernorm="post_attention_norm",
                         post_mlp_layernorm="post_ffw_norm")
TENSOR_NAMES_GEMMA4 = dict(TENSOR_NAMES_POST, layer_scalar="layer_output_scale",
                           per_layer_input_gate="inp_gate", per_layer_projection="proj",
                           post_per_layer_input_norm="post_norm")
TENSOR_NAMES_GEMMA3N = dict(
    TENSOR_NAMES_GEMMA4, **{
        "altup.correct_output_scale": "altup_correct_scale",
        "altup.correction_coefs": "altup_correct_coef",
        "altup.prediction_coefs": "altup_predict_coef", "altup.modality_router": "altup_router",
        "altup.router_norm": "altup_router_norm", "laurel.linear_left": "laurel_l",
        "laurel.linear_right": "laurel_r", "laurel.post_laurel_norm": "laurel_post_norm"})
POST_NORMS = ("gemma2", "gemma3", "olmo2", "exaone4", "seed_oss")


def gguf_name(name, arch):
    whole = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight":
             "output_norm.weight", "lm_head.weight": "output.weight",
             "model.embed_tokens_per_layer.weight": "per_layer_token_embd.weight",
             "model.per_layer_model_projection.weight": "per_layer_model_proj.weight",
             "model.per_layer_projection_norm.weight": "per_layer_proj_norm.weight",
             "altup_projections": "altup_proj.weight",
             "altup_unembed_projections": "altup_unembd_proj.weight"}.get(name)
    if whole:
        return whole
    if name.endswith(("layer_scalar", "correct_output_scale")):
        name += ".weight"
    _, _, layer, rest = name.split(".", 3)
    part, kind = rest.rsplit(".", 1)
    names = TENSOR_NAMES_POST if arch in POST_NORMS else TENSOR_NAMES_PLAIN
    names = {"glm4": TENSOR_NAMES_GLM4, "gemma4": TENSOR_NAMES_GEMMA4,
             "gemma3n": TENSOR_NAMES_GEMMA3N}.get(arch, names)
    return f"blk.{layer}.{names[part]}.{kind}"


def interleave_rows(weight, heads):
    """From rotate-half row order (0..d/2-1, d/2..d-1) to pairs that are neighbours."""
    rows, rest = weight.shape[0], weight.shape[1:]
    return weight.reshape(heads, 2, rows // heads // 2, *rest).swapaxes(1, 2).reshape(rows, *rest)


def llama3_factors(config):
    """rope_freqs.weight: divisors of the inverse frequencies."""
    p = config.rope_parameters
    dim = head_width(config)
    pair = np.arange(0, dim, 2, dtype=np.float32) / np.float32(dim)
    wavelength = 2 * np.pi * np.power(np.float32(p["rope_theta"]), pair).astype(np.float64)
    context = p["original_max_position_embeddings"]
    low, high = p["low_freq_factor"], p["high_freq_factor"]
    smooth = np.clip((context / wavelength - low) / (high - low), 0, 1)
    return (1.0 / ((1 - smooth) / p["factor"] + smooth)).astype(np.float32)


def layer_config(config, kind):
    """The numbers of one kind of layers, where kinds differ in more than their window."""
    return config.per_layer_config[kind] if config.model_type == "gemma4_text" else config


def long_rope_factor(config):
    """What cosines and sines are multiplied by."""
    original = config.original_max_position_embeddings
    return math.sqrt(1 + math.log(config.max_position_embeddings / original) / math.log(original))


def head_width(config):
    config = layer_config(config, "full_attention")
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def write_keys(writer, arch, config):
    head_dim = head_width(config)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(layer_config(config, "sliding_attention").num_key_value_heads)
    rope = config.rope_parameters.get("full_attention", config.rope_parameters)
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    elif rope["rope_type"] == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if arch == "mistral3":
        writer.add_rope_scaling_yarn_beta_fast(rope["beta_fast"])
        writer.add_rope_scaling_yarn_beta_slow(rope["beta_slow"])
        writer.add_rope_scaling_yarn_log_mul(rope["mscale_all_dim"])
        writer.add_attn_temperature_scale(rope["llama_4_scaling_beta"])
    if arch != "gemma2":
        writer.add_rope_freq_base(rope["rope_theta"])
    if "sliding_attention" in config.rope_parameters:
        writer.add_float32(f"{arch}.rope.freq_base_swa",
                           config.rope_parameters["sliding_attention"]["rope_theta"])
    if arch in ("cohere2", "command-r"):
        writer.add_layer_norm_eps(config.layer_norm_eps)
    else:
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if arch == "qwen3moe":
        writer.add_expert_count(config.num_experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
        writer.add_expert_feed_forward_length(config.moe_intermediate_size)
    if arch == "gemma4":
        write_gemma4_keys(writer, config)
    elif arch != "qwen2" and (arch in ("llama", "gemma3", "qwen3", "qwen3moe") or
                            hasattr(config, "head_dim") and arch != "granite"):
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if arch == "gemma3":
        writer.add_sliding_window(config.sliding_window)
        if config.final_logit_softcapping:
            writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if arch == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if arch == "granite":
        writer.add_attention_scale(config.attention_multiplier)
        writer.add_embedding_scale(config.embedding_multiplier)
        writer.add_residual_scale(config.residual_multiplier)
        writer.add_logit_scale(config.logits_scaling)
    if arch in ("cohere2", "command-r"):
        writer.add_logit_scale(config.logit_scale)
        writer.add_rope_scaling_type(gguf.RopeScalingType.NONE)
    if arch == "phi3":
        writer.add_rope_scaling_orig_ctx_len(config.original_max_position_embeddings)
    if arch not in ("gemma3", "gemma4") and getattr(config, "sliding_window", None):
        writer.add_sliding_window(config.sliding_window)
        if arch in ("olmo2", "exaone4", "gemma3n"):
            writer.add_sliding_window_pattern([t == "sliding_attention" for t in config.layer_types])
    if arch not in ("gemma2", "phi3", "olmo2", "seed_oss", "glm4", "gemma4", "gemma3n", "command-r",
                    "ernie4_5"):
        writer.add_vocab_size(config.vocab_size)
    if arch in ("llama", "smollm3", "granite", "cohere2", "phi3", "mistral3"):
        share = config.rope_parameters.get("partial_rotary_factor", 1.0)
        writer.add_rope_dimension_count(int(share * head_dim))
    if arch == "glm4":
        writer.add_rope_dimension_count(head_dim // 2)


def write_gemma4_keys(writer, config):
    """Those that differ from layer to layer; the plain ones are the global layers'."""
    is_local = [t == "sliding_attention" for t in config.layer_types]
    full, local = (layer_config(config, f"{kind}_attention") for kind in ("full", "sliding"))
    writer.add_key_length(full.head_dim)
    writer.add_value_length(full.head_dim)
    writer.add_key_length_swa(local.head_dim)
    writer.add_value_length_swa(local.head_dim)
    writer.add_rope_dimension_count(full.head_dim)
    writer.add_rope_dimension_count_swa(local.head_dim)
    writer.add_shared_kv_layers(config.num_kv_shared_layers)
    writer.add_embedding_length_per_layer_input(config.hidden_size_per_layer_input)
    writer.add_sliding_window(config.sliding_window)
    writer.add_sliding_window_pattern(is_local)
    if config.final_logit_softcapping:
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    own = config.num_hidden_layers - config.num_kv_shared_layers
    if config.use_double_wide_mlp:
        writer.add_feed_forward_length([config.intermediate_size * (1 if i < own else 2)
                                        for i in range(config.num_hidden_layers)])
    if full.num_key_value_heads != local.num_key_value_heads:
        writer.add_head_count_kv([(local if i else full).num_key_value_heads for i in is_local])


def write_gemma3n_keys(writer, config):
    writer.add_altup_active_idx(config.altup_active_idx)
    writer.add_altup_num_inputs(config.altup_num_inputs)
    writer.add_embedding_length_per_layer_input(config.hidden_size_per_layer_input)
    writer.add_shared_kv_layers(config.num_kv_shared_layers)
    writer.add_final_logit_softcapping(config.final_logit_softcapping)
    share = torch.tensor(config.activation_sparsity_pattern, dtype=torch.float32)
    normal = torch.distributions.normal.Normal(0, 1)
    writer.add_activation_sparsity_scale([normal.icdf(part).item() for part in share])


def rope_factors(config):
    """rope_freqs.weight, or None."""
    full = config.rope_parameters.get("full_attention", config.rope_parameters)
    if full["rope_type"] == "llama3":
        return llama3_factors(config)
    if full["rope_type"] == "proportional":  # pairs that are not turned are turned very slowly
        pairs = head_width(config) // 2
        turned = int(pairs * full["partial_rotary_factor"])
        return np.array([1.0] * turned + [1e30] * (pairs - turned), np.float32)
    return None


def split_experts(weights):
    """transformers keeps gate and up of all experts in one tensor; the files have two."""
    split = {}
    for key, tensor in weights.items():
        if key.endswith("experts.gate_up_proj"):
            stem = key[:-len("gate_up_proj")]
            split[stem + "gate.weight"], split[stem + "up.weight"] = tensor.chunk(2, dim=1)
        elif key.endswith("experts.down_proj"):
            split[key[:-len("down_proj")] + "down.weight"] = tensor
        else:
            split[key] = tensor
    return split


def stack_streams(weights):
    """transformers keeps a matrix for each further stream; the files stack them."""
    stacked = {}
    for key, tensor in weights.items():
        stem = key.removeprefix("model.").split(".")[0]
        if stem in ("altup_projections", "altup_unembed_projections"):
            stacked.setdefault(stem, []).append(tensor)
        else:
            stacked[key] = tensor
    return {k: torch.stack(v) if isinstance(v, list) else v for k, v in stacked.items()}


def write_gguf(path, name, variant, config, weights):
    arch = variant["arch"]
    writer = gguf.GGUFWriter(path, arch)
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if variant.get("f16")
                         else gguf.LlamaFileType.ALL_F32)
    write_keys(writer, arch, config)
    if arch == "gemma3n":
        write_gemma3n_keys(writer, config)
    writer.add_tokenizer_model("none")  # The field's word for a file without a tokenizer.
    if config.rope_parameters.get("rope_type") == "longrope":
        writer.add_rope_scaling_attn_factors(long_rope_factor(config))
        for length in ("long", "short"):
            writer.add_tensor(f"rope_factors_{length}.weight",
                              np.array(config.rope_parameters[f"{length}_factor"], np.float32))
    if rope_factors(config) is not None:
        writer.add_tensor("rope_freqs.weight", rope_factors(config))
    for key, tensor in stack_streams(split_experts(weights)).items():
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        value = tensor.numpy()
        if arch in PERMUTED and "q_proj" in key:
            value = interleave_rows(value, config.num_attention_heads)
        elif arch in PERMUTED and "k_proj" in key:
            value = interleave_rows(value, config.num_key_value_heads)
        if arch in GEMMA and key.endswith("norm.weight"):
            value = value + np.float32(1)
        if variant.get("f16") and value.ndim == 2:
            value = value.astype(np.float16)
        writer.add_tensor(gguf_name(key, arch), np.ascontiguousarray(value))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# --- Reference and proof ---------------------------------------------------------------------

def reference(config, weights, tokens, variant):
    """Logits [tokens, vocabulary] of transformers, in binary64 and in f32."""
    ids = torch.tensor([tokens])
    with torch.no_grad():
        model = hf_model(config, torch.float32)
        model.load_state_dict(weights)
        single = model(ids).logits[0].numpy()
        with everything_in_float64():
            model = hf_model(config, torch.float64)
            # (1 + w) is formed in f32 by the converters, so the f64 run sees that rounding too.
            double = {k: v.double() for k, v in weights.items()}
            if variant["arch"] in GEMMA:
                for k in double:
                    if k.endswith("norm.weight"):
                        double[k] = (weights[k] + 1).double() - 1
            model.load_state_dict(double)
            result = model(ids).logits[0]
            assert result.dtype == torch.float64
    return result.numpy(), single


def difference(got, want):
    """Largest difference over the row's root mean square: what the tolerance bounds."""
    scale = np.sqrt((want.astype(np.float64) ** 2).mean(-1, keepdims=True))
    return float((np.abs(got - want) / scale).max())


def chosen_positions(count):
    marks = {0, 1, 2, 7, 14, 15, 16, 17, 23, 24, 25, 31, 32, 33, 47, 63, 255, 256, 257, 271, 272,
             count - 1}
    return sorted(p for p in marks if p < count)


def is_blind(arch, mutant, config):
    """Why this variant need not notice this mistake, or None."""
    rope = config.rope_parameters.get("full_attention", config.rope_parameters)
    width_per_head = config.hidden_size // config.num_attention_heads
    head_dim = head_width(config)
    kv_heads = layer_config(config, "sliding_attention").num_key_value_heads
    windows = bool(getattr(config, "sliding_window", None))
    partly_turned = rope.get("partial_rotary_factor", 1.0) != 1.0
    has = {"window_plus_one": windows, "window_minus_one": windows, "window_missing": windows,
           "pattern_starts_global": windows or arch == "smollm3",
           "rope_everywhere": windows or arch == "smollm3",
           "rotary_whole_head": arch == "glm4" or partly_turned,
           "rope_scaling_missing": rope["rope_type"] != "default",
           "own_keys_of_the_layer_before": bool(getattr(config, "num_kv_shared_layers", 0)),
           "value_after_key_norm": getattr(config, "attention_k_eq_v", False),
           "rope_scaling_inverted": rope["rope_type"] != "default",
           "scaling_on_local_too": rope["rope_type"] != "default",
           "yarn_attention_factor_missing": rope["rope_type"] == "yarn",
           "yarn_ramp_unrounded": rope["rope_type"] == "yarn",
           "rope_base_10000": rope["rope_theta"] != 10000.0,
           "output_is_embedding": not config.tie_word_embeddings,
           "gqa_modulo": 1 < kv_heads < config.num_attention_heads,
           "value_head_modulo": 1 < kv_heads < config.num_attention_heads}
    long_rope = rope["rope_type"] == "longrope"
    for mutant_of_long in ("other_factors", "inverted", "attention_factor_missing"):
        has["long_rope_" + mutant_of_long] = long_rope
    # Changes nothing where the whole run is short, as that of the other variant is.
    has["long_rope_by_position"] = long_rope and partly_turned
    if arch == "gemma3n":
        has["scale_from_embedding"] = False
    elif arch == "gemma4":
        has["softcap_missing"] = bool(config.final_logit_softcapping)
        if mutant.startswith("layer_input") and not config.hidden_size_per_layer_input:
            return "no such inputs"
    elif arch in GEMMA:
        scalar = config.query_pre_attn_scalar
        has["softcap_missing"] = bool(config.final_logit_softcapping)
        has["scale_from_head_dim"] = head_dim != scalar
        has["scale_from_embedding"] = width_per_head != scalar
    else:
        has["scale_from_embedding"] = width_per_head != head_dim
    return "the same thing here" if not has.get(mutant, True) else None


def measure_mutants(path, variant, config, tokens, positions, want):
    rows = {}
    for mutant in float64_forward.MUTANTS[variant["arch"]]:
        if is_blind(variant["arch"], mutant, config):
            continue
        forward = float64_forward.Forward(float64_forward.GgufWeights(path), mutant)
        rows[mutant] = difference(forward.logits(tokens)[positions], want)
    return rows


def json_floats(row):
    return "[" + ",".join(str(np.float32(v)) for v in row) + "]"


def write_json(path, name, variant, tokens, positions, logits):
    with open(path, "w") as f:
        f.write('{"file":"%s.gguf","arch":"%s","why":%s,\n"tolerance":%g,\n' %
                (name, variant["arch"], json.dumps(variant["why"]), TOLERANCE))
        for key, value in (("tokens", tokens), ("positions", positions)):
            f.write('"%s":%s,\n' % (key, json.dumps(value, separators=(",", ":"))))
        f.write('"logits":[\n')
        f.write(",\n".join(json_floats(logits[p]) for p in positions))
        f.write("\n]}\n")


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def make(name, variant, out, keep_hf):
    config = hf_config(variant)
    weights = random_weights(hf_model(config, torch.float32), variant)
    rng = np.random.default_rng(variant["seed"] + 1000)
    tokens = [int(t) for t in rng.integers(3, VOCABULARY, variant["tokens"])]
    tokens[0] = 1
    path = os.path.join(out, f"{name}.gguf")
    write_gguf(path, name, variant, config, weights)
    want, single = reference(config, weights, tokens, variant)
    positions = chosen_positions(len(tokens))
    write_json(os.path.join(out, f"{name}.json"), name, variant, tokens, positions, want)
    if keep_hf:
        model = hf_model(config, torch.float32)
        model.load_state_dict(weights)
        model.save_pretrained(os.path.join(keep_hf, name))
    with torch.no_grad():
        own = float64_forward.Forward(float64_forward.GgufWeights(path)).logits(tokens)
        mutants = measure_mutants(path, variant, config, tokens, positions, want[positions])
    entry = {
        "arch": variant["arch"], "why": variant["why"], "seed": variant["seed"],
        "gguf_sha256": sha256(path), "json_sha256": sha256(path[:-5] + ".json"),
        "gguf_bytes": os.path.getsize(path),
        "difference_transformers_f32": difference(single, want),
        "difference_own_float64": difference(own, want),
        "mutants": {k: float(f"{v:.3g}") for k, v in mutants.items()}}
    return entry


def make_all(description, script, variants, make_one, summary):
    """The command line of a golden maker: every variant (or --only some) into a folder, with a manifest.

    make_one(name, variant, out, keep_hf) gives a golden's entry, summary(entry) what is printed of it. Exits with
    the mutants that were not noticed.
    """
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("out")
    parser.add_argument("--only", action="append")
    parser.add_argument("--keep-hf", help="also save the models as transformers does, here")
    args = parser.parse_args()
    torch.set_num_threads(1)
    os.makedirs(args.out, exist_ok=True)
    manifest_path = os.path.join(args.out, "manifest.json")
    manifest = {"goldens": {}}
    if args.only and os.path.exists(manifest_path):
        with open(manifest_path) as f:
            manifest = json.load(f)
    manifest["made_by"] = {"script": f"tools/golden/{script}",
                           "torch": torch.__version__, "transformers": transformers.__version__,
                           "numpy": np.__version__}
    manifest["tolerance"] = TOLERANCE
    failed = []
    for name, variant in variants.items():
        if args.only and name not in args.only:
            continue
        entry = make_one(name, variant, args.out, args.keep_hf)
        manifest["goldens"][name] = entry
        print(name, entry["gguf_bytes"], summary(entry))
        for mutant, value in entry["mutants"].items():
            mark = "" if value > 10 * TOLERANCE else "  WEAK" if value > TOLERANCE else "  MISSED"
            print(f"    {mutant:32s} {value:.3g}{mark}")
            if value <= TOLERANCE:
                failed.append((name, mutant))
    with open(manifest_path, "w") as f:
        json.dump(manifest, f, indent=1, sort_keys=True)
        f.write("\n")
    if failed:
        sys.exit(f"not noticed: {failed}")


def main():
    make_all(__doc__, "make_arch_goldens.py", VARIANTS, make, lambda entry: "f32 %.2g own %.2g" % (
        entry["difference_transformers_f32"], entry["difference_own_float64"]))


if __name__ == "__main__":
    main()
