#!/usr/bin/env python3
"""Freehold's vectors of a real embedding model beside transformers' own, on the same texts.

Says the largest cosine distance over some sentences, and over the words of a public list of word
pairs (gensim's wordsim353.tsv) whether both put the pairs into the same order of likeness. Exits 1
where a distance is above 1e-3 or the orders differ by more than rounding explains.

    FREEHOLD=build/release/freehold sentence_vectors.py MODEL.gguf HF_FOLDER [PAIRS.tsv]

Needs PyPI torch, transformers, numpy. Mean pooling, length 1, as both models' own settings say.
"""

import json
import os
import subprocess
import sys

import numpy as np
import torch

os.environ["HF_HUB_OFFLINE"] = "1"
from transformers import AutoModel, AutoTokenizer  # noqa: E402

COSINE_DISTANCE_MAX = 1e-3
TIE = 1e-5  # pairs whose likeness differs by less may change places

TEXTS = [
    "A cat sits on a mat.", "The quick brown fox jumps over the lazy dog.", "Hello", "",
    "Café Zürich naïve: 北京 is large, résumé!", "word " * 150,
    "What is the capital of France?", "Paris is the capital and largest city of France.",
    "def add(a, b):\n    return a + b", "1234567890 $%&/()=?", "ΑΒΓ где ещё 日本語 한국어",
    "Antidisestablishmentarianism, floccinaucinihilipilification", "a" * 120 + " unknown"]


def freehold(model, texts):
    done = subprocess.run([os.environ["FREEHOLD"], "embed", model, "--", *texts],
                          capture_output=True, text=True, check=True)
    return np.array([json.loads(line)["embedding"] for line in done.stdout.splitlines()])


def transformers(folder, texts):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    vectors = []
    with torch.no_grad():
        for text in texts:
            state = model(**tokenizer([text], return_tensors="pt")).last_hidden_state[0].mean(0)
            vectors.append((state / state.norm()).double().numpy())
    return np.array(vectors)


def read_pairs(path):
    with open(path, encoding="utf-8") as f:
        rows = [line.split("\t") for line in f if not line.startswith("#")]
    return [(row[0], row[1]) for row in rows if len(row) >= 3]


def main():
    model, folder, *rest = sys.argv[1:]
    pairs = read_pairs(rest[0]) if rest else []
    words = sorted({word for pair in pairs for word in pair})
    texts = TEXTS + words
    own, reference = freehold(model, texts), transformers(folder, texts)
    distance = 1 - (own * reference).sum(1) / np.linalg.norm(own, axis=1)
    print(f"{len(texts)} texts, largest cosine distance {distance.max():.2g}, largest difference "
          f"of a value {np.abs(own - reference).max():.2g}")
    failed = distance.max() > COSINE_DISTANCE_MAX
    if pairs:
        place = {word: len(TEXTS) + i for i, word in enumerate(words)}
        likeness = [np.array([v[place[a]] @ v[place[b]] for a, b in pairs])
                    for v in (own, reference)]
        order = np.argsort(-likeness[1], kind="stable")
        steps = np.diff(likeness[0][order])  # of ours, in the reference's order: never upwards
        failed = failed or steps.max() > TIE
        print(f"{len(pairs)} pairs, largest difference of likeness "
              f"{np.abs(likeness[0] - likeness[1]).max():.2g}, "
              f"largest step out of order {max(0.0, steps.max()):.2g}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
