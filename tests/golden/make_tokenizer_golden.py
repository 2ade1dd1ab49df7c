"""Writes tests/golden/tokenizer.json and tokenizer_ids.jsonl: texts and the ids Hugging Face tokenizers gives them.

    python3 tests/golden/make_tokenizer_golden.py MINILM_FOLDER       (needs: pip install tokenizers==0.23.3)

tokenizer.json is a small vocabulary of our own that knows every character of the texts, so that ids show each step of
normalization. The first line of tokenizer_ids.jsonl says which parts of it each variant replaces; the others hold
a text (`text`, or `hex` when it is not UTF-8, or `unit` and `times`) and its ids per variant. `minilm` is
all-MiniLM-L6-v2, `minilm_16` the same cut at 16 tokens; long lists are given as count and SHA-256.
"""
import hashlib
import json
import pathlib
import random
import sys
import unicodedata

from tokenizers import Tokenizer, __version__

HERE = pathlib.Path(__file__).resolve().parent
BERT = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def added(id_, content, **on):
    flags = {name: on.get(name, False) for name in ("single_word", "lstrip", "rstrip", "normalized", "special")}
    return {"id": id_, "content": content, **flags}


def numbered(tokens, vocabulary):
    """Tokens with the ids they get: their own when the vocabulary has them, else the next free ones."""
    new = (id_ for id_ in range(len(vocabulary), 1 << 22))
    return [{**token, "id": vocabulary[token["content"]] if token["content"] in vocabulary else next(new)} for token in tokens]


