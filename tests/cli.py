#!/usr/bin/env python3
"""The real program against what docs/CLI.md promises, on small models that model_factory makes.

Offline; takes the program from FREEHOLD. Every check is a line of output where it fails; exit 1 then.
"""

import ctypes
import hashlib
import http.server
import json
import os
import pathlib
import platform
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

PROGRAM = os.environ.get("FREEHOLD", "build/release/freehold")
FACTORY = str(pathlib.Path(PROGRAM).with_name("model_factory"))
FAILURES = []


def check(holds, what):
    if not holds:
        FAILURES.append(what)
        print("FAILED", what, flush=True)


def run(*words, stdin=subprocess.DEVNULL, env=None, text=None):
    """(exit code, stdout bytes, stderr text) of the program."""
    done = subprocess.run([PROGRAM, *map(str, words)], stdin=None if text is not None else stdin,
                          input=text, capture_output=True, timeout=120,
                          env={**os.environ, **ENVIRONMENT, **(env or {})})
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")


def expect(code, *words, **more):
    got, out, err = run(*words, **more)
    check(got == code, f"{' '.join(map(str, words))[:120]}: exit {got}, expected {code}: {err[:300]}")
    if code != 0:
        check("error: " in err, f"{words[:1]}: no message on stderr")
        check(out == b"", f"{words[:1]}: text on stdout beside an error")
    return out, err


def make(path, *options):
    subprocess.run([FACTORY, str(path), *options], check=True, capture_output=True)
    return path


def usage():
    expect(2)
    expect(2, "nonsense")
    _, err = expect(2, "launch")
    check("not there yet" in err, "launch does not say that it is not there yet")
    out, _ = expect(0, "help")
    check(b"run" in out and b"Exit codes" in out, "help lists commands and exit codes")
    for command in ("run", "pull", "ls", "show", "rm", "cp", "import", "verify", "tokenize", "logits",
                    "perplexity", "bench", "languages", "fit"):
        out, _ = expect(0, "help", command)
        check(b"usage: freehold " + command.encode() in out, f"help {command}")
        same, _ = expect(0, command, "--help")
        check(same == out, f"{command} --help equals help {command}")
    expect(2, "run")
    expect(2, "logits", MODEL)
    expect(2, "logits", MODEL, "--tokens", "1,x")
    expect(2, "run", MODEL, "x", "--memory", "plenty")
    expect(2, "run", MODEL, "x", "--memory", "1G", "--reads", "tape")
    _, err = expect(2, "run", MODEL, "x", "--receipt", "f")
    check("--receipt" in err, "--receipt is named")
    expect(2, "run", MODEL, "x", "--temperature", "-1")
    expect(2, "run", MODEL, "x", "--kv", "q3")
    expect(2, "run", MODEL, "x", "--isa", "mmx")
    expect(2, "run", MODEL, "x", "--temperature", "1e-40")
    seed = str(2**64 - 1)
    expect(0, "run", MODEL, "x", "-n", 1, "--seed", seed, "--isa", "amx")
    expect(0, "run", MODEL, "x", "-n", 1, env={"FREEHOLD_THREADS": ""})
    _, err = expect(2, "help", "launch")
    check("not there yet" in err, "help of a planned command")



def forms():
    """Answers of random weights under a schema, a grammar, and as a JSON object."""
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3, "maximum": 250},
                                               "kind": {"enum": ["a", "bc"]}}, "required": ["n", "kind"]}
    (WORK / "schema.json").write_text(json.dumps(schema))
    for seed in range(4):
        common = ("run", MODEL, "x", "--temperature", "3", "--top-k", "0", "--seed", seed, "-n", "200")
        for given in (WORK / "schema.json", json.dumps(schema)):
            out, _ = expect(0, *common, "--schema", given)
            answer = json.loads(out)
            check(3 <= answer["n"] <= 250 and answer["kind"] in ("a", "bc"), f"--schema: {out}")
        (WORK / "list.gbnf").write_text('root ::= item ("," item){2}\nitem ::= [0-9]{1,2}\n')
        out, _ = expect(0, *common, "--grammar", WORK / "list.gbnf")
        check(re.fullmatch(rb"\d{1,2}(,\d{1,2}){2}\n", out), f"--grammar: {out}")
    out, _ = expect(0, "run", MODEL, "x", "--seed", "1", "-n", "20", "--format", "json")
    check(out.startswith(b"{"), f"--format json: {out}")
    expect(2, "run", MODEL, "x", "--format", "xml")
    expect(2, "run", MODEL, "x", "--format", "json", "--schema", "{}")
    expect(3, "run", MODEL, "x", "--schema", WORK / "missing.json")
    _, err = expect(4, "run", MODEL, "x", "--schema", '{"not": {}}')
    check("not" in err and "#" in err, f"a refused schema: {err}")
    (WORK / "bad.gbnf").write_text('root ::= "a')
    _, err = expect(5, "run", MODEL, "x", "--grammar", WORK / "bad.gbnf")
    check("line 1, column 12" in err, f"a bad grammar: {err}")


