"""Rows a second on one thread, smidgen against Hugging Face tokenizers, in one run.

    PYTHON bench/tokenizer_speed.py MODEL_FOLDER FILE.csv [BENCH_TOKENIZE]

PYTHON has tokenizers 0.23 installed. Both read the column `text` into memory first, encode every row with special tokens
cut at 512, and count the fastest of five passes, taken in turn. The reference is asked for plain ids (encode_batch_fast
computes no offsets), its fastest way.
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


def main():
    model, path = sys.argv[1], sys.argv[2]
    root = pathlib.Path(__file__).resolve().parent.parent
    program = sys.argv[3] if len(sys.argv) > 3 else str(root / "build/release/bench_tokenize")
    csv.field_size_limit(1 << 30)
    with open(path, newline="", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    lines = "".join(json.dumps(text) + "\n" for text in texts).encode()
    reference = Tokenizer.from_file(model + "/tokenizer.json")
    reference.no_padding()
    reference.enable_truncation(512)
    theirs, ours = [], []
    for _ in range(5):
        start = time.perf_counter()
        encoded = reference.encode_batch_fast(texts)
        theirs.append(time.perf_counter() - start)
        done = subprocess.run([program, model, "speed", "3"], input=lines, capture_output=True, check=True)
        rows, seconds, tokens = done.stdout.split()
        ours.append(float(seconds))
        assert int(rows) == len(texts) and int(tokens) == sum(len(e.ids) for e in encoded)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    for name, seconds in ((f"tokenizers {__version__}", min(theirs)), ("smidgen", min(ours))):
        print(f"{name:20} {len(texts) / seconds:12,.0f} rows/s {megabytes / seconds:8.1f} MB/s")
    print(f"ratio {min(theirs) / min(ours):.1f}  ({len(texts)} rows of {pathlib.Path(path).name}, {tokens.decode()} tokens)")


if __name__ == "__main__":
    main()
