#!/usr/bin/env python3
"""The store as people use it, on small models that model_factory makes: settings, licences.

Offline; takes the program from FREEHOLD. Every check is a line of output where it fails; exit 1 then.
"""

import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

PROGRAM = os.environ.get("FREEHOLD", "build/release/freehold")
FACTORY = str(pathlib.Path(PROGRAM).with_name("model_factory"))
FAILURES = []


def check(holds, what):
    if not holds:
        FAILURES.append(what)
        print("FAILED", what, flush=True)


def expect(code, *words, env=None, text=b""):
    """stdout bytes and stderr text of the program, whose exit code is checked."""
    done = subprocess.run([PROGRAM, *map(str, words)], input=text, capture_output=True, timeout=120,
                          env={**os.environ, **ENVIRONMENT, **(env or {})})
    err = done.stderr.decode("utf-8", "replace")
    check(done.returncode == code, f"{' '.join(map(str, words))[:120]}: exit {done.returncode}, expected {code}: {err[:300]}")
    check((code == 0) == ("error: " not in err), f"{words[:1]}: exit {code} and the message: {err[:300]}")
    return done.stdout, err


def make(path, *options):
    subprocess.run([FACTORY, str(path), *options], check=True, capture_output=True)
    return path


def with_licence(source, path, licence):
    """A copy of a GGUF file that states a licence; a second key fills up to the tensors' alignment."""
    def text(value):
        return struct.pack("<Q", len(value)) + value.encode()
    data = source.read_bytes()
    magic, version, tensors, keys = struct.unpack("<4sIQQ", data[:24])
    first = text("general.license") + struct.pack("<I", 8) + text(licence)
    second = text("general.license.link") + struct.pack("<I", 8)
    link = "https://example.org/terms/"
    link += "x" * (-(len(first) + len(second) + 8 + len(link)) % 32)
    path.write_bytes(struct.pack("<4sIQQ", magic, version, tensors, keys + 2) + first + second + text(link) + data[24:])
    return path


def edit_record(name, **more):
    """Writes more into a name's record, as a person or another program might."""
    path = HOME / "models" / name / "latest.json"
    record = json.loads(path.read_text())
    record.update(more)
    path.write_text(json.dumps(record))


def settings():
    """What a name asks for is a default of run: below flags, environment and configuration file."""
    expect(0, "import", MODEL, "mine")
    ask = ("run", "mine", "-n", 8, "Hello")
    by_flags, _ = expect(0, *ask, "--seed", 7, "--temperature", 0.5, "--system", "Be brief.")
    edit_record("mine", version=2, settings={"system": "Be brief.", "parameters": {"seed": ["7"], "temperature": ["0.5"]}})
    by_name, err = expect(0, *ask, "--verbose")
    check(by_name == by_flags and "seed 7" in err, "a name's settings are the defaults")
    _, err = expect(0, *ask, "--verbose", "--seed", 8)
    check("seed 8" in err, "a flag wins over a name's setting")
    _, err = expect(0, *ask, "--verbose", env={"FREEHOLD_SEED": "9"})
    check("seed 9" in err, "the environment wins over a name's setting")
    other, _ = expect(0, *ask, "--system", "Sing.")
    by_flags, _ = expect(0, "run", MODEL, "-n", 8, "Hello", "--seed", 7, "--temperature", 0.5, "--system", "Sing.")
    check(other == by_flags, "--system wins over a name's")
    edit_record("mine", version=2, settings={"template": "{{ messages[0].content }}{{ messages[-1].content }}",
                                             "messages": [{"role": "user", "content": "Good "}], "parameters": {"seed": ["7"]}})
    by_name, _ = expect(0, "run", "mine", "-n", 8, "day")
    raw, _ = expect(0, "run", MODEL, "--raw", "-n", 8, "--seed", 7, "Good day")
    check(by_name == raw, "a name's template and first messages make the prompt")
    out, _ = expect(0, "show", "mine", "--template")
    check(b"messages[0]" in out, "show --template shows the name's own")
    out, _ = expect(0, "show", "mine", "--modelfile")
    check(b"FROM mine\n" in out and b"PARAMETER seed 7" in out and b"MESSAGE user" in out, "show --modelfile")
    check(json.loads(expect(0, "show", "mine", "--json")[0])["settings"]["parameters"] == {"seed": ["7"]}, "show --json has settings")
    expect(0, "cp", "mine", "yours")
    check(expect(0, "run", "yours", "-n", 8, "day")[0] == raw, "a copy asks for the same")
    edit_record("mine", version=2, settings={"adapter": "sha256:0123"})
    _, err = expect(4, *ask)
    check("sha256:0123" in err and "adapter" in err, "an adapter is refused by name")
    edit_record("mine", version=2, settings={"parameters": {"temprature": ["1"]}})
    _, err = expect(5, *ask)
    check("temprature" in err, "a setting that is none is named")
    edit_record("mine", version=3)
    expect(4, *ask)
    expect(0, "rm", "mine")
    expect(0, "rm", "yours")


