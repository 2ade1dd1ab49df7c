"""Writes the seeds fuzz/corpus/subword_json/: small BPE and Unigram tokenizer.json files, each followed by a NUL byte and a text.

    python3 fuzz/make_subword_seeds.py
"""
import base64
import json
import pathlib
import struct

FOLDER = pathlib.Path(__file__).resolve().parent / "corpus" / "subword_json"
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
LLAMA = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
TEMPLATE = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}}


def added(id_, content, **on):
    return {"id": id_, "content": content, **{f: on.get(f, False) for f in ("single_word", "lstrip", "rstrip", "normalized", "special")}}


def charsmap(rules):
    """A precompiled map of one-character keys: a double array with a block of 256 units a byte."""
    keys, pool = {}, b""
    for key, value in rules.items():
        keys[key.encode()] = len(pool)
        pool += value.encode() + b"\0"
    prefixes = sorted({key[:n] for key in keys for n in range(len(key))})
    base = {prefix: 256 * (i + 1) for i, prefix in enumerate(prefixes)}
    leaf = {key: 256 * (len(prefixes) + 1 + i) for i, key in enumerate(keys)}
    units = [0] * (256 * (len(prefixes) + len(keys) + 1))
    units[0] = base[b""] << 10
    for whole in prefixes[1:] + list(keys):
        at = base[whole[:-1]] ^ whole[-1]
        target = leaf[whole] if whole in keys else base[whole]
        units[at] = (at ^ target) << 10 | whole[-1] | (256 if whole in keys else 0)
        if whole in keys:
            units[target] = 1 << 31 | keys[whole]
    return base64.b64encode(struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + pool).decode()


def whole(model, **change):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [added(0, "<s>", special=True)], "normalizer": None,
            "pre_tokenizer": BYTE_LEVEL, "post_processor": TEMPLATE, "decoder": None, "model": model, **change}


def bpe(**change):
    tokens = ["<s>", "a", "b", "c", "Ġ", "ab", "abc", "Ġa", "Ã", "©", "Ã©", "1", "'", "s", "'s", "aa", "aaaa", "Ċ"]
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
             "byte_fallback": False, "vocab": {token: i for i, token in enumerate(tokens)},
             "merges": ["a b", "ab c", "Ġ a", "Ã ©", "' s", "a a", "aa aa"], **change.pop("model", {})}
    return whole(model, **change)


def unigram(**change):
    pieces = [["<s>", 0.0], ["<unk>", 0.0], ["▁", -2.0], ["a", -3.0], ["b", -3.0], ["▁a", -2.5], ["ab", -4.5], ["▁ab", -4.0], ["é", -5.0], ["aa", -6.0]]
    model = {"type": "Unigram", "unk_id": 1, "vocab": pieces, "byte_fallback": False, **change.pop("model", {})}
    steps = change.pop("pre_tokenizer", {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, METASPACE]})
    return whole(model, pre_tokenizer=steps, **change)


MAP = {"type": "Precompiled", "precompiled_charsmap": charsmap({"½": "1/2", "\n": " ", "\u200b": "", "e\u0301": "é"})}
SPLIT = {"type": "Split", "pattern": {"Regex": LLAMA}, "behavior": "Isolated", "invert": False}
SEEDS = {
    "bpe": (bpe(), "abc it's aaaaaa é 11\n\n <s>b"),
    "bpe_prefix": (bpe(pre_tokenizer={**BYTE_LEVEL, "add_prefix_space": True}, post_processor={
        "type": "RobertaProcessing", "sep": ["<s>", 0], "cls": ["<s>", 0], "trim_offsets": True, "add_prefix_space": True}), "a  abc  a"),
    "bpe_llama": (bpe(pre_tokenizer={"type": "Sequence", "pretokenizers": [SPLIT, {**BYTE_LEVEL, "use_regex": False}]},
                      model={"ignore_merges": True, "merges": [["a", "b"], ["ab", "c"]]}), "abc'S 1111 \r\n ab\n"),
    "bpe_unknown": (bpe(model={"unk_token": "<s>", "fuse_unk": True}, normalizer={"type": "NFC"}), "zzabz e\u0301 中"),
    "bpe_added": (bpe(added_tokens=[added(0, "<s>", special=True, lstrip=True), added(18, "  ", normalized=True), added(19, "ab", single_word=True, rstrip=True)],
                      post_processor={"type": "Sequence", "processors": [{**BYTE_LEVEL, "add_prefix_space": True}, TEMPLATE]}), "a  ab  <s>  abab ab b"),
    "unigram": (unigram(), "ab aab  zé b"),
    "unigram_map": (unigram(normalizer=MAP), "\u200ba½\r\n e\u0301\u0301 ab\u200b"),
    "unigram_steps": (unigram(normalizer={"type": "Sequence", "normalizers": [MAP, {"type": "Strip", "strip_left": False, "strip_right": True}, {
        "type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}]}, pre_tokenizer=METASPACE), "a   b ▁▁ab  "),
    "unigram_first": (unigram(pre_tokenizer={**METASPACE, "prepend_scheme": "first"}, added_tokens=[added(0, "<s>", special=True), added(10, "zz", normalized=True)]),
                      "a zz b<s>a"),
    "unigram_whole": (unigram(pre_tokenizer={**METASPACE, "prepend_scheme": "never", "split": False}, post_processor=None), "aaa a bab"),
}


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (definition, text) in SEEDS.items():
        (FOLDER / f"{name}.seed").write_bytes(json.dumps(definition, ensure_ascii=False, separators=(",", ":")).encode() + b"\0" + text.encode())


main()
