#!/usr/bin/env python3
"""Writes src/cli/line/width_tables.cc: which code points take two columns of a terminal, and which none.

Two: East Asian Width W and F (UAX #11). None: combining and enclosing marks, format characters and the
vowels and finals of Hangul that join the syllable before. By the unicodedata of the Python that runs it:

    tools/make_width_tables.py > src/cli/line/width_tables.cc
"""

import unicodedata as unicode

# Soft hyphen: terminals show it. The rest of Cf is invisible.
SHOWN = {0xAD}


def ranges(holds):
    found = []
    for code in range(0x110000):
        if 0xD800 <= code < 0xE000 or not holds(code):
            continue
        if found and found[-1][1] + 1 == code:
            found[-1][1] = code
        else:
            found.append([code, code])
    return found


def nothing(code):
    if code in SHOWN or code < 0x300:
        return False
    return unicode.category(chr(code)) in ("Mn", "Me", "Cf") or 0x1160 <= code <= 0x11FF


def wide(code):
    return not nothing(code) and unicode.east_asian_width(chr(code)) in ("W", "F")


def emit(name, rows):
    print(f"const RuneRange {name}[] = {{")
    for at in range(0, len(rows), 6):
        print("    " + " ".join(f"{{0x{a:X}, 0x{b:X}}}," for a, b in rows[at:at + 6]))
    print("};")


print(f"// Unicode {unicode.unidata_version}. Written by tools/make_width_tables.py; do not edit.\n")
print('#include "cli/line/width_tables.h"\n')
print("// clang-format off\nnamespace freehold::cli {\n")
for table, rows in (("kZeroWidth", ranges(nothing)), ("kWide", ranges(wide))):
    emit(table, rows)
    print(f"const size_t {table}Count = {len(rows)};\n")
print("}  // namespace freehold::cli")
