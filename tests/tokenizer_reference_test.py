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

sys.path[:0] = [str(root / "tests/golden"), str(root / "bench")]
from make_tokenizer_golden import random_texts  # noqa: E402
from tokenizer_parity import byte_spans  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

try:
    import transformers
except ImportError:
    transformers = None


def smidgen_ids(folder, texts):
    lines = "".join(json.dumps(text) + "\n" for text in texts).encode()
    done = subprocess.run([build / "bench_tokenize", folder, "ids", "1000000"], input=lines, capture_output=True, check=True)
    return [[int(i) for i in line.split()] for line in done.stdout.decode().splitlines()]


def from_json(name, definition, texts):
    reference = Tokenizer.from_str(json.dumps(definition))
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "tokenizer.json").write_text(json.dumps(definition), encoding="utf-8")
        found = smidgen_ids(folder, texts)
    return different(name, texts, [encoding.ids for encoding in reference.encode_batch_fast(texts)], found)


def spans(name, definition, texts):
    """Ids and offsets of a definition, the reference's offsets in bytes."""
    reference = Tokenizer.from_str(json.dumps(definition))
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "tokenizer.json").write_text(json.dumps(definition), encoding="utf-8")
        lines = "".join(json.dumps(text) + "\n" for text in texts).encode()
        done = subprocess.run([build / "bench_tokenize", folder, "spans", "0"], input=lines, capture_output=True, check=True)
    wanted = [byte_spans(text.encode(), text, encoding)
              for text, encoding in zip(texts, reference.encode_batch(texts, add_special_tokens=False))]
    return different(name + " with spans", texts, wanted, [line.strip() for line in done.stdout.decode().split("\n")[:-1]])


def from_vocabulary(vocabulary, config, texts):
    """vocab.txt without tokenizer.json, as transformers reads it."""
    with tempfile.TemporaryDirectory() as folder:
        lines = [token for token in vocabulary if "\n" not in token and "\r" not in token]
        pathlib.Path(folder, "vocab.txt").write_bytes("".join(token + "\n" for token in lines).encode())
        pathlib.Path(folder, "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
        pathlib.Path(folder, "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
        reference = transformers.AutoTokenizer.from_pretrained(folder)
        wanted = [reference(text)["input_ids"] for text in texts]
        return different(f"vocab.txt with {json.dumps(config)}", texts, wanted, smidgen_ids(folder, texts))


def different(name, texts, wanted, found):
    assert len(found) == len(wanted)
    wrong = [(t, w, f) for t, w, f in zip(texts, wanted, found) if w != f]
    for text, want, have in wrong[:3]:
        print(f"{name}: {ascii(text)}\n  reference {want}\n  smidgen   {have}")
    print(f"{name}: {len(texts)} random texts, {len(wrong)} differ", flush=True)
    return len(wrong)


def main():
    count, seed = int(os.environ.get("SMIDGEN_TEXTS", "2000")), int(os.environ.get("SMIDGEN_SEED", "2"))
    base = json.loads((root / "tests/golden/tokenizer.json").read_text(encoding="utf-8"))
    with open(root / "tests/golden/tokenizer_ids.jsonl", encoding="utf-8") as file:
        variants = json.loads(file.readline())["variants"]
    texts = list(random_texts(count, seed))
    failed = 0
    for name, change in variants.items():
        failed += from_json(name, {**base, **change}, texts)
        failed += spans(name, {**base, **change}, texts)
    with open(root / "tests/golden/subword/texts.jsonl", encoding="utf-8") as file:
        variants = json.loads(file.readline())["variants"]
    for kind, changes in variants.items():
        base_subword = json.loads((root / f"tests/golden/subword/{kind}.json").read_text(encoding="utf-8"))
        for name, change in changes.items():
            failed += from_json(name, {**base_subword, **change}, texts)
            failed += spans(name, {**base_subword, **change}, texts)
    if transformers:
        mask = {"content": "[MASK]", "lstrip": True, "normalized": False, "rstrip": False, "single_word": False, "special": True}
        for config in ({}, {"do_lower_case": False, "tokenize_chinese_chars": False}, {"strip_accents": False, "tokenizer_class": "BertTokenizerFast"},
                       {"unk_token": "card", "added_tokens_decoder": {"4": mask}}):
            failed += from_vocabulary(base["model"]["vocab"], config, texts[:2000])
    for script, table in (("make_unicode_tables.py", "unicode_data.cc"), ("make_pattern_tables.py", "pattern_data.cc")):
        tables = subprocess.run([sys.executable, root / "smidgen/text" / script, "--check", root / "smidgen/text" / table], check=False)
        failed += tables.returncode
    sys.exit(1 if failed else 0)


main()
