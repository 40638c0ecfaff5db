#!/usr/bin/env python3
"""Our chat templates against jinja2, set up as transformers does it. On demand; needs jinja2.

    template_diff.py --dump build/release/template_dump [--gguf MODEL.gguf]… [--folder TEMPLATES]
        [--js FOLDER]   also beside npm @huggingface/jinja, installed in FOLDER

Renders every template with 14 conversations. Prints how many (template, conversation) pairs are
equal byte for byte, errors in the same places counted as equal, and every difference. Exit 1 where
there is one that REASONS does not name.
"""

import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime, timezone

import jinja2
import jinja2.ext
import jinja2.sandbox

# Where jinja2 fails and ours does not, and why that is well.
REASONS = {"Object of type generator is not JSON serializable": "map and select give lists here"}
NOW = 1_764_100_000  # 2025-11-25 19:46:40 UTC


class Generation(jinja2.ext.Extension):
    """{% generation %} as transformers has it: its body, in a frame of its own."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: datetime.fromtimestamp(NOW, timezone.utc).strftime(f)
    return env


WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather <now> & here — “ünïcode”.",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "A city's name"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        "days": {"type": "integer", "default": 1}}, "required": ["city"]},
    "return": {"type": "string"}}}
SUM = {"type": "function", "function": {
    "name": "add", "description": "Adds.", "parameters": {"type": "object", "properties": {
        "a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]}}}


def message(role, content="", **more):
    return {"role": role, "content": content, **more}


def call(name, arguments, number):
    return {"id": f"call_{number:05d}", "type": "function", "function": {"name": name, "arguments": arguments}}


def conversations():
    user = message("user", "Why is the sky blue?")
    system = message("system", "You are terse.\n")
    calls = [user, message("assistant", "", tool_calls=[call("get_weather", {"city": "Zürich", "days": 2}, 1)]),
             message("tool", '{"temperature": 11.5}', name="get_weather", tool_call_id="call_00001")]
    cases = [
        dict(messages=[user]),
        dict(messages=[user], add_generation_prompt=False),
        dict(messages=[system, user]),
        dict(messages=[system, user, message("assistant", "  Rayleigh.  "), message("user", "And\nred?\n")]),
        dict(messages=[user, message("assistant", "<think>\nhm\n</think>\n\nRayleigh."), message("user", "ok")]),
        dict(messages=[user, message("assistant", "Rayleigh.", reasoning_content="short waves"), message("user", "ok")]),
        dict(messages=[system, user], tools=[WEATHER, SUM]),
        dict(messages=calls, tools=[WEATHER]),
        dict(messages=calls + [message("assistant", "11.5 degrees."), message("user", "Thanks")], tools=[WEATHER, SUM]),
        dict(messages=[system, user], enable_thinking=False),
        dict(messages=[system, user], enable_thinking=True, reasoning_effort="high", thinking=True),
        dict(messages=[user, message("user", "twice a user")]),
        dict(messages=[message("user", "émoji 👩‍👩‍👧‍👦 <|im_end|> {{ x }} \"quotes\" 'too'\ttab")]),
        dict(messages=[system, user, message("assistant", "", tool_calls=[
            call("add", {"a": 1, "b": 2.5}, 1), call("get_weather", {"city": "Ås"}, 2)]),
            message("tool", "3.5", name="add", tool_call_id="call_00001"),
            message("tool", "cold", name="get_weather", tool_call_id="call_00002"),
            message("assistant", "Done.")], tools=[WEATHER, SUM], add_generation_prompt=False),
    ]
    for case in cases:
        case.setdefault("add_generation_prompt", True)
        case.setdefault("tools", None)
        case.update(bos_token="<s>", eos_token="</s>", documents=None)
    return cases


def theirs(template, cases):
    results = []
    for case in cases:
        try:
            results.append(template.render(**case))
        except Exception as error:  # any of Python's may come out of a template
            results.append({"error": f"{type(error).__name__}: {error}"})
    return results


def ours(dump, source, cases):
    with tempfile.NamedTemporaryFile("w", suffix=".jinja", newline="") as file:
        file.write(source)
        file.flush()
        data = json.dumps([{**case, "now": NOW} for case in cases])
        run = subprocess.run([dump, file.name], input=data.encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in run.stdout.decode().splitlines()]


def theirs_js(folder, sources, cases):
    """What @huggingface/jinja makes of all of them, template by template."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "template_js.mjs")
    data = "".join(json.dumps({"source": source, "cases": cases}) + "\n" for source in sources)
    run = subprocess.run(["node", script, os.path.abspath(folder)], input=data.encode(), stdout=subprocess.PIPE,
                         check=True)
    return [json.loads(line) for line in run.stdout.decode().splitlines()]


