#!/usr/bin/env python3
"""Generated JSON Schemas, answers of random weights under them, and a foreign validator's word on each.

    schema_walk.py [--count 10000] [--seed 1] [--vocabulary FILE.gguf|bytes] [--ajv FOLDER]
    schema_walk.py --suite FOLDER       # JSON-Schema-Test-Suite: json/tests/draft2020-12

Needs build/release/grammar_walk and Python's jsonschema; --ajv names a folder where npm has put ajv.

How the suite is counted: a schema that is refused by name counts apart, with all its cases. For the others a case
is judged by whether the grammar, read by the letter (--strict), accepts the instance written as JSON: numbers that
are whole without their ".0", and members in any order, up to 120 orders (JSON objects have none, our grammars do).
"""

import argparse
import collections
import itertools
import json
import pathlib
import random
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
WALK = TOP / "build" / "release" / "grammar_walk"
NAMES = ["id", "name", "kind", "value", "items", "city", "größe", "a b", "quote\"d", "x", "y", "tags", "note"]
PATTERNS = ["^[a-z]+$", "^[A-Z]{2}-[0-9]{4}$", "^(red|green|blue)$", "^\\d{3}-\\d{4}$", "[0-9]", "^[^\\s]{1,12}$",
            "^v\\d+(\\.\\d+){1,2}$", "^#?[0-9a-fA-F]{6}$", "^a.c", "x$"]
FORMATS = ["date", "date-time", "time", "email", "uuid", "uri", "ipv4", "ipv6", "hostname"]


