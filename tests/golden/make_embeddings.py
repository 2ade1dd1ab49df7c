"""Reference embeddings for encoder_test.cc.

Usage: python make_embeddings.py [MODEL_FOLDER]

Writes beside this script, with fixed seeds:
  tiny_bert/                       a random BERT of two layers as a sentence-transformers folder (weights, tokenizer)
  tiny_bert_embeddings.safetensors ids, lengths and the mean, cls and max pooled outputs of transformers
and, given the folder of all-MiniLM-L6-v2,
  minilm_embeddings.safetensors    200 texts (bytes, may be invalid UTF-8: the reference reads U+FFFD there), their ids
                                   and embeddings from sentence-transformers, f32.

Made with torch 2.15.0, transformers 5.23.0, sentence-transformers 6.2.0, tokenizers 0.23, safetensors 0.8.0.
"""
import json
import pathlib
import random
import sys

import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import BertConfig, BertModel, BertTokenizerFast

HERE = pathlib.Path(__file__).parent
torch.set_num_threads(1)


def flat(sequences):
    return (np.concatenate([np.asarray(s, np.int32) for s in sequences]),
            np.asarray([len(s) for s in sequences], np.int32))


def make_tiny():
    folder = HERE / 'tiny_bert'
    folder.mkdir(exist_ok=True)
    letters = [chr(c) for c in range(ord('a'), ord('z') + 1)]
    vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'] + letters + ['##' + c for c in letters] + [
        '.', '!', 'the', 'good', 'bad', 'refund', '##ing']
    (folder / 'vocab.txt').write_text('\n'.join(vocabulary) + '\n')
    tokenizer = BertTokenizerFast(vocab=str(folder / 'vocab.txt'), do_lower_case=True)
    tokenizer.backend_tokenizer.save(str(folder / 'tokenizer.json'))
    torch.manual_seed(20)
    config = BertConfig(vocab_size=len(vocabulary), hidden_size=24, num_hidden_layers=2, num_attention_heads=3,
                        intermediate_size=40, max_position_embeddings=40, type_vocab_size=2, hidden_act='gelu')
    model = BertModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if 'LayerNorm.weight' in name else 0.0, 0.3)
    model.save_pretrained(folder)
    (folder / 'modules.json').write_text(json.dumps([
        {'idx': 0, 'name': '0', 'path': '', 'type': 'sentence_transformers.models.Transformer'},
        {'idx': 1, 'name': '1', 'path': '1_Pooling', 'type': 'sentence_transformers.models.Pooling'},
        {'idx': 2, 'name': '2', 'path': '2_Normalize', 'type': 'sentence_transformers.models.Normalize'}], indent=2))
    (folder / '1_Pooling').mkdir(exist_ok=True)
    (folder / '1_Pooling' / 'config.json').write_text(json.dumps(
        {'word_embedding_dimension': 24, 'pooling_mode_cls_token': False, 'pooling_mode_mean_tokens': True,
         'pooling_mode_max_tokens': False, 'pooling_mode_mean_sqrt_len_tokens': False}))
    (folder / 'sentence_bert_config.json').write_text(json.dumps({'max_seq_length': 32, 'do_lower_case': False}))
    rng = np.random.RandomState(5)
    sequences = [[2] + rng.randint(5, len(vocabulary), length).tolist() + [3]
                 for length in list(range(0, 31)) + [1, 2, 3, 30, 31, 38]]
    pooled = {'mean': [], 'cls': [], 'max': []}
    with torch.inference_mode():
        for ids in sequences:
            hidden = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
            pooled['mean'].append(hidden.mean(0).numpy())
            pooled['cls'].append(hidden[0].numpy())
            pooled['max'].append(hidden.max(0).values.numpy())
    ids, lengths = flat(sequences)
    save_file({'ids': ids, 'lengths': lengths, **{k: np.stack(v) for k, v in pooled.items()}},
              str(HERE / 'tiny_bert_embeddings.safetensors'))


