"""Writes the seeds fuzz/corpus/tokenizer_folder/: tokenizer_config.json, vocab.txt, vocab.json, merges.txt and tokenizer.json with NUL
bytes between them.

    python3 fuzz/make_tokenizer_folder_seeds.py
"""
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "fuzz" / "corpus" / "tokenizer_folder"
TINY = ROOT / "tests" / "golden" / "tiny_bert"
BERT = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True, "model_max_length": 512,
        "cls_token": "[CLS]", "sep_token": {"content": "[SEP]"}, "unk_token": "[UNK]", "pad_token": "[PAD]", "mask_token": "[MASK]"}
ROBERTA = {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": False, "bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>",
           "sep_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>", "truncation_side": "right"}
TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "a", "b", "c", "Ġ", "ab", "abc", "Ġa", "Ã", "©", "Ã©", "1", "'", "s", "'s"]
MERGES = "#version: 0.2\na b\nab c\nĠ a\nÃ ©\n' s\n"


def packed(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    words, tokens = (TINY / "vocab.txt").read_text(), packed({token: i for i, token in enumerate(TOKENS)})
    seeds = {
        "bert": [packed(BERT), words],
        "bert_cased": [packed(BERT | {"do_lower_case": False, "strip_accents": True}), words],
        "bert_alone": ["", words],
        "roberta": [packed(ROBERTA), "", tokens, MERGES],
        "roberta_space": [packed(ROBERTA | {"add_prefix_space": True}), "", tokens, MERGES],
        "json": [packed(BERT), "", "", "", packed(json.loads((TINY / "tokenizer.json").read_text()))],
        "json_left": [packed({"truncation_side": "left"}), "", "", "", packed(json.loads((TINY / "tokenizer.json").read_text()))],
    }
    for name, files in seeds.items():
        (FOLDER / name).write_text("\0".join(files), newline="")


main()
