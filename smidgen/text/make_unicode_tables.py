"""Writes smidgen/text/unicode_data.cc: what Hugging Face tokenizers does to every code point, found by asking it.

    python3 smidgen/text/make_unicode_tables.py > smidgen/text/unicode_data.cc      (needs: pip install tokenizers==0.23.3)

Unicode tables differ between libraries and versions (the reference mixes three: the Rust standard library for white
space and lower case, unicode_categories for punctuation and marks, unicode-normalization for NFD), so none of them is
taken from a standard: the installed reference is probed on each of the 1,112,064 scalar values. `--check FILE` compares
the installed reference with a written file instead (exit 1 on a difference); `--digest` prints what the reference does
as text, hashed and in samples, for the test of the written tables (tests/golden/unicode_tables.txt).
"""
import hashlib
import sys
import unicodedata

import tokenizers
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import NFD, BertNormalizer, Lowercase
from tokenizers.pre_tokenizers import BertPreTokenizer

PINNED = "0.23.3"
BLOCK = 128
SPACE, PUNCTUATION, DROPPED, CHINESE, MARK, WORD, LOWER, DECOMPOSED = (1 << i for i in range(8))
HANGUL = range(0xAC00, 0xD7A4)


def scalars():
    return (c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF)


def bert(**on):
    names = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
    return BertNormalizer(**{name: on.get(name, False) for name in names}).normalize_str


