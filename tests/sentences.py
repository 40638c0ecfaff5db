#!/usr/bin/env python3
"""Vectors of real sentence models beside the published ones (tools/oracle/sentence_vectors.py).

Needs FREEHOLD_TEST_SENTENCES, a folder with minilm.gguf and minilm/ (the model of transformers),
mpnet.gguf and mpnet/, and perhaps wordsim353.tsv; and FREEHOLD_TEST_PYTHON, a Python with torch and
transformers. Skipped without them.
"""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = os.path.abspath(os.environ.get("FREEHOLD", "build/release/freehold"))


def main():
    folder, python = (os.environ.get(f"FREEHOLD_TEST_{name}") for name in ("SENTENCES", "PYTHON"))
    if not folder or not python:
        print("FREEHOLD_TEST_SENTENCES and FREEHOLD_TEST_PYTHON name no models and no Python")
        sys.exit(77)
    pairs = pathlib.Path(folder, "wordsim353.tsv")
    failed = 0
    for name in ("minilm", "mpnet"):
        words = [f"{folder}/{name}.gguf", f"{folder}/{name}", *([str(pairs)] if pairs.exists() else [])]
        done = subprocess.run([python, str(ROOT / "tools/oracle/sentence_vectors.py"), *words],
                              capture_output=True, text=True,
                              env=dict(os.environ, FREEHOLD=PROGRAM))
        print(name, done.stdout, end="")
        if done.returncode != 0:
            failed += 1
            print("FAILED:", done.stderr[-1000:])
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
