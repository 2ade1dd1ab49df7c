"""Writes smidgen/text/pattern_data.cc: code point classes of split patterns, grapheme clusters and canonical composition.

    python3 smidgen/text/make_pattern_tables.py > smidgen/text/pattern_data.cc    (needs: pip install tokenizers==0.23.3 regex)

All of it is what the installed reference does to each of the 1,112,064 scalar values, but for what it does not show: which
of the code points that join what stands before them are spacing marks, and Hangul, pictographs and conjuncts, where the
`regex` package is asked (its Unicode is newer; where the two disagree the reference is right). `--check FILE` compares with a written file (exit 1 on a difference).
"""
import struct
import sys

import regex
import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

BLOCK = 128
OTHER, LETTER, NUMBER, SPACE = range(4)
CATEGORIES = ["Other", "CR", "LF", "Control", "Extend", "ZWJ", "RI", "Prepend", "SpacingMark", "L", "V", "T", "LV", "LVT"]
PICTOGRAPH, CONSONANT = 14, 15
INCB_EXTEND, INCB_LINKER = 64, 128
SCALARS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def matching(pattern):
    """The code points the reference's regular expressions match, all asked at once."""
    everything = "".join(map(chr, SCALARS))
    kept = pre_tokenizers.Split(Regex(pattern), "removed").pre_tokenize_str(everything)
    left = set()
    for _, (start, stop) in kept:
        left.update(range(start, stop))
    return {c for i, c in enumerate(SCALARS) if i not in left}


def one_key_map(key):
    """A precompiled map with one rule: `key` becomes "!". The double array has a block of 256 units a byte."""
    data = key.encode()
    units, base = [0] * (256 * (len(data) + 2)), 256
    units[0] = base << 10
    for i, byte in enumerate(data):
        at, following = base ^ byte, 256 * (i + 2)
        units[at] = (at ^ following) << 10 | byte | (256 if i + 1 == len(data) else 0)
        base = following
    units[base] = 1 << 31
    blob = struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + b"!\0"
    return normalizers.Precompiled(blob).normalize_str


def asked(key, before, after, survivor):
    """The code points c for which `survivor` is left of before + c + after. A cluster that starts with the key becomes "!"
    whole, other clusters character by character, so what is left tells where the reference cuts; U+0001 always cuts."""
    others = [c for c in SCALARS if c not in (1, 10, 13)]
    text = one_key_map(key)("\x01".join(before + chr(c) + after for c in others))
    return {c for c, left in zip(others, text.split("\x01"), strict=True) if (survivor or chr(c)) in left}


def grapheme_categories():
    joining = set(SCALARS) - asked("a", "a", "", None) - {1, 10, 13, ord("a")}
    prepended = asked("a", "", "a\u0301", "\u0301") - joining
    control = set(SCALARS) - asked("\u0301", "", "\u0301\u0323", "\u0323") - {0x301, 0x323}
    categories = [0] * 0x110000
    for c in SCALARS:
        if c in joining:
            known = regex_category(chr(c))
            categories[c] = known if CATEGORIES[known:known + 1] in (["ZWJ"], ["SpacingMark"]) else CATEGORIES.index("Extend")
        elif c in (10, 13):
            categories[c] = CATEGORIES.index("LF" if c == 10 else "CR")
        elif c in prepended:
            categories[c] = CATEGORIES.index("Prepend")
        elif c in control:
            categories[c] = CATEGORIES.index("Control")
        else:
            known = regex_category(chr(c))
            categories[c] = known if known >= CATEGORIES.index("L") or CATEGORIES[known] == "RI" else 0
    return categories


def regex_category(s):
    if regex.match(r"\p{Extended_Pictographic}", s):
        return PICTOGRAPH
    if regex.match(r"\p{InCB=Consonant}", s):
        return CONSONANT
    return next((i for i, name in enumerate(CATEGORIES[1:], 1) if regex.match(rf"\p{{GCB={name}}}", s)), 0)


def classes():
    letters, numbers, spaces = matching(r"\p{L}"), matching(r"\p{N}"), matching(r"\s")
    assert not letters & numbers and not letters & spaces and not numbers & spaces
    values = [OTHER] * 0x110000
    for members, value in ((letters, LETTER), (numbers, NUMBER), (spaces, SPACE)):
        for c in members:
            values[c] = value
    extending = {CATEGORIES.index("Extend"), CATEGORIES.index("ZWJ")}
    for c, category in enumerate(grapheme_categories()):
        values[c] |= category << 2
        if category in extending and regex.match(r"\p{InCB=Linker}", chr(c)):
            values[c] |= INCB_LINKER
        elif category in extending and regex.match(r"\p{InCB=Extend}", chr(c)):
            values[c] |= INCB_EXTEND
    return values


def compositions():
    """(first, second) -> composed, Hangul apart."""
    nfd, nfc = normalizers.NFD().normalize_str, normalizers.NFC().normalize_str
    pairs = {}
    for c in SCALARS:
        s, parts = chr(c), nfd(chr(c))
        if 0xAC00 <= c <= 0xD7A3 or len(parts) < 2 or nfc(s) != s:
            continue
        first = nfc(parts[:-1])
        assert len(first) == 1 and nfc(first + parts[-1]) == s, hex(c)
        pairs[ord(first), ord(parts[-1])] = c
    return pairs


def array(kind, name, values):
    text, line = [f"const {kind} {name}[] = {{"], ""
    for value in values:
        item = f"{value},"
        if len(line) + len(item) > 118:
            text.append("  " + line)
            line = ""
        line += item
    return "\n".join(text + ["  " + line, "};"])


def render():
    values, blocks, stage1 = classes(), {}, []
    for start in range(0, 0x110000, BLOCK):
        stage1.append(blocks.setdefault(tuple(values[start:start + BLOCK]), len(blocks)))
    pairs = sorted(compositions().items())
    kind = "std::uint8_t" if len(blocks) <= 256 else "std::uint16_t"
    assert kind == "std::uint16_t"
    return "\n".join([
        f"// Made by make_pattern_tables.py from tokenizers {tokenizers.__version__} and regex {regex.__version__}: do not edit.",
        "// clang-format off",
        '#include "smidgen/text/pattern_tables.h"',
        "",
        "namespace smidgen::unicode {",
        "",
        array(kind, "kPatternStage1", stage1),
        array("std::uint8_t", "kPatternStage2", [v for block in blocks for v in block]),
        array("Composition", "kCompositions", [f"{{{a},{b},{c}}}" for (a, b), c in pairs]),
        f"const std::size_t kCompositionCount = {len(pairs)};",
        "",
        "}  // namespace smidgen::unicode",
        "",
    ])


def main():
    text = render()
    if len(sys.argv) > 2 and sys.argv[1] == "--check":
        same = text.split("\n", 1)[1] == open(sys.argv[2], encoding="utf-8").read().split("\n", 1)[1]
        print("the pattern tables agree" if same else "the pattern tables differ")
        sys.exit(0 if same else 1)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
