#!/usr/bin/env python3
"""The store as people use it, on small models that model_factory makes: settings, licences, names made
from model files, models in other programs' stores, bundles; and what is left when the program is killed,
runs twice at once, or has no room.

Offline; takes the program from FREEHOLD. Every check is a line of output where it fails; exit 1 then.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

PROGRAM = os.environ.get("FREEHOLD", "build/release/freehold")
FACTORY = str(pathlib.Path(PROGRAM).with_name("model_factory"))
SMALL = ("--layers", "2", "--width", "256", "--heads", "4", "--kv-heads", "2", "--ffn", "512", "--vocab", "512")
TINY = ("--tokenizer", "bytes-bpe", "--layers", "1", "--width", "64", "--heads", "2", "--kv-heads", "1", "--ffn", "64", "--vocab", "320")
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
    out, _ = expect(0, "show", "mine")
    check(b"\nmemory  " in out and b"/blobs/sha256-" in out and b"seed 7" in out, "show says memory, file and parameters")
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


def create():
    """Names from model files share their base's blob; each complaint names its line."""
    expect(0, "import", MODEL, "base")
    lines = 'FROM base\nSYSTEM """Be\nbrief."""\nPARAMETER seed 7\nPARAMETER temperature 0.5\n'
    expect(0, "create", "brief", "-f", "-", text=lines.encode())
    by_flags, _ = expect(0, "run", "base", "-n", 8, "Hello", "--seed", 7, "--temperature", 0.5, "--system", "Be\nbrief.")
    check(expect(0, "run", "brief", "-n", 8, "Hello")[0] == by_flags, "a created name asks for what its model file says")
    check(len(list((HOME / "blobs").glob("sha256-*"))) == 2, "a created name shares its base's blob")
    out, _ = expect(0, "show", "brief", "--modelfile")
    file = WORK / "Modelfile"
    file.write_bytes(out.replace(b"FROM brief", b"FROM base"))
    expect(0, "create", "again", "-f", file)
    check(expect(0, "run", "again", "-n", 8, "Hello")[0] == by_flags, "show --modelfile makes the same again")
    expect(0, "create", "nested", "-f", "-", text=b"FROM brief\nPARAMETER seed 8\n")
    _, err = expect(0, "run", "nested", "-n", 1, "x", "--verbose")
    check("seed 8" in err, "a name over a created name replaces what it says itself")
    check(b"Be" in expect(0, "show", "nested", "--system")[0], "and inherits the rest")
    expect(0, "create", "brief", "-f", "-", text=b"FROM base\nSYSTEM Sing.\n")
    check(expect(0, "show", "brief", "--system")[0] == b"Sing.\n", "a created name is made anew")
    expect(4, "create", "base", "-f", "-", text=b"FROM brief\n")
    expect(4, "cp", "again", "brief")
    (WORK / "there").mkdir()
    make(WORK / "there" / "near.gguf", "--seed", "2", "--tokenizer", "bytes-bpe", *SMALL)
    (WORK / "there" / "Modelfile").write_text("FROM ./near.gguf\nPARAMETER seed 7\n")
    expect(0, "create", "near", "-f", WORK / "there" / "Modelfile")
    check("seed 7" in expect(0, "run", "near", "-n", 1, "x", "--verbose")[1], "FROM a file beside the model file")
    for text, code, word in (("FROM base\n\nFRUM x", 2, "line 3: 'FRUM'"), ("SYSTEM x", 2, "no FROM"),
                             ("FROM base\nPARAMETER mirostat 2", 2, "line 2: parameter 'mirostat' cannot be honoured"),
                             ("FROM base\nTEMPLATE {{ .Prompt }}", 4, "line 2: the template is in Go"),
                             ("FROM base\nADAPTER ./x.gguf", 2, "line 2: ADAPTER"), ("FROM nothing-here", 3, "nothing-here"),
                             ("FROM ./nothing-here.gguf", 3, "nothing-here"), ('FROM base\nSYSTEM """x', 2, "line 2: three quotes")):
        _, err = expect(code, "create", "wrong", "-f", "-", text=text.encode())
        check(word in err, f"create says {word!r}: {err}")
    expect(2, "create", "bad name", "-f", "-", text=b"FROM base\n")
    expect(3, "create", "wrong", "-f", WORK / "no-file")
    expect(3, "show", "wrong")
    for name in ("brief", "again", "nested", "near"):
        expect(0, "verify", name)
        expect(0, "rm", name)
    expect(0, "verify", "base")
    expect(0, "rm", "base")
    check(not list((HOME / "blobs").iterdir()), "the last name takes the blob along")


