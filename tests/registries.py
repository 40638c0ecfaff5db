#!/usr/bin/env python3
"""`pull` from registries: Debian's docker-registry on this machine, and one with faults that is written here.

The models are put there by this script over the registry's own protocol, as Ollama, ORAS and Docker lay them out. Without
docker-registry its part is skipped. Takes the program from FREEHOLD. Every check is a line of output where it fails.
"""

import base64
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

PROGRAM = os.environ.get("FREEHOLD", "build/release/freehold")
FACTORY = str(pathlib.Path(PROGRAM).with_name("model_factory"))
FAILURES = []
UNSET = {name: "" for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "no_proxy", "NO_PROXY",
                               "FREEHOLD_REGISTRY_LOGIN", "DOCKER_CONFIG")}
OCI = "application/vnd.oci.image."
OLLAMA = "application/vnd.ollama.image."
# The password has a colon on purpose; the line is what `htpasswd -Bbn -C 4` makes of it.
LOGIN = "me:pass:word"
HTPASSWD = "me:$2y$04$8F2lr1c7lcP3neNhNTpAvu1RT3Ra4azBACm2NbEnNGuriU405do6W"
SKIPPED = 77


def check(holds, what):
    if not holds:
        FAILURES.append(what)
        print("FAILED", what, flush=True)
    return holds


def expect(code, *words, says="", **more):
    done = subprocess.run([PROGRAM, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                          env={**os.environ, **UNSET, "FREEHOLD_HOME": str(HOME), "HOME": str(USER), "XDG_CONFIG_HOME": str(WORK),
                               **{name: str(value) for name, value in more.items()}})
    err = done.stderr.decode("utf-8", "replace")
    check(done.returncode == code, f"{' '.join(map(str, words))[:150]}: exit {done.returncode}, expected {code}: {err[:400]}")
    check(says.lower() in err.lower(), f"{' '.join(map(str, words))[:150]}: does not say '{says}': {err[:400]}")
    return done.stdout, err


def pull(code, at, reference, *words, **more):
    return expect(code, "pull", f"{at}/{reference}", "--plain-http", *words, **more)


def models():
    return {f"{path.parent.name}:{path.stem}": json.loads(path.read_text()) for path in HOME.glob("models/*/*.json")}


def empty_store():
    shutil.rmtree(HOME, ignore_errors=True)


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(data, media_type, title=None):
    named = {"annotations": {"org.opencontainers.image.title": title}} if title else {}
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), **named}


def manifest_of(layers, **more):
    return json.dumps({"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
                       "config": {"mediaType": OCI + "config.v1+json", "digest": digest_of(b"{}"), "size": 2},
                       "layers": layers, **more}).encode()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Registry:
    """Debian's docker-registry, with `auth` lines of its configuration."""

    def __init__(self, auth=""):
        self.port = free_port()
        self.at = f"127.0.0.1:{self.port}"
        config = WORK / f"registry-{self.port}.yml"
        config.write_text(f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {WORK}/registry}}}}\n"
                          f"http: {{addr: '{self.at}', secret: x}}\n{auth}")
        self.process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        check(False, "docker-registry does not start")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)

    def ask(self, method, path, body=b"", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        answer.read()
        return answer

    def push(self, name, reference, blobs, manifest, media_type=OCI + "manifest.v1+json"):
        for data in blobs:
            place = urllib.parse.urlsplit(self.ask("POST", f"/v2/{name}/blobs/uploads/").getheader("Location"))
            self.ask("PUT", f"{place.path}?{place.query}&digest={digest_of(data)}", data, Content_Type="application/octet-stream")
        answer = self.ask("PUT", f"/v2/{name}/manifests/{reference}", manifest, Content_Type=media_type)
        check(answer.status == 201, f"push of {name}:{reference}: {answer.status}")
        return digest_of(manifest)


def fill(registry):
    """The same model as Ollama, ORAS and Docker lay it out, behind an index too, and what is no model."""
    texts = {"system": b"Be brief.", "params": b'{"seed": 7, "temperature": 0.5, "stop": ["END"]}', "license": b"Do what you like.",
             "template": b"{{ .Prompt }}"}
    ollama = manifest_of([layer(MODEL, OLLAMA + "model")] + [layer(data, OLLAMA + kind) for kind, data in texts.items()])
    registry.push("library/tiny", "v1", [MODEL, b"{}", *texts.values()], ollama)
    oras = manifest_of([layer(b"readme", "text/plain", "README.md"), layer(MODEL, OCI + "layer.v1.tar", "../Tiny.gguf")],
                       annotations={"org.opencontainers.image.licenses": "MIT"})
    digests = {"oras": registry.push("team/oras", "latest", [MODEL, b"{}", b"readme"], oras)}
    docker = manifest_of([layer(MODEL, "application/vnd.docker.ai.gguf.v3")])
    digests["docker"] = registry.push("team/docker", "a", [MODEL, b"{}"], docker)
    registry.push("team/docker", "b", [], docker)
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [
        {"mediaType": OCI + "manifest.v1+json", "digest": digest_of(docker), "size": len(docker),
         "platform": {"os": "linux", "architecture": "amd64"}},
        {"mediaType": OCI + "manifest.v1+json", "digest": digest_of(docker), "size": len(docker),
         "platform": {"os": "unknown", "architecture": "unknown"}}]}).encode()
    registry.push("team/docker", "index", [], index, OCI + "index.v1+json")
    shards = manifest_of([layer(MODEL, "application/octet-stream", f"a-0000{i}-of-00002.gguf") for i in (1, 2)])
    registry.push("team/shards", "latest", [MODEL, b"{}"], shards)
    registry.push("team/image", "latest", [b"tar", b"{}"], manifest_of([layer(b"tar", OCI + "layer.v1.tar+gzip")]))
    return digests


