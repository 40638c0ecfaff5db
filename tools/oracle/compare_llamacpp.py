#!/usr/bin/env python3
"""Freehold beside llama.cpp and a float64 forward, on real models: the figures of quality.

On demand only; never part of the tests. llama.cpp is an independent program given by path; nothing
of it is linked or copied. Both engines get the same token ids, so tokenizers do not matter (except
for perplexity, where each reads the text itself). Everything slow is cached under --cache by model
name; delete a file there to make it again.

  compare_llamacpp.py --llamacpp TREE --cache DIR --model smollm2=PATH=TEXT,TEXT ... \
      [--freehold build/release/freehold] [--steps agreement,perplexity,greedy] [--report FILE]

The first TEXT of a model feeds one list of 1024 tokens, the last one two lists of 512 and the
perplexity. Without --freehold only llama.cpp and the float64 forward are compared.
TREE is a llama.cpp source tree built in TREE/build. Needs PyPI numpy, torch, gguf.
"""

import argparse
import datetime
import functools
import hashlib
import json
import os
import re
import subprocess
import sys

import gguf
import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
LISTS = ((0, 0, 1024), (1, 2000, 512), (1, 9000, 512))  # (text, first token, count)
GREEDY_TOKENS = 96
PERPLEXITY_CHUNKS = 40
TARGETS = {"top1": 0.98, "kl": 0.01, "kl_ratio": 1.15, "perplexity": 0.005, "equal_tokens": 64,
           "gap": 0.2}


def run(command, **options):
    result = subprocess.run(command, capture_output=True, text=True, **options)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command[:4]))} … failed ({result.returncode}): "
                 f"{result.stderr[-2000:]}")
    return result


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_lists(path, lists):
    with open(path, "w") as f:
        f.writelines(" ".join(map(str, t)) + "\n" for t in lists)


def read_lists(path):
    with open(path) as f:
        return [[int(w) for w in line.split()] for line in f]


class Model:
    """One model, its texts, and the cached results about it."""

    def __init__(self, spec, args):
        self.name, self.path, texts = spec.split("=")
        self.texts = texts.split(",")
        self.args = args
        self.helper = os.path.join(args.cache, "llamacpp_logits")

    def cached(self, what):
        return os.path.join(self.args.cache, f"{self.name}.{what}")

    def make(self, what, command):
        """Runs `command(path)` unless the file is there; never leaves a half-made one."""
        path = self.cached(what)
        if not os.path.exists(path):
            print(f"{self.name}: making {what}", file=sys.stderr, flush=True)
            command(path + ".part")
            os.rename(path + ".part", path)
        return path

    def ask(self, verb, *rest, path=None):
        result = run([self.helper, self.path, str(self.args.threads), verb, *rest])
        if path:
            with open(path, "w") as f:
                f.write(result.stdout)

    def text_tokens(self, text):
        word = os.path.basename(text).split(".")[0]
        return read_lists(self.make(f"tokens.{word}",
                                    lambda p: self.ask("tokens", text, path=p)))[0]

    @functools.cached_property
    def fields(self):
        return gguf.GGUFReader(self.path).fields

    @functools.cached_property
    def bos(self):
        """The token the model puts first, as a list of one or none."""
        fields = self.fields
        key = "tokenizer.ggml.add_bos_token"
        added = (fields[key].contents() if key in fields
                 else fields["tokenizer.ggml.model"].contents() == "llama")
        return [fields["tokenizer.ggml.bos_token_id"].contents()] if added else []

    def lists(self):
        """The teacher-forced token lists, BOS first where the model adds one."""
        def make(path):
            lists = []
            for text, start, count in LISTS:
                tokens = self.text_tokens(self.texts[min(text, len(self.texts) - 1)])
                bos = self.bos
                lists.append(bos + tokens[start:start + count - len(bos)])
            write_lists(path, lists)
        return self.make("lists", make)

    def passages(self):
        """20 passages of 64 tokens, spread over the last text, for the model to continue."""
        tokens, count, length = self.text_tokens(self.texts[-1]), 20, 64
        step = (len(tokens) - length) // count
        return [self.bos + tokens[i * step:i * step + length] for i in range(count)]

    def prompts(self):
        """Questions of prompts.txt as the model's users ask them, plain text for a base model; or
        passages to continue (--passages)."""
        if self.args.passages:
            return self.make("prompts", lambda p: write_lists(p, self.passages()))

        def make(path):
            with open(os.path.join(HERE, "prompts.txt")) as f:
                questions = f.read().splitlines()
            template = self.fields.get("tokenizer.chat_template")
            chat = template is not None and "<|im_start|>" in template.contents()
            form = ("<|im_start|>user\\n{}<|im_end|>\\n<|im_start|>assistant\\n" if chat
                    else "Question: {}\\nAnswer:")
            with open(self.cached("questions"), "w") as f:
                f.writelines(form.format(q) + "\n" for q in questions)
            self.ask("prompts", self.cached("questions"), path=path)
            write_lists(path + ".bos", [self.bos + t for t in read_lists(path)])
            os.rename(path + ".bos", path)
        return self.make("prompts", make)

    def llamacpp_logits(self):
        return self.make("llamacpp.f32", lambda p: self.ask("logits", self.lists(), p))

    def float64_logits(self, what, lists):
        def make(path):
            with open(path + ".json", "w") as f:
                json.dump(lists, f)
            run([sys.executable, os.path.join(HERE, "float64_forward.py"), self.path, "--chunks",
                 path + ".json", "--output", path, "--threads", str(self.args.threads)])
            os.unlink(path + ".json")
        return self.make(what, make)

    def freehold_rows(self, tokens, path):
        """Freehold's logits of every position of one list, appended to the file `path`."""
        part = path + ".one"
        run([self.args.freehold, "logits", self.path, "--tokens", ",".join(map(str, tokens)),
             "--all", "--output", part, *self.args.freehold_option])
        with open(part, "rb") as f, open(path, "ab") as out:
            out.write(f.read())
        os.unlink(part)

    def freehold_logits(self, what, lists):
        what = f"freehold-{sha256(self.args.freehold)[:12]}.{what}"

        def make(path):
            open(path, "wb").close()
            for tokens in lists:
                self.freehold_rows(tokens, path)
        return self.make(what, make)

    def greedy(self):
        return self.make("llamacpp.greedy", lambda p: self.ask(
            "greedy", self.prompts(), str(GREEDY_TOKENS), path=p))