def compare_js(options, env, cases):
    """Ours beside JavaScript's. jinja2 is the judge where the two differ: what equals it is right."""
    named = list(templates(options))
    results = theirs_js(options.js, [source for _, source in named], cases)
    equal = both_fail = ours_right = both_differ = 0
    reasons = {}
    for (name, source), expected in zip(named, results):
        got = ours(options.dump, source, cases)
        try:
            judge = theirs(env.from_string(source), cases)
        except jinja2.TemplateSyntaxError as error:
            judge = [{"error": str(error)}] * len(cases)
        for number, (a, b, c) in enumerate(zip(got, expected, judge)):
            if a == b:
                equal += 1
            elif isinstance(a, dict) and isinstance(b, dict):
                both_fail += 1
            elif a == c or (isinstance(a, dict) and isinstance(c, dict)):
                ours_right += 1
                label = f"it fails: {b['error'][:60]}" if isinstance(b, dict) else "other text"
                reasons.setdefault(label, set()).add(name)
            else:
                both_differ += 1
                show(name, number, a, b)
    total = len(named) * len(cases)
    print(f"@huggingface/jinja: {equal} of {total} equal, {both_fail} errors on both sides, {ours_right} where ours "
          f"equals jinja2 and it does not, {both_differ} left")
    for label, names in sorted(reasons.items(), key=lambda item: -len(item[1])):
        print(f"   {label}: {len(names)} templates, {', '.join(sorted(names)[:3])}")


def templates(options):
    for path in options.gguf:
        import gguf
        for key, field in gguf.GGUFReader(path).fields.items():
            if key.startswith("tokenizer.chat_template") and isinstance(field.contents(), str):
                yield os.path.basename(path), field.contents()
    for path in sorted(glob.glob(f"{options.folder}/*.jinja")) if options.folder else []:
        with open(path, newline="") as file:
            yield os.path.basename(path), file.read()


def show(name, number, a, b):
    print(f"DIFF {name} conversation {number}")
    if isinstance(a, str) and isinstance(b, str):
        at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
        print("   ours", repr(a[max(0, at - 40):at + 60]), "\n   them", repr(b[max(0, at - 40):at + 60]))
    else:
        print("   ours", str(a)[:220], "\n   them", str(b)[:220])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dump", required=True)
    parser.add_argument("--gguf", action="append", default=[])
    parser.add_argument("--folder")
    parser.add_argument("--js", help="folder in which npm installed @huggingface/jinja")
    options = parser.parse_args()
    env = environment()
    cases = conversations()
    total = equal = both_fail = whole = count = 0
    explained = {}
    for name, source in templates(options):
        count += 1
        try:
            template = env.from_string(source)
            expected = theirs(template, cases)
        except jinja2.TemplateSyntaxError as error:
            expected = [{"error": f"syntax: {error}"}] * len(cases)
        got = ours(options.dump, source, cases)
        bad = 0
        for number, (a, b) in enumerate(zip(got, expected)):
            total += 1
            reason = next((r for r in REASONS if isinstance(b, dict) and r in b["error"]), None)
            if reason:
                explained[reason] = explained.get(reason, 0) + 1
            elif a == b or (isinstance(a, dict) and isinstance(b, dict)):
                equal += 1
                both_fail += isinstance(a, dict)
            else:
                bad += 1
                if bad <= 2:
                    show(name, number, a, b)
        whole += bad == 0
    print(f"{equal} of {total} renderings equal ({both_fail} are errors on both sides); "
          f"{whole} of {count} templates equal in all {len(cases)} conversations")
    print("explained:", explained)
    if options.js:
        compare_js(options, env, cases)
    sys.exit(0 if equal + sum(explained.values()) == total else 1)


if __name__ == "__main__":
    main()