def blob(root, data):
    digest = hashlib.sha256(data).hexdigest()
    (root / "blobs").mkdir(parents=True, exist_ok=True)
    (root / "blobs" / f"sha256-{digest}").write_bytes(data)
    return digest


def manifest(root, name, layers):
    """An Ollama manifest; `layers` are (kind, bytes)."""
    path = root / "manifests" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"mediaType": f"application/vnd.ollama.image.{kind}", "digest": f"sha256:{blob(root, data)}", "size": len(data)}
            for kind, data in layers]
    path.write_text(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "layers": rows}))
    return path


def tree_of(folder):
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in sorted(folder.rglob("*"))}


def ollama():
    """Ollama's store in place: the answer of the file, settings included; lies and tricks are named."""
    data = MODEL.read_bytes()
    root = WORK / "user" / ".ollama" / "models"
    library = "registry.ollama.ai/library/"
    manifest(root, library + "tiny/latest", [("model", data), ("system", b"Be brief."), ("params", b'{"seed":7,"stop":["~~"],"num_gpu":1}'),
                                             ("template", b"{{ .Prompt }}"), ("license", b"You may.")])
    manifest(root, "hf.co/some/Thing/Q4", [("model", data)])
    manifest(root, library + "lora/latest", [("model", data), ("adapter", b"weights")])
    manifest(root, library + "safe/latest", [("tensor", b"x"), ("tensor", b"y")])
    before = tree_of(root)
    expect(0, "import", MODEL, "plain")
    by_flags, _ = expect(0, "run", "plain", "-n", 8, "Hello", "--seed", 7, "--stop", "~~", "--system", "Be brief.")
    out, err = expect(0, "run", "ollama:tiny", "-n", 8, "Hello")
    check(out == by_flags, "a model in Ollama's store answers as its file with its settings")
    check("num_gpu" in err and "Go's template language" in err, f"what cannot be honoured is said: {err}")
    expect(0, "verify", "ollama:tiny:latest")
    expect(0, "tokenize", "ollama:hf.co/some/Thing:Q4", "Hello", "--json")
    check(b"You may." in expect(0, "show", "ollama:tiny", "--licence")[0], "show --licence of Ollama's layer")
    rows = {row["name"]: row for row in json.loads(expect(0, "ls", "--all", "--json")[0])}
    check({"ollama:tiny", "ollama:hf.co/some/Thing:Q4", "plain:latest"} <= set(rows), f"ls --all: {list(rows)}")
    check("ollama:tiny" in expect(0, "ls", "--all")[0].decode() and "ollama" not in expect(0, "ls")[0].decode(), "ls without --all is ours alone")
    _, err = expect(4, "run", "ollama:lora", "-n", 1, "x")
    check("adapter" in err, "an adapter of Ollama's is refused by name")
    expect(4, "run", "ollama:safe", "-n", 1, "x")
    _, err = expect(3, "run", "ollama:nothing", "-n", 1, "x")
    check(str(root) in err, "where was looked is said")
    for name in ("../../x", "a/b/c/d", "/x", ".x", "", "x:", "a//b"):
        expect(2, "show", f"ollama:{name}")
    for words in (("rm", "ollama:tiny"), ("cp", "ollama:tiny", "x"), ("cp", "plain", "ollama:x"), ("import", MODEL, "ollama:x")):
        expect(2, *words)
    check(tree_of(root) == before, "nothing is written to Ollama's store")
    expect(0, "import", "ollama:tiny")
    check(expect(0, "run", "tiny", "-n", 8, "Hello")[0] == by_flags, "an imported model keeps its settings")
    expect(0, "rm", "tiny")
    expect(0, "rm", "plain")
    expect(0, "import", "ollama:tiny", "--link")
    kept = root / "blobs" / f"sha256-{hashlib.sha256(data).hexdigest()}"
    here = HOME / "blobs" / kept.name
    shared = os.stat(here).st_ino == os.stat(kept).st_ino
    print("note: --link made", "a hard link" if shared else "a clone")
    check(expect(0, "run", "tiny", "-n", 8, "Hello")[0] == by_flags, "an imported model that shares its bytes")
    expect(0, "verify", "tiny")
    if os.path.isdir("/dev/shm") and os.stat("/dev/shm").st_dev != os.stat(WORK).st_dev:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
            _, err = expect(4, "import", shutil.copy(MODEL, elsewhere), "far", "--link")
            check("--link" in err, "what cannot be shared is said")
    expect(0, "rm", "tiny")
    check(kept.read_bytes() == data, "rm leaves the other program's file alone")
    check(not (HOME / "tmp" / "import").exists(), "nothing is left over")
    expect(0, "import", "ollama:tiny")
    expect(0, "import", MODEL, "plain")
    expect(0, "create", "over", "-f", "-", text=b"FROM ollama:tiny\nPARAMETER seed 9\n")
    check("seed 9" in expect(0, "run", "over", "-n", 1, "x", "--verbose")[1], "create FROM another program's model")
    check(b"Be brief." in expect(0, "show", "over", "--system")[0], "and inherits what it asks for")
    ollama_lies(root, library, data)
    for name in ("tiny", "over", "plain"):
        expect(0, "rm", name)


