#!/usr/bin/env python3
"""Writes this folder's bundles: a whole one as docs/formats/bundle.md says, and one per lie.

Sums of headers are left empty: the fuzzer fills them in.
"""

import hashlib
import json
import pathlib

HERE = pathlib.Path(__file__).parent


def header(path, size, kind=b"0", field=None):
    block = bytearray(512)
    block[0:len(path)] = path
    block[100:108] = b"0000644\0"
    block[124:136] = field if field else b"%011o\0" % size
    block[156:157] = kind
    block[257:265] = b"ustar\00000"
    return bytes(block)


def entry(path, data, **more):
    return header(path, len(data), **more) + data + b"\0" * (-len(data) % 512)


def record(name, tag, digest, size, **more):
    return json.dumps({"version": 1, "name": name, "tag": tag, "sha256": digest, "bytes": size, "licence": "MIT", **more}).encode()


BLOB = b"GGUF" + bytes(range(100))
DIGEST = hashlib.sha256(BLOB).hexdigest()
PLAN = {"version": 1, "blobs": [{"sha256": DIGEST, "bytes": len(BLOB)}],
        "models": [{"name": "a:b", "sha256": DIGEST}, {"name": "c:latest", "sha256": DIGEST}]}
START = entry(b"freehold-bundle.json", json.dumps(PLAN).encode())
BLOB_PATH = b"blobs/sha256-" + DIGEST.encode()
FIRST = entry(b"models/a/b.json", record("a", "b", DIGEST, len(BLOB)))
SECOND = entry(b"models/c/latest.json", record("c", "latest", DIGEST, len(BLOB), version=2, settings={"system": "Hi."}))
END = b"\0" * 1024

FILES = {
    "whole": START + entry(BLOB_PATH, BLOB) + FIRST + SECOND + END,
    "path-up": START + entry(BLOB_PATH, BLOB) + entry(b"models/../../x", b"{}") + END,
    "link": START + entry(BLOB_PATH, b"", kind=b"2") + FIRST + SECOND + END,
    "binary-size": START + entry(BLOB_PATH, BLOB, field=b"\x80" + len(BLOB).to_bytes(11, "big")) + FIRST + SECOND + END,
    "huge-size": START + entry(BLOB_PATH, BLOB, field=b"\x80" + b"\xff" * 11),
    "trailing": START + entry(BLOB_PATH, BLOB) + FIRST + SECOND + END + b"x",
    "records-first": START + FIRST + SECOND + entry(BLOB_PATH, BLOB) + END,
    "not-gguf": START.replace(DIGEST.encode(), hashlib.sha256(b"x" * len(BLOB)).hexdigest().encode())
    + entry(b"blobs/sha256-" + hashlib.sha256(b"x" * len(BLOB)).hexdigest().encode(), b"x" * len(BLOB)) + FIRST + SECOND + END,
}

for name, data in FILES.items():
    (HERE / name).write_bytes(data)