def licences():
    """Read from the file and the catalogue, shown before a pull, accepted once, refused by policy with the reason."""
    free = with_licence(MODEL, WORK / "free.gguf", "apache-2.0")
    bound = with_licence(MODEL, WORK / "bound.gguf", "cc-by-nc-4.0")
    _, err = expect(0, "import", free, "free")
    check("Apache-2.0" in err, "import says the file's licence")
    record = {row["name"]: row for row in json.loads(expect(0, "ls", "--json")[0])}["free:latest"]
    check(record["licence"] == "Apache-2.0", "the record has the file's licence")
    out, _ = expect(0, "show", free, "--licence")
    check(b"Apache-2.0" in out and b"https://example.org/terms/" in out and b"any use" in out, "show --licence")
    _, err = expect(4, "import", bound, "bound", "--licence-policy", "commercial")
    check("non-commercial" in err, "the reason of a refused import")
    expect(4, "import", MODEL, "bound", "--licence-policy", "research")
    expect(2, "import", bound, "bound", "--licence-policy", "comercial")
    expect(0, "import", bound, "bound", "--licence-policy", "research")
    _, err = expect(4, "run", "bound", "-n", 1, "x", env={"FREEHOLD_LICENCE_POLICY": "government"})
    check("bound" in err and "government" in err, "the environment's policy holds for run")
    expect(4, "run", bound, "-n", 1, "x", "--licence-policy", "commercial")
    expect(0, "run", "bound", "-n", 1, "x")
    expect(0, "run", "free", "-n", 1, "x", "--licence-policy", "government")
    config = WORK / "policy.toml"
    config.write_text('licence-policy = "commercial"\n')
    expect(4, "run", "bound", "-n", 1, "x", env={"FREEHOLD_CONFIG": str(config)})
    pull = ("pull", "gemma3:270m-base", "--offline")
    _, err = expect(4, *pull)
    check("Gemma Terms of Use" in err and "--accept-licence LicenseRef-Gemma" in err, "terms have to be accepted first")
    _, err = expect(4, *pull, "--accept-licence", "LicenseRef-Llama-3")
    check("accepted first" in err, "another licence's acceptance does not count")
    _, err = expect(4, *pull, "--licence-policy", "government", "--accept-licence", "gemma")
    check("government" in err and not (HOME / "licences").exists(), "the policy comes before acceptance")
    _, err = expect(4, *pull, "--accept-licence", "gemma")
    check("--offline" in err, "accepted terms let the pull begin")
    _, err = expect(4, *pull)
    check("--offline" in err, "terms are accepted once")
    _, err = expect(4, "pull", "smollm2", "--offline")
    check(err.index("Apache License 2.0") < err.index("error: "), "the licence is shown before the pull")
    for name in ("free", "bound"):
        expect(0, "rm", name)


with tempfile.TemporaryDirectory() as folder:
    WORK = pathlib.Path(folder)
    HOME = WORK / "home"
    ENVIRONMENT = {"FREEHOLD_HOME": str(HOME), "XDG_CONFIG_HOME": str(WORK), "HOME": str(WORK / "user")}
    MODEL = make(WORK / "model.gguf", "--tokenizer", "bytes-bpe", "--layers", "2", "--width", "256", "--heads", "4",
                 "--kv-heads", "2", "--ffn", "512", "--vocab", "512")
    for part in (settings, licences):
        part()
print(f"{len(FAILURES)} checks failed" if FAILURES else "all checks hold")
sys.exit(1 if FAILURES else 0)