def open_rows(path, positions):
    flat = np.memmap(path, "<f4", "r")
    assert flat.size % positions == 0, f"{path} does not hold {positions} rows"
    return flat.reshape(positions, -1)


def log_softmax(rows):
    return torch.log_softmax(torch.from_numpy(np.array(rows)).double(), -1)


def compare_all(engines, pairs, lists, bos):
    """Top-1 agreement and KL(reference || candidate) of each pair of engine names, over all
    positions but a leading BOS. `engines` maps a name to its rows."""
    kept = np.concatenate([np.arange(len(t)) >= bos for t in lists])
    same, kl = {p: [] for p in pairs}, {p: [] for p in pairs}
    for start in range(0, len(kept), 32):
        logs = {name: log_softmax(rows[start:start + 32]) for name, rows in engines.items()}
        for pair in pairs:
            p, q = logs[pair[0]], logs[pair[1]]
            same[pair].append(p.argmax(-1) == q.argmax(-1))
            kl[pair].append((p.exp() * (p - q)).sum(-1))
    out = {}
    for pair in pairs:
        top, value = (torch.cat(v[pair]).numpy()[kept] for v in (same, kl))
        out[" to ".join(pair)] = {
            "positions": int(kept.sum()), "top1": float(top.mean()), "kl": float(value.mean()),
            "kl_median": float(np.median(value)), "kl_99": float(np.quantile(value, 0.99)),
            "kl_max": float(value.max())}
    return out


def step_agreement(model):
    lists = read_lists(model.lists())
    count, bos = sum(map(len, lists)), len(model.bos)
    engines = {"llama.cpp": open_rows(model.llamacpp_logits(), count),
               "float64": open_rows(model.float64_logits("float64.f32", lists), count)}
    pairs = [("float64", "llama.cpp")]
    if model.args.freehold:
        engines["freehold"] = open_rows(model.freehold_logits("f32", lists), count)
        pairs += [("llama.cpp", "freehold"), ("float64", "freehold")]
    out = compare_all(engines, pairs, lists, bos)
    if model.args.freehold:
        out["kl_ratio"] = out["float64 to freehold"]["kl"] / out["float64 to llama.cpp"]["kl"]
    return out


