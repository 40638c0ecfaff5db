#!/usr/bin/env python3
"""Writes src/model/tokenizer/bert_tables.cc: what BERT's normalizer and punctuation do to each character.

Read from the `tokenizers` package itself (0.22), whose tables are of several older Unicode versions:

    tools/make_bert_tables.py > src/model/tokenizer/bert_tables.cc
"""

from tokenizers import normalizers, pre_tokenizers

CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def ranges(codes):
    out = []
    for code in sorted(codes):
        if out and out[-1][1] == code - 1:
            out[-1][1] = code
        else:
            out.append([code, code])
    return out


def emit(name, codes):
    rows = ranges(codes)
    print(f"const CodeRange {name}[{len(rows)}] = {{")
    for start in range(0, len(rows), 6):
        print("    " + " ".join("{0x%X, 0x%X}," % tuple(r) for r in rows[start:start + 6]))
    print(f"}};\nconst size_t {name}Count = {len(rows)};\n")


def main():
    punctuation = pre_tokenizers.Punctuation("isolated")
    emit_all = {"kPunctuationRanges": [c for c in CODES if len(punctuation.pre_tokenize_str(f"a{chr(c)}a")) == 3]}
    clean = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False,
                                       lowercase=False)
    emit_all["kControlRanges"] = [c for c in CODES if clean.normalize_str(f"a{chr(c)}a") == "aa"]
    han = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=True, strip_accents=False,
                                     lowercase=False)
    emit_all["kHanRanges"] = [c for c in CODES if han.normalize_str(f"a{chr(c)}a") == f"a {chr(c)} a"]
    print("// Written by tools/make_bert_tables.py from the tokenizers package; do not edit.\n")
    print('#include "model/tokenizer/bert_tables.h"\n')
    print("// clang-format off\nnamespace freehold::model {\n")
    for name, codes in emit_all.items():
        emit(name, codes)
    # Accents stripped and lower case, character by character, as the uncased models do it.
    strip = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True,
                                       lowercase=True)
    rows, texts = [], []
    for code in CODES:
        if 0xAC00 <= code <= 0xD7A3:
            continue  # Hangul syllables fall apart by arithmetic
        made = strip.normalize_str(chr(code))
        # A sign alone keeps what a neighbour would lose, and white space is trimmed nowhere here.
        if len(made) == 0 or made != chr(code):
            rows.append((code, len(texts), len(made)))
            texts.extend(map(ord, made))
    print(f"const UncasedMapping kUncased[{len(rows)}] = {{")
    for start in range(0, len(rows), 6):
        print("    " + " ".join("{0x%X, %d, %d}," % r for r in rows[start:start + 6]))
    print(f"}};\nconst size_t kUncasedCount = {len(rows)};\n")
    print(f"const char32_t kUncasedText[{len(texts)}] = {{")
    for start in range(0, len(texts), 12):
        print("    " + " ".join("0x%X," % c for c in texts[start:start + 12]))
    print("};\n\n}  // namespace freehold::model")


main()
