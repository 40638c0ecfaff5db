#!/usr/bin/env python3
"""`pull` from servers on this machine: a web server with faults, a hub, and whatever may go wrong on the way.

No host of the real ones is contacted: the hub's protocol is spoken by a server written here. Takes the
program from FREEHOLD. Every check is a line of output where it fails; exit 1 then.
"""

import fcntl
import hashlib
import http.server
import json
import os
import pathlib
import pty
import random
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import urllib.parse

PROGRAM = os.environ.get("FREEHOLD", "build/release/freehold")
FACTORY = str(pathlib.Path(PROGRAM).with_name("model_factory"))
FAILURES = []
PROXIES = {name: "" for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "no_proxy",
                                 "NO_PROXY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_ENDPOINT", "FREEHOLD_TOKEN",
                                 "SSL_CERT_FILE")}


def check(holds, what):
    if not holds:
        FAILURES.append(what)
        print("FAILED", what, flush=True)
    return holds


def environment(**more):
    return {**os.environ, **PROXIES, "FREEHOLD_HOME": str(HOME), "HOME": str(WORK / "nobody"), "XDG_CONFIG_HOME": str(WORK),
            **{name: str(value) for name, value in more.items()}}


def start(*words, **more):
    return subprocess.Popen([PROGRAM, *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=environment(**more))


def expect(code, *words, says="", **more):
    """Runs the program; (stdout, stderr). `says` must be in what it says."""
    running = start(*words, **more)
    out, err = running.communicate(timeout=120)
    err = err.decode("utf-8", "replace")
    got = running.returncode
    check(got == code, f"{' '.join(map(str, words))[:150]}: exit {got}, expected {code}: {err[:400]}")
    check(says.lower() in err.lower(), f"{' '.join(map(str, words))[:150]}: does not say '{says}': {err[:400]}")
    return out, err


def tree(folder):
    """Everything below a folder, without the store."""
    return sorted(str(path) for path in pathlib.Path(folder).rglob("*") if HOME not in path.parents and path != HOME)


def models():
    return {f"{path.parent.name}:{path.stem}": json.loads(path.read_text()) for path in HOME.glob("models/*/*.json")}


def sound(what):
    """Nothing half visible: every name has its whole blob."""
    for name, record in models().items():
        blob = HOME / "blobs" / ("sha256-" + record["sha256"])
        if check(blob.is_file(), f"{what}: {name} without its blob"):
            check(hashlib.sha256(blob.read_bytes()).hexdigest() == record["sha256"], f"{what}: {name} is not what its hash says")
            check(blob.with_name(blob.name + ".crc32c").is_file(), f"{what}: {name} without its checksums")


def empty_store():
    shutil.rmtree(HOME, ignore_errors=True)


class Server(http.server.ThreadingHTTPServer):
    """Serves by a function of the handler; remembers what it was asked."""
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, answer):
        self.asked, self.lock, self.counts = [], threading.Lock(), {}
        super().__init__(("127.0.0.1", 0), type("Handler", (Handler,), {"answer": answer}))
        self.at = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *words):
        pass  # A client that hangs up is what is being tested.

    def count(self, key):
        with self.lock:
            self.counts[key] = self.counts.get(key, 0) + 1
            return self.counts[key]

    def paths(self):
        return [path for path, _ in self.asked]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def do_GET(self):
        with self.server.lock:
            self.server.asked.append((self.path, dict(self.headers)))
        self.answer()

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
            self.close_connection = True

    def send_json(self, value, **headers):
        self.send(200, json.dumps(value).encode(), Content_Type="application/json", **headers)

    def hang_up(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def range_of(self, size):
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        return int(first), min(int(last), size - 1)

    def send_file(self, content, tag="1", ranges=True, **headers):
        if not ranges or "Range" not in self.headers:
            return self.send(200, content, ETag=f'"{tag}"', **headers)
        first, last = self.range_of(len(content))
        return self.send(206, content[first:last + 1], Content_Range=f"bytes {first}-{last}/{len(content)}", ETag=f'"{tag}"',
                         **headers)


def faulty(self):
    """The first part of the path says what is wrong today; counts let it pass or begin after some answers."""
    fault = self.path.split("/")[1]
    content = (SMALL if fault == "small" else BIG).read_bytes()
    asked = self.server.count(self.path)
    ranged = "Range" in self.headers
    first, last = self.range_of(len(content)) if ranged else (0, len(content) - 1)
    span = f"bytes {first}-{last}/{len(content)}"
    statuses = {"missing": 404, "gone": 410, "secret": 401, "forbidden": 403, "lawyers": 451}
    if fault in statuses:
        return self.send(statuses[fault])
    if fault == "busy" and asked < 3:
        return self.send(503, Retry_After="1")
    if fault == "later" and asked > 3:
        return self.send(429, Retry_After="3600")
    if fault in ("loop", "file", "gopher", "over"):
        return self.send(302, Location={"loop": self.path, "file": "file:///etc/passwd", "gopher": "gopher://127.0.0.1/x",
                                        "over": OTHER.at + "/good/model.gguf"}[fault])
    if fault == "page":
        return self.send_file(b"<html>" + content)
    if fault == "empty":
        return self.send(200, b"")
    if fault == "lengthless":
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        return self.wfile.write(b"4\r\nGGUF\r\n0\r\n\r\n")
    if fault == "packed":
        return self.send_file(content, Content_Encoding="gzip")
    if fault == "shifted" and first > 2 << 20:
        return self.send(206, content[first:last + 1], Content_Range=f"bytes {first - 1}-{last - 1}/{len(content)}", ETag='"1"')
    if fault == "long" and first > 2 << 20:
        return self.send(206, content[first:last + 1] + b"more", Content_Range=span, ETag='"1"')
    if fault == "longer":  # without ranges: more than its own length said at first
        return self.send(200, content if asked == 1 else content + b"x", ETag='"1"')
    if fault == "changing":
        return self.send_file(content, tag="1" if first < 5 << 20 else "2")
    if fault == "growing" and first > 5 << 20:
        return self.send(206, content[first:last + 1], Content_Range=f"bytes {first}-{last}/{len(content) + 1}", ETag='"1"')
    if fault == "noise" and first > 5 << 20:
        return self.send(206, bytes(last - first + 1), Content_Range=span, ETag='"1"')
    later = self.server.count(self.path + " later") if first > 0 else 0
    if fault in ("cut", "cutting") and later > 0 and (fault == "cutting" or later == 2):
        self.send(206, content[first:last + 1][:1000 if fault == "cutting" else 1 << 20], Content_Range=span, ETag='"1"',
                  Content_Length=str(last - first + 1))
        return self.hang_up()
    if fault in ("stall", "stalling") and later > 0 and (fault == "stalling" or later == 2):
        self.send(206, content[first:first + 9], Content_Range=span, ETag='"1"', Content_Length=str(last - first + 1))
        return time.sleep(8)
    if fault == "headers":
        return self.send(206, b"", Content_Range=span, **{f"X_{i}": "y" * 1000 for i in range(100)})
    if fault == "single" and ranged and first > 5 << 20:
        return self.send(200, content, ETag='"1"')
    if fault in ("slow", "small"):
        time.sleep(0.01 if fault == "slow" else 0.002)
    return self.send_file(content, ranges=fault not in ("whole", "slowwhole"))


def addresses():
    """Files behind addresses: whole, or a named error and nothing in the store."""
    good = f"{FAULTY.at}/good/My-Model.gguf"
    for fault, code, says in (
            ("missing", 3, "404"), ("gone", 3, "410"), ("secret", 4, "FREEHOLD_TOKEN"), ("forbidden", 4, "403"),
            ("lawyers", 4, "451"), ("later", 1, "3600"), ("loop", 1, "redirect"), ("file", 1, "rotocol"), ("gopher", 1, "rotocol"),
            ("page", 5, "not a GGUF"), ("empty", 5, "empty"), ("lengthless", 4, "how long"), ("packed", 4, "packed"),
            ("shifted", 5, "another range"), ("long", 5, "more than"), ("longer", 5, "changed"), ("changing", 5, "changed"),
            ("growing", 5, "changed"), ("cutting", 1, "tried 2 times"), ("stalling", 1, "too slow"), ("headers", 4, "headers")):
        expect(code, "pull", f"{FAULTY.at}/{fault}/My-Model.gguf", "--tries", 2 if fault in ("cutting", "later") else 1, "--stall", 1, says=says)
        check(not models(), f"{fault}: something is in the store")
    expect(5, "pull", f"{FAULTY.at}/noise/My-Model.gguf", "--sha256", DIGEST, says="thrown away")
    expect(5, "pull", good, "--sha256", "a" * 64, says=DIGEST)
    expect(2, "pull", good, "--sha256", "A" * 64)
    expect(2, "pull", f"{FAULTY.at}/good/", says="which model")
    expect(4, "pull", f"{FAULTY.at}/good/big-00001-of-00003.gguf?x", says="split into 3 files")
    expect(4, "pull", good.replace("//", "//me:secret@"), says="password")
    expect(1, "pull", "http://127.0.0.1:1/x.gguf", "--tries", 1, says="127.0.0.1")
    asked = len(FAULTY.asked)
    expect(4, "pull", good, "--offline", says="--offline")
    expect(4, "pull", good, says="--offline", FREEHOLD_OFFLINE="1")
    check(len(FAULTY.asked) == asked, "--offline asks nobody")
    check(not models() and not list(HOME.glob("blobs/*")), "nothing of all that is in the store")
    for fault, says in (("good", ""), ("whole", ""), ("single", "no ranges"), ("busy", "503"), ("cut", "try 2 of"),
                        ("stall", "try 2 of")):
        empty_store()
        _, err = expect(0, "pull", f"{FAULTY.at}/{fault}/My-Model.gguf", "--stall", 1, "--tries", 5, says=says)
        check(models().get("my-model:latest", {}).get("sha256") == DIGEST, f"{fault}: the model is in the store")
        sound(fault)
    check("Range" in FAULTY.asked[-1][1], "ranges are asked for")
    _, err = expect(0, "pull", good.replace("good", "stall"), says="here already")
    _, err = expect(0, "pull", good, "second:name", "--offline", "--sha256", DIGEST)
    expect(0, "pull", good, "my-model:Other")
    expect(4, "pull", good.replace("good", "page"), "My-Model", says="upper and lower case")
    expect(0, "verify", "second:name")
    check(not list(HOME.glob("tmp/*")), f"nothing is left over: {list(HOME.glob('tmp/*'))}")


def tokens():
    """What authorises reaches the host it is for, and no other."""
    empty_store()
    expect(0, "pull", f"{FAULTY.at}/over/My-Model.gguf", FREEHOLD_TOKEN="abc")
    check(FAULTY.asked[-1][1].get("Authorization") == "Bearer abc", "the token goes to the address's host")
    check(OTHER.asked and all("Authorization" not in headers for _, headers in OTHER.asked), "and not where redirects lead")
    expect(0, "fit", f"{FAULTY.at}/over/My-Model.gguf", "--json", FREEHOLD_TOKEN="abc")
    check(all("Authorization" not in headers for _, headers in OTHER.asked), "fit keeps the token as well")


def proxies():
    """A proxy from the environment is asked, except for what no_proxy names."""
    seen = []

    def answer(self):
        seen.append(self.path)
        self.path = urllib.parse.urlsplit(self.path).path
        faulty(self)
    proxy = Server(answer)
    empty_store()
    expect(0, "pull", "http://models.example.org/good/far.gguf", http_proxy=proxy.at)
    check(seen and seen[0] == "http://models.example.org/good/far.gguf", "http_proxy is asked for the whole address")
    count = len(seen)
    expect(0, "pull", f"{FAULTY.at}/good/near.gguf", http_proxy=proxy.at, no_proxy="127.0.0.1")
    check(len(seen) == count, "no_proxy is not")
    lines = []
    listener = socket.create_server(("127.0.0.1", 0))

    def tunnel():
        connection, _ = listener.accept()
        lines.append(connection.recv(4096))
        connection.close()
    threading.Thread(target=tunnel, daemon=True).start()
    expect(1, "pull", "https://models.example.org/x.gguf", "--tries", 1,
           HTTPS_PROXY=f"http://127.0.0.1:{listener.getsockname()[1]}")
    check(lines and lines[0].startswith(b"CONNECT models.example.org:443 "), "HTTPS_PROXY is asked for a tunnel")


def kills():
    """kill -9 at 200 moments: nothing half visible, each run goes on, and the end is whole."""
    empty_store()
    moments = random.Random(7)
    slow = f"{FAULTY.at}/small/My-Model.gguf"
    digest = hashlib.sha256(SMALL.read_bytes()).hexdigest()
    began = time.monotonic()
    expect(0, "pull", slow, "--sha256", digest)
    whole_s = time.monotonic() - began
    killed = resumed = 0
    for i in range(400):
        if killed == 200:
            break
        if models():
            expect(0, "rm", "my-model")
        known = ("--sha256", digest) if i % 2 else ()
        running = start("pull", slow, *known, "--connections", 1 + i % 4)
        try:
            _, err = running.communicate(timeout=moments.uniform(0.001, whole_s * 0.9))
        except subprocess.TimeoutExpired:
            running.kill()
            _, err = running.communicate()
        killed += running.returncode == -9
        resumed += b"going on after" in err
        check(running.returncode in (0, -9), f"kill {i}: exit {running.returncode}: {err[:300]}")
        sound(f"kill {i}")
    check(killed == 200, f"only {killed} of 200 were killed")
    check(resumed > 5, f"only {resumed} went on")
    expect(0, "pull", slow, "--sha256", digest)
    expect(0, "verify", "my-model")
    expect(0, "cp", "my-model", "copied")
    expect(0, "pull", slow, "third")
    leftovers = [path for path in HOME.glob("tmp/*")]
    check(len(leftovers) <= 1, f"left over: {leftovers}")
    print(f"  killed {killed} times, went on {resumed} times, a whole pull takes {whole_s:.2f} s")


def at_once():
    """Two pulls of one model fetch it once; the second takes over where the first is killed."""
    empty_store()
    FAULTY.counts.clear()
    slow = f"{FAULTY.at}/slow/both.gguf"
    running = [start("pull", slow, "--connections", 1) for _ in range(2)]
    errors = [each.communicate(timeout=60)[1].decode() for each in running]
    check([each.returncode for each in running] == [0, 0], f"two at once: {errors}")
    check(any("another process" in err for err in errors), "the second says that it waits")
    fetched = FAULTY.counts["/slow/both.gguf"]
    check(fetched <= 3 + BIG.stat().st_size // (4 << 20), f"two at once fetch once: {fetched} requests")
    empty_store()
    first = start("pull", slow, "--connections", 1)
    time.sleep(0.1)
    second = start("pull", slow, "--connections", 1)
    time.sleep(0.05)
    first.kill()
    first.communicate()
    _, err = second.communicate(timeout=60)
    check(second.returncode == 0, f"the second takes over: {err[:300]}")
    sound("two at once")


def hub(self):
    """Speaks the hub's protocol: about, tree in pages, resolve with a redirect to another host."""
    url = urllib.parse.urlsplit(self.path)
    allowed = self.headers.get("Authorization") == "Bearer hf_token"
    if "gated" in url.path and not allowed:
        return self.send(401, b'{"error":"gated"}', X_Error_Code="GatedRepo")
    if "absent" in url.path:
        return self.send(401, b'{"error":"Repository not found"}', X_Error_Code="RepoNotFound")
    about, _, listing = url.path.removeprefix("/api/models/").partition("/tree/")
    if url.path.startswith("/api/models/") and not listing:
        if "deep" in url.path:
            return self.send(200, b'{"a":' * 1000 + b"1" + b"}" * 1000)
        if "huge" in url.path:
            return self.send(200, b'{"a":"' + b"x" * (20 << 20) + b'"}')
        if "html" in url.path:
            return self.send(200, b"<html>")
        licence = "gemma" if "terms" in url.path else "apache-2.0"
        return self.send_json({"sha": COMMIT, "tags": ["gguf", f"license:{licence}"]})
    if listing:
        files = HUB_FILES[about.split("/")[1]]
        page = int(urllib.parse.parse_qs(url.query).get("page", ["0"])[0])
        more = {"Link": f'<{HUB.at}{url.path}?page={page + 1}>; rel="next"'} if page + 1 < len(files) else {}
        return self.send_json(files[page], **more)
    check(f"/resolve/{COMMIT}/" in url.path, f"the hub is asked for one commit: {url.path}")
    return self.send(302, Location=OTHER.at + "/good/" + url.path.rsplit("/", 1)[1])


def entry(path, digest=None, size=None):
    size = BIG.stat().st_size if size is None else size
    return {"type": "file", "path": path, "size": size, "lfs": {"oid": digest or DIGEST, "size": size}}


def hubs():
    """hf.co/USER/REPO[:QUANT]: the right file, its hash, the token, and names that are no paths."""
    HUB_FILES.update({
        "Some-GGUF": [[{"type": "directory", "path": "sub"}, entry("some-Q2_K.gguf", "1" * 64), entry("mmproj-some-Q8_0.gguf", "2" * 64)],
                      [entry("sub/some-Q4_K_M.gguf"), entry("some-IQ4_XS.gguf", "3" * 64), {"type": "file", "path": "README.md", "size": 9}]],
        "first": [[entry("b-Q5_0.gguf"), entry("c-Q6_K.gguf", "4" * 64)]],
        "two": [[entry("a-Q8_0.gguf"), entry("b-Q8_0.gguf")]],
        "split": [[entry("big-Q4_K_M-00001-of-00002.gguf"), entry("big-Q4_K_M-00002-of-00002.gguf")]],
        "none": [[{"type": "file", "path": "model.safetensors", "size": 9}]],
        "lies": [[entry("a-Q4_K_M.gguf", "5" * 64)]],
        "short": [[entry("a-Q4_K_M.gguf", size=17)]],
        "badhash": [[entry("a-Q4_K_M.gguf", "../../../etc/passwd")]],
        "tricks": [[entry("../../../evil-Q4_K_M.gguf"), entry("/etc/evil-Q4_K_M.gguf"), entry("a\x1b[2J-Q4_K_M.gguf"),
                    entry("..%2f..%2fevil Q4_K_M.gguf")]],
        "gated": [[entry("a-Q4_K_M.gguf")]],
        "html": [[]], "object": [{}],
    })
    at = {"HF_ENDPOINT": HUB.at}
    empty_store()
    _, err = expect(0, "pull", "hf.co/someone/Some-GGUF", says="sub/some-Q4_K_M.gguf", **at)
    record = models()["some:latest"]
    check(record["source"] == "hf.co/someone/Some-GGUF" and record["licence"].lower() == "apache-2.0", f"what is kept: {record}")
    expect(0, "pull", "hf:someone/Some-GGUF:q4_k_m", **at)
    expect(0, "pull", "https://huggingface.co/someone/Some-GGUF/blob/main/sub/some-Q4_K_M.gguf?download=true", "third", **at)
    check({"some:latest", "some:q4_k_m", "third:latest"} == set(models()), f"names: {sorted(models())}")
    check(len([path for path in OTHER.paths() if "some-Q4" in path]) <= 5, "what is here is not fetched again")
    expect(0, "pull", "hf.co/someone/first", says="b-Q5_0.gguf", **at)
    expect(3, "pull", "hf.co/someone/Some-GGUF:Q5_K_M", says="Q2_K (", **at)
    expect(3, "pull", "hf.co/someone/Some-GGUF/absent.gguf", says="no file", **at)
    expect(2, "pull", "hf.co/someone/two:Q8_0", says="a-Q8_0.gguf", **at)
    expect(4, "pull", "hf.co/someone/split", says="split into 2", **at)
    expect(3, "pull", "hf.co/someone/none", says="no GGUF", **at)
    expect(3, "pull", "hf.co/someone/absent", says="no repository", **at)
    expect(4, "pull", "hf.co/someone/gated", says="accept its terms", **at)
    expect(4, "pull", "hf.co/someone/gated", says="may not read", HF_TOKEN="wrong", **at)
    OTHER.asked.clear()
    expect(0, "pull", "hf.co/someone/gated", HF_TOKEN="hf_token", **at)
    expect(0, "fit", "hf.co/someone/gated", "--json", HUGGING_FACE_HUB_TOKEN="hf_token", **at)
    check(OTHER.asked and all("Authorization" not in headers for _, headers in OTHER.asked), "the hub's token stays at the hub")
    empty_store()
    expect(5, "pull", "hf.co/someone/lies", says="thrown away", **at)
    expect(5, "pull", "hf.co/someone/short", says="17", **at)
    expect(5, "pull", "hf.co/someone/badhash", says="hash", **at)
    expect(5, "pull", "hf.co/someone/html", says="no JSON", **at)
    expect(5, "pull", "hf.co/someone/object", says="listing", **at)
    expect(4, "pull", "hf.co/someone/deep", **at)
    expect(4, "pull", "hf.co/someone/huge", says="more than", **at)
    check(not models(), f"none of these is in the store: {sorted(models())}")
    _, err = expect(0, "pull", "hf.co/someone/tricks", **at)
    check("\x1b" not in err and set(models()) == {"tricks:latest"}, "a file's name is text, not a path")
    for text in ("hf.co/../x", "hf.co/a/..", "hf.co/a", "hf.co/a/b:", "hf.co/a/b/../c.gguf", "hf:", "hf.co/a/b:" + "x" * 3000,
                 "hf.co/a/.hidden"):
        expect(2, "pull", text, **at)
    asked = len(HUB.asked)
    expect(4, "pull", "hf.co/someone/first", "--offline", says="--offline", **at)
    expect(0, "pull", "hf.co/someone/tricks", "--offline", says="here already", **at)
    expect(4, "fit", "hf.co/someone/first", "--offline", says="--offline", **at)
    check(len(HUB.asked) == asked, "--offline asks no hub")
    expect(4, "pull", "hf.co/someone/first", HF_ENDPOINT="ftp://x", says="HF_ENDPOINT")


def publishers():
    """The catalogue's models whose publisher has a hub: asked first; the licence too where it wants accepting."""
    at = {"HF_ENDPOINT": HUB.at, "PATH": "/nowhere"}
    empty_store()
    HUB_FILES["Qwen2.5-Coder-0.5B-Instruct-GGUF"] = [[entry("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf")]]
    asked = len(HUB.asked)
    _, err = expect(1, "pull", "qwen2.5-coder:0.5b", says="passed over a source", **at)
    check("another file now" in err and len(HUB.asked) > asked, f"the publisher is asked first: {err[:300]}")
    HUB_FILES["terms"] = [[entry("a-Q4_K_M.gguf")]]
    expect(4, "pull", "hf.co/someone/terms", says="--accept-licence", **at)
    check(not models(), "nothing before its terms are accepted")
    expect(4, "pull", "hf.co/someone/terms", "--accept-licence", "gemma", "--licence-policy", "government", says="government", **at)
    expect(0, "pull", "hf.co/someone/terms", "--accept-licence", "gemma", says="Gemma", **at)
    config = WORK / "offline.toml"
    config.write_text("offline = true\n")
    asked = len(HUB.asked)
    expect(4, "pull", "hf.co/someone/first", says="--offline", FREEHOLD_CONFIG=config, **at)
    check(len(HUB.asked) == asked, "offline in the configuration file asks nobody")
    config.unlink()


def watched():
    """What a person sees: bytes, rate and time left that never go back, over retries and runs; Ctrl-C keeps what is there."""
    empty_store()
    seen, steps = [], []
    for columns, fault in ((100, "stalling"), (100, "stall"), (40, "slow")):
        main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        running = subprocess.Popen([PROGRAM, "pull", f"{FAULTY.at}/{fault}/x.gguf", "seen", "--stall", "1", "--tries", "3", "--sha256", DIGEST],
                                   stdin=side, stdout=side, stderr=side, env=environment())
        os.close(side)
        text, stopped = b"", fault != "stalling"
        while True:
            try:
                piece = os.read(main, 65536)
            except OSError:
                break
            if not piece:
                break
            text += piece
            if not stopped and b"try 2 of" in text:
                running.send_signal(signal.SIGINT)
                stopped = True
        os.close(main)
        code = running.wait(30)
        check(code == (130 if fault == "stalling" else 0), f"{fault}: exit {code}: {text[-300:]}")
        lines = [line for line in re.split(rb"[\r\n]", text) if b" % " in line]
        shares = [int(match) for line in lines for match in re.findall(rb"(\d+) % ", line)]
        check(shares == sorted(shares) and shares, f"{fault}: never backwards: {shares}")
        fetching = [int(match) for match in re.findall(rb"fetching [^\r]*? (\d+) % ", text)]
        steps.append((fetching[0], fetching[-1]))
        seen.append((columns, lines))
        if fault == "stall":
            expect(0, "rm", "seen")
    check(steps[1][0] >= steps[0][1] - 10 > 0, f"a second run goes on from what the first left: {steps}")
    check(any(re.search(rb"[kM]B of \d+.\d+ MB, .*B/s, .* left", line) for line in seen[1][1]), f"bytes, rate, time left: {seen[1][1][-2:]}")
    wide = [line for columns, lines in seen for line in lines if len(line.replace(b"\x1b[K", b"").decode("utf-8", "replace")) >= columns]
    check(not wide, f"no line is wider than the terminal: {wide[:2]}")


def folders():
    """A file, a folder, a stick with another store: copied, checked, and nothing that a name or a link leads to."""
    empty_store()
    stick = WORK / "stick"
    stick.mkdir(exist_ok=True)
    shutil.copy(SMALL, stick / "Small One.gguf")
    expect(0, "pull", stick / "Small One.gguf")
    expect(0, "pull", stick, "other:name", "--offline")
    check(set(models()) == {"small-one:latest", "other:name"}, f"named as the file or as asked: {sorted(models())}")
    check(len(list(HOME.glob("blobs/*"))) == 2, "the same bytes are kept once")
    (stick / "b.gguf").write_bytes(BIG.read_bytes())
    expect(2, "pull", stick, says="b, small-one")
    (stick / "b.gguf.sha256").write_text("0" * 64 + "  b.gguf\n")
    expect(5, "pull", stick, "b", says="thrown away")
    (stick / "b.gguf.sha256").write_text(DIGEST + "  b.gguf\n")
    expect(0, "pull", stick / "b.gguf", "b")
    check(models()["b:latest"]["sha256"] == DIGEST, "the sum beside the file is held")
    (stick / "b.gguf").write_bytes(SMALL.read_bytes())
    (stick / "b.gguf.sha256").unlink()
    expect(4, "pull", stick / "b.gguf", "b", says="another model")
    expect(2, "pull", "ollama:some/model", says="freehold import ollama:some/model")
    expect(3, "pull", stick / "none.gguf")
    expect(3, "pull", str(stick / "none") + "/")
    (stick / "page.gguf").write_text("no model")
    expect(5, "pull", stick / "page.gguf", says="not a GGUF")
    os.mkfifo(stick / "pipe.gguf")
    expect(4, "pull", stick / "pipe.gguf")
    other = WORK / "other-store"
    expect(0, "import", BIG, "big:v1", FREEHOLD_HOME=other)
    expect(0, "import", SMALL, "small", FREEHOLD_HOME=other)
    empty_store()
    expect(2, "pull", other, says="big:v1, small")
    expect(0, "pull", other, "big:v1", "--offline")
    expect(0, "pull", other, "small")
    check(models()["big:v1"]["sha256"] == DIGEST, "out of another store, by name")
    blob = next(other.glob(f"blobs/sha256-{DIGEST}"))
    blob.unlink()
    blob.symlink_to(SMALL)
    empty_store()
    expect(5, "pull", other, "big:v1")
    (other / "models/small/latest.json").write_text("{")
    expect(5, "pull", other, "big:v1")
    check(not models(), "nothing of a store that lies")
    for path in (stick, other):
        shutil.rmtree(path)


def peers():
    """The store of another machine, shown by any web server, one without ranges among them."""
    other = WORK / "peer"
    expect(0, "import", BIG, "big:v1", FREEHOLD_HOME=other)

    class Files(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *words):
            super().__init__(*words, directory=str(other))

        def log_message(self, *words):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    server.handle_error = lambda *words: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    at = f"http://127.0.0.1:{server.server_address[1]}/"
    empty_store()
    expect(0, "pull", at, "big:v1")
    check(models()["big:v1"]["sha256"] == DIGEST and models()["big:v1"]["source"] == at + "models/big/v1.json", "from a peer")
    expect(0, "pull", at + "models/big/v1.json", says="here already")
    expect(0, "pull", at, "big:v1", "--offline", says="here already")
    expect(4, "fit", at + "models/big/v1.json", "--offline")
    expect(3, "pull", at, "absent")
    expect(2, "pull", at, "../../etc/passwd")
    record = other / "models/big/v1.json"
    record.write_text(record.read_text().replace(DIGEST, "../../../../etc/passwd"))
    empty_store()
    expect(5, "pull", at, "big:v1")
    shutil.rmtree(other)
    server.shutdown()


def names():
    """What was typed to pull a model names it afterwards."""
    empty_store()
    at = {"HF_ENDPOINT": HUB.at}
    expect(3, "run", "hf.co/someone/first", "-n", 1, "x", says="freehold pull hf.co/someone/first")
    expect(0, "pull", "hf.co/someone/first", "mine", **at)
    out, _ = expect(0, "run", "hf:someone/first", "-n", 4, "--seed", 1, "Hello")
    same, _ = expect(0, "run", "mine", "-n", 4, "--seed", 1, "Hello")
    check(out == same, "run by reference")
    expect(0, "rm", "mine")
    running = start("pull", f"{FAULTY.at}/stalling/x.gguf", "--stall", 60)
    time.sleep(0.5)
    running.kill()
    running.communicate()
    check(list(HOME.glob("tmp/*")), "what was cut off is kept")
    expect(0, "rm", f"{FAULTY.at}/stalling/x.gguf")
    check(not list(HOME.glob("tmp/*")), "and goes when asked")
    expect(3, "rm", f"{FAULTY.at}/stalling/x.gguf")


def certificates():
    """https: a certificate that nobody vouches for is refused, one of SSL_CERT_FILE believed; no way back to http."""
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                           "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", WORK / "key.pem",
                           "-out", WORK / "cert.pem"], capture_output=True)
    if not check(made.returncode == 0, "openssl makes a certificate"):
        return
    secure = Server(faulty)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(WORK / "cert.pem", WORK / "key.pem")
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    at = secure.at.replace("http:", "https:")
    empty_store()
    expect(1, "pull", f"{at}/good/x.gguf", "--tries", 1, says="certificate")
    expect(0, "pull", f"{at}/good/x.gguf", SSL_CERT_FILE=WORK / "cert.pem")
    expect(1, "pull", f"{at}/over/y.gguf", "--tries", 1, says="rotocol", SSL_CERT_FILE=WORK / "cert.pem")
    expect(1, "pull", f"{secure.at}/good/z.gguf", "--tries", 1)
    (WORK / "key.pem").unlink()
    (WORK / "cert.pem").unlink()