def step_perplexity(model):
    tool = os.path.join(model.args.llamacpp, "build", "bin", "llama-perplexity")

    def make(path):
        result = run([tool, "-m", model.path, "-f", model.texts[-1], "-c", "512", "-b", "512",
                      "--chunks", str(PERPLEXITY_CHUNKS), "-ctk", "f16", "-ctv", "f16",
                      "-t", str(model.args.threads), "-tb", str(model.args.threads)])
        with open(path, "w") as f:
            f.write(result.stdout + result.stderr)
    with open(model.make("llamacpp.perplexity", make)) as f:
        text = f.read()
    chunks = int(re.search(r"perplexity over (\d+) chunks", text).group(1))
    out = {"chunks": chunks, "llama.cpp": float(re.search(r"PPL = ([0-9.]+)", text).group(1))}
    if model.args.freehold:
        result = run([model.args.freehold, "perplexity", model.path, model.texts[-1], "--context",
                      "512", "--chunks", str(chunks), "--json", *model.args.freehold_option])
        out["freehold"] = json.loads(result.stdout)["perplexity"]
        out["difference"] = out["freehold"] / out["llama.cpp"] - 1
    return out


def partings(prompts, texts, rows_of):
    """Where another engine's own first choice leaves llama.cpp's texts, and by how much there."""
    equal, gaps = [], []
    for i, (prompt, text) in enumerate(zip(prompts, texts)):
        rows = rows_of(i)[len(prompt) - 1:]
        best = np.asarray(rows.argmax(-1))
        parts = np.flatnonzero(best != np.asarray(text))
        equal.append(int(parts[0]) if len(parts) else len(text))
        if len(parts):
            row = rows[parts[0]]
            gaps.append(float(row[best[parts[0]]] - row[text[parts[0]]]))
    return {"equal": equal, "gaps": gaps, "gap_max": max(gaps, default=0.0),
            "equal_for_64": sum(e >= TARGETS["equal_tokens"] for e in equal)}


def step_greedy(model):
    """Freehold's greedy text follows llama.cpp's while its own first choice is llama.cpp's token.

    So one pass over prompt and llama.cpp's continuation tells where the two texts part, and by how
    much: a decoded token and a prefilled one have the same bits (docs/NUMERICS.md). The float64
    forward is treated the same way (--greedy-float64): how far llama.cpp follows the exact result
    of the weights is what another engine with 8-bit activations can hope for.
    """
    prompts, texts = read_lists(model.prompts()), read_lists(model.greedy())
    lists = [p + t[:-1] for p, t in zip(prompts, texts)]
    ends = np.cumsum([0] + [len(t) for t in lists])
    out = {"prompts": len(prompts), "tokens": GREEDY_TOKENS}
    if model.args.greedy_float64:
        rows = open_rows(model.float64_logits("greedy.float64.f32", lists), ends[-1])
        out["float64"] = partings(prompts, texts, lambda i: rows[ends[i]:ends[i + 1]])
    if model.args.freehold:
        out["freehold"] = partings(prompts, texts, lambda i: open_rows(
            model.freehold_logits(f"greedy.{i}", [lists[i]]), len(lists[i])))
    return out


STEPS = {"agreement": step_agreement, "perplexity": step_perplexity, "greedy": step_greedy}


def build_helper(args):
    path = os.path.join(args.cache, "llamacpp_logits")
    source = os.path.join(HERE, "llamacpp_logits.cc")
    if os.path.exists(path) and os.path.getmtime(path) > os.path.getmtime(source):
        return
    tree, libraries = args.llamacpp, os.path.join(args.llamacpp, "build", "bin")
    run(["g++", "-std=c++20", "-O2", "-I", f"{tree}/include", "-I", f"{tree}/ggml/include", source,
         "-L", libraries, "-lllama", "-lggml", "-lggml-base", f"-Wl,-rpath,{libraries}",
         "-o", path])


def verdict(good):
    return "met" if good else "NOT MET"


