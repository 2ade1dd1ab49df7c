"""Rows a second on one thread, smidgen against Hugging Face tokenizers, in one run.

    PYTHON bench/tokenizer_speed.py FILE.csv MODEL_FOLDER [MODEL_FOLDER ...]

PYTHON has tokenizers 0.23 installed; MODEL_FOLDERs hold a tokenizer.json (bench/train_tokenizers.py makes some). Both read
the column `text` into memory first, encode every row with special tokens cut at 512, and count the fastest of five passes,
taken in turn. The reference is asked for plain ids (encode_batch_fast computes no offsets), its fastest way; its caches of
words stay warm between passes, and so do ours. SMIDGEN_BENCH_TOKENIZE names the program when it is not in build/release.
"""
import csv
import json
import os
import pathlib
import subprocess
import sys
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer, __version__  # noqa: E402 (reads the environment)

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = os.environ.get("SMIDGEN_BENCH_TOKENIZE", str(ROOT / "build/release/bench_tokenize"))


def measure(model, texts):
    """-> (their seconds, our seconds, tokens) of the fastest pass."""
    lines = "".join(json.dumps(text) + "\n" for text in texts).encode()
    reference = Tokenizer.from_file(model + "/tokenizer.json")
    reference.no_padding()
    reference.enable_truncation(512)
    theirs, ours = [], []
    for _ in range(5):
        start = time.perf_counter()
        encoded = reference.encode_batch_fast(texts)
        theirs.append(time.perf_counter() - start)
        done = subprocess.run([PROGRAM, model, "speed", "1"], input=lines, capture_output=True, check=True)
        rows, seconds, tokens = done.stdout.split()
        ours.append(float(seconds))
        assert int(rows) == len(texts) and int(tokens) == sum(len(e.ids) for e in encoded)
    return min(theirs), min(ours), int(tokens)


def main():
    path = sys.argv[1]
    csv.field_size_limit(1 << 30)
    with open(path, newline="", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    print(f"{len(texts)} rows of {path}, tokenizers {__version__}, one thread")
    print(f"{'model':16} {'kind':10} {'reference':>14} {'smidgen':>14} {'ratio':>7} {'tokens':>10}")
    for model in sys.argv[2:]:
        theirs, ours, tokens = measure(model, texts)
        kind = json.loads(pathlib.Path(model, "tokenizer.json").read_text(encoding="utf-8"))["model"].get("type", "")
        print(f"{pathlib.Path(model).name:16} {kind:10} {len(texts) / theirs:10,.0f} r/s {len(texts) / ours:10,.0f} r/s "
              f"{theirs / ours:7.1f} {tokens:10}", flush=True)


if __name__ == "__main__":
    main()
