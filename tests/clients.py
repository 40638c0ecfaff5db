#!/usr/bin/env python3
"""Unmodified Python clients (openai, anthropic, ollama) against the real server on a small random
model: streams, errors, aborts. Takes the program from FREEHOLD; skipped where none of the clients
is installed. Loopback only. Every check is a line of output where it fails; exit 1 then.
"""

import importlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

PROGRAM = os.environ.get("FREEHOLD", "build/release/freehold")
FACTORY = str(pathlib.Path(PROGRAM).with_name("model_factory"))
SKIPPED = 77
PATIENCE_S = 60
FAILURES = []
HELLO = [{"role": "user", "content": "Hello"}]


def check(holds, what):
    if not holds:
        FAILURES.append(what)
        print("FAILED", what, flush=True)


def load(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def refused(action, kind, word):
    try:
        action()
    except kind as error:
        check(word in str(error), f"{kind.__name__} without {word}: {error}")
    else:
        check(False, f"no {kind.__name__} for {word}")


def with_openai(openai, port):
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0)
    check([model.id for model in client.models.list()] == ["tiny.gguf"], "openai: models")
    check(client.models.retrieve("tiny.gguf").id == "tiny.gguf", "openai: a model")
    ask = dict(model="tiny.gguf", messages=HELLO, seed=3, max_tokens=12)
    whole = client.chat.completions.create(**ask)
    stream = client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True})
    pieces, usage = "", None
    for chunk in stream:
        usage = chunk.usage or usage
        pieces += "".join(choice.delta.content or "" for choice in chunk.choices)
    check(pieces == whole.choices[0].message.content, "openai: a stream says the same")
    check(usage == whole.usage or usage.completion_tokens == whole.usage.completion_tokens, "openai: usage")
    text = client.completions.create(model="tiny.gguf", prompt="Once", max_tokens=3, seed=1)
    check(text.usage.completion_tokens <= 3, "openai: completions")
    refused(lambda: client.chat.completions.create(**ask, extra_body={"nonsense": 1}),
            openai.BadRequestError, "nonsense")
    refused(lambda: client.chat.completions.create(**{**ask, "model": "nobody"}), openai.NotFoundError, "nobody")
    with client.chat.completions.create(**{**ask, "max_tokens": 900}, stream=True) as left:
        next(iter(left))
    check(client.chat.completions.create(**ask).choices[0].message.content == pieces, "openai: after an abort")


def with_anthropic(anthropic, port):
    client = anthropic.Anthropic(base_url=f"http://127.0.0.1:{port}", api_key="none", max_retries=0)
    ask = dict(model="tiny.gguf", messages=HELLO, max_tokens=12, system="Be brief.", extra_body={"temperature": 0})
    whole = client.messages.create(**ask)
    with client.messages.stream(**ask) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    check(text == whole.content[-1].text == final.content[-1].text, "anthropic: a stream says the same")
    check(final.stop_reason == whole.stop_reason, "anthropic: the stop reason")
    counted = client.messages.count_tokens(model="tiny.gguf", messages=HELLO, system="Be brief.")
    check(counted.input_tokens == whole.usage.input_tokens, "anthropic: count_tokens")
    refused(lambda: client.messages.create(**{**ask, "model": "nobody"}), anthropic.NotFoundError, "nobody")
    refused(lambda: client.messages.create(**ask, tools=[{"name": "t", "input_schema": {}}]),
            anthropic.BadRequestError, "tools")


def with_ollama(ollama, port):
    client = ollama.Client(host=f"http://127.0.0.1:{port}")
    check([model.model for model in client.list().models] == ["tiny.gguf:latest"], "ollama: list")
    options = {"seed": 3, "num_predict": 12}
    whole = client.chat("tiny.gguf", HELLO, options=options)
    pieces = [part for part in client.chat("tiny.gguf", HELLO, options=options, stream=True)]
    check("".join(part.message.content for part in pieces) == whole.message.content, "ollama: a stream says the same")
    check(pieces[-1].done and pieces[-1].eval_count == whole.eval_count, "ollama: counts at the end")
    check(client.generate("tiny.gguf", "Once", options=options).done, "ollama: generate")
    check([model.model for model in client.ps().models] == ["tiny.gguf:latest"], "ollama: ps")
    refused(lambda: client.chat("nobody", HELLO), ollama.ResponseError, "nobody")
    refused(lambda: client.chat("tiny.gguf", HELLO, options={"nonsense": 1}), Exception, "nonsense")


def main(clients, folder):
    model = pathlib.Path(folder) / "tiny.gguf"
    subprocess.run([FACTORY, str(model), "--tokenizer", "bytes-bpe", "--vocab", "512", "--context", "1024"],
                   check=True, capture_output=True)
    server = subprocess.Popen([PROGRAM, "serve", "--port", "0", "--model", str(model), "-t", "2"],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              env={**os.environ, "FREEHOLD_HOME": folder, "XDG_CONFIG_HOME": folder})
    try:
        port = int(re.search(r":(\d+)$", server.stderr.readline().strip()).group(1))
        for name, client in clients.items():
            globals()[f"with_{name}"](client, port)
    finally:
        server.terminate()
        check(server.wait(PATIENCE_S) == 0, "the server's exit code")
    return 1 if FAILURES else 0


if __name__ == "__main__":
    CLIENTS = {name: load(name) for name in ("openai", "anthropic", "ollama")}
    MISSING = [name for name, client in CLIENTS.items() if client is None]
    if len(MISSING) == len(CLIENTS):
        print("skipped: none of the Python clients openai, anthropic and ollama is installed")
        sys.exit(SKIPPED)
    if MISSING:
        print(f"note: not installed: {', '.join(MISSING)}")
    with tempfile.TemporaryDirectory() as FOLDER:
        sys.exit(main({name: client for name, client in CLIENTS.items() if client}, FOLDER))
