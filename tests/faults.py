#!/usr/bin/env python3
"""The real program on a disk that fails: a preloaded shim and, where there is FUSE, a file system
strike the reads of its model (tests/faults/fault_rules.h). Whatever happens, no wrong token is
printed, and the exit code and the message say what it was (docs/STREAMING-FAULTS.md).

Offline; takes the program from FREEHOLD. Every check is a line of output where it fails; exit 1 then.
"""

import contextlib
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

PROGRAM = os.path.abspath(os.environ.get("FREEHOLD", "build/release/freehold"))
BESIDE = pathlib.Path(PROGRAM).parent
SHIM = BESIDE / "preload_shim.so"
PASSTHROUGH = BESIDE / "fuse_passthrough"
FAILURES = []
CHECKS = 0
TOKENS = ("--tokens", "1,2,3,4,5,6,7,8", "--json")


def check(holds, what):
    global CHECKS
    CHECKS += 1
    if not holds:
        FAILURES.append(what)
        print("FAILED", what, flush=True)


def environment(faults=None, model=None):
    more = {"FREEHOLD_HOME": str(HOME), "XDG_CONFIG_HOME": str(WORK)}
    if faults is not None:
        more |= {"FREEHOLD_FAULTS": faults, "FREEHOLD_FAULT_PATH": pathlib.Path(model).name,
                 "LD_PRELOAD": str(SHIM)}
    return {**os.environ, **more}