def variants(vocabulary):
    special = [added(0, content, special=True) for content in SPECIAL]
    odd = special[:4] + [
        added(0, "[MASK]", special=True, lstrip=True), added(0, "card", single_word=True), added(0, "credit card", rstrip=True),
        added(0, "État", normalized=True), added(0, "New York", normalized=True, lstrip=True, rstrip=True),
        added(0, "<é>", single_word=True, lstrip=True), added(0, "is", normalized=True, single_word=True), added(0, " b"),
        added(0, "cred", special=True), added(0, "中文", rstrip=True, lstrip=True), added(0, "zZ", normalized=True)]
    return {
        "uncased": {},
        "cased": {"normalizer": {**BERT, "lowercase": False}},
        "lower_accents": {"normalizer": {**BERT, "strip_accents": False}},
        "strip_cased": {"normalizer": {**BERT, "lowercase": False, "strip_accents": True}},
        "raw": {"normalizer": None, "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}},
        "no_clean": {"normalizer": {**BERT, "clean_text": False, "handle_chinese_chars": False}, "post_processor": None},
        "added": {"added_tokens": numbered(odd, vocabulary)},
        "added_cased": {"added_tokens": numbered(odd, vocabulary), "normalizer": {**BERT, "lowercase": False}},
    }


WRITTEN = [
    "", " ", "\n", "a", "A", ".", "I", "my card is lost", "My CARD is lost!!!", "Where's my credit card? It's lost...",
    "hello world", "Hello, World", "don't can't won't", "e-mail me @ foo.bar@example.com or http://example.com/?q=1&r=2#x",
    "$1,234.56 + 20% = ?", "a_b_c __init__ snake_case CamelCase", "C++ C# .NET F#", "~`!@#$%^&*()-_=+[]{}\\|;:'\",<.>/?",
    "[SEP]", "[CLS] hello [SEP]", "hello[SEP]world", "[sep] [Sep] [ SEP ] [SEP", "[MASK]", "the [MASK] is lost", "a [MASK]  [MASK] b",
    "  [MASK]  [MASK]", "x\u00a0[MASK]\u2003y", "[UNK] [PAD] [unused1]", "[[SEP]]", "[SEP][SEP]", "[PAD", "credit card", "credit  card",
    "creditcard", "card", "cards", "a card.", "card card", "_card", "cardé", "card\u0301", "credit card credit", "credi", "credit",
    "New York", "in  new york  now", "NEW YORK", "newyork", "<é>", "x <é> y", "x<é>y", "( <é>)", "<e\u0301>", "this is it", "IS is Is", "is,is",
    "a b", "a  b", "credit card b", "a bb b", "É", "é", "e\u0301", "E\u0301tat", "état É", "\u0301", "a\u0301\u0323", "a\u0323\u0301",
    "café", "cafe\u0301", "naïve façade résumé", "Ångström ångström A\u030angstro\u0308m", "Straße STRASSE ẞ ß", "İstanbul ISTANBUL ı İ i̇",
    "ǅ ǆ Ǆ ﬁ ﬂ ﬃ", "ΑΣ ΟΔΥΣΣΕΥΣ ὈΔΥΣΣΕΎΣ ᾳ ᾼ", "Съешь ещё этих мягких французских булок, да выпей же чаю", "Їжак й ё",
    "我爱北京天安门", "我是 AI 工程师。", "你好，世界！", "中文abc混排123", "日本語のテキスト、カタカナとひらがな", "ｶﾀｶﾅ ＡＢＣ １２３", "が か\u3099 ハ\u309a パ",
    "㐀䶵 𠀀𪛖 𪜀 𫝀 𫠠 丽 豈 塚", "안녕하세요 세계", "한국어 텍스트입니다.", "각 가 ᄀ ᄀ\u1161\u11a8", "ㄱㄴㄷ ㅏㅑ",
    "مرحبا بالعالم", "السَّلَامُ عَلَيْكُمْ", "שָׁלוֹם עוֹלָם", "سلام دنیا می\u200cخواهم", "हिन्दी में पाठ", "ক্যামেরা", "ภาษาไทยไม่มีช่องว่าง",
    "தமிழ் மொழி", "ქართული ᲥᲐᲠᲗᲣᲚᲘ", "Հայերեն", "አማርኛ", "བོད་སྐད།", "မြန်မာဘာသာ", "ខ្មែរ", "Tiếng Việt có dấu: ế ề ể ễ ệ", "Việt Nam".encode().decode(),
    unicodedata.normalize("NFD", "Tiếng Việt có dấu: ế ề ể ễ ệ"), unicodedata.normalize("NFD", "안녕하세요 세계"),
    unicodedata.normalize("NFD", "Ångström Ǖ ǘ ḝ"), "😀", "🙂🙃", "👨\u200d👩\u200d👧\u200d👦", "🇩🇪🇫🇷", "👍🏽 ok", "❤️ ♥ ☃", "1️⃣ #️⃣", "I ❤ NY!",
    "\u200b", "zero\u200bwidth\u200cjoin\u200der", "soft\u00adhyphen", "\ufeffbom", "a\ufffdb", "\ufffd", "\x00", "a\x00b", "tab\there\nline\r\nend\r",
    "\x01\x02 a\x07b \x1b[31mred\x1b[0m", "\x7f del", "\x80\x85\x9f c1", "a\x0bb\x0cc", "a\x1cb\x1db", "nbsp\u00a0here", "\u2003em\u2009thin\u3000wide",
    "line\u2028sep\u2029par", "\u180e mongolian", "\ue000 private \uf8ff", "\U000e0001 tag \U000f0000", "\u0378 unassigned \U0001ffff", "“curly” ‘quotes’ — dash – en … „low“ «g»",
    "¿Qué? ¡Hola!", "€100 £5 ¥3 ¢ ₿", "½ ² ³ ™ © ® ° № ℃ Å K", "①②③ Ⅷ ⅷ", "𝐇𝐞𝐥𝐥𝐨 𝓦𝓸𝓻𝓵𝓭 𝟙𝟚", "ℌ ℑ ℵ", "🅰️ Ⓐ ⓐ", "؟ ، ؛ ۔ । ॥ ๏ ၊", "·‧•※", "՚՛՜՝",
    "\u302e\u302f a\u302e\u0301 가\u302e", "\U0001d165\U0001d16d \U0001d15e a\U0001d165\u0334", "a\u0f71\u0f72\u0f80 ཱི", "a\u0345\u0301 ᾴ", "\u0344 \u0340\u0341 \u0374 \u037e \u0387",
    "क\u093c क़ ड\u093c", "\u05e9\u05bc\u05c1 \ufb2c", "x\u20dd\u20e3", "a\u0334\u0327\u0301\u035c\u0345b", "\u1e9b\u0323 \u1e69 s\u0323\u0307 s\u0307\u0323", "a\u05b0\u094d\u3099\u0300",
    "X\U0001e949\U0001d1669", "x\U0001d166\u302e\u0301\U0001d16e", "é\U0001e949\u0301\U0001d166", "e\U0001d165\u0334\u302a\U0001e94a\U0001e8d0",
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis", "unaffable", "xyzzy qwrtp", "aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaa",
    "1234567890123456", "12345678901234567", "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG", "a" * 99 + " b", "a" * 100 + " b", "a" * 101 + " b", "é" * 100, "é" * 101,
    "z" * 300, "中" * 130, "!" * 50, "." * 7 + "a" * 7, "word " * 40, "\u0301" * 40 + "a", "a" + "\u0301" * 120, "가" * 60, "가" * 34 + " " + "각" * 33 + " " + "각" * 34,
    "RT @user: omg!!! sooo coooool 😂😂 #winning http://t.co/abc", "Text\twith\ttabs", "trailing space ", " leading", "a,b;c:d", "3.14159", "-1e-10", "2024-01-31T23:59:59Z",
    "\"quoted\" (paren) [bracket] {brace} <angle>", "<b>html</b> &amp; &#39;", "SELECT * FROM t WHERE a='b';", "/usr/bin/env python3", "C:\\Windows\\System32", "ünïcödé ÜNÏCÖDÉ",
    "ñandú Ñ ç Ç ø Ø ł Ł đ Đ ħ ŧ", "æ Æ œ Œ þ Þ ð Ð", "ĳ Ĳ ŉ ſ", "ꭰ Ꭰ ᏸ", "𐐀 𐐨 𞤀 𞤢", "Ⴀ ⴀ", "Ά ά Ώ ώ ΐ ΰ", "ཀྵ ྲྀ", "\u1100\u1161 \u1161\u11a8 \uac00\u11a8", "\ud7a3 \ud7b0",
]
BYTES = [b"\xff", b"ab\xffcd", b"\xc3", b"caf\xe9 latin1", b"\xe2\x82", b"\xe2\x82 \xe2\x82\xac", b"\xf0\x9f\x98 x", b"\xf0\x9f\x98\x80\xf0\x9f",
         b"\xed\xa0\x80 surrogate", b"\xc0\xaf overlong", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"a\x80b\xbfc", b"[SEP\xff]", b"x\xe2\x82[SEP]\xc3",
         b"\xe4\xb8\xad\xe4\xb8", b"\xe0\x80\x80a\xe1\x80", b"\xc3\x28 \xa0\xa1"]
LONG = [("hello world ", 5000), ("The naïve 中文 [SEP] ", 2500), ("a", 20000), ("é ", 3000), ("x.", 3000)]


def random_texts(count, seed):
    """Short texts of characters that are treated in unusual ways, next to plain ones."""
    rng = random.Random(seed)
    marks = [chr(c) for c in range(0x110000) if unicodedata.combining(chr(c))]
    composed = [chr(c) for c in range(0x110000) if unicodedata.decomposition(chr(c)) and c < 0x3000]
    cased = [chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF and chr(c).lower() != chr(c)]
    punctuation = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c))[0] in "PS"]
    spaces = list(" \t\n\r\x0b\x0c\x1c\x85\u00a0\u1680\u2000\u2028\u202f\u205f\u3000\u200b\ufeff\x00")
    plain = list("abcdeXYZ019 .,'-") + ["[SEP]", "card", " is ", "credit card", "[MASK]", "中", "가", "é"]
    pools = [marks, composed, cased, punctuation, spaces, plain, plain, plain]
    for _ in range(count):
        yield "".join(rng.choice(rng.choice(pools)) for _ in range(rng.randint(1, 14)))