def real():
    """Debian's registry, open: tags, digests, indexes, settings, resume, and what is no model."""
    registry = Registry()
    digests = fill(registry)
    at = registry.at
    pull(0, at, "library/tiny:v1", says="Go")
    record = models()["tiny:v1"]
    check(record["sha256"] == SHA256 and record["source"] == f"{at}/library/tiny:v1", f"the record: {record}")
    settings = record["settings"]
    check(settings["system"] == "Be brief." and settings["parameters"]["seed"] == ["7"] and settings["parameters"]["stop"] == ["END"],
          f"Ollama's layers become settings: {settings}")
    check("Do what you like." in json.dumps(settings), "the licence's text is kept")
    shown, _ = expect(0, "run", "tiny:v1", "-n", 4, "Hello")
    same, _ = expect(0, "run", WORK / "model.gguf", "-n", 4, "--seed", 7, "--temperature", 0.5, "--system", "Be brief.", "Hello")
    check(shown == same, "and rule the answer")
    pull(0, at, "library/tiny:v1", says="here already")
    pull(0, at, "team/oras")
    check(models()["oras:latest"]["licence"] == "MIT", "the annotation's licence")
    pull(0, at, f"team/docker@{digests['docker']}")
    pull(0, at, "team/docker:index", "indexed")
    expect(0, "pull", f"oci://{at}/team/docker:a", "schemed", "--plain-http")
    check(len(list(HOME.glob("blobs/*"))) == 2, "one blob for all, with its checksums")
    pull(3, at, "team/docker:c", says="it has the tags 'a', 'b', 'index'")
    pull(3, at, "team/absent")
    pull(3, at, "team/docker@sha256:" + "0" * 64)
    pull(4, at, "team/shards", says="several model files")
    pull(4, at, "team/image", says="no GGUF")
    pull(5, at, "team/docker:a", "other", "--sha256", "0" * 64, says="not 0000")
    expect(1, "pull", f"{at}/team/docker:a", "tls", says="--plain-http")
    expect(0, "fit", f"{at}/team/docker:a", "--plain-http", "--json")
    expect(4, "pull", f"{at}/team/docker:b", "--offline", says="--offline")
    expect(0, "pull", f"{at}/team/docker:index", "--offline", says="here already")
    registry.stop()


