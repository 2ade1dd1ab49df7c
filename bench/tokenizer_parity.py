"""Token ids of a million lines, smidgen against Hugging Face tokenizers; exit 1 when a line differs.

    PYTHON bench/tokenizer_parity.py DATA_FOLDER LINES MODEL_FOLDER [MODEL_FOLDER ...]

PYTHON has tokenizers 0.23 installed; MODEL_FOLDERs hold a tokenizer.json (bench/train_tokenizers.py makes some). LINES
lines are compared: every line of every CSV cell and JSONL string of the data folder as far as half of them go, pairs of
them joined with noise, and noise of all planes of Unicode: combining marks, ideographs, emoji with joiners, controls,
white space, added tokens, and bytes that are not UTF-8 (which read as U+FFFD, Python's errors="replace"). Ids without
special tokens and limit are compared on all lines, ids as the model reads them (cut at 128 tokens) and offsets on every
tenth. SMIDGEN_BENCH_TOKENIZE names the program when it is not in build/release, SMIDGEN_SEED the seed (1).
"""
import os
import pathlib
import random
import subprocess
import sys
import time
import unicodedata

from tokenizers import Tokenizer, __version__

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from data_texts import texts_of  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = os.environ.get("SMIDGEN_BENCH_TOKENIZE", str(ROOT / "build/release/bench_tokenize"))
CHUNK = 20_000
ADDED = ["[SEP]", "[CLS]", "[MASK]", "<s>", "</s>", "<mask>", "<unk>", "<pad>", " <mask> ", "|||EMAIL_ADDRESS|||", "    ", "  ", "▁", "[unused1]"]
JOINED = ["👨\u200d👩\u200d👧", "👍🏽", "🇩🇪🇫🇷", "❤️", "1️⃣", "क्ष", "ﬁ", "㍿", "ﷺ", "Å", "e\u0301", "각", "\u1100\u1161\u11a8", "\r\n", "ﾊﾟ", "½", "①", "™", "…", "İ"]
RANGES = [(0x20, 0x7F), (0x20, 0x7F), (0x00, 0x20), (0x80, 0x250), (0x300, 0x370), (0x370, 0x600), (0x600, 0x700), (0x900, 0xE00), (0xE00, 0x1200),
          (0x1E00, 0x2000), (0x2000, 0x2100), (0x2100, 0x2C00), (0x3000, 0x3400), (0x4E00, 0x5E00), (0xAC00, 0xB800), (0xF900, 0x10000),
          (0x10000, 0x11800), (0x1D400, 0x1D800), (0x1F300, 0x1FB00), (0x20000, 0x20400), (0xE0000, 0xE0200)]


