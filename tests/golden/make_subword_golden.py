"""Writes tests/golden/subword/: small byte-level BPE and Unigram tokenizers, texts, and the ids and spans of the reference.

    PYTHON tests/golden/make_subword_golden.py DATA_FOLDER      (needs: pip install tokenizers==0.23.3 sentencepiece protobuf)

bpe.json and unigram.json are trained on the texts of the data folder; unigram.json has a normalization map of our own rules,
compiled by sentencepiece. The first line of texts.jsonl says which parts of which file each variant replaces; the others hold a text
(`text`, or `hex` when it is not UTF-8) and, a variant each, `id:begin:end ..` of its tokens in bytes, or their SHA-256 when it is long.
"""
import hashlib
import json
import pathlib
import random
import sys
import tempfile

from tokenizers import Tokenizer, __version__

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "bench")]
from make_tokenizer_golden import BYTES, WRITTEN, random_texts  # noqa: E402
from tokenizer_parity import byte_spans  # noqa: E402
from train_tokenizers import like_modernbert, like_xlmr, training_texts  # noqa: E402

LLAMA = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
OWN = ["It's we'll I'VE they'RE 'tis '\u017f x'S'T", "123456 12 1234 ½²³ ٣٤٥ 1,000.50", "a  b   c\t\td\n\n e \r\n f\r\n\r\ng  \n", "   lead", "trail   ", "\n\n", "  ",
       "a <mask> b<mask>  c", "<s>x</s>", " <mask>", "|||EMAIL_ADDRESS||| and |||IP_ADDRESS|||", "[MASK] a [CLS]b   [SEP]", "x    y          z", "[unused1][unused2] ", "▁a ▁▁ b▁c",
       "e\u0301e\u0323\u0301 \u1100\u1161\u11a8 \u0958 \u212b", "Å\u0301 q\u0307\u0323 \u0344", "ﬁ ™ ½ … ﷺ ①", "a\u0301\u0301 x\u200d\u0301 \u0600a \u0600a\u0301", "\r\n\r\na\r\n",
       "👨\u200d👩\u200d👧 🇩🇪🇫🇷 👍🏽 1️⃣", "क्षत्रिय कि", "\u05e9\u05bc\u05c1 \u05c8", "zzzqqqzzz", "the " * 20, "a" * 70, "é" * 60, "supercalifragilistic " * 3, "\u3000全角　スペース\u00a0nb"]
RULES = {"ﬁ": "fi", "™": "TM", "½": "1/2", "…": "...", "ﷺ": "صلى الله", "①": "1", "e\u0301": "é", "a\u0301": "á", "\u3000": " ", "\u00a0": " ", "\r": " ", "\n": " ", "\t": " ",
         "\x01": "", "\u200b": "", "\ufeff": "", "\u212b": "Å", "ｶ": "カ", "ﾊﾟ": "パ", "A": "a", "İ": "i\u0307", "\u1100\u1161": "가"}


def bpe_variants(base):
    roberta = {"type": "RobertaProcessing", "sep": ["[SEP]", base.token_to_id("[SEP]")], "cls": ["[CLS]", base.token_to_id("[CLS]")],
               "trim_offsets": True, "add_prefix_space": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    split = {"type": "Split", "pattern": {"Regex": LLAMA}, "behavior": "Isolated", "invert": False}
    sequence = lambda pattern: {"type": "Sequence", "pretokenizers": [{**split, "pattern": {"Regex": pattern}}, {**byte_level, "use_regex": False}]}
    plain = {"normalizer": None, "post_processor": roberta}
    return {
        "modernbert": {},
        "roberta": {**plain, "pre_tokenizer": byte_level},
        "prefix": {**plain, "pre_tokenizer": {**byte_level, "add_prefix_space": True}},
        "llama": {"normalizer": None, "pre_tokenizer": sequence(LLAMA), "post_processor": {**byte_level, "add_prefix_space": True}},
        "qwen": {"pre_tokenizer": sequence(LLAMA.replace("{1,3}", "")), "post_processor": None},
        "gpt2": {"normalizer": None, "pre_tokenizer": sequence(GPT2), "post_processor": {**byte_level, "trim_offsets": False}},
    }


def unigram_variants(base):
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    steps = lambda content: {"type": "Sequence", "normalizers": [base, {"type": "Strip", "strip_left": False, "strip_right": True},
                                   {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": content}]}
    return {
        "xlmr": {},
        "metaspace": {"pre_tokenizer": metaspace, "normalizer": steps("▁")},
        "first": {"pre_tokenizer": {**metaspace, "prepend_scheme": "first"}, "normalizer": steps(" ")},
        "whole": {"pre_tokenizer": {**metaspace, "prepend_scheme": "never", "split": False}, "normalizer": None},
    }


def rules_file(folder):
    path = pathlib.Path(folder, "rules.tsv")
    code = lambda text: " ".join(f"{ord(c):X}" for c in text)
    path.write_text("".join(f"{code(a)}\t{code(b)}\n" for a, b in RULES.items()), encoding="utf-8")
    return str(path)


def packed(spans):
    return spans if len(spans) <= 72 else "sha256 " + hashlib.sha256(spans.encode()).hexdigest()[:24]


def main():
    rng = random.Random(3)
    texts = [text for text in training_texts(sys.argv[1]) if len(text) < 300]
    texts = texts[:200] + rng.sample(texts, 8000)
    with tempfile.TemporaryDirectory() as folder:
        bases = {"bpe": like_modernbert(texts, 1500), "unigram": like_xlmr(texts, 1500, normalization_rule_tsv=rules_file(folder))}
    files = {}
    for name, base in bases.items():
        files[name] = json.loads(base.to_str())
        if name == "bpe":
            files[name]["model"]["merges"] = [" ".join(pair) for pair in files[name]["model"]["merges"]]
        (HERE / "subword" / f"{name}.json").write_text(json.dumps(files[name], ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    changes = {"bpe": bpe_variants(bases["bpe"]), "unigram": unigram_variants(files["unigram"]["normalizer"])}
    lines = [(text.encode(), {"text": text}) for text in dict.fromkeys(OWN + WRITTEN + list(random_texts(60, 7)))]
    lines += [(data, {"hex": data.hex()}) for data in BYTES]
    with open(HERE / "subword" / "texts.jsonl", "w", encoding="utf-8") as out:
        out.write(json.dumps({"tokenizers": __version__, "variants": changes}, ensure_ascii=False, separators=(",", ":")) + "\n")
        references = {name: Tokenizer.from_str(json.dumps({**files[kind], **change})) for kind, all_ in changes.items() for name, change in all_.items()}
        for line, row in lines:
            text = line.decode(errors="replace")
            for name, reference in references.items():
                row[name] = packed(byte_spans(line, text, reference.encode(text, add_special_tokens=False)))
            out.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
    for path in sorted((HERE / "subword").iterdir()):
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
