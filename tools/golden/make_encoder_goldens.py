#!/usr/bin/env python3
"""Makes golden/encoders: tiny random encoders and rerankers as GGUF and their reference states.

As make_arch_goldens.py does for models with logits: built by `transformers` from a seed, run there
in binary64, written as GGUF by the mapping below (for all but MPNet the field's converter's). Every
golden is then shown to notice the mistakes of tools/oracle/float64_encoder.py.

Run on demand, never by the tests: needs PyPI torch, transformers, gguf, numpy.
    make_encoder_goldens.py OUT_DIR [--only NAME] [--keep-hf DIR]
"""

import importlib
import json
import os
import re
import sys

import gguf
import numpy as np
import torch
import transformers

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracle"))
import float64_encoder  # noqa: E402
import make_arch_goldens as arch_goldens  # noqa: E402

TOLERANCE = arch_goldens.TOLERANCE
VOCABULARY = 128
CONTEXT = 320

# name -> architecture of the file, class of transformers, HF settings, tokens to run.
VARIANTS = {
    "bert": dict(
        arch="bert", cls="Bert", kind="Model", seed=501, tokens=300, second_from=120,
        why="learned positions, two segments, biases, more than one attention chunk",
        config=dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2,
                    num_attention_heads=4, type_vocab_size=2, layer_norm_eps=1e-5)),
    "bert_rerank": dict(
        arch="bert", cls="Bert", kind="ForSequenceClassification", seed=502, tokens=40,
        second_from=15, why="pooler with tanh and one output, as cross-encoders have",
        config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                    num_attention_heads=2, type_vocab_size=2, num_labels=1, layer_norm_eps=1e-5)),
    "xlm_roberta_rerank": dict(
        arch="bert", cls="XLMRoberta", kind="ForSequenceClassification", seed=503, tokens=60,
        why="positions that begin behind the padding's, one segment, dense layer and output",
        config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                    num_attention_heads=2, type_vocab_size=1, num_labels=1, layer_norm_eps=1e-5)),
    "mpnet": dict(
        arch="mpnet", cls="MPNet", kind="Model", seed=511, tokens=300,
        why="bias by distance and head, up to the last bucket on both sides; two chunks",
        config=dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2,
                    num_attention_heads=3, relative_attention_num_buckets=32,
                    layer_norm_eps=1e-5)),
    "nomic_bert": dict(
        arch="nomic-bert", cls="NomicBert", kind="Model", seed=521, tokens=300,
        why="RoPE, q, k and v in one matrix, gated MLP, norms behind the blocks",
        config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                    num_attention_heads=2, head_dim=16, type_vocab_size=2, layer_norm_eps=1e-5,
                    rope_parameters=dict(rope_type="default", rope_theta=1000.0))),
    "modern_bert": dict(
        arch="modern-bert", cls="ModernBert", kind="Model", seed=531, tokens=300,
        why="five layers of which 0 and 3 see everything, windows of 32 in all, two RoPE bases",
        config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=5,
                    num_attention_heads=2, norm_eps=1e-5, local_attention=32,
                    global_attn_every_n_layers=3, global_rope_theta=160000.0,
                    local_rope_theta=10000.0)),
    "modern_bert_rerank": dict(
        arch="modern-bert", cls="ModernBert", kind="ForSequenceClassification", seed=532,
        tokens=64, why="mean of the states, dense layer with GELU and a norm, one output",
        config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=3,
                    num_attention_heads=4, norm_eps=1e-5, local_attention=16,
                    global_attn_every_n_layers=3, classifier_pooling="mean", num_labels=1)),
}

OFFSET = {"XLMRoberta": 2, "MPNet": 2}  # rows of the position table before the first position

NAMES = {
    "embeddings.word_embeddings": "token_embd", "embeddings.token_type_embeddings": "token_types",
    "embeddings.position_embeddings": "position_embd", "embeddings.LayerNorm": "token_embd_norm",
    "encoder.relative_attention_bias": "attn_rel_b", "pooler.dense": "cls",
    "classifier.dense": "cls", "classifier.out_proj": "cls.output", "classifier": "cls.output",
    "embeddings.tok_embeddings": "token_embd", "embeddings.norm": "token_embd_norm",
    "final_norm": "output_norm", "head.dense": "cls", "head.norm": "cls.norm"}
LAYER_NAMES = {
    "attention.self.query": "attn_q", "attention.self.key": "attn_k",
    "attention.self.value": "attn_v", "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm", "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm",
    "attention.attn.q": "attn_q", "attention.attn.k": "attn_k", "attention.attn.v": "attn_v",
    "attention.attn.o": "attn_output", "attention.LayerNorm": "attn_output_norm",
    "attn.Wqkv": "attn_qkv", "attn.Wo": "attn_output", "mlp.Wi": "ffn_up", "mlp.Wo": "ffn_down",
    "attn_norm": "attn_norm", "mlp_norm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "post_attention_layernorm": "attn_output_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "post_mlp_layernorm": "layer_output_norm"}