def answers():
    base = ("run", MODEL, "-n", 12, "--seed", 5)
    out, _ = expect(0, *base, "Hello")
    check(out.endswith(b"\n") and len(out) > 1, "one answer, ended by a newline")
    again, err = expect(0, *base, "--verbose", "Hello")
    check(out == again, "the same seed gives the same answer")
    check("prefill " in err and "decode " in err and "tokens/s" in err and "seed 5" in err,
          "--verbose prints prefill, decode and seed")
    piped, _ = expect(0, *base, text=b"Hello")
    check(piped == out, "a prompt through a pipe is the same prompt")
    dashed, _ = expect(0, *base, "-", text=b"Hello")
    check(dashed == out, "- reads standard input")
    for more in (("-t", 1), ("-t", 3), ("--isa", "scalar"), ("--isa", "avx2")):
        other, _ = expect(0, *base, *more, "Hello")
        check(other == out, f"{more} changes the answer")
    env, _ = expect(0, "run", MODEL, "Hello", "--seed", 5, env={"FREEHOLD_MAX_TOKENS": "12"})
    check(env == out, "FREEHOLD_MAX_TOKENS is --max-tokens")
    config = WORK / "config.toml"
    config.write_text('seed = 5\n[run]\nmax-tokens = 12\n')
    filed, _ = expect(0, "run", MODEL, "Hello", env={"FREEHOLD_CONFIG": str(config)})
    check(filed == out, "the configuration file's keys are the options")
    for wrong in ("seed = \n", "sede = 5\n", "[run]\nsede = 5\n", "[rum]\nseed = 5\n", "stop = [1]\n"):
        config.write_text(wrong)
        expect(2, "run", MODEL, "Hello", env={"FREEHOLD_CONFIG": str(config)})
    config.unlink()
    expect(3, "ls", env={"FREEHOLD_CONFIG": str(config)})
    config.write_text("seed = \n")
    expect(2, "run", MODEL, "Hello", env={"FREEHOLD_CONFIG": str(config)})
    stopped, _ = expect(0, *base, "--stop", out.decode("utf-8", "replace")[2:4], "Hello")
    check(len(stopped) < len(out), "--stop ends the answer")
    expect(2, "run", MODEL)
    expect(2, "run", MODEL, "")
    out, err = expect(4, "run", MODEL, "-c", 8, "word " * 100)
    check("8" in err, "a prompt that is too long names the numbers")
    out, err = expect(0, "run", PLAIN, "-n", 3, "Hello")
    check("no chat template" in err, "a model without a template says so")
    expect(0, "run", PLAIN, "--raw", "-n", 3, "Hello")


