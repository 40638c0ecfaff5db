#!/usr/bin/env python3
"""The real server against what docs/CLI.md and its own /openapi.json promise, on small models that
model_factory makes. Offline; loopback only. Every check is a line of output where it fails; exit 1 then.
"""

import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

PROGRAM = os.environ.get("FREEHOLD", "build/release/freehold")
FACTORY = str(pathlib.Path(PROGRAM).with_name("model_factory"))
PATIENCE_S = 60
FAILURES = []


def check(holds, what):
    if not holds:
        FAILURES.append(what)
        print("FAILED", what, flush=True)


class Server:
    """A server of its own home; stopped at the end."""

    def __init__(self, *words, home=None):
        self.home = home or tempfile.mkdtemp(dir=WORK)
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--port", "0", *map(str, words)], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "FREEHOLD_HOME": str(self.home), "FREEHOLD_THREADS": "2",
                 "XDG_CONFIG_HOME": str(WORK)})
        line = self.process.stderr.readline()
        found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", line)
        if not found:
            raise SystemExit(f"the server does not start: {line}{self.process.stderr.read()}")
        self.port = int(found.group(1))
        self.wait(lambda: self.ask("GET", "/health")[0] == 200, "ready")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        check(self.process.wait(PATIENCE_S) == 0, f"exit code {self.process.returncode} at the end")

    def wait(self, holds, what):
        until = time.monotonic() + PATIENCE_S
        while not holds():
            if time.monotonic() > until:
                check(False, f"not in {PATIENCE_S} s: {what}")
                return
            time.sleep(0.01)

    def ask(self, method, path, body=None, headers=None):
        """(status, headers, text)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        connection.request(method, path, None if body is None else json.dumps(body), headers or {})
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        connection.close()
        return answer.status, dict(answer.getheaders()), text

    def chat(self, text, **more):
        status, headers, body = self.ask("POST", "/v1/chat/completions", {
            "model": "tiny.gguf", "messages": [{"role": "user", "content": text}], **more})
        return status, headers, json.loads(body)

    def metric(self, name):
        text = self.ask("GET", "/metrics")[2]
        found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.M)
        return float(found.group(1)) if found else 0.0


def answer_of(reply):
    check(reply[0] == 200, f"status {reply[0]}: {reply[2]}")
    return reply[2]["choices"][0]["message"]["content"] if reply[0] == 200 else None


def events_of(text):
    lines = [line[6:] for line in text.split("\n\n") if line.startswith("data: ")]
    check(lines[-1] == "[DONE]", "a stream ends with [DONE]")
    return [json.loads(line) for line in lines[:-1]]


def start_and_stop():
    done = subprocess.run([PROGRAM, "serve", "--host", "0.0.0.0"], capture_output=True, text=True,
                          timeout=PATIENCE_S, env={**os.environ, "FREEHOLD_HOME": str(WORK)})
    check(done.returncode == 4 and "keys" in done.stderr, f"a public bind: {done.stderr}")
    with Server("--model", MODEL) as server:
        path = pathlib.Path(server.home) / "server.sock"
        check(path.stat().st_mode & 0o777 == 0o600, "the socket is for its owner alone")
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(path))
            line.sendall(b"GET /livez HTTP/1.1\r\nHost: local\r\nConnection: close\r\n\r\n")
            check(line.recv(100).startswith(b"HTTP/1.1 200"), "the unix socket answers")
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
        connection.request("POST", "/v1/chat/completions", json.dumps({
            "model": "tiny.gguf", "stream": True, "max_tokens": 300, "seed": 1, "logit_bias": NO_END,
            "messages": [{"role": "user", "content": "go on"}]}))
        answer = connection.getresponse()
        first = answer.read(1)
        server.process.send_signal(signal.SIGTERM)
        events = events_of((first + answer.read()).decode())
        check(events[-1]["choices"][0]["finish_reason"] == "length", "a drain lets answers finish")
        check(server.process.wait(PATIENCE_S) == 0, "SIGTERM ends it with exit code 0")
        check(not path.exists(), "its socket goes with it")


def answers(server):
    names = {model["id"] for model in json.loads(server.ask("GET", "/v1/models")[2])["data"]}
    check(names == {"tiny.gguf"}, f"models {names}")
    status, headers, plain = server.chat("Hello", seed=5, max_tokens=20)
    check(status == 200 and headers.get("X-Freehold-Seed") == "5", f"seed in the headers: {headers}")
    check(headers.get("X-Freehold-Context") == "1024", "the context in the headers")
    text = plain["choices"][0]["message"]["content"]
    named = server.ask("POST", "/v1/chat/completions", {
        "model": "a model of chance", "seed": 5, "max_tokens": 20,
        "messages": [{"role": "user", "content": "Hello"}]})
    check(json.loads(named[2])["choices"][0]["message"]["content"] == text, "general.name is a name")
    body = {"model": "tiny.gguf", "seed": 5, "max_tokens": 20, "stream": True,
            "stream_options": {"include_usage": True},
            "messages": [{"role": "user", "content": "Hello"}]}
    events = events_of(server.ask("POST", "/v1/chat/completions", body)[2])
    streamed = "".join(choice["delta"].get("content") or ""
                       for event in events for choice in event["choices"])
    check(streamed == text, "a stream says the same as one answer")
    check("role" in events[0]["choices"][0]["delta"], "the first chunk has the role")
    check(len({event["id"] for event in events}) == 1, "one id for all chunks")
    check(events[-1]["usage"]["total_tokens"] == plain["usage"]["total_tokens"], "usage is the same")
    stop = next((text[at:at + 3] for at in range(4, len(text) - 3) if text[at:at + 3].isascii()), None)
    if stop:
        cut = server.chat("Hello", seed=5, max_tokens=20, stop=[stop])[2]["choices"][0]
        check(cut["message"]["content"] == text[:text.index(stop)] and cut["finish_reason"] == "stop",
              "a stop text ends the answer before itself")
    several = server.chat("Hello", seed=5, max_tokens=20, n=3)[2]["choices"]
    check(several[0]["message"]["content"] == text and len({one["message"]["content"]
                                                            for one in several}) == 3,
          "n answers differ, and the first is the one alone")
    sure = server.chat("Hello", temperature=0, max_tokens=4, logprobs=True, top_logprobs=3)[2]
    for token in sure["choices"][0]["logprobs"]["content"]:
        check(token["logprob"] == token["top_logprobs"][0]["logprob"] <= 0, "the likeliest was taken")
    raw = server.ask("POST", "/v1/completions", {"model": "tiny.gguf", "prompt": "Once", "echo": True,
                                                 "max_tokens": 4, "temperature": 0})
    check(json.loads(raw[2])["choices"][0]["text"].startswith("Once"), f"completions: {raw}")


def dialects(server):
    """Ollama's and Anthropic's shapes say what OpenAI's says."""
    messages = [{"role": "user", "content": "Hello"}]
    text = answer_of(server.chat("Hello", temperature=0, max_tokens=12))
    status, headers, body = server.ask("POST", "/api/chat", {
        "model": "tiny.gguf:latest", "messages": messages, "options": {"temperature": 0, "num_predict": 12}})
    lines = [json.loads(line) for line in body.splitlines()]
    check(status == 200 and headers["Content-Type"] == "application/x-ndjson", f"Ollama: {status} {headers}")
    check("".join(line["message"]["content"] for line in lines) == text, "Ollama says the same")
    check([line["done"] for line in lines].count(True) == 1 and lines[-1]["done"], "Ollama: one end")
    ask = {"model": "tiny.gguf", "messages": messages, "temperature": 0, "max_tokens": 12}
    plain = json.loads(server.ask("POST", "/v1/messages", ask)[2])
    check(plain["content"][-1]["text"] == text, "Anthropic says the same")
    stream = server.ask("POST", "/v1/messages", {**ask, "stream": True})[2]
    names = re.findall(r"^event: (\S+)$", stream, re.M)
    check(names[0] == "message_start" and names[-2:] == ["message_delta", "message_stop"] and
          names.count("content_block_start") == names.count("content_block_stop"), f"events: {names}")
    tokens = json.loads(server.ask("POST", "/tokenize", {"model": "tiny.gguf", "content": "Hello"})[2])
    again = server.ask("POST", "/detokenize", {"model": "tiny.gguf", **tokens})[2]
    check(json.loads(again)["content"] == "Hello", "tokens and back")
    both = server.ask("POST", "/tokenize", {"model": "tiny.gguf", "content": "a", "prompt": "b"})
    check(both[0] == 400, "one text to tokenize")
    for path, error in (("/api/chat", "error"), ("/v1/messages", "type")):
        status, _, body = server.ask("POST", path, {"model": "tiny.gguf", "nonsense": 1})
        check(status == 400 and error in json.loads(body) and "nonsense" in body, f"{path}: {body}")