def with_passwords():
    """Debian's registry behind a login: from the environment for its host, from Docker's file, or refused with what to do."""
    (WORK / "htpasswd").write_text(HTPASSWD + "\n")
    registry = Registry(f"auth: {{htpasswd: {{realm: here, path: {WORK}/htpasswd}}}}\n")
    at = registry.at
    empty_store()
    pull(4, at, "team/oras", says="FREEHOLD_REGISTRY_LOGIN=USER:PASSWORD@" + at)
    pull(4, at, "team/oras", FREEHOLD_REGISTRY_LOGIN=f"me:wrong@{at}", says="not enough")
    pull(4, at, "team/oras", FREEHOLD_REGISTRY_LOGIN=f"{LOGIN}@elsewhere.org", says="log in")
    pull(0, at, "team/oras", FREEHOLD_REGISTRY_LOGIN=f"{LOGIN}@{at}")
    docker = WORK / "docker"
    docker.mkdir()
    (docker / "config.json").write_text(json.dumps({"auths": {f"http://{at}/v1/": {"auth": base64.b64encode(LOGIN.encode()).decode()}}}))
    pull(0, at, "team/docker:a", DOCKER_CONFIG=docker)
    (docker / "config.json").write_text("{")
    pull(4, at, "team/docker:b", "third", DOCKER_CONFIG=docker)
    registry.stop()