def lines_of(name, result):
    """The report's lines about one model, each figure beside its target."""
    agreement, lines = result.get("agreement", {}), []
    for pair, f in agreement.items():
        if pair != "kl_ratio":
            lines.append(f"{name:8s} {pair:22s} positions {f['positions']}  top-1 {f['top1']:.4f}  "
                          f"mean KL {f['kl']:.3e}  median {f['kl_median']:.1e}  "
                          f"99 % {f['kl_99']:.1e}  max {f['kl_max']:.1e}")
    if "kl_ratio" in agreement:
        f = agreement["llama.cpp to freehold"]
        lines += [
            f"{name:8s} top-1 with llama.cpp {f['top1']:.4f} (target >= {TARGETS['top1']}): "
            + verdict(f["top1"] >= TARGETS["top1"]),
            f"{name:8s} mean KL with llama.cpp {f['kl']:.3e} (target <= {TARGETS['kl']}): "
            + verdict(f["kl"] <= TARGETS["kl"]),
            f"{name:8s} KL to float64, ours over llama.cpp's {agreement['kl_ratio']:.3f} "
            f"(target <= {TARGETS['kl_ratio']}): "
            + verdict(agreement["kl_ratio"] <= TARGETS["kl_ratio"])]
    f = result.get("perplexity")
    if f:
        ours = "" if "freehold" not in f else (
            f"  freehold {f['freehold']:.4f}  difference {100 * f['difference']:+.3f} % "
            f"(target within {100 * TARGETS['perplexity']} %): "
            + verdict(abs(f["difference"]) <= TARGETS["perplexity"]))
        lines.append(f"{name:8s} perplexity over {f['chunks']} chunks of 512: "
                      f"llama.cpp {f['llama.cpp']:.4f}{ours}")
    greedy = result.get("greedy", {})
    for engine in ("float64", "freehold"):
        if engine not in greedy:
            continue
        f, count = greedy[engine], greedy["prompts"]
        good = f["equal_for_64"] > count / 2 and f["gap_max"] < TARGETS["gap"]
        lines += [f"{name:8s} greedy, llama.cpp and {engine}: {f['equal_for_64']} of {count} equal"
                  f" for >= {TARGETS['equal_tokens']} tokens (target: most); largest gap where parting "
                  f"{f['gap_max']:.4f} (target < {TARGETS['gap']})"
                  + (": " + verdict(good) if engine == "freehold" else ""),
                  f"{name:8s} greedy, llama.cpp and {engine}: tokens equal {f['equal']}; "
                  f"gaps {[round(g, 3) for g in f['gaps']]}"]
    return lines


def machine():
    with open("/proc/cpuinfo") as f:
        text = f.read()
    name = re.search(r"model name\s*: (.*)", text).group(1)
    return f"{name}, {os.cpu_count()} CPUs"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llamacpp", required=True)
    parser.add_argument("--cache", required=True)
    parser.add_argument("--model", action="append", required=True, metavar="NAME=PATH=TEXT[,TEXT]")
    parser.add_argument("--freehold")
    parser.add_argument("--freehold-option", action="append", default=[],
                        help="passed on to every call of freehold, for example --threads=1")
    parser.add_argument("--commit", default="unknown", help="of Freehold, for the report")
    parser.add_argument("--passages", action="store_true",
                        help="greedy: continue passages of the last text, not answer questions")
    parser.add_argument("--greedy-float64", action="store_true",
                        help="also follow llama.cpp's greedy texts with the float64 forward")
    parser.add_argument("--steps", default=",".join(STEPS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--report")
    parser.add_argument("--json")
    args = parser.parse_args()
    os.makedirs(args.cache, exist_ok=True)
    torch.set_num_threads(args.threads)
    build_helper(args)
    report = [f"date {datetime.date.today()}  machine {machine()}  commit {args.commit}"]
    results = {}
    for spec in args.model:
        model = Model(spec, args)
        report.append(f"{model.name:8s} sha256 {sha256(model.path)}")
        result = results[model.name] = {}
        for step in args.steps.split(","):
            result[step] = STEPS[step](model)
            lines = lines_of(model.name, {step: result[step]})
            report += lines
            print("\n".join(lines), flush=True)
    if args.report:
        with open(args.report, "w") as f:
            f.write("\n".join(report) + "\n")
    if args.json:
        with open(args.json, "w") as f:
            json.dump(results, f, indent=1)


if __name__ == "__main__":
    main()
