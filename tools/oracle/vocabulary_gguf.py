#!/usr/bin/env python3
"""A vocabulary-only GGUF from a tokenizer.json, as converters write them. Needs `gguf`.

    vocabulary_gguf.py tokenizer.json OUT.gguf --pre llama-bpe
    vocabulary_gguf.py --train-rules tiny_aya OUT.gguf TEXT…   (no package has the vocabulary: a small one)

    vocabulary_gguf.py --sentencepiece MODEL OUT.gguf          (a Unigram model of the sentencepiece package)
    vocabulary_gguf.py --sentencepiece MODEL OUT.json --style xlm-r|t5|t5-first
                                                               (the same as transformers converts it)

Byte-level BPE, WordPiece (pieces that start a word get a leading U+2581, continuations lose their ##) and
Unigram. Also writes OUT.json beside it where it trains.
"""

import argparse
import base64
import json

import gguf

CONTROL, USER_DEFINED, UNUSED, NORMAL, UNKNOWN, BYTE = 3, 4, 5, 1, 2, 6


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def tables(spec):
    """Token texts by id, and their types."""
    model = spec["model"]
    vocab = {t: i for i, t in enumerate(v[0] for v in model["vocab"])} if model.get("type") == "Unigram" \
        else dict(model["vocab"])
    added = {a["content"]: a for a in spec["added_tokens"]}
    for a in added.values():
        vocab.setdefault(a["content"], a["id"])
    texts = [None] * (max(vocab.values()) + 1)
    for text, token in vocab.items():
        texts[token] = text
    types = []
    for token, text in enumerate(texts):
        if text is None:
            texts[token] = f"[PAD{token}]"
            types.append(UNUSED)
        elif text in added:
            types.append(CONTROL if added[text]["special"] else USER_DEFINED)
        else:
            types.append(NORMAL)
    return texts, types


def write(spec, path, pre):
    kind = spec["model"].get("type") or ("Unigram" if isinstance(spec["model"]["vocab"], list) else "BPE")
    writer = gguf.GGUFWriter(path, "llama")
    texts, types = tables(spec)
    if kind == "BPE":
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(pre)
        merges = [m if isinstance(m, str) else " ".join(m) for m in spec["model"]["merges"]]
        writer.add_token_list(texts)
        writer.add_token_merges(merges)
    elif kind == "WordPiece":
        writer.add_tokenizer_model("bert")
        prefix = spec["model"]["continuing_subword_prefix"]
        writer.add_token_list([t if k != NORMAL else t[len(prefix):] if t.startswith(prefix) else "\u2581" + t
                               for t, k in zip(texts, types)])
        writer.add_unk_token_id(texts.index(spec["model"]["unk_token"]))
    else:
        writer.add_tokenizer_model("t5")
        scores = [v[1] for v in spec["model"]["vocab"]]
        unknown = spec["model"]["unk_id"]
        types[unknown] = UNKNOWN
        writer.add_token_list(texts)
        writer.add_token_scores(scores + [0.0] * (len(texts) - len(scores)))
        writer.add_unk_token_id(unknown)
        steps = spec["normalizer"].get("normalizers", [spec["normalizer"]]) if spec["normalizer"] else []
        for step in steps:
            if step["type"] == "Precompiled":
                writer.add_precompiled_charsmap(base64.b64decode(step["precompiled_charsmap"]))
        writer.add_add_space_prefix(True)
        writer.add_remove_extra_whitespaces(any(s["type"] == "Replace" and s["pattern"].get("Regex") == " {2,}"
                                                for s in steps))
    writer.add_token_types(types)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def write_sentencepiece(model, path):
    from sentencepiece import sentencepiece_model_pb2
    proto = sentencepiece_model_pb2.ModelProto()
    with open(model, "rb") as file:
        proto.ParseFromString(file.read())
    writer = gguf.GGUFWriter(path, "t5")
    writer.add_tokenizer_model("t5")
    writer.add_token_list([p.piece for p in proto.pieces])
    writer.add_token_scores([p.score for p in proto.pieces])
    writer.add_token_types([int(p.type) for p in proto.pieces])
    writer.add_unk_token_id(proto.trainer_spec.unk_id)
    writer.add_precompiled_charsmap(proto.normalizer_spec.precompiled_charsmap)
    writer.add_add_space_prefix(proto.normalizer_spec.add_dummy_prefix)
    writer.add_remove_extra_whitespaces(proto.normalizer_spec.remove_extra_whitespaces)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def unigram_json(proto, style):
    """The package's tokenizer over a sentencepiece model's pieces, with the steps that transformers converts it to."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers
    pieces = [(p.piece, p.score) for p in proto.pieces]
    tokenizer = Tokenizer(models.Unigram(pieces, proto.trainer_spec.unk_id, any(p.type == BYTE for p in proto.pieces)))
    steps = [normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)] \
        if proto.normalizer_spec.precompiled_charsmap else []
    if style == "t5":
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace("\u2581", prepend_scheme="always")])
    else:
        steps += [normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), "\u2581")]
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(
            "\u2581", prepend_scheme="first" if style == "t5-first" else "always")
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.add_special_tokens([AddedToken(p.piece, normalized=False) for p in proto.pieces if p.type in (2, 3)])
    return tokenizer


def write_unigram_json(model, path, style):
    from sentencepiece import sentencepiece_model_pb2
    proto = sentencepiece_model_pb2.ModelProto()
    with open(model, "rb") as file:
        proto.ParseFromString(file.read())
    unigram_json(proto, style).save(path)


def train(rules_name, out, files):
    import tokenizer_diff as diff
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    plain, mapped = diff.rules()
    tokenizer = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = mapped.get(rules_name) or pre_tokenizers.Sequence([plain[rules_name], byte_level])
    if rules_name in ("tiny_aya", "qwen35"):
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.train(files, trainers.BpeTrainer(vocab_size=6000, show_progress=False,
                                               initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.save(out + ".json")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--pre", default="default")
    parser.add_argument("--train-rules")
    parser.add_argument("--sentencepiece")
    parser.add_argument("--style")
    options = parser.parse_args()
    if options.style:
        return write_unigram_json(options.sentencepiece, options.paths[0], options.style)
    if options.sentencepiece:
        return write_sentencepiece(options.sentencepiece, options.paths[0])
    if options.train_rules:
        out, *files = options.paths
        train(options.train_rules, out, files)
        write(read(out + ".json"), out, options.train_rules)
    else:
        write(read(options.paths[0]), options.paths[1], options.pre)


if __name__ == "__main__":
    main()
