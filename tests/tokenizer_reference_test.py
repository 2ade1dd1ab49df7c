"""The tokenizer against the installed reference on fresh random texts, and its Unicode tables on every code point.

Skipped (77) unless SMIDGEN_PEERS_PYTHON names a Python with tokenizers 0.23 installed. SMIDGEN_TEXTS sets the number of
random texts (2,000) and SMIDGEN_SEED their seed.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

root, build = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
peers = os.environ.get("SMIDGEN_PEERS_PYTHON")
if not peers:
    print("skipped: set SMIDGEN_PEERS_PYTHON to a Python that has tokenizers 0.23")
    sys.exit(77)
if os.environ.get("SMIDGEN_PEERS_RUNNING") != "1":
    os.environ["SMIDGEN_PEERS_RUNNING"] = "1"
    os.execv(peers, [peers, __file__, str(root), str(build)])

sys.path.insert(0, str(root / "tests/golden"))
from make_tokenizer_golden import random_texts  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402


def different(name, definition, texts):
    reference = Tokenizer.from_str(json.dumps(definition))
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "tokenizer.json").write_text(json.dumps(definition), encoding="utf-8")
        lines = "".join(json.dumps(text) + "\n" for text in texts).encode()
        done = subprocess.run([build / "bench_tokenize", folder, "ids", "1000000"], input=lines, capture_output=True, check=True)
    found = [[int(i) for i in line.split()] for line in done.stdout.decode().splitlines()]
    wanted = [encoding.ids for encoding in reference.encode_batch_fast(texts)]
    assert len(found) == len(wanted)
    wrong = [(t, w, f) for t, w, f in zip(texts, wanted, found) if w != f]
    for text, want, have in wrong[:3]:
        print(f"{name}: {ascii(text)}\n  reference {want}\n  smidgen   {have}")
    return len(wrong)


def main():
    count, seed = int(os.environ.get("SMIDGEN_TEXTS", "2000")), int(os.environ.get("SMIDGEN_SEED", "2"))
    base = json.loads((root / "tests/golden/tokenizer.json").read_text(encoding="utf-8"))
    with open(root / "tests/golden/tokenizer_ids.jsonl", encoding="utf-8") as file:
        variants = json.loads(file.readline())["variants"]
    texts = list(random_texts(count, seed))
    failed = 0
    for name, change in variants.items():
        wrong = different(name, {**base, **change}, texts)
        print(f"{name}: {count} random texts, {wrong} differ", flush=True)
        failed += wrong
    tables = subprocess.run([sys.executable, root / "smidgen/text/make_unicode_tables.py", "--check",
                             root / "smidgen/text/unicode_data.cc"], check=False)
    sys.exit(1 if failed or tables.returncode else 0)


main()
