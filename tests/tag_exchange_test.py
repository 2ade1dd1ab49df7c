"""`run` finds the entities that transformers' pipeline finds with aggregation_strategy="first", each with its score.

Usage: tag_exchange_test.py ROOT BUILD
Needs SMIDGEN_PEERS_PYTHON, a Python with torch and transformers; else skips. The models are tiny: the bodies and tokenizers of tests/golden/tiny_questions*
with a random head of five tags, and one that `train --task token-classification` wrote.

Words are the tokenizer's own. Where that has no words (byte-level BPE, Unigram) transformers parts them at spaces only and so keeps
punctuation: there the texts have neither that, digits nor letters of several bytes, and rows where a space is a token of its own are left out: a word to transformers.
"""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

PYTHON = os.environ.get('SMIDGEN_PEERS_PYTHON')
TAGS = ['B-LOC', 'I-LOC', 'B-PER', 'I-PER', 'O']
PLAIN = ['the', 'good', 'bad', 'refund', 'refunding', 'ab', 'c', 'cab', 'zebra']
MADE = {'tiny_questions': ('BertForTokenClassification', PLAIN + ['the.', 'Good!', 'é', 'x.y.', '(Cab),', '日本', '😀', 'GOODING']),
        'tiny_questions_bpe': ('RobertaForTokenClassification', PLAIN),
        'tiny_questions_unigram': ('XLMRobertaForTokenClassification', PLAIN + ['x.y.', '(cab)'])}


def make(root):
    """Runs under PYTHON: models with a random head, in the current folder."""
    import torch
    from safetensors.torch import load_file, save_file
    for name, (kind, _) in MADE.items():
        source, folder = pathlib.Path(root) / 'tests' / 'golden' / name, pathlib.Path(name)
        folder.mkdir()
        config = json.loads((source / 'config.json').read_text(encoding='utf-8'))
        config.update(architectures=[kind], id2label=dict(enumerate(TAGS)), label2id={tag: i for i, tag in enumerate(TAGS)})
        (folder / 'config.json').write_text(json.dumps(config), encoding='utf-8')
        (folder / 'tokenizer.json').write_bytes((source / 'tokenizer.json').read_bytes())
        tensors = {key: tensor for key, tensor in load_file(source / 'model.safetensors').items() if 'qa_outputs' not in key}
        generator = torch.Generator().manual_seed(3)
        tensors['classifier.weight'] = torch.randn(len(TAGS), config['hidden_size'], generator=generator)
        tensors['classifier.bias'] = torch.randn(len(TAGS), generator=generator)
        save_file(tensors, folder / 'model.safetensors', {'format': 'pt'})


def check():
    """Runs under PYTHON in the folder of the models and their answers."""
    import transformers
    for name in [*MADE, 'tagger']:
        names = dict(unk_token='[UNK]', cls_token='[CLS]', sep_token='[SEP]', pad_token='[PAD]') if name in ('tiny_questions', 'tagger') else dict(
            unk_token='<unk>', cls_token='<s>', sep_token='</s>', pad_token='<pad>', model_input_names=['input_ids', 'attention_mask'])
        tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=f'{name}/tokenizer.json', **names)
        model = transformers.AutoModelForTokenClassification.from_pretrained(name).float().eval()
        find = transformers.pipeline('token-classification', model=model, tokenizer=tokenizer, aggregation_strategy='first', device='cpu')
        entities, largest, labels = 0, 0.0, set()
        for line in pathlib.Path(f'{name}.jsonl').read_text(encoding='utf-8').splitlines():
            row = json.loads(line)
            places = tokenizer(row['text'], add_special_tokens=False, return_offsets_mapping=True)['offset_mapping']
            if any(not row['text'][begin:end].strip() for begin, end in places) or any(begin == 0 for begin, _ in places[1:]):
                continue  # a space is a token of its own, also the one that Unigram puts before a text: to the pipeline a word
            wanted = find(row['text']) if row['text'].strip() else []
            for one in wanted:  # Unigram's places begin with the space
                one['start'] = one['end'] - len(row['text'][one['start']:one['end']].lstrip())
            place = lambda entity, label: (entity[label], entity['start'], entity['end'])
            ours, theirs = [place(one, 'label') for one in row['entities']], [place(one, 'entity_group') for one in wanted]
            if ours != theirs:
                sys.exit(f'tag_exchange_test: {name}: {row["text"]!r}\n  smidgen      {ours}\n  transformers {theirs}')
            for one, other in zip(row['entities'], wanted):
                largest = max(largest, abs(one['score'] - float(other['score'])))
                if one['text'] != row['text'][one['start']:one['end']]:
                    sys.exit(f'tag_exchange_test: {name}: {one} of {row["text"]!r}')
                labels.add(one['label'])
            entities += len(ours)
        print(f'{name}: {entities} entities of {sorted(labels)}, largest difference of scores {largest:.2e}')
        if entities < 20 or not largest <= 1e-4:
            sys.exit('tag_exchange_test: too few entities, or the scores differ')


def main():
    if sys.argv[1:2] == ['--make']:
        return make(sys.argv[2])
    if sys.argv[1:] == ['--check']:
        return check()
    root, build = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    if not PYTHON or subprocess.run([PYTHON, '-c', 'import torch, transformers'], stderr=subprocess.DEVNULL,
                                check=False).returncode:
        print('skipped: set SMIDGEN_PEERS_PYTHON to a Python with torch and transformers')
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        python = lambda *words: subprocess.run([PYTHON, str(pathlib.Path(__file__).resolve()), *words], cwd=work, check=True)
        run = lambda *words: subprocess.run([str(word) for word in (build / 'smidgen', *words, '--quiet', '--no-settings')], check=True, cwd=work,
                                            stdout=subprocess.PIPE, text=True).stdout
        rng = random.Random(8)
        rows = [[rng.choice(PLAIN) for _ in range(8)] for _ in range(300)]
        tag = {'good': 'B-THING', 'refund': 'I-THING', 'zebra': 'B-ANIMAL'}
        (work / 'rows.jsonl').write_text(''.join(json.dumps({'tokens': row, 'tags': [tag.get(word, 'O') for word in row]}) + '\n' for row in rows),
                                         encoding='utf-8')
        run('train', 'rows.jsonl', '--task', 'token-classification', '--encoder', root / 'tests' / 'golden' / 'tiny_bert', '--out', 'tagger', '--epochs', 150)
        python('--make', str(root))
        for name in [*MADE, 'tagger']:
            words = MADE[name][1] if name in MADE else PLAIN + ['the.', 'GOOD!', 'é']
            texts = [' '.join(rng.choice(words) for _ in range(rng.randrange(10))) for _ in range(400)]
            (work / 'texts.jsonl').write_text(''.join(json.dumps({'text': text}) + '\n' for text in texts), encoding='utf-8')
            (work / f'{name}.jsonl').write_text(run('run', name, 'texts.jsonl', '--with-text'), encoding='utf-8')
        python('--check')


main()
