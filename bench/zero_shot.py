"""Labels from their names alone: `smidgen run --labels` against cosine similarity with sentence-transformers, in one run.

Usage: python bench/zero_shot.py MODEL_FOLDER DATA --program build/release/smidgen [--sets ag_news_test7600,banking77] [--template TEXT]
DATA holds SET/test.csv (text, label). Both sides embed the prompts (underscores as spaces) and the texts; the most similar label
is the answer. Nothing is fitted, so the test rows are seen once. Prints accuracy, agreement and seconds.
"""
import argparse
import csv
import json
import pathlib
import subprocess
import tempfile
import time

import numpy as np
import sentence_transformers
import torch

parser = argparse.ArgumentParser()
parser.add_argument('model')
parser.add_argument('data')
parser.add_argument('--program', required=True)
parser.add_argument('--sets', default='ag_news_test7600,banking77')
parser.add_argument('--template', default='This text is about {}.')
options = parser.parse_args()
torch.set_num_threads(1)
csv.field_size_limit(1 << 30)
model = sentence_transformers.SentenceTransformer(options.model, device='cpu').float()
print(f'sentence-transformers {sentence_transformers.__version__}, torch {torch.__version__}, template {options.template!r}')
good = True
for name in options.sets.split(','):
    path = pathlib.Path(options.data) / name / 'test.csv'
    with open(path, newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    labels = sorted({row['label'] for row in rows})
    started = time.process_time()
    prompts = model.encode([options.template.replace('{}', label.replace('_', ' ')) for label in labels], normalize_embeddings=True)
    vectors = model.encode([row['text'] for row in rows], normalize_embeddings=True, batch_size=32, show_progress_bar=False)
    wanted = [labels[i] for i in (vectors @ prompts.T).argmax(1)]
    seconds = time.process_time() - started
    with tempfile.NamedTemporaryFile('w', suffix='.txt', encoding='utf-8') as file:
        file.write('\n'.join(labels))
        file.flush()
        command = [options.program, 'run', options.model, str(path), '--labels', '@' + file.name, '--template', options.template, '-q']
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    got = [json.loads(line)['label'] for line in done.stdout.splitlines()]
    truth = [row['label'] for row in rows]
    accuracy = [100 * np.mean([a == t for a, t in zip(answers, truth)]) for answers in (wanted, got)]
    agreement = 100 * np.mean([a == b for a, b in zip(wanted, got)])
    good &= len(got) == len(rows) and abs(accuracy[0] - accuracy[1]) <= 0.2
    print(f'{name}: {len(rows)} rows, {len(labels)} labels; accuracy {accuracy[0]:.2f} % with sentence-transformers '
          f'({seconds:.0f} s of one core), {accuracy[1]:.2f} % with smidgen; same answer for {agreement:.2f} %', flush=True)
raise SystemExit(0 if good else 1)