class Maker:
    """Schemas as people write them for models, with every keyword that is said to be there."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.definitions = {}

    def document(self):
        self.definitions = {}
        # Names first, so that schemas may refer to what is still being made.
        for i in range(self.random.randrange(0, 3)):
            self.definitions[f"d{i}"] = None
        for name in self.definitions:
            self.definitions[name] = self.object(2)
        schema = self.object(3) if self.random.random() < 0.8 else self.schema(3)
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
        if self.definitions:
            schema["$defs"] = dict(self.definitions)
        return schema

    def schema(self, depth):
        kinds = [self.string, self.integer, self.number, self.boolean, self.null, self.enum, self.const]
        if depth > 0:
            kinds += [self.object, self.object, self.array, self.array, self.any_of, self.one_of, self.all_of, self.nullable]
        if self.definitions:
            kinds.append(self.reference)
        made = self.random.choice(kinds)
        schema = made(depth) if made in (self.object, self.array, self.any_of, self.one_of, self.all_of, self.nullable) else made()
        if self.random.random() < 0.15:
            schema["description"] = "what it is"
        return schema

    def maybe(self, schema, share=0.3, **values):
        for key, value in values.items():
            if self.random.random() < share:
                schema[key] = value
        return schema

    def string(self):
        schema = {"type": "string"}
        choice = self.random.random()
        if choice < 0.2:
            schema["pattern"] = self.random.choice(PATTERNS)
        elif choice < 0.4:
            schema["format"] = self.random.choice(FORMATS)
        elif choice < 0.7:
            least = self.random.randrange(0, 6)
            self.maybe(schema, 0.6, minLength=least, maxLength=least + self.random.randrange(0, 12))
        return schema

    def integer(self):
        schema = {"type": "integer"}
        low = self.random.randrange(-1000, 1000)
        self.maybe(schema, 0.4, minimum=low, maximum=low + self.random.randrange(0, 5000))
        if self.random.random() < 0.1:
            schema = {"type": "integer", "multipleOf": self.random.choice([2, 3, 5, 10, 7])}
            self.maybe(schema, 0.5, minimum=0)
        elif self.random.random() < 0.1:
            schema = {"type": "integer", "exclusiveMinimum": low, "exclusiveMaximum": low + 2 + self.random.randrange(0, 50)}
        return schema

    def number(self):
        schema = {"type": "number"}
        low = round(self.random.uniform(-100, 100), self.random.randrange(0, 4))
        high = round(low + self.random.uniform(0.5, 200), 3)
        keys = self.random.choice([("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum"), ("minimum", "exclusiveMaximum")])
        return self.maybe(schema, 0.4, **{keys[0]: low, keys[1]: high})

    def boolean(self):
        return {"type": "boolean"}

    def null(self):
        return {"type": "null"}

    def enum(self):
        pool = ["red", "green", 1, 2.5, True, None, "größe", "a\"b", -7, [1, "x"], {"k": 1}]
        return {"enum": self.random.sample(pool, self.random.randrange(1, 5))}

    def const(self):
        return {"const": self.random.choice(["fixed", 42, False, None, "two words"])}

    def nullable(self, depth):
        kind = self.random.choice(["string", "integer", "number", "boolean"])
        return {"type": [kind, "null"]}

    def reference(self):
        return {"$ref": "#/$defs/" + self.random.choice(list(self.definitions))}

    def array(self, depth):
        schema = {"type": "array", "items": self.schema(depth - 1)}
        least = self.random.randrange(0, 3)
        self.maybe(schema, 0.4, minItems=least, maxItems=least + self.random.randrange(0, 4))
        if self.random.random() < 0.2:
            schema["prefixItems"] = [self.schema(depth - 1) for _ in range(self.random.randrange(1, 4))]
            if self.random.random() < 0.5:
                schema["items"] = False
                schema.pop("minItems", None)
        # Recursion ends only where an array may be empty.
        if "$ref" in json.dumps(schema):
            schema.pop("minItems", None)
        return schema

    def object(self, depth):
        names = self.random.sample(NAMES, self.random.randrange(0, 6))
        schema = {"type": "object", "properties": {name: self.schema(depth - 1) for name in names}}
        required = [n for n in names if self.random.random() < 0.6 and "$ref" not in json.dumps(schema["properties"][n])]
        if required:
            schema["required"] = required
        if self.random.random() < 0.5:
            schema["additionalProperties"] = self.random.choice([False, False, True, {"type": "integer"}])
        if not names and self.random.random() < 0.3:
            schema = {"type": "object", "patternProperties": {"^[a-z]{1,4}$": self.schema(depth - 1)}, "additionalProperties": False}
        return schema

    def any_of(self, depth):
        return {"anyOf": [self.schema(depth - 1) for _ in range(self.random.randrange(2, 4))]}

    def one_of(self, depth):
        if self.random.random() < 0.5:
            return {"oneOf": [self.string(), self.integer(), self.null()]}
        branches = []
        for tag in self.random.sample(["cat", "dog", "bird"], 2):
            branch = self.object(depth - 1)
            branch.pop("patternProperties", None)
            branch.setdefault("properties", {})["type"] = {"const": tag}
            branch["required"] = branch.get("required", []) + ["type"]
            branches.append(branch)
        return {"oneOf": branches}

    def all_of(self, depth):
        first, second = self.object(depth - 1), self.object(depth - 1)
        for schema in (first, second):
            schema.pop("additionalProperties", None)
            schema.pop("patternProperties", None)
        shared = set(first.get("properties", {})) & set(second.get("properties", {}))
        for name in shared:
            del second["properties"][name]
        second["required"] = [n for n in second.get("required", []) if n not in shared]
        return {"allOf": [first, second]}


def walk(lines, arguments):
    done = subprocess.run([WALK, *arguments], input="\n".join(lines) + "\n", capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"grammar_walk ended with {done.returncode}: {done.stderr[-500:]}")
    print(done.stderr, end="", file=sys.stderr)
    return [json.loads(line) for line in done.stdout.rstrip("\n").split("\n")]


AJV = """
const Ajv = require('ajv/dist/2020'); const formats = require('ajv-formats');
const lines = require('fs').readFileSync(0, 'utf8').trim().split('\\n').map(JSON.parse);
for (const {schema, text} of lines) {
  const ajv = new Ajv({strict: false, allErrors: false}); formats(ajv);
  let said; try { said = ajv.compile(schema)(JSON.parse(text)) ? 'valid' : 'invalid'; } catch (e) { said = String(e); }
  console.log(JSON.stringify(said));
}"""


def judge(pairs, ajv):
    if ajv:
        lines = "\n".join(json.dumps({"schema": schema, "text": text}) for schema, text in pairs)
        done = subprocess.run(["node", "-e", AJV], input=lines, capture_output=True, text=True, cwd=ajv, check=True)
        return [json.loads(line) for line in done.stdout.rstrip("\n").split("\n")]
    import jsonschema
    said = []
    for schema, text in pairs:
        checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
        try:
            said.append("valid" if checker.is_valid(json.loads(text)) else "invalid")
        except ValueError as error:
            said.append(str(error))
    return said


def generated(options):
    maker = Maker(options.seed)
    schemas = [maker.document() for _ in range(options.count)]
    answers = walk([json.dumps(schema) for schema in schemas], [options.vocabulary, "schema", "--seed", str(options.seed), "--tokens", "400"])
    finishes = collections.Counter(answer["finish"] for answer in answers)
    refusals = collections.Counter(a["message"].split(": ", 1)[-1] for a in answers if a["finish"] == "refused")
    ended = [(schema, answer["text"]) for schema, answer in zip(schemas, answers) if answer["finish"] == "end"]
    bad = [pair + (said,) for pair, said in zip(ended, judge(ended, options.ajv)) if said != "valid"]
    for schema, text, said in bad[:5]:
        print(f"{said}: {text}\n   under {json.dumps(schema)}")
    for message, times in refusals.most_common(12):
        print(f"refused {times} times: {message}")
    accepted = 1 - finishes["refused"] / len(schemas)
    print(f"{len(schemas)} schemas: {accepted:.2%} accepted; {len(ended)} answers ended, {finishes['length']} were cut by length; "
          f"{len(bad)} that ended are not valid; other ends: { {k: v for k, v in finishes.items() if k not in ('end', 'length', 'refused')} }")
    odd = set(finishes) - {"end", "length", "refused"}
    return 1 if bad or accepted < 0.99 or odd or any(not a.get("same", True) for a in answers) else 0


def plain(value):
    """Whole numbers without their fraction, as JSON Schema sees them."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    if isinstance(value, list):
        return [plain(v) for v in value]
    return {k: plain(v) for k, v in value.items()} if isinstance(value, dict) else value