def gguf_name(name):
    """A tensor's name in the file, or None for what the files leave out."""
    name = re.sub(r"^(bert|roberta|mpnet|model)\.", "", name)
    part, kind = name.rsplit(".", 1)
    if match := re.match(r"(?:encoder\.)?layers?\.(\d+)\.(.*)$", part):
        return f"blk.{match[1]}.{LAYER_NAMES[match[2]]}.{kind}"
    return f"{NAMES[part]}.{kind}" if part in NAMES else None


def hf_config(variant):
    settings = dict(variant["config"], vocab_size=VOCABULARY, attn_implementation="eager",
                    pad_token_id=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
                    max_position_embeddings=CONTEXT + OFFSET.get(variant["cls"], 0))
    return getattr(transformers, variant["cls"] + "Config")(**settings)


def hf_model(variant, config, dtype):
    return getattr(transformers, variant["cls"] + variant["kind"])(config).to(dtype).eval()


def random_weights(model, seed):
    rng = np.random.default_rng(seed)
    weights = {}
    for name, tensor in sorted(model.state_dict().items()):
        shape = tuple(tensor.shape)
        if not tensor.is_floating_point():
            weights[name] = tensor
            continue
        if len(shape) == 1 and name.endswith(".weight"):
            value = 1.0 + 0.3 * rng.standard_normal(shape)
        elif name.endswith(".bias"):
            value = 0.5 * rng.standard_normal(shape)
        elif "relative_attention_bias" in name:
            value = 1.0 * rng.standard_normal(shape)
        elif "embedding" in name:
            value = 0.05 * rng.standard_normal(shape)
        else:
            value = 1.3 / np.sqrt(shape[-1]) * rng.standard_normal(shape)
        weights[name] = torch.from_numpy(np.asarray(value).astype(np.float32))
    return weights


def write_keys(writer, variant, config):
    arch = variant["arch"]
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    eps = config.norm_eps if arch == "modern-bert" else config.layer_norm_eps
    writer.add_layer_norm_eps(eps)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.RANK if "Class" in variant["kind"]
                            else gguf.PoolingType.MEAN)
    if arch == "mpnet":
        writer.add_relative_attn_buckets_count(config.relative_attention_num_buckets)
    if arch == "nomic-bert":
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if arch == "modern-bert":
        rope = config.rope_parameters
        writer.add_rope_freq_base(rope["full_attention"]["rope_theta"])
        writer.add_float32(f"{arch}.rope.freq_base_swa", rope["sliding_attention"]["rope_theta"])
        writer.add_sliding_window(config.local_attention)
        writer.add_sliding_window_pattern(config.global_attn_every_n_layers)


def fused_qkv(weights):
    """NomicBERT's q, k and v in one matrix, as the published files have them."""
    fused = {}
    for name, tensor in weights.items():
        if name.endswith("self_attn.q_proj.weight"):
            parts = [weights[name.replace("q_proj", f"{s}_proj")] for s in "qkv"]
            fused[name.replace("self_attn.q_proj", "attn.Wqkv")] = torch.cat(parts)
        elif not re.search(r"self_attn\.[kv]_proj\.weight$", name):
            fused[name] = tensor
    return fused