def refusals(server):
    def expect(status, param, **body):
        reply = server.chat("x", **body)
        error = reply[2].get("error", {})
        check(reply[0] == status and error.get("param") == param,
              f"{body}: {reply[0]} {error}, expected {status} naming {param}")

    expect(400, "temprature", temprature=1)
    expect(400, "top_p", top_p=2)
    expect(400, "tools", tools=[{"type": "function"}])
    expect(400, "response_format", response_format={"type": "json_object"})
    expect(400, "store", store=True)
    expect(400, "logit_bias", logprobs=True, logit_bias={"5": 1})
    expect(404, "model", model="nobody")
    expect(404, "model", model="/etc/passwd")
    expect(404, "model", model=str(MODEL))
    check(server.chat("x", max_tokens=1, user="u", metadata={}, service_tier="auto", store=False)[0] == 200,
          "what cannot change an answer is accepted")
    long = server.chat("word " * 3000)
    check(long[0] == 400 and re.search(r"\d{4,} tokens and the context holds 1024",
                                       long[2]["error"]["message"]), f"too long: {long[2]}")
    for headers, status in (({"Host": "evil.example"}, 421),
                            ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403)):
        check(server.ask("GET", "/v1/models", headers=headers)[0] == status, f"{headers}")
    check(server.ask("GET", "/nothing")[0] == 404, "an unknown path")
    status, headers, _ = server.ask("GET", "/v1/chat/completions")
    check(status == 405 and headers.get("Allow") == "POST", "a method that is not there")
    paths = json.loads(server.ask("GET", "/openapi.json")[2])["paths"]
    for path, methods in paths.items():
        for method in methods:
            status, _, text = server.ask(method.upper(), path.replace("{name}", "tiny.gguf"), {})
            check(status < 500 and status not in (404, 405), f"{method} {path}: {status} {text}")