class Hostile(http.server.BaseHTTPRequestHandler):
    """A registry behind bearer tokens that run out; the repository's name says what is wrong today."""
    protocol_version = "HTTP/1.1"
    asked, tokens, lock = [], [], threading.Lock()

    def log_message(self, *words):
        pass

    def send(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        here = f"http://127.0.0.1:{self.server.server_address[1]}"
        with Hostile.lock:
            Hostile.asked.append((self.path, dict(self.headers)))
        if url.path == "/token":
            query = urllib.parse.parse_qs(url.query)
            check(query.get("service") == ["a service"], f"the token's service: {query}")
            if query["scope"][0].split(":")[1] == "team/tokenless":
                return self.send(200, b"{}")
            if query["scope"][0].split(":")[1] == "team/sneaky":
                return self.send(200, b'{"token":"a\\r\\nX-Evil: 1"}')
            with Hostile.lock:
                Hostile.tokens.append(f"t{len(Hostile.tokens)}")
            return self.send(200, json.dumps({"token": Hostile.tokens[-1]}).encode())
        name = url.path.split("/v2/")[1].rsplit("/", 2)[0]
        fault = name.split("/")[1]
        if fault == "realm":
            return self.send(401, WWW_Authenticate='Bearer realm="file:///etc/passwd",service="x"')
        if fault == "digested":
            return self.send(401, WWW_Authenticate='Digest realm="x", nonce="y"')
        authorised = self.headers.get("Authorization") == f"Bearer {Hostile.tokens[-1] if Hostile.tokens else ''}"
        if not authorised:
            return self.send(401, WWW_Authenticate=f'Basic realm="no", Bearer realm="{here}/token",service="a service",'
                                                   f'scope="repository:{name}:pull"')
        if "/manifests/" in url.path:
            return self.manifest(fault)
        return self.blob(fault, url.path)

    def manifest(self, fault):
        good = layer(BIG, OLLAMA + "model")
        bodies = {
            "deep": b'{"schemaVersion":2,"layers":' + b"[" * 1000 + b"]" * 1000 + b"}",
            "huge": b'{"a":"' + b"x" * (5 << 20) + b'"}',
            "html": b"<html>", "list": b"[]", "old": b'{"schemaVersion":1}',
            "paths": manifest_of([{**good, "digest": "sha256:../../../../etc/passwd"}]),
            "otherhash": manifest_of([{**good, "digest": "sha512:" + "0" * 128}]),
            "negative": manifest_of([{**good, "size": -1}]),
            "sized": manifest_of([{**good, "size": 17}]),
            "many": manifest_of([good] * 5000),
            "wordy": manifest_of([good, {"mediaType": OLLAMA + "system", "digest": digest_of(b"x"), "size": 1 << 40}]),
            "swapped": manifest_of([good, layer(b"Be brief.", OLLAMA + "system")]),
            "lies": manifest_of([{**good, "digest": digest_of(b"other")}]),
            "adapter": manifest_of([good, layer(b"lora", OLLAMA + "adapter"), layer(b"eyes", OLLAMA + "projector")]),
        }
        body = bodies.get(fault, manifest_of([good]))
        said = digest_of(b"other") if fault == "misnamed" else digest_of(body)
        self.send(200, body, Content_Type=OCI + "manifest.v1+json", Docker_Content_Digest=said)

    def blob(self, fault, path):
        if fault == "swapped" and not path.endswith(SHA_BIG):
            return self.send(200, b"Be wordy.")
        if fault == "away":
            with Hostile.lock:
                Hostile.tokens.append("gone")
            return self.send(307, Location=f"http://127.0.0.1:{STORE.server_address[1]}/blob")
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        first, last = int(first), min(int(last), len(BIG) - 1)
        if fault == "expires" and first > 0:
            with Hostile.lock:
                if len(Hostile.tokens) < 3:
                    Hostile.tokens.append(f"t{len(Hostile.tokens)}")  # the one in use is no good any more
                    return self.send(401, WWW_Authenticate="Bearer")
        self.send(206, BIG[first:last + 1], Content_Range=f"bytes {first}-{last}/{len(BIG)}")


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """Where the registry's blobs lie: another host, which must not see a token."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def do_GET(self):
        check("Authorization" not in self.headers, "a registry's token reached another host")
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        first, last = int(first), min(int(last), len(BIG) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(BIG)}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        self.wfile.write(BIG[first:last + 1])


def serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *words: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def hostile():
    """A registry that lies, and tokens: asked for, renewed, never where they do not belong."""
    at = f"127.0.0.1:{serve(Hostile).server_address[1]}"
    empty_store()
    for fault, code, says in (("realm", 4, "sends logins to"), ("digested", 4, "not known"), ("tokenless", 5, "no token"),
                              ("sneaky", 4, "control characters"), ("deep", 4, ""), ("huge", 4, "more than"), ("html", 5, ""),
                              ("list", 5, "not an object"), ("old", 5, "schemaVersion"), ("paths", 5, "digest"), ("otherhash", 5, "digest"),
                              ("negative", 5, "size"), ("sized", 5, "17"), ("many", 5, "too many"), ("wordy", 4, "at most"),
                              ("swapped", 5, "digest says"), ("lies", 5, "thrown away"), ("misnamed", 5, "digest says")):
        pull(code, at, f"team/{fault}", says=says)
        check(not models(), f"{fault}: something is in the store")
    pull(5, at, "team/good@sha256:" + "1" * 64, says="digest says")
    check(not any("X-Evil" in headers for _, headers in Hostile.asked), "a token cannot begin a header")
    Hostile.asked.clear()
    pull(0, at, "team/away")
    Hostile.tokens.clear()
    pull(0, at, "team/expires", "second", "--connections", 1)
    pull(0, at, "team/adapter", "third", says="projector")
    expect(4, "run", "third", "-n", 1, "x", says="adapter")
    logins = [headers.get("Authorization", "") for path, headers in Hostile.asked if path.startswith("/token")]
    check(not any(logins), "no login is sent where none was given")
    pull(0, at, "team/good", "fourth", FREEHOLD_REGISTRY_LOGIN=f"a:b@{at}")
    logins = [headers.get("Authorization", "") for path, headers in Hostile.asked if path.startswith("/token")]
    check(logins[-1] == "Basic " + base64.b64encode(b"a:b").decode(), "a login goes to the login service")
    check({record["sha256"] for record in models().values()} == {SHA_BIG}, "all is one model")


MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > 400 << 20 else None
with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
    WORK = pathlib.Path(folder)
    HOME, USER = WORK / "home", WORK / "user"
    USER.mkdir()
    for path, size in (("model.gguf", "1M"), ("big.gguf", "9M")):
        subprocess.run([FACTORY, WORK / path, "--size", size, "--tokenizer", "bytes-bpe"], check=True, capture_output=True)
    MODEL, BIG = (WORK / "model.gguf").read_bytes(), (WORK / "big.gguf").read_bytes()
    SHA256, SHA_BIG = hashlib.sha256(MODEL).hexdigest(), hashlib.sha256(BIG).hexdigest()
    STORE = serve(Elsewhere)
    installed = shutil.which("docker-registry") is not None
    parts = (real, with_passwords, hostile) if installed else (hostile,)
    for part in parts:
        began = time.monotonic()
        part()
        print(f"  {part.__name__}: {time.monotonic() - began:.1f} s", flush=True)
print(f"{len(FAILURES)} checks failed" if FAILURES else "all checks hold")
if not FAILURES and not installed:
    print("docker-registry is not installed (./setup --tests); the registry that lies was tried")
    sys.exit(SKIPPED)
sys.exit(1 if FAILURES else 0)