def write_tokenizer(writer):
    """A WordPiece vocabulary for tests of commands: letters, digits and a few words."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["the", "cat", "sat", "on", "mat", "dog", "ran"]
    marks = [".", ",", "?", "!"]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    tokens += ["\u2581" + text for text in [*letters, *"0123456789", *marks, *words]]
    tokens += [f"[unused{i}]" for i in range(VOCABULARY - len(tokens))]
    kinds = [gguf.TokenType.NORMAL] * VOCABULARY
    for i, text in enumerate(tokens):
        if text.startswith("["):
            kinds[i] = gguf.TokenType.UNUSED if "unused" in text else gguf.TokenType.CONTROL
    kinds[1] = gguf.TokenType.UNKNOWN
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_unk_token_id(1)
    writer.add_sep_token_id(3)
    writer.add_uint32("tokenizer.ggml.cls_token_id", 2)


def write_gguf(path, name, variant, config, weights):
    writer = gguf.GGUFWriter(path, variant["arch"])
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    write_keys(writer, variant, config)
    if variant["cls"] == "Bert":
        write_tokenizer(writer)
    else:
        writer.add_tokenizer_model("none")  # the field's word for a file without a tokenizer
    if variant["arch"] == "nomic-bert":
        weights = fused_qkv(weights)
    for key, tensor in weights.items():
        mapped = gguf_name(key)
        reranks = "Class" in variant["kind"]
        if mapped is None or (mapped.startswith("cls.") and not reranks):
            continue
        value = tensor.numpy()
        if mapped == "position_embd.weight":
            value = value[OFFSET.get(variant["cls"], 0):]
        writer.add_tensor(mapped, np.ascontiguousarray(value))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def reference(variant, config, weights, tokens):
    """States and scores (or None) of transformers, in binary64."""
    second = variant.get("second_from", len(tokens))
    inputs = {"input_ids": torch.tensor([tokens])}
    if variant["cls"] in ("Bert", "NomicBert"):
        inputs["token_type_ids"] = torch.tensor([[int(i >= second) for i in range(len(tokens))]])
    stem = {"XLMRoberta": "xlm_roberta", "NomicBert": "nomic_bert",
            "ModernBert": "modernbert"}.get(variant["cls"], variant["cls"].lower())
    module = importlib.import_module(f"transformers.models.{stem}.modeling_{stem}")
    saved = arch_goldens.hf_modules
    arch_goldens.hf_modules = lambda: [module]
    try:
        with torch.no_grad(), arch_goldens.everything_in_float64():
            model = hf_model(variant, config, torch.float64)
            model.load_state_dict({k: v.double() if v.is_floating_point() else v
                                   for k, v in weights.items()})
            out = model(**inputs, output_hidden_states=True)
            if "Class" not in variant["kind"]:
                return out.last_hidden_state[0].numpy(), None
            states = out.hidden_states[-1][0]
            if variant["cls"] == "ModernBert":
                base = model.model(**inputs)
                states = base.last_hidden_state[0]
            assert out.logits.dtype == torch.float64
            return states.numpy(), out.logits[0].numpy()
    finally:
        arch_goldens.hf_modules = saved


def is_blind(variant, mutant):
    if mutant in ("segments_swapped", "segments_missing"):
        return mutant == "segments_swapped" and "second_from" not in variant
    return False


def measure_mutants(path, variant, tokens, positions, states, scores):
    rows = {}
    second = variant.get("second_from", 1 << 30)
    for mutant in float64_encoder.MUTANTS[variant["arch"]]:
        if is_blind(variant, mutant):
            continue
        own = float64_encoder.Encoder(float64_encoder.GgufWeights(path), mutant)
        rows[mutant] = arch_goldens.difference(own.states(tokens, second).numpy()[positions],
                                               states[positions])
    if scores is None:
        return rows
    for mutant in float64_encoder.HEAD_MUTANTS:
        if mutant == "head_norm_missing" and variant["arch"] != "modern-bert":
            continue
        own = float64_encoder.Encoder(float64_encoder.GgufWeights(path), mutant)
        rows[mutant] = arch_goldens.difference(own.scores(torch.from_numpy(states)).numpy(), scores)
    return rows


def write_json(path, name, variant, tokens, positions, states, scores):
    mean = states.mean(0)
    mean = mean / np.linalg.norm(mean)
    with open(path, "w") as f:
        f.write('{"file":"%s.gguf","arch":"%s","why":%s,\n"tolerance":%g,\n"second_from":%d,\n' %
                (name, variant["arch"], json.dumps(variant["why"]), TOLERANCE,
                 variant.get("second_from", len(tokens))))
        for key, value in (("tokens", tokens), ("positions", positions)):
            f.write('"%s":%s,\n' % (key, json.dumps(value, separators=(",", ":"))))
        f.write('"mean":%s,\n' % arch_goldens.json_floats(mean))
        f.write('"scores":%s,\n' % ("[]" if scores is None else arch_goldens.json_floats(scores)))
        f.write('"states":[\n')
        f.write(",\n".join(arch_goldens.json_floats(states[p]) for p in positions))
        f.write("\n]}\n")


def make(name, variant, out, keep_hf):
    config = hf_config(variant)
    weights = random_weights(hf_model(variant, config, torch.float32), variant["seed"])
    rng = np.random.default_rng(variant["seed"] + 1000)
    tokens = [int(t) for t in rng.integers(3, VOCABULARY, variant["tokens"])]
    path = os.path.join(out, f"{name}.gguf")
    write_gguf(path, name, variant, config, weights)
    states, scores = reference(variant, config, weights, tokens)
    positions = arch_goldens.chosen_positions(len(tokens))
    write_json(os.path.join(out, f"{name}.json"), name, variant, tokens, positions, states, scores)
    if keep_hf:
        model = hf_model(variant, config, torch.float32)
        model.load_state_dict(weights)
        model.save_pretrained(os.path.join(keep_hf, name))
    with torch.no_grad():
        encoder = float64_encoder.Encoder(float64_encoder.GgufWeights(path))
        own = encoder.states(tokens, variant.get("second_from", 1 << 30)).numpy()
        mutants = measure_mutants(path, variant, tokens, positions, states, scores)
    entry = {"arch": variant["arch"], "why": variant["why"], "seed": variant["seed"],
             "gguf_sha256": arch_goldens.sha256(path),
             "json_sha256": arch_goldens.sha256(path[:-5] + ".json"),
             "gguf_bytes": os.path.getsize(path),
             "difference_own_float64": arch_goldens.difference(own, states),
             "mutants": {k: float(f"{v:.3g}") for k, v in mutants.items()}}
    if scores is not None:
        own_scores = encoder.scores(torch.from_numpy(states)).detach().numpy()
        entry["difference_own_scores"] = arch_goldens.difference(own_scores, scores)
    return entry


def main():
    arch_goldens.make_all(__doc__, "make_encoder_goldens.py", VARIANTS, make, lambda entry: "own %.2g scores %.2g" % (
        entry["difference_own_float64"], entry.get("difference_own_scores", 0)))


if __name__ == "__main__":
    main()