def packed(ids):
    if len(ids) <= 60:
        return ids
    return {"count": len(ids), "sha256": hashlib.sha256(" ".join(map(str, ids)).encode()).hexdigest()}


def make_vocabulary(texts):
    characters = set("abcdefghijklmnopqrstuvwxyz")
    for text in texts:
        for form in (text, unicodedata.normalize("NFD", text)):
            characters |= set(form) | set(form.lower())
    words = ["the", "card", "is", "my", "lost", "hello", "world", "##s", "##ing", "##ed", "un", "##aff", "##able", "cafe", "café", "new", "york",
             "##ard", "car", "credit", "C", "##++", "it"]
    tokens = SPECIAL + words
    # Not every character continues a word, so that some words become [UNK].
    for c in sorted(characters):
        tokens += [c] + (["##" + c] if ord(c) % 5 else [])
    return {token: i for i, token in enumerate(dict.fromkeys(tokens))}


def main():
    rows = [{"text": text} for text in dict.fromkeys(WRITTEN + list(random_texts(160, 1)))]
    rows += [{"hex": raw.hex()} for raw in BYTES] + [{"unit": unit, "times": times} for unit, times in LONG]
    vocabulary = make_vocabulary([row["text"] for row in rows if "text" in row])
    base = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": numbered([added(0, content, special=True) for content in SPECIAL], vocabulary),
        "normalizer": BERT, "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing",
                           "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                                      {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
                           "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                           "special_tokens": {token: {"id": token, "ids": [SPECIAL.index(token)], "tokens": [token]} for token in ("[CLS]", "[SEP]")}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": vocabulary},
    }
    changes = variants(vocabulary)
    tokenizers = {name: Tokenizer.from_str(json.dumps({**base, **change})) for name, change in changes.items()}
    for name in ("minilm", "minilm_16"):
        tokenizers[name] = Tokenizer.from_file(sys.argv[1] + "/tokenizer.json")
        tokenizers[name].no_padding()
        tokenizers[name].no_truncation()
    tokenizers["minilm_16"].enable_truncation(16)
    (HERE / "tokenizer.json").write_text(json.dumps(base, separators=(",", ":")) + "\n", encoding="utf-8")
    with open(HERE / "tokenizer_ids.jsonl", "w", encoding="utf-8") as out:
        out.write(json.dumps({"made_by": "make_tokenizer_golden.py", "tokenizers": __version__, "variants": changes}) + "\n")
        for row in rows:
            text = row.get("text", row.get("unit", "") * row.get("times", 0))
            if "hex" in row:
                text = bytes.fromhex(row["hex"]).decode(errors="replace")
            row["ids"] = {name: packed(t.encode(text).ids) for name, t in tokenizers.items()}
            out.write(json.dumps(row, separators=(",", ":")) + "\n")
    print(f"{len(rows)} texts, {len(vocabulary)} tokens")


if __name__ == "__main__":
    main()