def hangul(c):
    """Unicode 15, section 3.12: arithmetic decomposition of a Hangul syllable."""
    s = c - 0xAC00
    trailing = [0x11A7 + s % 28] if s % 28 else []
    return "".join(map(chr, [0x1100 + s // 588, 0x1161 + s % 588 // 28] + trailing))


def representatives(nfd):
    """One mark per combining class, rising. Python's Unicode may be newer, so each must prove to be a mark there too."""
    marks = {}
    for c in scalars():
        s, value = chr(c), unicodedata.combining(chr(c))
        if value and value not in marks and (nfd("a\u0345" + s) == "a" + s + "\u0345" or nfd("a" + s + "\u0334") == "a\u0334" + s):
            marks[value] = s
    known = sorted(marks.items())
    for (_, low), (_, high) in zip(known, known[1:]):
        assert nfd("a" + high + low) == "a" + low + high and nfd("a" + low + high) == "a" + low + high
    return known


def combining_class(nfd, c, known):
    """The class by which the reference orders `c`: two marks swap under NFD exactly when the first has the higher one."""
    swaps = lambda first, second: nfd("a" + first + second) == "a" + second + first
    s = chr(c)
    if not swaps(chr(0x0345), s) and not swaps(s, chr(0x0334)):
        return 0  # a class of 1..239 moves before U+0345 (240), one of 2..240 lets U+0334 (1) move before it
    for value, mark in known:
        if mark == s or (not swaps(mark, s) and not swaps(s, mark)):
            return value
    sys.exit(f"no combining class found for U+{c:04X}")


def probe():
    """-> record per code point, NFD and lower-case mappings that differ from identity."""
    clean, chinese, strip = bert(clean_text=True), bert(handle_chinese_chars=True), bert(strip_accents=True)
    nfd, lower, split = NFD().normalize_str, Lowercase().normalize_str, BertPreTokenizer().pre_tokenize_str
    words = Tokenizer(WordPiece({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    words.add_tokens([AddedToken("\ue000", single_word=True, normalized=False)])
    known = representatives(nfd)
    records, decompositions, lowered = [], {}, {}
    for c in range(0x110000):
        if 0xD800 <= c <= 0xDFFF:
            records.append((0, 0))
            continue
        s, flags, ordering = chr(c), 0, 0
        pieces = split("a" + s + "b")
        flags |= {1: 0, 2: SPACE, 3: PUNCTUATION}[len(pieces)]
        cleaned = clean(s)
        if cleaned == "":
            flags |= DROPPED
        else:
            assert cleaned == (" " if flags & SPACE else s), hex(c)
        if chinese(s) != s:
            assert chinese(s) == " " + s + " "
            flags |= CHINESE
        if s != "\ue000" and len(words.encode(s + "\ue000").ids) == 1:
            flags |= WORD
        if lower(s) != s:
            flags |= LOWER
            lowered[c] = lower(s)
        decomposed = nfd(s)
        if c in HANGUL:
            assert decomposed == hangul(c)
        elif decomposed != s:
            flags |= DECOMPOSED
            decompositions[c] = decomposed
        if decomposed == s:
            if strip(s) == "":
                flags |= MARK
            ordering = combining_class(nfd, c, known)
        records.append((flags, ordering))
    return records, decompositions, lowered


def array(kind, name, values):
    text, line = [f"const {kind} {name}[] = {{"], ""
    for value in values:
        item = f"{value},"
        if len(line) + len(item) > 118:
            text.append("  " + line)
            line = ""
        line += item
    return "\n".join(text + ["  " + line, "};"])


def mapping(name, entries):
    """Sorted keys, start of each value in a pool (one more at the end), and the pool."""
    keys = sorted(entries)
    starts, pool = [0], []
    for key in keys:
        pool += [ord(x) for x in entries[key]]
        starts.append(len(pool))
    return [array("char32_t", f"k{name}Keys", keys), array("std::uint16_t", f"k{name}Starts", starts),
            array("char32_t", f"k{name}Pool", pool), f"const std::size_t k{name}Count = {len(keys)};"]


def render():
    records, decompositions, lowered = probe()
    distinct = sorted(set(records))
    assert len(distinct) <= 256
    index = {record: i for i, record in enumerate(distinct)}
    blocks, stage1 = {}, []
    for start in range(0, 0x110000, BLOCK):
        block = tuple(index[r] for r in records[start:start + BLOCK])
        stage1.append(blocks.setdefault(block, len(blocks)))
    stage2 = [value for block in blocks for value in block]
    assert len(blocks) <= 256
    parts = [
        f"// Made by make_unicode_tables.py from tokenizers {tokenizers.__version__}: do not edit.",
        "// clang-format off",
        '#include "smidgen/text/unicode_tables.h"',
        "",
        "namespace smidgen::unicode {",
        "",
        array("std::uint8_t", "kStage1", stage1),
        array("std::uint8_t", "kStage2", stage2),
        array("Record", "kRecords", [f"{{{flags},{order}}}" for flags, order in distinct]),
        *mapping("Decomposition", decompositions),
        *mapping("Lower", lowered),
        "",
        "}  // namespace smidgen::unicode",
        "",
    ]
    return "\n".join(parts)


def digest():
    """One line per scalar value: code point, flags, order, NFD, lower case, all in hexadecimal; its SHA-256, every 5000th."""
    records, _, _ = probe()
    nfd, lower = NFD().normalize_str, Lowercase().normalize_str
    hexadecimal = lambda text: ",".join(f"{ord(x):x}" for x in text)
    lines = []
    for c in scalars():
        flags, ordering = records[c]
        lines.append(f"{c:x} {flags:x} {ordering:x} {hexadecimal(nfd(chr(c)))} {hexadecimal(lower(chr(c)))}\n")
    whole = hashlib.sha256("".join(lines).encode()).hexdigest()
    interesting = [line for line in lines if line.split()[1] != "0"]
    return f"sha256 {whole} tokenizers {tokenizers.__version__}\n" + "".join(interesting[::5000] + interesting[:200:20])


def main():
    if tokenizers.__version__ != PINNED:
        print(f"warning: tokenizers {tokenizers.__version__}, pinned is {PINNED}", file=sys.stderr)
    if sys.argv[1:] == ["--digest"]:
        sys.stdout.write(digest())
        return
    text = render()
    if len(sys.argv) > 2 and sys.argv[1] == "--check":
        written = open(sys.argv[2], encoding="utf-8").read()
        same = text.split("\n", 1)[1] == written.split("\n", 1)[1]  # the first line names the version
        print("the tables agree" if same else "the tables differ")
        sys.exit(0 if same else 1)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