def ollama_lies(root, library, data):
    secret = WORK / "secret.gguf"
    secret.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    blobs = root / "blobs"

    def lie(code, word, edit, name="liar"):
        path = manifest(root, library + name + "/latest", [("model", data), ("system", b"Hi.")])
        text = json.loads(path.read_text())
        edit(text)
        path.write_text(json.dumps(text))
        _, err = expect(code, "show", f"ollama:{name}")
        check(word in err, f"{word!r} is not said: {err}")
    for bad in ("sha256:../../../secret.gguf", "sha256:" + "A" * 64, digest, "", 5, "sha256:" + "0" * 63):
        lie(5, "no SHA-256", lambda text, bad=bad: text["layers"][0].update(digest=bad))
    lie(5, "missing or cut", lambda text: text["layers"][0].update(size=5))
    lie(5, "missing or cut", lambda text: text["layers"][0].update(digest="sha256:" + "0" * 64))
    lie(5, "without a size", lambda text: text["layers"][0].update(size=-1))
    lie(4, "one GGUF file", lambda text: text.update(layers=[]))
    lie(5, "no layers", lambda text: text.pop("layers"))
    lie(5, "schemaVersion", lambda text: text.update(schemaVersion=1))
    lie(4, "one GGUF file", lambda text: text["layers"].append(text["layers"][0]))
    path = root / "manifests" / (library + "liar/latest")
    path.write_text("{" * 100)
    expect(5, "show", "ollama:liar")
    path.write_text(" " * (5 << 20))
    expect(4, "show", "ollama:liar")
    path.unlink()
    path.symlink_to(manifest(WORK / "elsewhere", "x", [("model", data)]))
    _, err = expect(4, "show", "ollama:liar")
    check("leads out of its folder" in err, "a manifest's link cannot lead out")
    path.unlink()
    path.parent.rmdir()
    path.parent.symlink_to(WORK / "elsewhere" / "manifests")
    expect(4, "show", "ollama:liar:x")
    path.parent.unlink()
    system = blobs / f"sha256-{hashlib.sha256(b'Hi.').hexdigest()}"
    lie(0, "", lambda text: None)
    system.write_bytes(b"Ho.")
    _, err = expect(5, "show", "ollama:liar")
    check("not what its name says" in err, "a layer's hash is checked")
    system.write_bytes(b"Hi.")
    kept = blobs / f"sha256-{digest}"
    kept.unlink()
    kept.symlink_to(secret)
    expect(4, "show", "ollama:tiny")
    kept.unlink()
    os.mkfifo(kept)
    expect(4, "show", "ollama:tiny")
    kept.unlink()
    kept.write_bytes(data[:-32] + b"x" * 32)
    _, err = expect(5, "verify", "ollama:tiny")
    check("damaged" in err, "verify of another program's model")
    expect(5, "import", "ollama:tiny", "damaged")
    expect(3, "show", "damaged")
    (root / "manifests" / library / "rubbish").write_text("x")
    _, err = expect(0, "ls", "--all")
    kept.write_bytes(data)