def prompt_cache():
    """What was computed of conversations is kept, used again, bounded, and never in the way."""
    folder = WORK / "prompts"
    base = ("run", MODEL, "--raw", "-n", 6, "--seed", 5, "--verbose")
    kept = (*base, "--prompt-cache", folder)
    text = "A rather long beginning that two questions share. "
    plain, _ = expect(0, *base, text + "One?")
    two, _ = expect(0, *base, text + "Two!")

    def entries():
        return sorted(folder.glob("*.prompt"))

    def computed(err):
        return int(re.search(r"prefill (\d+) tokens", err).group(1))
    first, err = expect(0, *kept, text + "One?")
    check(first == plain and len(entries()) == 1, "a first run with --prompt-cache")
    whole = computed(err)
    again, err = expect(0, *kept, text + "One?")
    check(again == plain and computed(err) < whole, "the same answer from a kept prompt, less computed")
    out, err = expect(0, *kept, text + "Two!")
    check(out == two and computed(err) < whole, "another end of the same beginning")
    check(len(entries()) == 2, "both ends are kept")
    other, err = expect(0, "run", PLAIN, "--raw", "-n", 6, "--seed", 5, "--verbose", "--prompt-cache", folder, text + "One?")
    check(len(entries()) == 3, "another model's conversation is kept beside them")
    for entry in entries():
        broken = bytearray(entry.read_bytes())
        broken[len(broken) // 2] ^= 1
        entry.write_bytes(broken)
    out, err = expect(0, *kept, text + "One?")
    check(out == plain and "is not used" in err and computed(err) == whole, "a damaged entry is said and not used")
    check(not list(folder.glob("*.partial")), "nothing half-written is left")
    size = max(entry.stat().st_size for entry in entries())
    for i in range(4):
        expect(0, *kept, "--prompt-cache-bytes", 2 * size + 100, f"{i} is another beginning that is about as long as it")
        check(sum(entry.stat().st_size for entry in entries()) <= 2 * size + 100, "the bound is kept")
    out, err = expect(0, *kept, "--prompt-cache-bytes", 100, text + "One?")
    check(out == plain and "not kept" in err, "an answer comes where it cannot be kept")
    runs = [subprocess.Popen([str(word) for word in (PROGRAM, *kept, text + "One?")], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, env={**os.environ, **ENVIRONMENT}) for _ in range(3)]
    check(all(run.communicate()[0] == plain and run.returncode == 0 for run in runs), "three at once")
    for i in range(25):
        run = subprocess.Popen([str(word) for word in (PROGRAM, *kept, f"{text} Ended {i}")], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env={**os.environ, **ENVIRONMENT})
        time.sleep(0.004 * i)
        run.kill()
        run.wait()
    check(expect(0, *kept, text + "One?")[0] == plain, "after kill -9 at 25 points")
    check(not list(folder.glob("*.partial")), "what the killed left is gone")
    expect(3, *base, "--prompt-cache", WORK / "no" / "folder" / "x", "y")
    expect(2, *kept, "--prompt-cache-bytes", "many", "y")


class Server(http.server.BaseHTTPRequestHandler):
    """Serves MODEL by ranges; the first part of the path says what is wrong today."""
    protocol_version = "HTTP/1.1"
    asked, served = [], 0

    def log_message(self, *words):
        pass

    def send(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass

    def do_GET(self):
        Server.asked.append((self.path, dict(self.headers)))
        fault = self.path.split("/")[1]
        content = MODEL.read_bytes()
        first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        last = min(last, len(content) - 1)
        body = content[first:last + 1]
        Server.served += len(body)
        span = f"bytes {first}-{last}/{len(content)}"
        if fault in ("missing", "secret", "broken"):
            return self.send({"missing": 404, "secret": 401, "broken": 503}[fault])
        if fault in ("around", "file", "away"):
            target = {"around": self.path, "file": "file:///etc/passwd", "away": "/good/model.gguf"}[fault]
            return self.send(302, Location=target)
        if fault == "whole":
            return self.send(200, content)
        if fault == "other":
            return self.send(206, body, Content_Range=f"bytes {first + 1}-{last + 1}/{len(content)}")
        if fault == "short":
            self.send(206, body[:-7], Content_Range=span, Content_Length=str(len(body)))
            self.close_connection = True
            return self.connection.shutdown(2)
        if fault == "long":
            return self.send(206, body + b"more", Content_Range=span)
        if fault == "headers":
            return self.send(206, body, Content_Range=span, **{f"X_{i}": "y" * 1000 for i in range(100)})
        if fault == "noise":
            return self.send(206, bytes(random.Random(first).randbytes(len(body))), Content_Range=span)
        tag = str(len(Server.asked)) if fault == "changing" else "1"
        self.send(206, body, Content_Range=span, ETag=f'"{tag}"')


def quantising():
    """quantize: the file in one step, the same with any threads, usable; refused where it would lose or overwrite."""
    source = make(WORK / "full.gguf", "--type", "F16", "--tokenizer", "bytes-bpe", "--layers", "3")
    small, again = WORK / "small.gguf", WORK / "again.gguf"
    expect(0, "quantize", source, small, "q4_k_m")
    out, _ = expect(0, "quantize", source, again, "Q4_K_M", "-t", "1", "--json")
    check(small.read_bytes() == again.read_bytes(), "threads do not change the file")
    report = json.loads(out)
    check(report["bytes"] == small.stat().st_size and report["changed"] == 23, f"the report says what is there: {out}")
    out, _ = expect(0, "run", small, "hello", "-n", "4", "--temperature", "0")
    check(len(out) > 0, "a model that was made smaller answers")
    _, err = expect(4, "quantize", source, small, "Q8_0")
    check("there already" in err, "a file that is there is not overwritten")
    _, err = expect(4, "quantize", small, WORK / "twice.gguf", "Q8_0")
    check("--allow-requantize" in err, "bits are not lost twice unasked")
    _, err = expect(2, "quantize", source, WORK / "no.gguf", "Q9_K")
    check("Q4_K_M" in err, "an unknown type names those there are")
    expect(3, "quantize", WORK / "nowhere.gguf", WORK / "no.gguf", "Q8_0")
    expect(0, "quantize", small, WORK / "twice.gguf", "Q8_0", "--allow-requantize")
    check(not list(WORK.glob("*.partial")) and not (WORK / "no.gguf").exists(), "nothing half-written is left")


def addresses():
    """fit of an address: the same verdict as of the file, from its header alone; servers that misbehave are named."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.handle_error = lambda *words: None  # a client that hangs up is what is being tested
    threading.Thread(target=server.serve_forever, daemon=True).start()
    at = f"http://127.0.0.1:{server.server_address[1]}"
    plain = {name: "" for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")}

    def fit(code, path, **more):
        return expect(code, "fit", f"{at}/{path}", "--json", env={**plain, "no_proxy": "127.0.0.1", **more})
    here = json.loads(expect(0, "fit", MODEL, "--json")[0])
    there = json.loads(fit(0, "good/model.gguf")[0])
    for key in ("weights", "cache", "activations", "context_max", "row_read", "fits"):
        check(here[key] == there[key], f"fit says of an address what it says of the file: {key}")
    check(fit(0, "away/model.gguf")[0] != b"", "a redirect is followed")
    check("Authorization" not in Server.asked[-1][1], "no token is sent unasked")
    fit(0, "good/model.gguf", FREEHOLD_TOKEN="abc")
    check(Server.asked[-1][1].get("Authorization") == "Bearer abc", "the token is sent where it is set")
    for fault, code, word in (("missing", 3, "404"), ("secret", 4, "401"), ("broken", 1, "503"), ("around", 1, "redirect"),
                              ("file", 1, "rotocol"), ("whole", 4, "parts"), ("other", 5, "another range"),
                              ("short", 1, "clos"), ("long", 5, "another range"), ("headers", 4, "headers"), ("noise", 5, "GGUF")):
        _, err = fit(code, f"{fault}/model.gguf")
        check(word.lower() in err.lower(), f"fit of {fault}: {err[:200]}")
    if MODEL.stat().st_size > 3 << 20:
        fit(5, "changing/model.gguf")
    _, err = expect(1, "fit", "http://127.0.0.1:1/model.gguf", env=plain)
    check("127.0.0.1" in err, "a server that is not there is named")
    asked = len(Server.asked)
    expect(4, "fit", f"{at}/good/model.gguf", "--offline")
    check(len(Server.asked) == asked, "--offline asks nobody")
    server.shutdown()


def doctor():
    """Each check has a state and, where something is wrong, what to do; a broken store fails it."""
    home = WORK / "doctor-home"
    out, _ = expect(0, "doctor", "--json", env={"FREEHOLD_HOME": str(home)})
    checks = {row["check"]: row for row in json.loads(out)}
    check({"processor", "memory", "huge pages", "io_uring", "landlock", "clock", "ports", "space", "store", "pull"}
          <= set(checks), "doctor looks at all it should")
    check(all(row["state"] == "ok" or row["fix"] for row in checks.values()), "what is not well has a fix")
    check(not home.exists(), "doctor changes nothing")
    refused = subprocess.run([PROGRAM, "doctor", "--json"], preexec_fn=forbid_io_uring, capture_output=True,
                             env={**os.environ, **ENVIRONMENT}, timeout=60)
    check(any(row["check"] == "io_uring" and row["state"] == "warning" for row in json.loads(refused.stdout)),
          "doctor sees that io_uring is forbidden")
    broken = home / "models" / "tiny"
    broken.mkdir(parents=True)
    (broken / "latest.json").write_text("{")
    code, out, err = run("doctor", env={"FREEHOLD_HOME": str(home)})
    check(code == 1 and b"failure  store" in out and "1 of the checks" in err, f"a broken record fails doctor: {code}")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 11434))
        except OSError:
            return
        taken.listen()
        out, _ = expect(0, "doctor", "--json")
        check(any(row["check"] == "ports" and "11434" in row["found"] and row["state"] == "warning"
                  for row in json.loads(out)), "doctor sees who listens")


def completion():
    """The shells complete commands, options and models by what `completion` prints."""
    home = {**os.environ, **ENVIRONMENT, "PATH": f"{pathlib.Path(PROGRAM).resolve().parent}:{os.environ['PATH']}"}
    expect(0, "import", MODEL, "tiny-model")
    asks = {
        "bash": ["bash", "-c", "source <(freehold completion bash); COMP_WORDS=(freehold $0 $1); COMP_CWORD=$2; _freehold; "
                 "printf '%s\\n' \"${COMPREPLY[@]}\""],
        "zsh": ["zsh", "-fc", "compdef() { :; }; source <(freehold completion zsh); _describe() { print -l -- ${(P)2}; }; _files() { :; }; "
                "words=(freehold $0 $1); CURRENT=$(($2 + 1)); _freehold"],
        "fish": ["fish", "-c", "freehold completion fish | source; complete -C \"freehold $argv[1] $argv[2]\""]}
    for shell, words in asks.items():
        if shutil.which(shell) is None:
            print(f"note: {shell} is not installed; its completion was not tried")
            continue

        def ask(first, second, place):
            return subprocess.run([*words, first, second, str(place)], capture_output=True, env=home, text=True, cwd=WORK).stdout
        check("--temperature" in ask("run", "--te", 2), f"{shell} completes options")
        check("tiny-model" in ask("run", "ti", 2), f"{shell} completes models")
        check("doctor" in (ask("do", "", 1) if shell != "fish" else ask("do", "", 1) + ask("help", "do", 2)),
              f"{shell} completes commands")
    expect(2, "completion", "tcsh")
    expect(0, "rm", "tiny-model")


def numbers():
    tokens = ",".join(str(17 * i % 300) for i in range(300))
    out, _ = expect(0, "logits", MODEL, "--tokens", tokens, "--json")
    last = json.loads(out)["logits"]
    out, _ = expect(0, "logits", MODEL, "--tokens", tokens, "--all", "--json")
    rows = json.loads(out)["logits"]
    check(len(rows) == 300 and rows[-1] == last, "--all ends with the last position's row")
    digests = set()
    for more in (("-t", 1), ("-t", 2), ("-t", 7), ("--isa", "scalar"), ("--isa", "avx2"),
                 ("--slice", 1), ("--slice", 100), ("--kv", "f32")):
        out, _ = expect(0, "logits", MODEL, "--tokens", tokens, "--all", *more)
        digests.add(hashlib.sha256(out).hexdigest())
    check(len(digests) == 1, "threads, instruction sets and slices give one hash")
    raw = WORK / "rows.f32"
    expect(0, "logits", MODEL, "--tokens", tokens, "--all", "--output", raw)
    check(raw.stat().st_size == 300 * len(last) * 4, "--output writes f32 rows")
    expect(0, "logits", BARE, "--tokens", "1,2,3", "--json")
    out, _ = expect(0, "logits", MODEL, "--tokens", tokens, "--all", "--output", raw, "--json")
    check(json.loads(out)["rows"] == 300, "--output with --json says what was written")
    kept = raw.read_bytes()
    expect(2, "logits", MODEL, "--tokens", "999999")
    expect(2, "logits", MODEL, "--tokens", "999999", "--output", raw)
    check(raw.read_bytes() == kept, "a refused call leaves the old file alone")
    text = WORK / "text.txt"
    text.write_text("The quick brown fox jumps over the lazy dog. " * 60)
    out, _ = expect(0, "perplexity", MODEL, text, "--context", 64, "--chunks", 3, "--json")
    result = json.loads(out)
    check(result["tokens"] == 3 * 31 and result["perplexity"] > 1, "perplexity scores half of each chunk")
    expect(4, "perplexity", MODEL, text, "--context", 65536)
    out, _ = expect(0, "bench", MODEL, "-p", 16, "-n", 4, "-r", 1, "--columns", "1,4", "--json")
    result = json.loads(out)
    for key in ("prefill_tokens_per_second", "decode_tokens_per_second", "bytes_per_token",
                "memory_bandwidth"):
        check(result[key] > 0, f"bench says {key}")
    check([row["n"] for row in result["columns"]] == [1, 4], "bench --columns says t(n)")


def tokens():
    out, _ = expect(0, "tokenize", MODEL, "Hello", "--json")
    plain = json.loads(out)["tokens"]
    check(len(plain) > 0, "tokenize makes tokens")
    out, _ = expect(0, "tokenize", MODEL, "--stdin", "--json", text=b"Hello")
    check(json.loads(out)["tokens"] == plain, "--stdin is byte for byte")
    expect(0, "tokenize", MODEL, "--stdin", "--json", text=bytes(range(256)))
    expect(3, "tokenize", BARE, "Hello")
    folder = os.open("/", os.O_RDONLY)
    expect(1, "tokenize", MODEL, "--stdin", stdin=folder)
    os.close(folder)
    closed = subprocess.run(f"exec {PROGRAM} tokenize {MODEL} --stdin --json <&-", shell=True,
                            capture_output=True, env={**os.environ, **ENVIRONMENT})
    check(closed.returncode == 0 and json.loads(closed.stdout)["tokens"] == [],
          "a closed standard input is an empty one")


def damage():
    expect(3, "run", WORK / "absent.gguf", "x")
    expect(3, "run", "absent-model", "x")
    good = pathlib.Path(MODEL).read_bytes()
    bad = WORK / "bad.gguf"
    generator = random.Random(1)
    offsets = sorted({0, 3, 4, 8, 24, 100} | {generator.randrange(len(good)) for _ in range(200)})
    for offset in offsets:
        bad.write_bytes(good[:offset])
        expect(5, "logits", bad, "--tokens", "1")
    header = 20000
    survived = 0
    for _ in range(150):
        at = generator.randrange(header)
        flipped = bytearray(good)
        flipped[at] ^= 1 << generator.randrange(8)
        bad.write_bytes(bytes(flipped))
        code, _, err = run("logits", bad, "--tokens", "1")
        check(code in (0, 1, 3, 4, 5), f"bit {at}: exit {code}: {err[:200]}")
        check(code == 0 or err.startswith("error: "), f"bit {at}: no message")
        survived += code == 0
    check(survived < 150, "no flipped bit was noticed at all")
    bad.write_bytes(b"not a model at all")
    expect(5, "show", bad)
    renamed = good.replace(b"general.architecture\x08\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00llama",
                           b"general.architecture\x08\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00zebra", 1)
    bad.write_bytes(renamed)
    _, err = expect(4, "logits", bad, "--tokens", "1")
    check("zebra" in err, "an unknown architecture is named")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, "logits", str(MODEL), "--tokens", "1"], stdout=full,
                              stderr=subprocess.PIPE, env={**os.environ, **ENVIRONMENT})
    check(done.returncode == 1 and b"error: " in done.stderr, "a full disk is an error, not a success")
    extra = good.replace(b"blk.1.ffn_up.weight", b"blk.1.ffn_xx.weight", 1)
    bad.write_bytes(extra)
    expect(5, "logits", bad, "--tokens", "1")


def stored():
    out, _ = expect(0, "ls", "--json")
    check(json.loads(out) == [], "an empty store lists nothing")
    expect(0, "import", MODEL, "mine")
    out, _ = expect(0, "ls", "--json")
    entry = json.loads(out)[0]
    digest = hashlib.sha256(pathlib.Path(MODEL).read_bytes()).hexdigest()
    check(entry["sha256"] == digest, "ls says the file's hash")
    expect(0, "cp", "mine", "yours")
    expect(0, "verify", "yours")
    by_path, _ = expect(0, "run", MODEL, "-n", 5, "--seed", 1, "Hello")
    by_name, _ = expect(0, "run", "yours", "-n", 5, "--seed", 1, "Hello")
    check(by_name == by_path, "a name and a path give one answer")
    expect(0, "rm", "mine")
    expect(0, "run", "yours", "-n", 2, "Hello")
    blob = next((WORK / "home").rglob("sha256-*"))
    if blob.suffix == "":
        os.chmod(blob, 0o644)
        with open(blob, "r+b") as file:
            file.seek(5000)
            byte = file.read(1)
            file.seek(5000)
            file.write(bytes([byte[0] ^ 1]))
        expect(5, "verify", "yours")
    expect(0, "rm", "yours")
    expect(3, "rm", "yours")
    expect(3, "verify", "yours")
    expect(4, "pull", "smollm2", "--offline")
    expect(3, "pull", "no-such-model-anywhere", "--offline")
    short = WORK / "short.gguf"
    short.write_bytes(pathlib.Path(MODEL).read_bytes()[:-100])
    expect(5, "import", short, "broken")
    out, _ = expect(0, "ls", "--json")
    check(json.loads(out) == [], "a refused import leaves nothing behind")


def forbid_io_uring():
    """For preexec_fn: io_uring_setup fails with EPERM from now on, as in many containers."""
    libc = ctypes.CDLL(None, use_errno=True)
    setup = {"x86_64": 425, "aarch64": 425}[platform.machine()]
    steps = [(0x20, 0, 0, 0),                 # load the system call's number
             (0x15, 0, 1, setup),             # another one: skip the next step
             (0x06, 0, 0, 0x00050000 | 1),    # errno EPERM
             (0x06, 0, 0, 0x7FFF0000)]        # allow
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    header = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(program))
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, header, 0, 0) != 0:
        os._exit(99)


def in_memory_group(limit, words):
    """Exit code of the program in a memory control group (v1 or v2) of `limit` bytes without swap;
    None where this machine lets us make none."""
    for root, file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                       ("/sys/fs/cgroup", "memory.max")):
        group = pathlib.Path(root, f"freehold-test-{os.getpid()}")
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / file).write_text(str(limit))
            if file == "memory.max":
                (group / "memory.swap.max").write_text("0")
            script = f'echo $$ > {group}/cgroup.procs && exec "$@"'
            done = subprocess.run(["bash", "-c", script, "bash", *map(str, words)],
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                                  env={**os.environ, **ENVIRONMENT})
            return done.returncode
        except OSError:
            continue
        finally:
            group.rmdir()
    return None


def budgets():
    """A budget is kept, changes no bit, and where it is too small the message names one that works."""
    large = make(WORK / "large.gguf", "--size", "96M", "--type", "Q4_K_M", "--context", "512")
    logits = ("logits", large, "--tokens", "1,2,3,4,5,6,7,8,9", "--json")
    whole, _ = expect(0, *logits)
    _, err = expect(4, *logits, "--memory", "1M")
    least = int(re.search(r"--memory (\d+)M", err).group(1))
    check(least < 80, f"a fraction of the model is enough: {least}M")
    for budget in (least, least + 9, least + 30):
        for reads in ("auto", "threads"):
            out, _ = expect(0, *logits, "--memory", f"{budget}M", "--reads", reads)
            check(out == whole, f"the same logits in {budget}M by {reads}")
        out, _ = expect(0, "bench", large, "-p", 40, "-n", 6, "-r", 1, "--json", "--memory",
                        f"{budget}M")
        got = json.loads(out)
        check(got["peak_resident_bytes"] <= got["memory_budget"],
              f"{budget}M: {got['peak_resident_bytes']} bytes were resident")
        share = got["streamed_per_token"] / got["streamed_per_token_planned"]
        check(0.7 < share < 1.3, f"{budget}M: read {share} of what was planned")
        check(got["amplification"] > 0, "bench says A")
        words = [PROGRAM, *logits, "--memory", f"{budget}M"]
        killed = in_memory_group((budget + 32) << 20, words)
        check(killed in (0, None), f"{budget}M in a control group of 32M more: exit {killed}")
        if killed is None:
            print("note: no memory control groups here; the limit was not enforced")
    out, _ = expect(0, "fit", large, "--memory", f"{least + 9}M", "--context", 64, "--json")
    fit = json.loads(out)
    check(fit["fits"] == "streamed" and fit["total"] <= (least + 9) << 20, "fit plans within the budget")
    check(fit["decode_tokens_per_second"] > 0 and fit["prefill_tokens_per_second"] > 0, "fit predicts")
    check(0 < fit["context_max"] <= 512, "fit finds the largest context")
    out, _ = expect(0, "fit", large, "--json")
    check(json.loads(out)["fits"] == "resident", "fit without a budget")
    expect(4, "fit", large, "--memory", "1M")
    refused = subprocess.run([PROGRAM, *map(str, logits), "--memory", f"{least}M", "--reads",
                              "io_uring"], preexec_fn=forbid_io_uring, capture_output=True,
                             env={**os.environ, **ENVIRONMENT}, timeout=120)
    check(refused.returncode == 4 and b"io_uring" in refused.stderr, "io_uring refused by name")
    fallen = subprocess.run([PROGRAM, *map(str, logits), "--memory", f"{least}M"],
                            preexec_fn=forbid_io_uring, capture_output=True,
                            env={**os.environ, **ENVIRONMENT}, timeout=120)
    check(fallen.returncode == 0 and fallen.stdout == whole, "threads where io_uring is forbidden")
    if shutil.disk_usage("/dev/shm").free < 2 * large.stat().st_size:
        print("note: /dev/shm has no room; a file system without direct reads was not tried")
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory_disk:
        copy = shutil.copy(large, memory_disk)
        out, _ = expect(0, "logits", copy, *logits[2:], "--memory", f"{least}M")
        check(out == whole, "the same logits from a file system without direct reads")


def offline():
    """After a pull nothing needs a network: the program runs where there is none at all."""
    done = subprocess.run(["unshare", "-rn", "true"], capture_output=True)
    if done.returncode != 0:
        print("note: no network namespaces here; offline was not tried")
        return
    words = [PROGRAM, "run", str(MODEL), "-n", "3", "--seed", "1", "Hello"]
    done = subprocess.run(["unshare", "-rn", *words], stdin=subprocess.DEVNULL, capture_output=True,
                          env={**os.environ, **ENVIRONMENT}, timeout=120)
    check(done.returncode == 0 and done.stdout, "an answer without any network")


with tempfile.TemporaryDirectory() as folder:
    WORK = pathlib.Path(folder)
    ENVIRONMENT = {"FREEHOLD_HOME": str(WORK / "home"), "XDG_CONFIG_HOME": str(WORK)}
    common = ("--layers", "2", "--width", "256", "--heads", "4", "--kv-heads", "2", "--ffn", "512",
              "--vocab", "512")
    MODEL = make(WORK / "model.gguf", "--tokenizer", "bytes-bpe", *common)
    PLAIN = make(WORK / "plain.gguf", "--arch", "gemma3", "--tokenizer", "spm", *common)
    # The same file with the template's key renamed: a model without a template.
    PLAIN.write_bytes(PLAIN.read_bytes().replace(b"tokenizer.chat_template", b"tokenizer.chat_templatX"))
    BARE = make(WORK / "bare.gguf", *common)
    for part in (usage, answers, forms, prompt_cache, addresses, quantising, doctor, completion, numbers, tokens, damage, stored, budgets, offline):
        part()
print(f"{len(FAILURES)} checks failed" if FAILURES else "all checks hold")
sys.exit(1 if FAILURES else 0)