WORDS = ('refund card payment the my is not why app money transfer bank account lost stolen pending cash machine '
         'declined exchange rate top up fee charged twice please help thank you urgent still waiting weather in Paris '
         'tomorrow movie terrible wonderful acting plot boring price delivery late broken screen battery').split()
LANGUAGES = ['Où est passé mon argent ?', 'Ich möchte mein Geld zurück.', '¿Dónde está mi tarjeta?', '私のカードはどこですか。',
             '我的卡在哪里？', '내 카드가 어디에 있나요?', 'Где моя карта?', 'أين بطاقتي؟', 'איפה הכרטיס שלי?', 'मेरा कार्ड कहाँ है?',
             'บัตรของฉันอยู่ที่ไหน', 'Kártyám elveszett, tűnődöm', 'Kartımı nasıl değiştirebilirim? İSTANBUL',
             'Πού είναι η κάρτα μου;', 'Thẻ của tôi ở đâu?', 'Hvar er kortið mitt?', 'Gdzie jest moja karta?']
ODD = ['', ' ', '\n\t', '🙂', '👩‍👩‍👧‍👦 family', 'a', '.', '...', '!!!???', '\x00', 'a\x00b', '\u200b', '\ufeffBOM', 'x' * 99, 'x' * 101,
       'x' * 5000, '1234567890' * 10, 'http://example.com/a?b=c&d=e#f', 'me@example.com', '#hashtag @user RT',
       '<b>bold</b> &amp; <script>alert(1)</script>', 'CAPITALS ONLY', 'ﬁ ligature Å Å', 'e\u0301 combining',
       '½ ² ™ € £', '[CLS] special [SEP] tokens [MASK] [PAD] [UNK]', '##ing', "don't can't won't", 'state-of-the-art',
       '{"json": [1, 2, null]}', 'SELECT * FROM t;', 'a\u00a0b\u2003c', '\u202eright to left', 'ﷺ', '𝒳𝓎𝓏', '\ud7ff', '\U0010ffff',
       'tab\tseparated\tvalues', 'line\nbreaks\r\nhere', '。、！？', '१२३', 'Ⅷ ⅷ', 'ẞ ß ſ', 'Ǆ ǆ', 'İ ı I i']
INVALID = [b'\xff', b'caf\xe9', b'\xc3', b'ok \xf0\x9f\x99 cut', b'\xed\xa0\x80 surrogate', b'\xc0\xaf overlong']


def texts_200():
    rng = random.Random(3)
    texts = [t.encode() for t in LANGUAGES + ODD] + INVALID
    texts.append(' '.join(rng.choice(WORDS) for _ in range(10000)).encode())
    for length in [250, 252, 253, 254, 255, 256, 257, 300]:
        texts.append(' '.join(['card'] * length).encode())
    length = 1
    while len(texts) < 200:
        texts.append((' '.join(rng.choice(WORDS) for _ in range(length)) + rng.choice(['.', '?', '', '!'])).encode())
        length = length + 1 if length < 60 else length + 12 if length < 280 else 1
    return texts


def make_minilm(folder):
    from sentence_transformers import SentenceTransformer
    model = SentenceTransformer(folder, device='cpu').float()
    raw = texts_200()
    texts = [t.decode('utf-8', 'replace') for t in raw]
    sequences, embeddings = [], []
    for text in texts:  # one by one: no padding in the reference either
        sequences.append(model.tokenizer(text, truncation=True, max_length=model.max_seq_length)['input_ids'])
        embeddings.append(model.encode([text], show_progress_bar=False)[0])
    ids, lengths = flat(sequences)
    assert lengths.max() == model.max_seq_length and len(texts) == 200
    save_file({'ids': ids, 'lengths': lengths, 'embeddings': np.stack(embeddings).astype(np.float32),
               'texts': np.frombuffer(b''.join(raw), np.uint8), 'text_bytes': np.asarray([len(t) for t in raw], np.int32)},
              str(HERE / 'minilm_embeddings.safetensors'))


make_tiny()
if len(sys.argv) > 1:
    make_minilm(sys.argv[1])