def run(*words, faults=None, model=None):
    """(exit code, stdout bytes, stderr text)."""
    done = subprocess.run([PROGRAM, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=120, env=environment(faults, model))
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")


def logits(model, *more, faults=None):
    return run("logits", model, *TOKENS, *more, faults=faults, model=model)


def tensors(path):
    """{name: (first byte, bytes)} of a GGUF file; bytes up to the next tensor."""
    data = pathlib.Path(path).read_bytes()
    at = 8
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

    def number(kind):
        nonlocal at
        value = struct.unpack_from("<" + kind, data, at)[0]
        at += struct.calcsize(kind)
        return value

    def text():
        nonlocal at
        count = number("Q")
        at += count
        return data[at - count:at].decode("utf-8", "replace")

    def skip(kind):
        nonlocal at
        if kind == 8:
            text()
        elif kind == 9:
            inner, count = number("I"), number("Q")
            for _ in range(count):
                skip(inner)
        else:
            at += sizes[kind]

    count, keys = number("Q"), number("Q")
    for _ in range(keys):
        text()
        skip(number("I"))
    places = {}
    for _ in range(count):
        name = text()
        for _ in range(number("I")):
            number("Q")
        number("I")
        places[name] = number("Q")
    start = (at + 31) // 32 * 32
    order = sorted(places.values()) + [len(data) - start]
    return {name: (start + offset, order[order.index(offset) + 1] - offset)
            for name, offset in places.items()}


def cases_of(places):
    """A byte of every tensor. Of the table that is read by row, one of a row that is asked for."""
    dice = random.Random(3)
    for name, (first, size) in places.items():
        if name == "token_embd.weight":
            row = size // VOCABULARY
            yield name, first + 5 * row + row // 3
        else:
            yield name, first + dice.randrange(size * 9 // 10)


# --- Rules through the shim -------------------------------------------------------------------


def passing_and_lasting_errors():
    """What passes costs nothing; what lasts ends the run with a message."""
    for budget in (LEAST, LEAST + 12):
        streamed = ("--memory", f"{budget}M", "--reads", "threads")
        for name, faults in {
                "short reads": "short bytes=5000", "tiny short reads": "short bytes=777",
                "a slow disk": "slow us=3000",
                "EIO once": "eio skip=40 times=1",
                "no direct reads": "nodirect",
                "EIO twice in one place": f"eio offset={UP} times=2",
                "a passing flipped bit": f"flip offset={UP} bit=2 times=1"}.items():
            code, out, err = logits(STORED, *streamed, faults=faults)
            check(code == 0 and out == WHOLE, f"{name} in {budget}M: exit {code}: {err[:200]}")
        for name, faults in {"EIO for ever": "eio skip=60", "EIO for ever in one place":
                             f"eio offset={UP}"}.items():
            code, out, err = logits(STORED, *streamed, faults=faults)
            check(code == 1 and out == b"" and "cannot read" in err and "Input/output error" in err,
                  f"{name} in {budget}M: exit {code}: {err[:200]}")
        code, out, err = logits(STORED, *streamed, faults="eio times=1")
        check(code == 1 and out == b"" and "cannot read" in err,
              f"EIO in the header, which is read once: exit {code}: {err[:200]}")
        code, out, err = logits(STORED, *streamed, faults="stat skip=6")
        check(code == 1 and out == b"" and "cannot look at" in err,
              f"a file that cannot be asked about: exit {code}: {err[:200]}")
    code, out, err = logits(STORED, "--memory", f"{LEAST}M", "--reads", "threads",
                            faults="nonsense bytes=1")
    check(code == 97, "the control: a rule that nobody knows ends the program")


def flipped_bits_of_the_store():
    """A flipped bit in any tensor, streamed, pinned or read by row, is caught before a token."""
    caught = 0
    for number, (name, byte) in enumerate(cases_of(PLACES)):
        for budget in (LEAST, LEAST + 12, 500)[number % 2::2]:
            code, out, err = logits(STORED, "--memory", f"{budget}M", "--reads", "threads",
                                    faults=f"flip offset={byte} bit={number % 8}")
            check(code == 5 and out == b"" and "damaged" in err,
                  f"{name}, byte {byte}, {budget}M: exit {code}: {err[:200]}")
            caught += code == 5
    print(f"flipped bits of the store's file: {caught} caught, in all {len(PLACES)} tensors")
    # The same on the disk itself, so that io_uring reads it.
    for name, byte in list(cases_of(PLACES))[::5]:
        flip(STORED, byte)
        code, out, err = logits(STORED, "--memory", f"{LEAST}M")
        check(code == 5 and out == b"", f"{name} on the disk: exit {code}: {err[:200]}")
        flip(STORED, byte)
    code, out, _ = logits(STORED, "--memory", f"{LEAST}M")
    check(code == 0 and out == WHOLE, "the mended file works again")


def flip(path, byte):
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        file.seek(byte)
        value = file.read(1)[0]
        file.seek(byte)
        file.write(bytes([value ^ 16]))


def flipped_bits_outside_the_store():
    """Without checksums a later reading must equal the first; the first is believed."""
    words = ("--slice", 2, "--memory", f"{LEAST}M", "--reads", "threads")  # four passes
    streamed = [case for case in cases_of(PLACES)
                if re.fullmatch(r"blk\.[03]\.(ffn_(up|down|gate)|attn_[qk])\.weight", case[0])]
    caught = 0
    for name, byte in streamed:
        # Aligned reads of two neighbours may both hold the byte: only after two is the first of its
        # own panel certain to be over.
        for when in ("skip=2", "skip=3", "times=1"):
            code, out, err = logits(LOOSE, *words, faults=f"flip offset={byte} bit=1 {when}")
            caught += code == 5
            # A few panels are pinned in what the budget has to spare, and read once.
            check(code == 0 or out == b"" and "differently" in err,
                  f"{name}, {when}: exit {code}: {err[:200]}")
            check(code == 5 or when == "times=1" or out == WHOLE, f"{name}, {when}: a wrong answer")
    print(f"flipped bits outside the store: {caught} of {3 * len(streamed)} caught, the others are of "
          "pinned panels")
    check(caught >= 2 * len(streamed), f"only {caught} were caught")
    # The control, and what is not promised: the first reading is all there is.
    code, out, _ = logits(LOOSE, *words, faults=f"flip offset={streamed[0][1]} bit=1")
    check(code == 0 and out != WHOLE, "outside the store nobody knows the first reading to be wrong")


# --- The file changes while an answer is being made -------------------------------------------


def under_way(model, change, slow="slow us=500"):
    """Starts an answer, changes the file after its first words; (exit code, stdout, stderr)."""
    words = answer_words(model)
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=environment(slow, model)) as running:
        first = running.stdout.read(12)
        change()
        out, err = running.communicate(timeout=120)
        return running.returncode, first + out, err.decode("utf-8", "replace")


def answer_words(model, budget=None):
    """The budget comes last, so that least_budget() can leave it out."""
    return [PROGRAM, "run", str(model), "--raw", "-n", "24", "--temperature", "0", "--context", "256",
            "--reads", "threads", "A long beginning", "--memory",
            f"{LEAST_RUN if budget is None else budget}M"]


def changed_files():
    code, whole, err = run(*answer_words(LOOSE)[1:])
    check(code == 0 and len(whole) > 40, f"an answer to compare with: exit {code}: {err[:200]}")
    for stored in (False, True):
        def fresh():
            copy = WORK / "changing.gguf"
            shutil.copyfile(STORED, copy)
            table = WORK / "changing.gguf.crc32c"
            table.unlink(missing_ok=True)
            if stored:
                shutil.copyfile(f"{STORED}.crc32c", table)
            return copy

        def rewrite_in_place():
            with open(WORK / "changing.gguf", "r+b") as file:
                file.seek(UP)
                file.write(b"other bytes than before")

        def replace():
            (WORK / "other").write_bytes(b"something else")
            os.replace(WORK / "other", WORK / "changing.gguf")

        changes = {"truncated": lambda: os.truncate(WORK / "changing.gguf", 5000),
                   "cut by a little": lambda: os.truncate(WORK / "changing.gguf", SIZE - 1),
                   "rewritten in place": rewrite_in_place,
                   "touched": lambda: os.utime(WORK / "changing.gguf")}
        for name, change in changes.items():
            code, out, err = under_way(fresh(), change)
            check(code == 5 and "changing.gguf" in err, f"{name}: exit {code}: {err[:300]}")
            check(whole.startswith(out) and len(out) < len(whole),
                  f"{name}: not a part of the right answer")
        for name, change in {"replaced by name": replace,
                             "removed": lambda: os.remove(WORK / "changing.gguf")}.items():
            code, out, err = under_way(fresh(), change)
            check(code == 0 and out == whole, f"{name}: the open file goes on: exit {code}: {err[:300]}")


def a_disk_that_slows_down():
    """Throttling is said, with the right answer beside it; a run that is short says nothing of it."""
    words = answer_words(STORED)[1:]
    words[words.index("-n") + 1] = "40"
    _, right, err = run(*words, "--verbose")
    reads = int(re.search(r"read in (\d+) reads", err).group(1))
    # The last 60 % take 12 seconds by five reads at a time, longer by fewer.
    skip, slow = 2 * reads // 5, 5 * 12_000_000 // (3 * reads // 5)
    code, out, err = run(*words, "--verbose", faults=f"slow us={slow} skip={skip}", model=STORED)
    check(code == 0 and out == right and "throttled" in err, f"a throttled disk: exit {code}: {err}")
    print(*(line for line in err.splitlines() if line.startswith(("disk: ", "streamed: "))), sep="\n")
    code, out, err = run(*words[:-2], "--memory", f"{LEAST_RUN}M", "-n", 4, "--verbose")
    check(code == 0 and "throttled" not in err and "disk: not rated" in err, f"a short run: {err}")


# --- The same rules from a file system, for io_uring -------------------------------------------


@contextlib.contextmanager
def failing_disk(folder, faults, part="sha256"):
    """A FUSE mount that shows `folder` and fails by `faults`; None where there is no FUSE."""
    if not PASSTHROUGH.exists() or not os.path.exists("/dev/fuse"):
        yield None
        return
    mount = pathlib.Path(tempfile.mkdtemp(dir=WORK))
    server = subprocess.Popen([PASSTHROUGH, folder, mount, "-f"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL,
                              env={**os.environ, "FREEHOLD_FAULTS": faults, "FREEHOLD_FAULT_PATH": part})
    try:
        for _ in range(100):
            if os.path.ismount(mount) or server.poll() is not None:
                break
            time.sleep(0.02)
        yield mount if os.path.ismount(mount) else None
    finally:
        # The server unmounts when it is asked to end.
        server.terminate()
        server.wait(timeout=20)


def through_a_file_system():
    folder, name = os.path.split(STORED)
    with failing_disk(folder, "") as mount:
        if mount is None:
            print("note: no FUSE here; io_uring was not tried on a failing file system")
            return
    kept = ("--memory", f"{LEAST}M", "--reads")
    for reads in ("io_uring", "threads"):
        for faults in ("", "short bytes=70000", "slow us=2000", "eio skip=60 times=1",
                       f"flip offset={UP} bit=3 times=1"):
            with failing_disk(folder, faults) as mount:
                code, out, err = logits(mount / name, *kept, reads)
            if reads == "io_uring" and code == 4:
                print("note: io_uring is forbidden here; threads alone read the failing file system")
                break
            check(code == 0 and out == WHOLE, f"'{faults}' by {reads}: exit {code}: {err[:200]}")
        else:
            for faults, expected in ((f"eio offset={UP}", 1), ("eio skip=60", 1)):
                with failing_disk(folder, faults) as mount:
                    code, out, err = logits(mount / name, *kept, reads)
                check(code == expected and out == b"" and "cannot read" in err,
                      f"'{faults}' by {reads}: exit {code}: {err[:200]}")
            for tensor, byte in list(cases_of(PLACES))[::6]:
                with failing_disk(folder, f"flip offset={byte} bit=5") as mount:
                    code, out, err = logits(mount / name, *kept, reads)
                check(code == 5 and out == b"", f"{tensor} by {reads}: exit {code}: {err[:200]}")


def mirrors():
    """Copies on other drives: the same bits, and an answer where a drive fails."""
    folders = [WORK / "drive-a", WORK / "drive-b"]
    for folder in folders:
        folder.mkdir()
        shutil.copyfile(STORED, folder / STORED.name)
    both = ",".join(map(str, folders))
    for reads in ("auto", "threads"):
        for budget in (LEAST, LEAST + 12):
            code, out, err = logits(STORED, "--memory", f"{budget}M", "--reads", reads, "--mirror", both)
            check(code == 0 and out == WHOLE and "note:" not in err, f"mirrors by {reads}: {err[:300]}")
    words = ("--memory", f"{LEAST}M", "--reads", "threads", "--slice", 1, "--mirror", folders[0])
    for name, faults in {"EIO": "eio skip=90", "wrong bytes": f"flip offset={UP} bit=2",
                         "a slow drive": "slow us=5000", "short reads": "short bytes=3000"}.items():
        for struck in (folders[0] / STORED.name, STORED):
            done = subprocess.run([PROGRAM, "logits", STORED, *map(str, TOKENS), *map(str, words)],
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                                  env=environment(faults, STORED)
                                  | {"FREEHOLD_FAULT_PATH": str(struck)})
            err = done.stderr.decode()
            check(done.returncode == 0 and done.stdout == WHOLE,
                  f"{name} on {struck.parent.name}: exit {done.returncode}: {err[:300]}")
            check(("is not read any more" in err) == (name == "EIO"),
                  f"{name} on {struck.parent.name}: what is said of it: {err[:300]}")
    code, out, err = logits(STORED, *words, faults="eio skip=90")
    check(code == 1 and out == b"", f"EIO on all drives: exit {code}: {err[:200]}")
    (folders[1] / STORED.name).unlink()
    check(logits(STORED, "--memory", f"{LEAST}M", "--mirror", both)[0] == 3, "a copy that is not there")
    check(logits(LOOSE, "--memory", f"{LEAST}M", "--mirror", folders[0])[0] == 4,
          "mirrors of a file without checksums")


def shards_on_drives():
    """The shards of a model may lie on several drives, by links: the same bits."""
    folders = [WORK / "shards-a", WORK / "shards-b"]
    for folder in folders:
        folder.mkdir()
    subprocess.run([BESIDE / "model_factory", folders[0] / "s.gguf", "--layers", "6", "--width", "512",
                    "--heads", "8", "--kv-heads", "4", "--ffn", "1536", "--type", "Q4_K_M", "--shards",
                    "4"], check=True, capture_output=True)
    shards = sorted(folders[0].glob("*.gguf"))
    check(len(shards) == 4, "four shards")
    right = logits(shards[0])[1]
    for shard in shards[1::2]:
        moved = folders[1] / shard.name
        shutil.move(shard, moved)
        shard.symlink_to(moved)
    code, out, err = logits(shards[0], "--memory", f"{LEAST}M")
    check(code == 0 and out == right and len(right) > 100, f"shards on two drives: {err[:300]}")
    os.truncate(folders[1] / shards[1].name, 5000)
    check(logits(shards[0], "--memory", f"{LEAST}M")[0] == 5, "a shard that is cut")


# --- Other file systems --------------------------------------------------------------------------


@contextlib.contextmanager
def mounted(kind, options):
    place = pathlib.Path(tempfile.mkdtemp(dir=WORK))
    done = subprocess.run(["mount", "-t", kind, "-o", options, kind, place], capture_output=True)
    try:
        yield place if done.returncode == 0 else None
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", place], check=False)


def other_file_systems():
    lower, upper, inner = (WORK / name for name in ("lower", "upper", "inner"))
    for folder in (lower, upper, inner):
        folder.mkdir()
    for end in ("", ".crc32c"):
        shutil.copyfile(f"{STORED}{end}", lower / f"m.gguf{end}")
    words = ("run", "--raw", "-n", 4, "--temperature", 0, "--verbose", "--context", 256, "--memory",
             f"{LEAST_RUN}M", "Hi")
    right = run(*words[:1], STORED, *words[1:])[1]
    places = {"tmpfs": "size=200M", "overlay": f"lowerdir={lower},upperdir={upper},workdir={inner}"}
    for kind, options in places.items():
        with mounted(kind, options) as place:
            if place is None:
                print(f"note: {kind} cannot be mounted here; it was not tried")
                continue
            if kind == "tmpfs":
                for file in lower.iterdir():
                    shutil.copy(file, place)
            code, out, err = run(*words[:1], place / "m.gguf", *words[1:])
            check(code == 0 and out == right, f"{kind}: exit {code}: {err[:300]}")
            said = "through the page cache" in err
            print(f"{kind}: {'through the page cache' if said else 'direct reads'}")
            code, out, err = run(*words[:1], place / "m.gguf", *words[1:],
                                 faults=f"flip offset={UP} bit=1", model=place / "m.gguf")
            check(code in (0, 5), f"{kind} with a flipped bit: exit {code}")


    # Whether a tmpfs takes direct reads depends on the kernel; one that refuses them is simulated.
    for faults, said in (("nodirect", True), ("", False)):
        code, out, err = run(*words[:1], STORED, *words[1:], faults=faults, model=STORED)
        check(code == 0 and out == right and ("through the page cache" in err) == said,
              f"'{faults}': what is said of the page cache: exit {code}: {err[:300]}")


def least_budget(*words):
    """The least that works for the program with the shim in it, and a megabyte for what varies."""
    _, _, err = run(*words, "--memory", "1M", faults="short bytes=100000000", model=LOOSE)
    return int(re.search(r"--memory (\d+)M", err).group(1)) + 1


if not SHIM.exists():
    print("preload_shim.so is not built")
    sys.exit(77)
with tempfile.TemporaryDirectory() as work:
    WORK = pathlib.Path(work)
    HOME = WORK / "home"
    VOCABULARY = 2048
    LOOSE = WORK / "loose.gguf"
    subprocess.run([BESIDE / "model_factory", LOOSE, "--tokenizer", "bytes-bpe", "--layers", "6",
                    "--width", "512", "--heads", "8", "--kv-heads", "4", "--ffn", "1536", "--vocab",
                    str(VOCABULARY), "--type", "Q4_K_M", "--context", "512"], check=True,
                   capture_output=True)
    run("import", LOOSE, "stored")
    STORED = next(path for path in HOME.rglob("sha256-*") if path.is_file() and path.suffix == "")
    SIZE = LOOSE.stat().st_size
    PLACES = tensors(LOOSE)
    UP = PLACES["blk.1.ffn_up.weight"][0] + 1000
    LEAST = least_budget("logits", STORED, *TOKENS)
    LEAST_RUN = least_budget(*answer_words(LOOSE, 0)[1:-2])
    WHOLE = logits(STORED)[1]
    check(len(WHOLE) > 1000, "logits to compare with")
    for part in (passing_and_lasting_errors, flipped_bits_of_the_store, flipped_bits_outside_the_store,
                 changed_files, a_disk_that_slows_down, through_a_file_system, mirrors, shards_on_drives, other_file_systems):
        started = time.monotonic()
        part()
        print(f"{part.__name__}: {time.monotonic() - started:.1f} s", flush=True)
print(f"{len(FAILURES)} of {CHECKS} checks failed" if FAILURES else f"all {CHECKS} checks hold")
sys.exit(1 if FAILURES else 0)
