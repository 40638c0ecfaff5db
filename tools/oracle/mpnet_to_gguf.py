#!/usr/bin/env python3
"""Writes an MPNet model of transformers (a folder with safetensors) as GGUF `mpnet`.

The field's converter does not know MPNet (docs/decisions/0009): tensors and keys are BERT's, with
`attn_rel_b.weight` [buckets, heads] and `mpnet.attention.relative_buckets_count`. For tests of real
files, until `freehold convert` does it. Needs PyPI torch, transformers, safetensors, gguf, numpy.

    mpnet_to_gguf.py HF_FOLDER OUT.gguf
"""

import json
import os
import re
import sys

import gguf
import numpy as np
from safetensors.numpy import load_file

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
from make_encoder_goldens import gguf_name  # noqa: E402

FIRST_POSITION = 2  # rows of the position table that no token uses


def read_json(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as f:
        return json.load(f)


def pooling_type(folder):
    pooling = read_json(folder, "1_Pooling/config.json")
    return (gguf.PoolingType.MEAN if pooling.get("pooling_mode_mean_tokens")
            else gguf.PoolingType.CLS)


def write_tokenizer(writer, folder):
    tokenizer = read_json(folder, "tokenizer.json")
    assert tokenizer["model"]["type"] == "WordPiece"
    special = {t["content"]: t["id"] for t in tokenizer["added_tokens"] if t["special"]}
    vocabulary = sorted(tokenizer["model"]["vocab"].items(), key=lambda entry: entry[1])
    texts, types = [], []
    for text, _ in vocabulary:
        unknown = text == tokenizer["model"]["unk_token"]
        control = text in special and not unknown
        types.append(gguf.TokenType.UNKNOWN if unknown else gguf.TokenType.CONTROL if control
                     else gguf.TokenType.NORMAL)
        if control or unknown:
            texts.append(text)
        else:  # as the field's converter: a mark where a word begins instead of where it goes on
            texts.append(text[2:] if text.startswith("##") else "\u2581" + text)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(texts)
    writer.add_token_types(types)
    writer.add_bos_token_id(special["<s>"])
    writer.add_eos_token_id(special["</s>"])
    writer.add_unk_token_id(dict(vocabulary)[tokenizer["model"]["unk_token"]])
    writer.add_pad_token_id(special["<pad>"])
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)
    writer.add_bool("tokenizer.ggml.normalizer.lowercase", tokenizer["normalizer"]["lowercase"])


def main():
    folder, out = sys.argv[1:3]
    config = read_json(folder, "config.json")
    assert config["model_type"] == "mpnet" and config["hidden_act"] == "gelu"
    writer = gguf.GGUFWriter(out, "mpnet")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"] - FIRST_POSITION)
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_relative_attn_buckets_count(config["relative_attention_num_buckets"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(pooling_type(folder))
    write_tokenizer(writer, folder)
    for name, value in load_file(os.path.join(folder, "model.safetensors")).items():
        mapped = gguf_name(name)
        if mapped is None or re.match(r"cls\.", mapped):
            continue
        if mapped == "position_embd.weight":
            value = value[FIRST_POSITION:]
        writer.add_tensor(mapped, np.ascontiguousarray(value))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