def orders(value):
    if isinstance(value, list):
        return [list(c) for c in itertools.islice(itertools.product(*(orders(v) for v in value)), 120)]
    if isinstance(value, dict):
        found = []
        for names in itertools.islice(itertools.permutations(value), 120):
            for values in itertools.islice(itertools.product(*(orders(value[n]) for n in names)), 120):
                found.append(dict(zip(names, values)))
        return found[:120]
    return [value]


def suite(options):
    groups = []
    for path in sorted(pathlib.Path(options.suite).glob("*.json")):
        for group in json.loads(path.read_text()):
            groups.append((path.stem, group))
    lines, spans = [], []
    for _, group in groups:
        texts, span = [], []
        for case in group["tests"]:
            written = [json.dumps(o, ensure_ascii=False) for o in orders(plain(case["data"]))]
            span.append((len(texts), len(texts) + len(written)))
            texts += written
        spans.append(span)
        lines.append(json.dumps({"schema": group["schema"], "data": texts}))
    answers = walk(lines, ["bytes", "schema", "--strict", "--accept"])
    right, wrong, apart = 0, collections.Counter(), collections.Counter()
    for (file, group), span, answer in zip(groups, spans, answers):
        if "accepted" not in answer:
            # A schema that nothing fits is judged: all its cases are invalid.
            if "allows no text" not in answer["message"]:
                apart[file] += len(span)
                continue
            answer["accepted"] = [False] * span[-1][1]
        for case, (begin, end) in zip(group["tests"], span):
            if any(answer["accepted"][begin:end]) == case["valid"]:
                right += 1
            else:
                wrong[file] += 1
                if options.verbose:
                    print(f"wrong: {file}: {group['description']}: {case['description']}: {json.dumps(case['data'])} is {case['valid']}")
    judged = right + sum(wrong.values())
    print(f"{judged + sum(apart.values())} cases: {sum(apart.values())} of schemas refused by name, {judged} judged, {right} right ({right / judged:.2%})")
    print("wrong:", dict(wrong))
    print("refused:", dict(apart))
    return 0 if right >= 0.95 * judged else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--vocabulary", default="bytes")
    parser.add_argument("--ajv")
    parser.add_argument("--suite")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    return suite(options) if options.suite else generated(options)


if __name__ == "__main__":
    sys.exit(main())
