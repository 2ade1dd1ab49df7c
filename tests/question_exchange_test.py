"""What `train --task` writes loads in transformers: no tensor missing or left over, the tags' names, and every span's score.

Usage: question_exchange_test.py ROOT BUILD [ENCODER]      ENCODER: a folder; without: tests/golden/tiny_bert
Needs SMIDGEN_PEERS_PYTHON, a Python with torch and transformers; else skips.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

PYTHON = os.environ.get('SMIDGEN_PEERS_PYTHON')
PASSAGE = 'the good refund is bad and a zebra was here'
QUESTIONS = ['the refund?', 'a good zebra', 'what is bad?']


def check():
    """Runs under PYTHON in the folder of the model and its answers: scores of spans as the pipeline of transformers defines them."""
    import torch
    import transformers

    def load(kind, folder):
        model, found = kind.from_pretrained(folder, output_loading_info=True)
        for what in ('missing_keys', 'unexpected_keys', 'mismatched_keys'):
            if found[what]:
                sys.exit(f'question_exchange_test: {folder}: {what}: {sorted(found[what])}')
        return model.eval(), transformers.AutoTokenizer.from_pretrained(folder)

    tagger, _ = load(transformers.BertForTokenClassification, 'tagger')
    if tagger.config.id2label != {0: 'B-GOOD', 1: 'O'} or tagger.config.label2id != {'B-GOOD': 0, 'O': 1}:
        sys.exit(f'question_exchange_test: tags are called {tagger.config.id2label}')
    model, tokenizer = load(transformers.BertForQuestionAnswering, 'model')
    compared, largest = 0, 0.0
    for question, answers in zip(QUESTIONS, map(json.loads, pathlib.Path('answers.jsonl').read_text(encoding='utf-8').splitlines())):
        pair = tokenizer(question, PASSAGE, return_offsets_mapping=True, return_tensors='pt')
        places = pair.pop('offset_mapping')[0].tolist()
        passage = [i for i, part in enumerate(pair.sequence_ids(0)) if part == 1]
        with torch.no_grad():
            logits = model(**pair)
        start, end = (torch.softmax(side[0, [0, *passage]], 0)[1:] for side in (logits.start_logits, logits.end_logits))
        tokens = tokenizer.convert_ids_to_tokens(pair['input_ids'][0])
        score = {}
        for i, first in enumerate(passage):
            for j, last in enumerate(passage[i:i + 15], i):  # --answer-tokens-max; spans become whole words and add up
                while tokens[first].startswith('##'):
                    first -= 1
                while tokens[last + 1].startswith('##'):
                    last += 1
                key = places[first][0], places[last][1]
                score[key] = score.get(key, 0) + float(start[i] * end[j])
        for answer in answers['answers']:
            if (answer['start'], answer['end']) in score and answer['text'].count(' ') >= 1:  # such a text stands once
                largest = max(largest, abs(score[answer['start'], answer['end']] - answer['score']))
                compared += 1
    print(f'{compared} spans, largest difference of scores {largest:.2e}')
    if compared < 10 or not largest <= 1e-6:
        sys.exit('question_exchange_test: the scores differ')


def main():
    if sys.argv[1:] == ['--check']:
        return check()
    root, build = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    encoder = sys.argv[3] if len(sys.argv) > 3 else root / 'tests' / 'golden' / 'tiny_bert'
    if not PYTHON or subprocess.run([PYTHON, '-c', 'import torch, transformers'], stderr=subprocess.DEVNULL,
                                check=False).returncode:
        print('skipped: set SMIDGEN_PEERS_PYTHON to a Python with torch and transformers')
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        rows = [{'question': question, 'context': f'{PASSAGE} {i}', 'answers': [{'text': 'refund', 'answer_start': 9}]}
                for i, question in enumerate(QUESTIONS * 4)]
        (work / 'rows.jsonl').write_text(''.join(json.dumps(row) + '\n' for row in rows), encoding='utf-8')
        (work / 'passage.txt').write_text(PASSAGE, encoding='utf-8')
        run = lambda *words: subprocess.run([str(word) for word in (build / 'smidgen', *words, '--quiet', '--no-settings')], check=True, cwd=work,
                                            stdout=subprocess.PIPE, text=True).stdout
        (work / 'tagged.conll').write_text('good B-GOOD\nzebra O\n\nbad O\ngood B-GOOD\n', encoding='utf-8')
        run('train', 'tagged.conll', '--task', 'token-classification', '--encoder', encoder, '--out', 'tagger', '--epochs', 2, '--held-out', 0)
        run('train', 'rows.jsonl', '--task', 'question-answering', '--encoder', encoder, '--out', 'model', '--epochs', 2, '--held-out', 0)
        (work / 'answers.jsonl').write_text(run('ask', 'model', *QUESTIONS, '--passage', 'passage.txt', '--must-answer', '--top', 200, '--json'),
                                            encoding='utf-8')
        return sys.exit(subprocess.run([PYTHON, str(pathlib.Path(__file__).resolve()), '--check'], cwd=work, check=False).returncode)


main()
