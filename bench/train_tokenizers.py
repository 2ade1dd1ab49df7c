"""Tokenizers like those of RoBERTa, ModernBERT and XLM-R, trained on a data folder: the real ones are not in a registry.

    PYTHON bench/train_tokenizers.py DATA_FOLDER OUT_FOLDER [VOCABULARY]

PYTHON has tokenizers 0.23, sentencepiece and protobuf. OUT_FOLDER/{roberta,modernbert,xlmr}/tokenizer.json have the parts
of the real files: normalizer (sentencepiece's own nmt_nfkc map for xlmr), pre-tokenizer, post-processor, added tokens.
"""
import io
import pathlib
import sys

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from data_texts import texts_of  # noqa: E402

OTHER_SCRIPTS = [
    "Съешь ещё этих мягких французских булок, да выпей же чаю", "我爱北京天安门 你好，世界！", "日本語のテキスト、カタカナとひらがな",
    "안녕하세요 세계 한국어 텍스트입니다.", "مرحبا بالعالم السلام عليكم", "שלום עולם", "हिन्दी में पाठ", "ภาษาไทยไม่มีช่องว่าง", "Tiếng Việt có dấu", "ελληνικά κείμενο",
    "Größe façade naïve señor œuvre", "😀 🙂 👍🏽 ❤️ 🇩🇪",
]


def training_texts(data):
    texts = OTHER_SCRIPTS * 20
    for path in sorted(pathlib.Path(data).rglob("*")):
        if path.suffix in (".csv", ".jsonl"):
            texts += [text for text in texts_of(path) if text][:5000]
    return texts


def byte_level_bpe(texts, size, special):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=size, show_progress=False, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def like_roberta(texts, size):
    tokenizer = byte_level_bpe(texts, size, ["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False, special=True)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    return tokenizer


def like_modernbert(texts, size):
    tokenizer = byte_level_bpe(texts, size, ["|||IP_ADDRESS|||", "<|padding|>"])
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)])
    tokenizer.add_tokens([AddedToken(f"|||{name}|||", normalized=True) for name in ("EMAIL_ADDRESS", "PHONE_NUMBER")])
    tokenizer.add_special_tokens(["<|endoftext|>", "[UNK]", "[CLS]", "[SEP]", "[PAD]",
                                  AddedToken("[MASK]", lstrip=True, normalized=False, special=True)])
    tokenizer.add_tokens([AddedToken(f"[unused{n}]", normalized=True) for n in range(8)])
    ids = {name: tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]")}
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", list(ids.items()))
    return tokenizer


def sentencepiece_unigram(texts, size, **options):
    """-> pieces with scores, and the normalizer's precompiled map."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=model, vocab_size=size, model_type="unigram", character_coverage=0.9995,
        minloglevel=2, hard_vocab_limit=False, num_threads=1, **options)
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    return [(piece.piece, piece.score) for piece in proto.pieces], proto.normalizer_spec.precompiled_charsmap


def like_xlmr(texts, size, **options):
    pieces, charsmap = sentencepiece_unigram([line for text in texts for line in text.split("\n")], size, **options)
    vocabulary = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *pieces[3:], ("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, 3, False))
    tokenizer.normalizer = normalizers.Precompiled(charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True, normalized=False, special=True)])
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", "<s> $A </s> </s> $B </s>", [("<s>", 0), ("</s>", 2)])
    return tokenizer


def main():
    data, out = sys.argv[1], pathlib.Path(sys.argv[2])
    size = int(sys.argv[3]) if len(sys.argv) > 3 else 30000
    texts = training_texts(data)
    for name, train in (("roberta", like_roberta), ("modernbert", like_modernbert), ("xlmr", like_xlmr)):
        (out / name).mkdir(parents=True, exist_ok=True)
        train(texts, size).save(str(out / name / "tokenizer.json"))
        print(f"{out / name}: {Tokenizer.from_file(str(out / name / 'tokenizer.json')).get_vocab_size()} tokens", flush=True)


if __name__ == "__main__":
    main()
