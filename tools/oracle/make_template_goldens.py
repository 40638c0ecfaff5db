#!/usr/bin/env python3
"""Writes src/model/template/testdata/cases.jsonl: small templates and what jinja2, set up as
transformers does it, makes of them. Needs jinja2.

    make_template_goldens.py > src/model/template/testdata/cases.jsonl
"""

import json

import template_diff

VARIABLES = {"s": "Hello, World", "u": "Zürich ß Ωω Жя", "n": 7, "f": 2.5, "t": True, "z": None, "e": "",
             "l": [3, 1, 2], "w": ["b", "A", "c"], "d": {"b": 1, "a": {"c": [1, "x"]}, "items": 5},
             "m": [{"role": "user", "content": "hi", "k": 2}, {"role": "assistant", "content": None, "k": 1},
                   {"role": "user", "content": "bye"}], "q": "it's \"q\"\n\\", "big": 123456789012}
EXPRESSIONS = """
s|s|lower|s|upper|u|upper|u|lower|u|title|s|title|s|capitalize
1 + 2 * 3 - 4 / 2|7 // 2|-7 // 2|7 % 3|-7 % 3|2 ** 10|2 ** -1|7.0 // 2|-7.5 % 2|1 / 4|10 ** 18|1e16|1e-5|0.0001|123456.75|1e22|100.0
"a" ~ 1 ~ none ~ true ~ 1.0|"a" "b"|'\\n\\t\\x41\\u00e9\\101\\q'|"a" * 3|3 * "ab"|[1] + [2]|[1, 2] * 2|(1,)|()|(1, 2)
not t|not not e|t and s|e or s|z or e or n|1 < 2 < 3|1 < 3 < 2|1 == 1.0|true == 1|"a" < "b"|[1, 2] < [1, 3]|1 != 2
"lo" in s|"x" not in s|1 in l|"b" in d|"z" in d|9 in l|1 in (1, 2)
s[0]|s[-1]|s[1:4]|s[::-1]|s[:-2]|l[1:]|l[::-1]|l[5]|d["b"]|d.a.c[1]|d["items"]|d.zz|d["zz"]|u[1:3]|l.0|(1, 2, 3)[1:]|s[10:2]|l[-2:]|s[::2]
"x" if t else "y"|"x" if e else "y"|"x" if e|(1 if z else 2) if t else 3
s is string|n is number|t is number|t is boolean|n is integer|f is float|z is none|zz is defined|s is defined|zz is undefined|d is mapping|l is iterable|n is iterable|s is sequence|l is sequence|d is sequence|n is odd|n is even|n is divisibleby 7|n is divisibleby(3)|n is eq 7|n is gt 3|n is ge(7)|n is ne 7|3 is in l|t is true|t is false|n is not none|s is upper|"ABC" is upper|"abc" is lower|z is not defined
s|trim|"  x "|trim|"xxaxx"|trim("x")|l|length|d|length|u|length|zz|length|e|length|z|default("d")|zz|default("d")|e|default("d", true)|zz|d|e|d("q", boolean=true)
l|join(", ")|w|join|m|join("/", attribute="role")|"abc"|join("-")|[1, none, true]|join(",")
l|sort|w|sort|w|sort(case_sensitive=true)|l|sort(reverse=true)|m|sort(attribute="role")|map(attribute="role")|list
l|first|l|last|e|first|s|first|s|last|l|reverse|list|s|reverse|[1, 1, 2, 1]|unique|list|["a", "A"]|unique|list|l|sum|l|min|l|max|m|sum(attribute="zz")
m|map(attribute="role")|list|m|map(attribute="k", default=0)|list|w|map("upper")|list|w|map("replace", "b", "x")|join
m|selectattr("role", "equalto", "user")|list|length|m|rejectattr("content")|list|m|selectattr("content")|map(attribute="content")|join(",")|l|select("odd")|list|l|reject("gt", 1)|list|l|select|list|z|select|list|m|selectattr("k", "defined")|list|length
d|items|list|d|dictsort|d|dictsort(reverse=true)|d.items()|list|d.keys()|list|d.values()|list|d.get("b")|d.get("zz")|d.get("zz", 3)|zz|items|list
d|tojson|m|tojson|q|tojson|u|tojson|u|tojson(ensure_ascii=true)|l|tojson(indent=2)|d|tojson(indent=4)|[]|tojson(indent=2)|{}|tojson|(1, 2)|tojson|1.0|tojson|{"a": none, "b": true}|tojson|d|tojson(separators=(",", ":"))|{"b": 1, "a": 2}|tojson(sort_keys=true)|"\\x00\\x7f\\x1f"|tojson|{1: 2, none: 3}|tojson
"3"|int|"x"|int|"x"|int(5)|"3.7"|int|3.9|int|"2.5"|float|"x"|float|-3|abs|-3.5|abs|2.5|round|3.5|round|2.567|round(2)|2.1|round(0, "ceil")|2.9|round(method="floor")|12|round|n|string|z|string|l|string
"a\\nb\\n\\nc"|indent|"a\\nb"|indent(2)|"a\\nb"|indent(2, true)|"a\\n\\nb"|indent(2, blank=true)|"a\\nb"|indent(width=1, first=true)
"<a>&'"|escape|"<"|safe|("<"|safe) + ">"|">" + ("<"|safe)|"%s-%s"|format("a", 1)|"%d%%" % 5|"%s" % "x"|"%s %r" % (1, "x")
s.split(", ")|s.split()|" a  b ".split()|"a,b,c".split(",", 1)|"a,b,c".rsplit(",", 1)|"a,b"|list|s.strip("Hd")|" x ".strip()|" x ".lstrip()|" x ".rstrip()|s.startswith("He")|s.endswith(("x", "ld"))|s.replace("l", "L")|s.replace("l", "L", 1)|"aa".replace("", "-")|s.upper()|s.lower()|"they're bill's".title()|"hELLO".capitalize()|s.find("o")|s.rfind("o")|s.find("zz")|s.count("l")|"-".join(w)|"a\\nb\\r\\nc".splitlines()|"abc".removeprefix("a")|"abc".removesuffix("c")|"{} {}".format(1, "b")|"{0}{1}{0}".format("a", "b")|"{x}".format(x=3)|"5".zfill(3)|"12".isdigit()|"a1".isalpha()|"".isdigit()
range(3)|list|range(1, 7, 2)|list|range(5, 0, -2)|list|dict(a=1, b=2)|dict(d, a=3).a|l|string|w|w|string|q|[q]|[u, "\\x00\\u200b"]|{"a": [1, (2,)], 3: none}|[1.5, true]|big * 10|namespace(a=1).a|loop|d.b.c|l.index(2)|l.count(1)|"a" is in ["a"]|"abc"|attr("upper") is callable
raise_exception("no")|zz.a|zz()|zz + 1|1 + "a"|s.foo()|1 / 0|"a" < 1|l.append(4)|d.update({})|s.__class__|s["__class__"]|""|attr("__class__")
"""
TEMPLATES = [
    "a\n{% if t %}\nb\n{% endif %}\nc\n", "a\n  {% if t %}  \n  b\n  {% endif %}\nc", "x {%- if t -%} y {%- endif -%} z",
    "x\n  {%+ if t %}y{% endif +%}\nz", "{# c #}\nx{#- c -#}  y", "a{% raw %}{{ x }}{% endraw %}b", "{%- raw -%} {{ {%- endraw -%} x",
    "a\r\nb\rc\n\n", "\n{% set x = 1 %}\n\n{{ x }}\n\n", "  {{ s }}  \n", "{{ '}}' }}{{ {'a': {'b': 1}} }}", "{% if t %}{% elif s %}x{% else %}y{% endif %}z",
    "{% for i in l %}{{ i }}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}{{ loop.last }}{{ loop.length }};{% endfor %}",
    "{% for i in l if i > 1 %}{{ loop.index }}{{ i }}{% else %}none{% endfor %}", "{% for i in [] %}x{% else %}empty{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for i in l %}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('a', 'b') }}{{ loop.changed(i > 1) }}{{ loop.depth }};{% endfor %}",
    "{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% set x = 1 %}{% for i in l %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}", "{% set ns = namespace(x=1, y='a') %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns.y }}{{ ns.zz }}",
    "{% if t %}{% set y = 5 %}{% endif %}{{ y }}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set x %}  a{{ n }}\n{% endset %}[{{ x }}]", "{% set x | upper | trim %} a {% endset %}[{{ x }}]",
    "{% macro f(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1) }}|{{ f(1, c=3) }}|{{ f(1, 2, 3, 4) }}|{{ f() }}|{{ f(b=1, q=2) }}",
    "{% macro f(x) %}{% if x %}{{ x }}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(4) }}", "{% macro f() %}{{ y }}{% endmacro %}{% set y = 3 %}{{ f() }}",
    "{% macro f() -%}\n  a\n{%- endmacro %}[{{ f() }}]{{ f()|upper }}", "{% filter upper %}a{{ s }}{% endfilter %}", "{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% generation %}a{% set q = 1 %}{% endgeneration %}{{ q }}", "{% for m in m %}{{ m.role }}{% endfor %}{{ m|length }}", "{{ 1, 2 }}", "{% for x in 1, 2 %}{{ x }}{% endfor %}",
    "{% for i in l %}{% for j in l %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}", "{{ -n|abs }}{{ -2 ** 2 }}{{ not n == 7 }}{{ n - -1 }}", "{% if not z is none %}a{% endif %}{% if z is not none and t %}b{% endif %}",
    "{% set x = m[0] if m|length > 5 else m[-1] %}{{ x.content }}", "{% for c in 'añ' %}{{ c }},{% endfor %}", "{{ m[0].content + (m[1].content or 'x') }}", "{{ zz.a if zz is defined else 'u' }}",
    "{% set x = [1] %}{% set x = x + [2] %}{{ x }}", "a{{- ' b ' -}}c {{ 'd' -}}   e", "   {%- set x = 1 %}\n   y", "{{ s }}\n{%- for i in l %}\n {{ i }}\n{%- endfor %}\n", "{% for i in l -%}\n {{ i }}\n{% endfor -%}\nx",
    "{{", "{% if %}", "{% if t %}", "{% endif %}", "{% foo %}", "{{ 1 + }}", "{{ (1 }}", "{{ 'a }}", "{# x", "{% for %}{% endfor %}", "{{ a b }}", "{% raw %}x", "{{ 1 | nofilter }}", "{{ 1 is notest }}", "{% import 'a' as b %}",
    "{% break %}", "{{ $ }}", "{% set s.x = 1 %}", "{% for a, b in l %}{% endfor %}", "{{ {}.x.y }}"]


def main():
    env = template_diff.environment()
    cases = ["{{ %s }}" % e for line in EXPRESSIONS.strip().splitlines() for e in expressions_of(line)] + TEMPLATES
    print(json.dumps({"variables": VARIABLES}, ensure_ascii=False))
    for source in cases:
        try:
            expected = {"text": env.from_string(source).render(**VARIABLES)}
        except Exception as error:
            expected = {"error": type(error).__name__}
        print(json.dumps({"template": source, **expected}, ensure_ascii=False))


def expressions_of(line):
    """Expressions of a line. A | before a filter's name belongs to it; before anything else it parts."""
    import re
    filters = set(template_diff.environment().filters)
    parts = line.split("|")
    cases = [parts[0]]
    for part in parts[1:]:
        name = re.match(r"[a-z]+", part)
        is_filter = name and name.group() in filters and name.group() not in ("e", "d") and not part.startswith(
            ("length.", "list."))
        if part.startswith('d("') or part == "d":
            is_filter = cases[-1] in ("zz", "e")
        if is_filter:
            cases[-1] += "|" + part
        else:
            cases.append(part)
    return cases


if __name__ == "__main__":
    main()
