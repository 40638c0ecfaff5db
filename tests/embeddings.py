#!/usr/bin/env python3
"""`freehold embed` and `freehold rerank` on tiny encoders (golden/encoders), whose words are known.

Takes the program from FREEHOLD. Every check is a line of output where it fails; exit 1 then.
"""

import json
import os
import pathlib
import subprocess
import sys

PROGRAM = os.environ.get("FREEHOLD", "build/release/freehold")
ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "golden/encoders"
EMBEDDER = str(GOLDEN / "bert.gguf")
RERANKER = str(GOLDEN / "bert_rerank.gguf")
DECODER = str(ROOT / "golden/arch/llama_gqa.gguf")
FAILED = []


def check(holds, what):
    if not holds:
        FAILED.append(what)
        print("FAILED:", what)


def run(*words, text=None):
    done = subprocess.run([PROGRAM, *words], input=text, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL if text is None else None, timeout=120)
    return done.returncode, done.stdout, done.stderr


def expect(code, *words, **more):
    got, out, err = run(*words, **more)
    check(got == code, f"{' '.join(words)[-120:]}: exit {got}, not {code}: {err}")
    return out, err


def vectors(out):
    return [json.loads(line) for line in out.splitlines()]


def texts():
    out, _ = expect(0, "embed", EMBEDDER, "the cat sat", "a dog")
    lines = vectors(out)
    check([line["index"] for line in lines] == [0, 1], "one line a text, in order")
    check([line["tokens"] for line in lines] == [5, 4], "[CLS] and [SEP] are added")
    check(all(len(line["embedding"]) == 48 for line in lines), "the model's width")
    check(all(abs(sum(x * x for x in line["embedding"]) - 1) < 1e-5 for line in lines), "length 1")
    for words in (("-",), ("--file", "-"), ()):
        again, _ = expect(0, "embed", EMBEDDER, *words, text="the cat sat\na dog\n")
        check(again == out, f"the same by {words} from stdin")
    whole, _ = expect(0, "embed", EMBEDDER, "--json", "the cat sat", "a dog")
    whole = json.loads(whole)
    check(whole["pooling"] == "mean" and whole["dimensions"] == 48, "--json says how")
    check(whole["embeddings"] == lines, "--json holds the same")
    for more in (("-t", "1"), ("--isa", "scalar"), ("-t", "3")):
        again, _ = expect(0, "embed", EMBEDDER, "the cat sat", "a dog", *more)
        check(again == out, f"the same bits with {more}")
    alone, _ = expect(0, "embed", EMBEDDER, "a dog")
    check(vectors(alone)[0]["embedding"] == lines[1]["embedding"], "the same bits alone")


def options():
    cut, _ = expect(0, "embed", EMBEDDER, "a dog", "--dimensions", "8")
    whole, _ = expect(0, "embed", EMBEDDER, "a dog", "--normalise", "off")
    cut, whole = vectors(cut)[0]["embedding"], vectors(whole)[0]["embedding"]
    length = sum(x * x for x in whole[:8]) ** 0.5
    check(len(cut) == 8, "as many dimensions as asked for")
    check(all(abs(a - b / length) < 1e-6 for a, b in zip(cut, whole)), "cut, then brought to 1")
    each, _ = expect(0, "embed", EMBEDDER, "a dog", "--pooling", "none", "--normalise", "off")
    each = vectors(each)[0]["embedding"]
    check(len(each) == 4 and len(each[0]) == 48, "a vector a token")
    for pooling, place in (("cls", 0), ("last", -1)):
        one, _ = expect(0, "embed", EMBEDDER, "a dog", "--pooling", pooling, "--normalise", "off")
        check(vectors(one)[0]["embedding"] == each[place], f"--pooling {pooling}")


def refusals():
    _, err = expect(4, "embed", EMBEDDER, "a", "cat " * 400)
    check("text 2" in err and "402" in err and "320" in err, "too long: both numbers")
    expect(2, "embed", EMBEDDER, "a", "--dimensions", "49")
    expect(2, "embed", EMBEDDER, "a", "--dimensions", "0")
    expect(2, "embed", EMBEDDER, "a", "--pooling", "middle")
    expect(2, "embed", EMBEDDER, "a", "--normalise", "perhaps")
    expect(2, "embed", EMBEDDER, "a", "--file", "b")
    expect(3, "embed", EMBEDDER, "--file", "/no/such/file")
    expect(3, "embed", "/no/such.gguf", "a")
    expect(3, "embed", str(GOLDEN / "mpnet.gguf"), "a")  # no vocabulary
    _, err = expect(4, "embed", RERANKER, "a")
    check("rerank" in err, "a reranker is named as one")
    _, err = expect(2, "rerank", EMBEDDER, "a", "b")
    check("classifier" in err, "no classifier")
    for words in (("run", EMBEDDER, "a"), ("logits", EMBEDDER, "--tokens", "1"), ("bench", EMBEDDER),
                  ("perplexity", EMBEDDER, __file__, "--context", "16")):
        _, err = expect(4, *words)
        check("encoder" in err, f"{words[0]} refuses an encoder by name: {err}")


def ranks():
    documents = ["the cat sat on the mat.", "a dog ran", "the dog sat", "mat"]
    out, _ = expect(0, "rerank", RERANKER, "the cat", *documents, "--json")
    results = json.loads(out)["results"]
    scores = [result["score"] for result in results]
    check(scores == sorted(scores, reverse=True), "best first")
    check(sorted(r["index"] for r in results) == [0, 1, 2, 3], "every document once")
    for result in results:
        alone, _ = expect(0, "rerank", RERANKER, "the cat", documents[result["index"]], "--json")
        check(json.loads(alone)["results"][0]["score"] == result["score"], "the same score alone")
    top, _ = expect(0, "rerank", RERANKER, "the cat", *documents, "--top", "2")
    check(len(top.splitlines()) == 2 and documents[results[0]["index"]] in top.splitlines()[0],
          "--top, for people")
    lines, _ = expect(0, "rerank", RERANKER, "the cat", "-", "--json", text="\n".join(documents))
    check(lines == out, "documents from stdin")
    twice, _ = expect(0, "rerank", RERANKER, "the cat", "mat", "mat", "--json")
    check([r["index"] for r in json.loads(twice)["results"]] == [0, 1], "of equals the earlier one")
    _, err = expect(4, "rerank", RERANKER, "the cat", "mat", "dog " * 400)
    check("text 2" in err and "320" in err, "a pair too long: both numbers")


def main():
    for part in (texts, options, refusals, ranks):
        part()
    print(f"{len(FAILED)} failed")
    sys.exit(1 if FAILED else 0)


if __name__ == "__main__":
    main()