# What is proved here is kill -9, not power loss (store_test), so memory will do, and is many times faster.
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > 400 << 20 else None
with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
    WORK = pathlib.Path(folder)
    HOME = WORK / "home"
    (WORK / "nobody").mkdir()
    BIG = WORK / "big.gguf"
    subprocess.run([FACTORY, BIG, "--size", "10M", "--tokenizer", "bytes-bpe"], check=True, capture_output=True)
    SMALL = WORK / "small.gguf"
    subprocess.run([FACTORY, SMALL, "--size", "4M", "--tokenizer", "bytes-bpe"], check=True, capture_output=True)
    DIGEST = hashlib.sha256(BIG.read_bytes()).hexdigest()
    COMMIT, HUB_FILES = "c" * 40, {}
    FAULTY, OTHER, HUB = Server(faulty), Server(faulty), Server(hub)
    before = tree(WORK)
    for part in (addresses, tokens, proxies, certificates, hubs, publishers, watched, folders, peers, names, at_once, kills):
        began = time.monotonic()
        part()
        print(f"  {part.__name__}: {time.monotonic() - began:.1f} s", flush=True)
    check(tree(WORK) == before, f"nothing outside the store is written: {set(tree(WORK)) - set(before)}")
print(f"{len(FAILURES)} checks failed" if FAILURES else "all checks hold")
sys.exit(1 if FAILURES else 0)
