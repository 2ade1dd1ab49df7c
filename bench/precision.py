"""What int8 costs: accuracy of the encoder rung in int8 beside f32, and how far its vectors are from those of f32.

    python3 bench/precision.py BUILD MODEL_FOLDER DATA OUT [--sets a,b] [--texts 5000] [--precision int8]

Accuracy: each rung trained on the training rows of a set in either precision (bench_quality), judged on the official test
rows. Cosines: texts drawn evenly from the test rows of every set (seed 3), tokenized by the reference, at most 128 tokens, no
normalisation. One JSON a set and precision is kept in OUT; what is there is not computed again. BUILD is build/release. Needs numpy, tokenizers.
"""
import argparse
import csv
import json
import pathlib
import random
import subprocess
import tempfile

import numpy as np

import datasets
from results import processor, same_settings, write_whole

SETS = 'banking77,trec6,sst2,ag_news_test7600,tweeteval_emotion'
ALLOWED = 0.003

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
for name in ('build', 'model', 'data', 'out'):
    parser.add_argument(name, type=pathlib.Path)
parser.add_argument('--sets', default=SETS)
parser.add_argument('--texts', type=int, default=5000)
parser.add_argument('--precision', default='int8')
options = parser.parse_args()


def measured(name, precision):
    path = options.out / f'{name}.{precision}.json'
    if not path.exists():
        (options.out / 'vectors').mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            train, test = pathlib.Path(folder) / 'train.csv', pathlib.Path(folder) / 'test.csv'
            datasets.write(train, datasets.rows(options.data, name, 'train'))
            datasets.write(test, datasets.rows(options.data, name, 'test'))
            done = subprocess.run([options.build / 'bench_quality', train, test, '--encoder', options.model, '--embeddings', options.out / 'vectors',
                                   '--tokens-max', '128', '--precision', precision], check=True, stdout=subprocess.PIPE, text=True)
        found = json.loads(done.stdout)
        right = {rung: [int(a == t) for a, t in zip(one['answers'], found['truth'])] for rung, one in found['rungs'].items()}
        write_whole(path, json.dumps(right))
    return json.loads(path.read_text())


def vectors(precision, sequences):
    server = subprocess.Popen([options.build / 'bench_encoder_server', options.model, precision], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True)
    print('#', server.stdout.readline().strip(), flush=True)
    rows = []
    for ids in sequences:
        server.stdin.write('embed ' + ' '.join(map(str, ids)) + '\n')
        server.stdin.flush()
        rows.append(np.array(server.stdout.readline().split(), dtype=float))
    server.stdin.close()
    server.wait()
    return np.array(rows)


def show_cosines():
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(options.model / 'tokenizer.json'))
    tokenizer.no_padding()
    tokenizer.enable_truncation(128)
    csv.field_size_limit(1 << 30)
    draw = random.Random(3)
    texts = []
    for name in datasets.SETS:
        with open(options.data / name / 'test.csv', newline='', encoding='utf-8') as file:
            rows = [row['text'] for row in csv.DictReader(file)]
        texts += draw.sample(rows, min(len(rows), -(-options.texts // len(datasets.SETS))))
    draw.shuffle(texts)
    sequences = [encoding.ids for encoding in tokenizer.encode_batch(texts[:options.texts])]
    a, b = vectors('f32', sequences), vectors(options.precision, sequences)
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    print(f'cosine of {options.precision} to f32 on {len(cosine)} texts: mean {cosine.mean():.5f} (bar 0.995), worst {cosine.min():.4f} (bar 0.98)')


same_settings(options.out, model=options.model.name, processor=processor())
show_cosines()
print(f'{"set":<24}{"rows":>6}{"f32":>9}{options.precision:>9}{"cost":>9}   blend: f32, {options.precision}, cost')
for name in options.sets.split(','):
    f32, low = measured(name, 'f32'), measured(name, options.precision)
    cells = []
    for rung in ('encoder', 'blend'):
        before, after = np.mean(f32[rung]), np.mean(low[rung])
        cells.append(f'{before:>9.4f}{after:>9.4f}{before - after:>+9.4f}')
    cost = np.mean(f32['encoder']) - np.mean(low['encoder'])
    print(f'{name:<24}{len(f32["encoder"]):>6}{cells[0]}   {cells[1]}   {"within" if cost <= ALLOWED else "ABOVE"} {ALLOWED}', flush=True)