def mixes(server):
    """The same text whoever else is served meanwhile, greedy and seeded."""
    requests = [{"text": "word " * (1 + 17 * i % 90) + str(i), "max_tokens": 6 + 5 * i % 40,
                 **({"temperature": 0} if i % 3 == 0 else {"seed": i})} for i in range(24)]

    def ask(request):
        more = dict(request)
        return answer_of(server.chat(more.pop("text"), **more))

    alone = [ask(request) for request in requests]
    check(len(set(alone)) > 20, "the answers differ")
    for workers in (24, 5):
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            check(list(pool.map(ask, requests)) == alone, f"{workers} at once give the same as alone")


def leaving(server):
    server.wait(lambda: server.metric("freehold_requests_running") == 0, "nothing runs")
    body = json.dumps({"model": "tiny.gguf", "stream": True, "messages": [{"role": "user", "content": "x"}],
                       "logit_bias": NO_END}).encode()
    clients = []
    for _ in range(12):
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s"
                       % (len(body), body))
        clients.append(client)
    server.wait(lambda: server.metric("freehold_requests_running") > 0, "streams run")
    for client in clients:
        client.close()
    server.wait(lambda: server.metric("freehold_requests_running") == 0 and
                server.metric("freehold_requests_waiting") == 0, "slots freed when clients leave")


def full_queue():
    with Server("--model", MODEL, "--parallel", 1, "--queue", 1) as server:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda i: server.chat("x", max_tokens=200, logit_bias=NO_END), range(8)))
        statuses = sorted({reply[0] for reply in replies})
        check(statuses == [200, 503], f"a full queue: {statuses}")
        check(all("Retry-After" in reply[1] for reply in replies if reply[0] == 503), "Retry-After")


def main():
    with Server("--model", MODEL, "--parallel", 6) as server:
        for part in (answers, dialects, refusals, mixes, leaving):
            part(server)
    full_queue()
    start_and_stop()
    if FAILURES:
        print(f"{len(FAILURES)} checks failed")
        return 1
    return 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        WORK = pathlib.Path(folder)
        MODEL = WORK / "tiny.gguf"
        subprocess.run([FACTORY, str(MODEL), "--tokenizer", "bytes-bpe", "--vocab", "512",
                        "--context", "1024", "--name", "a model of chance"],
                       check=True, capture_output=True)
        NO_END = {str(token): -100 for token in range(508, 512)}  # the factory's special tokens
        sys.exit(main())