def folders():
    """LM Studio's folder, llama.cpp's and Hugging Face's caches in place."""
    data = MODEL.read_bytes()
    user = WORK / "user"
    studio = user / ".lmstudio" / "models" / "pub" / "repo"
    studio.mkdir(parents=True)
    (studio / "tiny-Q4_K_M.gguf").write_bytes(data)
    (studio / "mmproj-tiny.gguf").write_bytes(b"GGUF")
    expect(0, "tokenize", "lmstudio:pub/repo", "Hello", "--json")
    (studio / "tiny-Q8_0.gguf").write_bytes(data)
    expect(0, "show", "lmstudio:pub/repo")
    (studio / "tiny-Q4_K_M.gguf").rename(studio / "tiny-Q5_K_M.gguf")
    _, err = expect(2, "show", "lmstudio:pub/repo")
    check("tiny-Q8_0.gguf" in err and "mmproj" not in err, "several files are named")
    expect(0, "show", "lmstudio:pub/repo/tiny-Q8_0.gguf")
    (studio / "out.gguf").symlink_to(WORK / "secret.gguf")
    expect(4, "show", "lmstudio:pub/repo/out.gguf")
    for name in ("../.lmstudio/models/pub", "pub/../../x", "pub", "pub/repo/x/y", "pub//x"):
        expect(2, "show", f"lmstudio:{name}")
    expect(3, "verify", "lmstudio:pub/repo/tiny-Q8_0.gguf")
    cache = WORK / "llama-cache"
    cache.mkdir()
    (cache / "org_tiny-GGUF_tiny-Q8_0.gguf").write_bytes(data)
    env = {"LLAMA_CACHE": str(cache)}
    for name in ("org_tiny-GGUF_tiny-Q8_0.gguf", "org_tiny-GGUF_tiny-Q8_0", "org/tiny-GGUF", "org/tiny-GGUF:q8_0"):
        expect(0, "show", f"llamacpp:{name}", env=env)
    expect(3, "show", "llamacpp:org/tiny-GGUF:q4_0", env=env)
    expect(3, "show", "llamacpp:org/tiny-GGUF")
    hub = user / ".cache" / "huggingface" / "hub" / "models--org--tiny"
    digest = hashlib.sha256(data).hexdigest()
    (hub / "blobs").mkdir(parents=True)
    (hub / "blobs" / digest).write_bytes(data)
    snapshot = hub / "snapshots" / "0123abc"
    snapshot.mkdir(parents=True)
    (snapshot / "tiny-Q8_0.gguf").symlink_to(f"../../blobs/{digest}")
    expect(0, "show", "hf-cache:org/tiny")
    (hub / "refs").mkdir()
    (hub / "refs" / "main").write_text("0123abc")
    for name in ("org/tiny", "org/tiny:Q8_0", "org/tiny/tiny-Q8_0.gguf"):
        expect(0, "verify", f"hf-cache:{name}")
    expect(0, "show", "hf-cache:org/tiny", env={"HF_HOME": str(hub.parent.parent)})
    expect(3, "show", "hf-cache:org/tiny", env={"HF_HUB_CACHE": str(WORK)})
    (snapshot / "out.gguf").symlink_to(WORK / "secret.gguf")
    expect(4, "show", "hf-cache:org/tiny/out.gguf")
    for commit in ("../../../..", "/etc", "", "x/y"):
        (hub / "refs" / "main").write_text(commit)
        expect(5, "show", "hf-cache:org/tiny")
    (hub / "refs" / "main").write_text("0123abc")
    make(WORK / "shards.gguf", "--tokenizer", "bytes-bpe", "--shards", "2", *SMALL)
    shards = sorted(WORK.glob("shards*-of-*.gguf"))
    for shard in shards:
        name = hashlib.sha256(shard.read_bytes()).hexdigest()
        (hub / "blobs" / name).write_bytes(shard.read_bytes())
        (snapshot / shard.name).symlink_to(f"../../blobs/{name}")
    whole, _ = expect(0, "logits", shards[0], "--tokens", "1,2,3", "--json")
    out, _ = expect(0, "logits", f"hf-cache:org/tiny/{shards[0].name}", "--tokens", "1,2,3", "--json")
    check(out == whole, "shards behind links are one model")
    (snapshot / shards[1].name).unlink()
    expect(3, "show", f"hf-cache:org/tiny/{shards[0].name}")
    (snapshot / shards[1].name).symlink_to(WORK / "secret.gguf")
    expect(4, "show", f"hf-cache:org/tiny/{shards[0].name}")
    names = {row["name"] for row in json.loads(expect(0, "ls", "--all", "--json", env=env)[0])}
    check({"lmstudio:pub/repo/tiny-Q8_0.gguf", "llamacpp:org_tiny-GGUF_tiny-Q8_0.gguf", "hf-cache:org/tiny/tiny-Q8_0.gguf"} <= names,
          f"ls --all: {names}")
    check(not any("out.gguf" in name for name in names), "what leads out is not listed")


