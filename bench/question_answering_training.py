"""Training a question answerer beside PyTorch: exact match and F1 on passages that neither saw.

    python3 bench/question_answering_training.py BUILD MODEL DATA OUT [--seeds 3] [--epochs 8] [--contestants smidgen,torch] [--threads 2]
                                                 [--python PYTHON] [--table-only]

BUILD: the folder of `smidgen`. MODEL: the encoder both start from. DATA: a folder of train.jsonl and test.jsonl in the flat form of
docs/questions.md that share no passage (squad_xquad_en). Both contestants train on the same rows with the same recipe: windows of 384 tokens that share 128,
AdamW at 1e-4 (the head at 1e-3), warm-up over a tenth of the steps, then linear decay, batches of 16 windows, bf16 products, as many epochs:

  smidgen  `smidgen train --task question-answering --held-out 0`
  torch    question_answering_peer.py; --python: one with torch and transformers

Both models are then asked by `smidgen ask --must-answer` (that it finds the spans of transformers' pipeline is what question_answering.py shows), and
judged by the rules of SQuAD's evaluate-v1.1.py. One line a seed and contestant is kept in OUT/question_answering_training.jsonl and never measured
twice; the table says what is missing. Intervals: 95 %, 2,000 draws of passages. The recipe is one for both and was tuned for neither.
"""
import argparse
import collections
import json
import pathlib
import random
import re
import resource
import string
import subprocess
import sys
import tempfile
import time

from results import Results, same_settings

PEER = pathlib.Path(__file__).with_name('question_answering_peer.py')
CONTESTANTS = ['smidgen', 'torch']
RATE, HEAD_RATE, BATCH = 1e-4, 1e-3, 16  # those of question_recipe() in learn/train_questions.cc


def normalize(text):
    text = ''.join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r'\b(a|an|the)\b', ' ', text).split()


def quality(answer, right):
    """Exact match and F1 of one answer, the best over the right ones."""
    said, best = normalize(answer), (0.0, 0.0)
    for text in right:
        wanted = normalize(text)
        same = sum((collections.Counter(said) & collections.Counter(wanted)).values())
        best = max(best[0], float(said == wanted)), max(best[1], 2 * same / (len(said) + len(wanted)) if same else 0.0)
    return best


def texts_of(answers):
    return answers['text'] if isinstance(answers, dict) else [answer['text'] for answer in answers]


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


def train_smidgen(options, seed, folder):
    found = json.loads(run(options.build / 'smidgen', 'train', options.data / 'train.jsonl', '--task', 'question-answering', '--held-out', 0,
                           '--encoder', options.model, '--out', folder, '--epochs', options.epochs, '--seed', seed, '--threads', options.threads,
                           '--json', '--quiet', '--no-settings'))
    return {key: found[key] for key in ('windows', 'epochs', 'loss', 'seconds')}


def train_torch(options, seed, folder):
    return json.loads(run(options.python, PEER, options.model, options.data / 'train.jsonl', folder, options.epochs, RATE, HEAD_RATE, seed,
                          '--batch', BATCH, '--threads', options.threads))


def measure(options, seed, contestant):
    rows = [json.loads(line) for line in (options.data / 'test.jsonl').open(encoding='utf-8')]
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work) / 'model'
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
        found = globals()[f'train_{contestant}'](options, seed, folder)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found['processor_seconds'] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found['wall_seconds'] = time.time() - start
        lines = run(options.build / 'smidgen', 'ask', folder, '--questions', options.data / 'test.jsonl', '--must-answer', '--json',
                    '--threads', options.threads).splitlines()
    if len(lines) != len(rows):
        sys.exit('not one answer a question')
    scores = [quality(json.loads(line)['text'], texts_of(row['answers'])) for line, row in zip(lines, rows)]
    return {**found, 'threads': options.threads,
            'exact': [score[0] for score in scores], 'f1': [score[1] for score in scores]}


def drawn_means(values, passages):
    """Means of `values` (one a question) over draws of passages with replacement."""
    draw, by_passage = random.Random(1), collections.defaultdict(list)
    for value, passage in zip(values, passages):
        by_passage[passage].append(value)
    groups, means = list(by_passage.values()), []
    for _ in range(2000):
        some = [value for group in draw.choices(groups, k=len(groups)) for value in group]
        means.append(sum(some) / len(some))
    means.sort()
    return means[49], means[1949]


def shown(values, passages):
    low, high = drawn_means(values, passages)
    return f'{100 * sum(values) / len(values):6.2f} ({100 * low:6.2f} .. {100 * high:6.2f})'


def table(options, results):
    passages = [json.loads(line)['context'] for line in (options.data / 'test.jsonl').open(encoding='utf-8')]
    of = lambda contestant, seeds: [results[seed, contestant, options.epochs] for seed in seeds if (seed, contestant, options.epochs) in results]
    mean = lambda contestant, what: [sum(values) / len(values) for values in zip(*(one[what] for one in of(contestant, options.all_seeds)))]
    print(f'{len(passages)} questions about {len(set(passages))} passages, {options.epochs} epochs')
    print(f'{"":<10}{"seeds":>6}  {"exact match, %":<26}{"F1, %":<26}{"processor s":>12}')
    for contestant in CONTESTANTS:
        found = of(contestant, options.all_seeds)
        if found:
            seconds = sum(one['processor_seconds'] for one in found) / len(found)
            print(f'{contestant:<10}{len(found):>6}  {shown(mean(contestant, "exact"), passages):<26}'
                  f'{shown(mean(contestant, "f1"), passages):<26}{seconds:>12.0f}')
            for one in found:
                print(f'  seed {one["seed"]}: exact match {100 * sum(one["exact"]) / len(passages):.2f}, F1 {100 * sum(one["f1"]) / len(passages):.2f}')
    both = [seed for seed in options.all_seeds if all(of(contestant, [seed]) for contestant in CONTESTANTS)]
    if both:
        for what, name in (('exact', 'exact match'), ('f1', 'F1')):
            pairs = list(zip(of('smidgen', both), of('torch', both)))
            apart = [sum(ours[what][i] - theirs[what][i] for ours, theirs in pairs) / len(pairs) for i in range(len(passages))]
            print(f'smidgen - torch, {name}: {shown(apart, passages)}')
    missing = [f'seed {seed} {contestant}' for seed in options.all_seeds for contestant in options.contestants if not of(contestant, [seed])]
    print('missing: ' + (', '.join(missing) or 'nothing'))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ('build', 'model', 'data', 'out'):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--epochs', type=int, default=8)
    parser.add_argument('--contestants', type=lambda text: text.split(','), default=CONTESTANTS)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--python', default=sys.executable)
    parser.add_argument('--table-only', action='store_true')
    options = parser.parse_args()
    options.all_seeds = range(1, options.seeds + 1)
    results = Results(options.out, 'question_answering_training', ('seed', 'contestant', 'epochs_asked'))
    if not options.table_only:
        same_settings(options.out, model=options.model.name, data=options.data.name, threads=options.threads)
    for seed in options.all_seeds if not options.table_only else []:
        for contestant in options.contestants:
            key = seed, contestant, options.epochs
            if key not in results:
                results.add(key, measure(options, seed, contestant))
    table(options, results)


main()
