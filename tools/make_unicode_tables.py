#!/usr/bin/env python3
"""Writes src/model/tokenizer/unicode_tables.cc: character classes and canonical composition.

Unicode 16.0, the version that the `tokenizers` package's regular expressions use. Python's own
unicodedata is older on most systems, so the package unicodedata2==16.0.0 is read instead; what it
lacks, how characters make a cluster (UAX #29), the package regex knows:

    pip install --target DIR unicodedata2==16.0.0 regex
    PYTHONPATH=DIR tools/make_unicode_tables.py > src/model/tokenizer/unicode_tables.cc
"""

import sys

import regex
import unicodedata2 as unicode

VERSION = "16.0.0"
BLOCK = 128
LETTER, MARK, NUMBER, PUNCTUATION, SYMBOL, SPACE, UPPER, LOWER = (1 << bit for bit in range(8))
# The White_Space property (PropList.txt); unicodedata does not carry it.
WHITE_SPACE = {*range(0x9, 0xE), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B),
               0x2028, 0x2029, 0x202F, 0x205F, 0x3000}
HANGUL = range(0xAC00, 0xD7A4)


def class_of(code):
    if 0xD800 <= code < 0xE000:
        return 0
    category = unicode.category(chr(code))
    bits = {"L": LETTER, "M": MARK, "N": NUMBER, "P": PUNCTUATION, "S": SYMBOL}.get(category[0], 0)
    if category in ("Lu", "Lt"):
        bits |= UPPER
    if category == "Ll":
        bits |= LOWER
    if code in WHITE_SPACE:
        bits |= SPACE
    return bits


def two_stage(values):
    """Indices of blocks, and the distinct blocks one after the other."""
    seen, index, data = {}, [], []
    for start in range(0, len(values), BLOCK):
        block = tuple(values[start:start + BLOCK])
        if block not in seen:
            seen[block] = len(seen)
            data.extend(block)
        index.append(seen[block])
    return index, data


def emit(kind, name, values, per_line=24):
    print(f"const {kind} {name}[{len(values)}] = {{")
    for start in range(0, len(values), per_line):
        print("    " + ", ".join(str(v) for v in values[start:start + per_line]) + ",")
    print("};\n")


def emit_structs(kind, name, rows, per_line=6):
    print(f"const {kind} {name}[{len(rows)}] = {{")
    for start in range(0, len(rows), per_line):
        print("    " + " ".join("{%s}," % ", ".join(f"0x{v:X}" for v in row)
                                for row in rows[start:start + per_line]))
    print("};\n")


def canonical():
    """Full decompositions (flattened), combining classes, and primary composites."""
    classes, flat, decompositions, compositions = [], [], [], []
    for code in range(0x110000):
        if 0xD800 <= code < 0xE000 or code in HANGUL:
            continue
        char = chr(code)
        ccc = unicode.combining(char)
        if ccc:
            classes.append((code, ccc))
        full = unicode.normalize("NFD", char)
        if full == char:
            continue
        decompositions.append((code, len(flat), len(full)))
        flat.extend(map(ord, full))
        step = unicode.decomposition(char).split()
        if len(step) == 2 and unicode.normalize("NFC", char) == char:
            compositions.append((int(step[0], 16), int(step[1], 16), code))
    return classes, flat, decompositions, sorted(compositions)


def decimal_zeros():
    """First code points of the runs of ten that decimal digits (Nd) always stand in."""
    digits = [c for c in range(0x110000) if unicode.category(chr(c)) == "Nd"]
    zeros = digits[::10]
    assert digits == [zero + i for zero in zeros for i in range(10)]
    return zeros


# unicode.h's Cluster, in its order; the first that matches.
CLUSTERS = [r"\p{GCB=CR}", r"\p{GCB=LF}", r"\p{GCB=Control}", r"\p{GCB=ZWJ}", r"\p{InCB=Linker}", r"\p{GCB=Extend}",
            r"\p{GCB=SpacingMark}", r"\p{GCB=Prepend}", r"\p{GCB=Regional_Indicator}", r"\p{GCB=L}", r"\p{GCB=V}",
            r"\p{GCB=T}", r"\p{ExtPict}", r"\p{InCB=Consonant}"]


CONTROL_KIND, PICTOGRAPH_KIND = 3, 13


def cluster_ranges():
    """Runs of characters of one kind; Hangul syllables are arithmetic."""
    patterns = [regex.compile(pattern) for pattern in CLUSTERS]
    ranges = []
    for code in range(0x110000):
        if 0xD800 <= code < 0xE000 or code in HANGUL:
            continue
        char = chr(code)
        kind = next((i + 1 for i, pattern in enumerate(patterns) if pattern.fullmatch(char)), 0)
        # The package is of a newer Unicode; what 16.0 has not assigned can only be a control or a picture.
        if unicode.category(char) == "Cn" and kind not in (CONTROL_KIND, PICTOGRAPH_KIND):
            kind = 0
        if kind == 0:
            continue
        if ranges and ranges[-1][1] + 1 == code and ranges[-1][2] == kind:
            ranges[-1][1] = code
        else:
            ranges.append([code, code, kind])
    return ranges


def main():
    if unicode.unidata_version != VERSION:
        sys.exit(f"unicodedata2 carries Unicode {unicode.unidata_version}, not {VERSION}")
    index, data = two_stage([class_of(code) for code in range(0x110000)])
    assert max(index) < 65536
    print(f"// Unicode {VERSION}. Written by tools/make_unicode_tables.py; do not edit.\n")
    print('#include "model/tokenizer/unicode_tables.h"\n')
    print("// clang-format off\nnamespace freehold::model::unicode {\n")
    emit("uint16_t", "kClassIndex", index)
    emit("uint8_t", "kClassBlocks", data, 32)
    classes, flat, decompositions, compositions = canonical()
    ranges = []
    for code, ccc in classes:
        if ranges and ranges[-1][2] == ccc and ranges[-1][1] + 1 == code:
            ranges[-1][1] = code
        else:
            ranges.append([code, code, ccc])
    emit_structs("CombiningRange", "kCombining", ranges)
    emit("char32_t", "kDecomposed", flat, 16)
    emit_structs("Decomposition", "kDecompositions", decompositions)
    emit_structs("Composition", "kCompositions", compositions)
    emit("char32_t", "kDecimalZeros", zeros := decimal_zeros(), 16)
    joiners = [c for c in range(0x110000) if unicode.category(chr(c)) == "Pc"]
    emit("char32_t", "kConnectors", joiners, 16)
    emit_structs("ClusterRange", "kClusters", clusters := cluster_ranges())
    print(f"const size_t kClusterCount = {len(clusters)};")
    print(f"const size_t kDecimalZeroCount = {len(zeros)};")
    print(f"const size_t kConnectorCount = {len(joiners)};")
    print(f"const size_t kCombiningCount = {len(ranges)};")
    print(f"const size_t kDecompositionCount = {len(decompositions)};")
    print(f"const size_t kCompositionCount = {len(compositions)};\n")
    print("}  // namespace freehold::model::unicode")


main()