def state(home):
    """{name: sha256} of a store whose every name has its whole blob; checked here, byte by byte."""
    names = {}
    for path in (home / "models").glob("*/*.json"):
        record = json.loads(path.read_text())
        data = (home / "blobs" / f"sha256-{record['sha256']}").read_bytes()
        check(hashlib.sha256(data).hexdigest() == record["sha256"], f"{path} names a blob that is not whole")
        check((home / "blobs" / f"sha256-{record['sha256']}.crc32c").exists(), f"{path} names a blob without checksums")
        names[f"{path.parent.name}:{path.stem}"] = record["sha256"]
    return names


def tidy(home, names):
    """Whether nothing is left over."""
    blobs = {path.name for path in (home / "blobs").iterdir()}
    wanted = {f"sha256-{digest}{end}" for digest in names.values() for end in ("", ".crc32c")}
    left = [str(path) for path in (home / "tmp").rglob("*")] + [str(path) for path in home.rglob(".new-*")]
    return blobs == wanted and not left


def bundle():
    """Models over a file or a pipe into another store; tar reads it; what is no bundle leaves nothing."""
    other = {"FREEHOLD_HOME": str(WORK / "other-home")}
    second = make(WORK / "second.gguf", "--seed", "3", "--tokenizer", "bytes-bpe", *SMALL)
    expect(0, "import", MODEL, "one")
    expect(0, "import", second, "two")
    expect(0, "create", "brief", "-f", "-", text=b"FROM one\nSYSTEM Be brief.\nPARAMETER seed 7\n")
    file = WORK / "models.tar"
    expect(0, "export", "one", "two", "brief", file)
    listing = subprocess.run(["tar", "-tvf", file], capture_output=True, text=True)
    lines = listing.stdout.splitlines()
    check(listing.returncode == 0 and len(lines) == 6 and lines[0].endswith("freehold-bundle.json") and "models/" in lines[-1],
          f"tar lists a bundle, records last: {listing}")
    _, err = expect(0, "import", file, env=other)
    check("brief" in err, "import says what came")
    expect(0, "verify", "one", "two", "brief", env=other)
    _, err = expect(0, "verify", "--all", env=other)
    check(err.count("is what its hash says") == 3, "verify --all takes every model")
    check(b"two" in expect(0, "ls", "tw", env=other)[0] and b"one" not in expect(0, "ls", "tw", env=other)[0], "ls BEGINNING")
    expect(2, "verify", env=other)
    answer, _ = expect(0, "run", "brief", "-n", 5, "x")
    check(expect(0, "run", "brief", "-n", 5, "x", env=other)[0] == answer, "a model from a bundle answers the same")
    expect(0, "import", file, env=other)
    check(tidy(WORK / "other-home", state(WORK / "other-home")), "nothing is left of two imports")
    piped, _ = expect(0, "export", "brief", "-")
    third = {"FREEHOLD_HOME": str(WORK / "third-home")}
    expect(0, "import", "-", env=third, text=piped)
    check(expect(0, "run", "brief", "-n", 5, "x", env=third)[0] == answer, "a bundle through a pipe")
    unpacked = WORK / "unpacked"
    unpacked.mkdir()
    subprocess.run(["tar", "-xf", file, "-C", unpacked], check=True)
    entries = [line.split()[-1] for line in lines]
    for form in ("ustar", "gnu"):
        again = WORK / f"{form}.tar"
        subprocess.run(["tar", f"--format={form}", "-cf", again, "-C", unpacked, *entries], check=True)
        expect(0, "import", again, env=third)
    whole = file.read_bytes()
    fresh = {"FREEHOLD_HOME": str(WORK / "fresh-home")}
    for cut in (0, 511, 512, 3000, len(whole) // 2, len(whole) - 1500, len(whole) - 1):
        expect(5, "import", "-", env=fresh, text=whole[:cut])
    expect(5, "import", "-", env=fresh, text=whole + b"x")
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    expect(5, "import", "-", env=fresh, text=bytes(damaged))
    for spoil in (("--transform", "s,^models,../models,"), ("--transform", "s,^models,/models,", "-P")):
        subprocess.run(["tar", "--format=ustar", "-cf", WORK / "bad.tar", "-C", unpacked, *spoil, *entries], check=True, stderr=subprocess.DEVNULL)
        _, err = expect(5, "import", WORK / "bad.tar", env=fresh)
        check("models/" in err, "the entry that is out of place is named")
    (unpacked / entries[1]).unlink()
    (unpacked / entries[1]).symlink_to("/etc/passwd")
    subprocess.run(["tar", "--format=ustar", "-cf", WORK / "bad.tar", "-C", unpacked, *entries], check=True)
    _, err = expect(5, "import", WORK / "bad.tar", env=fresh)
    check("a link" in err, "a link is refused by name")
    expect(4, "import", file, "--licence-policy", "commercial", env=fresh)
    expect(2, "import", file, "name", env=fresh)
    check(json.loads(expect(0, "ls", "--json", env=fresh)[0]) == [] and tidy(WORK / "fresh-home", {}), "nothing of all that is there")
    expect(3, "export", "nothing", WORK / "x.tar")
    expect(2, "export", "one")
    expect(3, "export", "one", WORK / "no" / "x.tar")
    check(not (WORK / "x.tar").exists() and not list(WORK.glob("*.partial")), "a failed export leaves nothing")


def preloaded(home, words, **more):
    shim = str(pathlib.Path(PROGRAM).resolve().with_name("kill_shim.so"))
    return subprocess.run([PROGRAM, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                          env={**os.environ, **ENVIRONMENT, "FREEHOLD_HOME": str(home), "LD_PRELOAD": shim, **more})


def kills():
    """kill -9 before each of 200 calls that change files: the old names or the new ones, each whole; then it works."""
    start = WORK / "start-home"
    home = FAST / "killed-home"
    counter = WORK / "count"
    points = 0
    for begin, words in ((start, ("import", WORK / "third.gguf", "new")), (start, ("import", WORK / "full.tar")),
                         (start, ("create", "over", "-f", WORK / "over.txt")), (start, ("create", "brief", "-f", WORK / "over.txt")),
                         (start, ("rm", "two")), (start, ("rm", "one")), (start, ("cp", "one", "uno")), (WORK / "no-home", ("import", WORK / "full.tar")),
                         (WORK / "no-home", ("import", WORK / "third.gguf", "brief")), (WORK / "no-home", ("create", "brief", "-f", WORK / "file.txt"))):
        before = state(begin)

        def reset():
            shutil.rmtree(home, ignore_errors=True)
            if begin.exists():
                shutil.copytree(begin, home)
        reset()
        done = preloaded(home, words, FREEHOLD_KILL_COUNT=str(counter))
        check(done.returncode == 0, f"{words}: {done.stderr}")
        after = state(home)
        count = int(counter.read_text())
        for at in range(1, count + 1):
            reset()
            done = preloaded(home, words, FREEHOLD_KILL_AT=str(at))
            check(done.returncode == -9, f"{words} was not killed at {at}: {done.returncode}")
            now = state(home)
            check(all(now.get(name) in (before.get(name), after.get(name)) for name in before.keys() | after.keys()) and
                  now.keys() <= before.keys() | after.keys(), f"{words} killed at {at} left {now}")
            again = preloaded(home, words)
            check(again.returncode == 0 or (words[0] == "rm" and now == after and again.returncode == 3), f"{words} after {at}: {again.stderr}")
            check(state(home) == after, f"{words} once more after {at}")
            # What a kill left goes at the next change.
            if "brief:latest" in after:
                preloaded(home, ("cp", "brief", "swept"))
                left = state(home)
                check(left.get("swept:latest") == after["brief:latest"] and tidy(home, left), f"{words} killed at {at}: something is left over")
            points += 1
    check(points >= 200, f"only {points} points")
    print(f"{points} points of kill -9")
    shutil.rmtree(home)


def no_room():
    """A full disk at every write is named and changes nothing; a read-only store serves what it has."""
    start = WORK / "start-home"
    home = WORK / "full-home"
    before = state(start)
    for words in (("import", WORK / "third.gguf", "new"), ("import", WORK / "full.tar"), ("create", "over", "-f", WORK / "over.txt"),
                  ("cp", "one", "uno")):
        for at in range(1, 9):
            shutil.rmtree(home, ignore_errors=True)
            shutil.copytree(start, home)
            done = preloaded(home, words, FREEHOLD_FULL_AT=str(at))
            if done.returncode == 0:
                break
            check(done.returncode == 1 and b"No space left" in done.stderr, f"{words} full at write {at}: {done.stderr}")
            check(state(home) == before, f"{words} full at write {at} changed names")
    done = subprocess.run(["unshare", "-rm", "bash", "-c", 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && shift 0 && exec "$@"',
                           str(start), PROGRAM, "cp", "one", "uno"], capture_output=True, text=True,
                          env={**os.environ, **ENVIRONMENT, "FREEHOLD_HOME": str(start)})
    if "error: " not in done.stderr:
        print("note: nothing can be mounted read-only here; that was not tried")
        return
    check(done.returncode == 4 and "read-only" in done.stderr.lower(), f"a read-only store is named: {done}")
    for words, code in ((("show", "brief"), 0), (("verify", "one"), 0), (("rm", "one"), 4), (("import", str(MODEL), "q"), 4),
                        (("import", str(WORK / "full.tar")), 4), (("create", "q", "-f", str(WORK / "over.txt")), 4)):
        done = subprocess.run(["unshare", "-rm", "bash", "-c", 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"',
                               str(start), PROGRAM, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env={**os.environ, **ENVIRONMENT, "FREEHOLD_HOME": str(start)})
        check(done.returncode == code, f"{words} of a read-only store: {done.returncode} {done.stderr}")
    check(state(start) == before, "a read-only store is as it was")


def at_once():
    """Several processes at one store: each does its work whole."""
    home = WORK / "shared-home"
    shutil.copytree(WORK / "start-home", home)
    words = [("import", WORK / "third.gguf", f"new{i}") for i in range(3)] + [("import", WORK / "full.tar")] * 2
    words += [("create", f"over{i}", "-f", WORK / "over.txt") for i in range(3)] + [("rm", "two"), ("cp", "one", "uno")]
    env = {**os.environ, **ENVIRONMENT, "FREEHOLD_HOME": str(home)}
    running = [subprocess.Popen([PROGRAM, *map(str, each)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env) for each in words]
    for each, process in zip(words, running):
        _, err = process.communicate(timeout=60)
        check(process.returncode == 0, f"{each} beside others: {err}")
    names = state(home)
    check({"new0:latest", "new2:latest", "over0:latest", "over2:latest", "uno:latest", "far:latest"} <= names.keys() and "two:latest" not in names,
          f"what ten processes left: {names}")
    check(tidy(home, names), "nothing is left over")


def fast_folder():
    if os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > 64 << 20:
        return tempfile.TemporaryDirectory(dir="/dev/shm")
    return contextlib.nullcontext()


def durable():
    """The same start for kills, full disks and neighbours: three names here, and a bundle of one that is not here."""
    start = WORK / "start-home"
    here = {"FREEHOLD_HOME": str(start)}
    for seed, name in (("2", "one"), ("3", "two")):
        expect(0, "import", make(WORK / f"{name}.gguf", "--seed", seed, *TINY), name, env=here)
    (WORK / "over.txt").write_text("FROM one\nSYSTEM Sing.\n")
    (WORK / "file.txt").write_text("FROM ./one.gguf\nSYSTEM Sing.\n")
    expect(0, "create", "brief", "-f", "-", text=b"FROM one\nSYSTEM Be brief.\n", env=here)
    third = make(WORK / "third.gguf", "--seed", "4", *TINY)
    far = {"FREEHOLD_HOME": str(WORK / "far-home")}
    expect(0, "import", make(WORK / "far.gguf", "--seed", "5", *TINY), "far", env=far)
    expect(0, "create", "farther", "-f", "-", env=far, text=b"FROM far\nSYSTEM Far.\n")
    expect(0, "import", third, "third", env=far)
    for name in ("nearer", "dearer"):
        expect(0, "cp", "farther", name, env=far)
    expect(0, "export", "far", "farther", "third", "nearer", "dearer", WORK / "full.tar", env=far)
    kills()
    no_room()
    at_once()


with tempfile.TemporaryDirectory() as folder, fast_folder() as fast:
    WORK = pathlib.Path(folder)
    # What is killed some hundred times need not wait for a disk.
    FAST = pathlib.Path(fast or folder)
    HOME = WORK / "home"
    ENVIRONMENT = {"FREEHOLD_HOME": str(HOME), "XDG_CONFIG_HOME": str(WORK), "HOME": str(WORK / "user")}
    for variable in ("OLLAMA_MODELS", "LLAMA_CACHE", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"):
        os.environ.pop(variable, None)
    MODEL = make(WORK / "model.gguf", "--tokenizer", "bytes-bpe", *SMALL)
    for part in (settings, licences, create, ollama, folders, bundle, durable):
        part()
print(f"{len(FAILURES)} checks failed" if FAILURES else "all checks hold")
sys.exit(1 if FAILURES else 0)
