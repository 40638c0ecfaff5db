#!/usr/bin/env python3
"""Writes the expectations that the tokenizer's tests read. Needs `gguf` and `tokenizers`.

    make_tokenizer_goldens.py words > src/model/tokenizer/testdata/words.txt
        pre-token boundaries by PyPI tokenizers with each family's exact expression
    make_tokenizer_goldens.py tokens MODEL.gguf > golden/tokenizer/NAME.txt
        tokens by PyPI tokenizers over the file's own tables (byte-level vocabularies)
    make_tokenizer_goldens.py tokens MODEL.gguf --json tokenizer.json > golden/tokenizer/NAME.txt

Each line: rules (words only), the text in hexadecimal, lengths or ids.
"""

import random
import sys

import tokenizer_diff as diff

HARD = ["", " ", "  ", "\n", " \n", "\n ", "\n\n  a", "a \n b", "a  b", "a   b", "\t\ta", " \ta", "\r\n", "\r\n\r\n x",
        "don't", "DON'T", "don'T", "'s", "'S", "'ſ", "'ſx", "''s", "'re're", "'lLx", "x'", "'", " 's", "'ve1",
        "1", "12", "123", "1234", "1234567890123", " 123", "a1b2", "1,000.5", "٣٤٥٦", "१२३४", "½²Ⅷ", "x²",
        "!!!", " !!!", "!!!\n\n", "!\r\na", "?! \n", "...a", "a...", " -a", "--a", "\u00a0a", "\u00a0\u00a0a", "\u3000\u3000",
        "a\u3000b", "\u2028\u2028x", "\u0085x", "e\u0301", "e\u0301\u0301a", "\u0301a", "a\u0301 \u0301b", "नमस्ते", "สวัสดี",
        "👩‍👩‍👧‍👦", " 👍🏽!", "🏳️‍🌈x", "שלום עולם", "مرحبا ١٢", "\u200d\u200d", "\ufeffa", "\x00a", "a\x00", "\x7f\x1b[0m",
        "Ελλάδα", "ǅ", "ﬁx", "日本語テキスト", "한국어", "\U00020000\U0001f600", "\U000e0001", "\ud7ff\ue000", "\U0010ffff",
        "if (x == 1) {\n    return \"a\";\n}\n", "https://a.b/c?d=1&e=%20#f", "a_b-c.d", "snake_case CamelCase",
        " " * 40 + "x", "\n" * 40, "\t" * 35 + "y", "a" * 300, "=" * 300, "1" * 50, " \u3000 \t x"]


def hexed(text):
    return text.encode().hex() or "-"


def texts(count, seed):
    rng = random.Random(seed)
    return HARD + [diff.make_text(rng) for _ in range(count)]


def words():
    from tokenizers import Regex, pre_tokenizers as pre

    def split(pattern):
        return pre.Split(Regex(pattern), "isolated")
    gpt2 = split(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
    qwen2 = diff.LLAMA3.replace("{1,3}", "")
    qwen35 = qwen2.replace(r"?\p{L}+", r"?[\p{L}\p{M}]+").replace(r" ?[^\s\p{L}\p{N}]", r" ?[^\s\p{L}\p{M}\p{N}]")
    rules = {"gpt-2": gpt2, "smollm": pre.Sequence([split(r"\p{N}"), gpt2]), "llama-bpe": split(diff.LLAMA3),
             "qwen2": split(qwen2), "qwen35": split(qwen35)}
    for name, rule in rules.items():
        for text in texts(160, 7):
            pieces = [w for w, _ in rule.pre_tokenize_str(text)]
            assert "".join(pieces) == text
            print(name, hexed(text), ",".join(str(len(p.encode())) for p in pieces) or "-")


def tokens(model, json):
    vocabulary = diff.read_gguf(model)
    if json:
        from tokenizers import Tokenizer
        oracle = Tokenizer.from_file(json)
        oracle.encode_special_tokens = True
    else:
        oracle = diff.build_tokenizers(vocabulary)
    for text in texts(200, 11):
        if any(ord(c) in diff.UNICODE_17_NUMBERS for c in text):
            continue
        print(hexed(text), ",".join(map(str, oracle.encode(text, add_special_tokens=False).ids)) or "-")


def main():
    if sys.argv[1] == "words":
        words()
    else:
        tokens(sys.argv[2], sys.argv[4] if len(sys.argv) > 4 else None)


main()
