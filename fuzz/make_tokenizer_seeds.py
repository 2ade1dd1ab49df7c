"""Writes the seeds fuzz/corpus/tokenizer_json/: small tokenizer.json files, each followed by a NUL byte and a text.

    python3 fuzz/make_tokenizer_seeds.py
"""
import json
import pathlib

FOLDER = pathlib.Path(__file__).resolve().parent / "corpus" / "tokenizer_json"
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "##a", "##b", "##ab", "ab", "e", "é", "中", ".", "un", "##aff", "##able"]
NORMALIZER = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
TEMPLATE = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "[SEP]", "type_id": 0}}], "pair": [],
            "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}, "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}}


def added(id_, content, **on):
    return {"id": id_, "content": content, **{f: on.get(f, False) for f in ("single_word", "lstrip", "rstrip", "normalized", "special")}}


def tokenizer(**change):
    model = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
             "vocab": {token: i for i, token in enumerate(TOKENS)}}
    model.update(change.pop("model", {}))
    whole = {"version": "1.0", "truncation": None, "padding": None,
             "added_tokens": [added(i, TOKENS[i], special=True) for i in range(4)], "normalizer": NORMALIZER,
             "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": TEMPLATE, "decoder": None, "model": model}
    whole.update(change)
    return whole


SEEDS = {
    "plain": (tokenizer(), "Unaffable [SEP] ab. É中"),
    "cased": (tokenizer(normalizer={**NORMALIZER, "lowercase": False}), "ABab e\u0301"),
    "raw": (tokenizer(normalizer=None), "ab\x00\tab é"),
    "bert_processing": (tokenizer(post_processor={"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}), "ab"),
    "no_processor": (tokenizer(post_processor=None), "a b"),
    "added": (tokenizer(added_tokens=[added(4, "a", single_word=True, lstrip=True), added(17, "x y", rstrip=True), added(18, "ÉA", normalized=True)]),
              "a  a x y  éa éab aa"),
    "short_words": (tokenizer(model={"max_input_chars_per_word": 3}), "abab ab"),
    "no_prefix": (tokenizer(model={"continuing_subword_prefix": ""}), "abab"),
    "truncation": (tokenizer(truncation={"max_length": 8, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}), "a b a b a b a b"),
    "other_model": (tokenizer(model={"type": "BPE", "merges": []}), "ab"),
    "other_normalizer": (tokenizer(normalizer={"type": "Sequence", "normalizers": [{"type": "NFKC"}]}), "ab"),
    "sparse_ids": (tokenizer(model={"vocab": {"[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[PAD]": 0, "b": 9}}), "b a"),
}


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (definition, text) in SEEDS.items():
        whole = json.dumps(definition, ensure_ascii=False, separators=(",", ":")).encode() + b"\0" + text.encode()
        (FOLDER / f"{name}.seed").write_bytes(whole)


main()