class Noise:
    def __init__(self, rng):
        self.rng = rng
        self.marks = [chr(c) for c in range(0x110000) if unicodedata.combining(chr(c))]
        self.spaces = [chr(c) for c in range(0x110000) if chr(c).isspace()] + ["\u200b", "\ufeff", "\x00"]

    def character(self):
        pick, rng = self.rng.random(), self.rng
        if pick < 0.55:
            low, high = rng.choice(RANGES)
        elif pick < 0.62:
            return rng.choice(self.marks)
        elif pick < 0.70:
            return rng.choice(self.spaces) * rng.randint(1, 3)
        elif pick < 0.76:
            return rng.choice(JOINED)
        elif pick < 0.80:
            return rng.choice(ADDED)
        elif pick < 0.90:
            return rng.choice(["the", " and", " don't", "It'S", " I'll", "123", " 4567", "!!", "...", "\n\n", " x", "naïve", " 日本"])
        else:
            low, high = 0, 0x110000
        c = rng.randrange(low, high)
        return chr(c) if not 0xD800 <= c <= 0xDFFF else "\ufffd"

    def text(self, most):
        return "".join(self.character() for _ in range(self.rng.randint(0, most)))

    def broken(self, text):
        data = bytearray(text.encode())
        for _ in range(self.rng.randint(1, 3)):
            at = self.rng.randrange(len(data) + 1)
            if self.rng.random() < 0.5 and data:
                del data[at:at + 1]
            else:
                data[at:at] = self.rng.choice([b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\xaf", b"\x80"])
        return bytes(data)


def lines_of(data, count, seed):
    """`count` byte strings."""
    rng = random.Random(seed)
    noise = Noise(rng)
    real = []
    for path in sorted(pathlib.Path(data).rglob("*")):
        if path.suffix in (".csv", ".jsonl"):
            for text in texts_of(path):
                real += text.split("\n")
    real = list(dict.fromkeys(real))
    if len(real) > count // 2:
        real = rng.sample(real, count // 2)
    yield from (line.encode() for line in real)
    for i in range(count - len(real)):
        kind = i % 10
        if kind < 3:
            yield (rng.choice(real)[:200] + noise.text(4) + rng.choice(real)[:200]).encode()
        elif kind < 9:
            yield noise.text(16).encode()
        else:
            yield noise.broken(rng.choice(real)[:60] + noise.text(6))


def ours(model, lines, *mode):
    given = b"".join(b"x" + line.hex().encode() + b"\n" for line in lines)
    done = subprocess.run([PROGRAM, model, *mode], input=given, capture_output=True, check=True)
    found = done.stdout.decode().split("\n")[:-1]
    assert len(found) == len(lines)
    return found


def numbers(found):
    return [[int(i) for i in line.split()] for line in found]


def byte_spans(line, text, encoding):
    """Offsets in characters of `text` as bytes of `line`, of which it is the replacement."""
    starts, at = [], 0
    if line == text.encode():
        for c in text:
            starts.append(at)
            at += len(c.encode())
    else:
        while at < len(line):
            starts.append(at)
            length = 1
            while length < 4 and at + length < len(line) and line[at:at + length].decode(errors="ignore") == "" and \
                    len(line[at:at + length + 1].decode(errors="replace")) == 1:
                length += 1
            at += length
    starts.append(at)
    assert len(starts) == len(text) + 1, (line, text)
    return " ".join(f"{i}:{starts[a]}:{starts[b]}" for i, (a, b) in zip(encoding.ids, encoding.offsets))


def compare(model, reference, lines):
    """-> indices of the lines that differ."""
    texts = [line.decode(errors="replace") for line in lines]
    reference.no_truncation()
    plain = reference.encode_batch_fast(texts, add_special_tokens=False)
    wrong = {i for i, (a, b) in enumerate(zip(plain, numbers(ours(model, lines, "ids", "0")))) if a.ids != b}
    tenth = range(0, len(lines), 10)
    some, some_texts = [lines[i] for i in tenth], [texts[i] for i in tenth]
    spans = reference.encode_batch(some_texts, add_special_tokens=False)
    for i, line, text, a, b in zip(tenth, some, some_texts, spans, ours(model, some, "spans", "0")):
        if byte_spans(line, text, a) != b.strip():
            wrong.add(i)
    reference.enable_truncation(128)
    cut = reference.encode_batch_fast(some_texts, add_special_tokens=True)
    wrong |= {i for i, a, b in zip(tenth, cut, numbers(ours(model, some, "ids", "128"))) if a.ids != b}
    return sorted(wrong)


def main():
    data, count, models = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    failed = False
    for model in models:
        reference = Tokenizer.from_file(model + "/tokenizer.json")
        reference.no_padding()
        total = different = 0
        start, chunk = time.time(), []

        def flush():
            nonlocal total, different
            wrong = compare(model, reference, chunk)
            for i in wrong[:max(0, 5 - different)]:
                print(f"  differs: {chunk[i]!r}")
            total += len(chunk)
            different += len(wrong)
            chunk.clear()

        for line in lines_of(data, count, int(os.environ.get("SMIDGEN_SEED", "1"))):
            chunk.append(line)
            if len(chunk) == CHUNK:
                flush()
        if chunk:
            flush()
        print(f"{pathlib.Path(model).name}: {total} lines, {different} differ (tokenizers {__version__}, {time.time() - start:.0f} s)", flush=True)
        failed |= different > 0 or total != count
    sys.exit(1 if failed or not models else 0)


if __name__ == "__main__":
    main()
