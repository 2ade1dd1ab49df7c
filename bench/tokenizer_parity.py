"""Token ids of every text of a data folder, smidgen against Hugging Face tokenizers; exit 1 when a row differs.

    PYTHON bench/tokenizer_parity.py MODEL_FOLDER DATA_FOLDER [BENCH_TOKENIZE]

PYTHON has tokenizers 0.23 installed. Texts are all cells of all CSV files and all strings of all JSONL files. Each is
compared without special tokens and without limit, and as the model reads it, cut at 128 tokens.
"""
import csv
import json
import pathlib
import subprocess
import sys

from tokenizers import Tokenizer, __version__


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def texts_of(path):
    if path.suffix == ".csv":
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.reader(file):
                yield from row
    else:
        with open(path, encoding="utf-8") as file:
            for line in file:
                yield from strings(json.loads(line))


def ours(program, model, texts, tokens_max):
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    done = subprocess.run([program, model, "ids", str(tokens_max)], input=lines.encode(), capture_output=True, check=True)
    return [[int(i) for i in line.split()] for line in done.stdout.decode().splitlines()]


def main():
    model, data = sys.argv[1], pathlib.Path(sys.argv[2])
    root = pathlib.Path(__file__).resolve().parent.parent
    program = sys.argv[3] if len(sys.argv) > 3 else str(root / "build/release/bench_tokenize")
    reference = Tokenizer.from_file(model + "/tokenizer.json")
    reference.no_padding()
    total = different = 0
    csv.field_size_limit(1 << 30)
    for path in sorted(data.rglob("*")):
        if path.suffix not in (".csv", ".jsonl"):
            continue
        texts = list(texts_of(path))
        wrong = set()
        for tokens_max in (0, 128):
            reference.no_truncation()
            if tokens_max:
                reference.enable_truncation(tokens_max)
            encoded = reference.encode_batch_fast(texts, add_special_tokens=tokens_max > 0)
            found = ours(program, model, texts, tokens_max)
            assert len(found) == len(texts)
            wrong |= {i for i, (a, b) in enumerate(zip(encoded, found)) if a.ids != b}
        for i in sorted(wrong)[:3]:
            print(f"{path.relative_to(data)} text {i}: {texts[i][:120]!r}")
        print(f"{path.relative_to(data)}: {len(texts)} texts, {len(wrong)} differ", flush=True)
        total += len(texts)
        different += len(wrong)
    print(f"{total} texts, {different} differ (tokenizers {__version__})")
    sys.exit(1 if different or not total else 0)


if __name__ == "__main__":
    main()
