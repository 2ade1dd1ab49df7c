"""The linear rung against scikit-learn and fastText: same rows, one thread each, round by round.

    python3 bench/linear_peers.py BENCH_LINEAR TRAIN.csv TEST.csv [--rounds 3] [--cpu 0]      speed and accuracy
    python3 bench/linear_peers.py BENCH_LINEAR --table FOLDER [--out RESULTS.json]            accuracy of all sets

Needs pip packages scikit-learn and fasttext. BENCH_LINEAR is build/release/bench_linear.

Speed: every contestant is a process of its own, pinned to one processor by --cpu, with OMP_NUM_THREADS=1. Times run from the
open training file to the saved model; imports are excluded. Both wall-clock and processor seconds are printed;
the ratios are of processor seconds, which other programs on the machine disturb less. C = 20 for scikit-learn and for
"ours"; "search" chooses C, features and pruning as `pick` does. scikit-learn stops by its default tolerance, which is
before its optimum; "optimum" is the same pipeline run on until it stands still (once, for accuracy): what "ours" solves.
Accuracies are compared on the same rows by an exact two-sided McNemar test.

Table: FOLDER holds NAME.train.csv and NAME.test.csv. For each set: scikit-learn's and our accuracy and an exact
two-sided McNemar test of the pairs; at the end Holm over the sets and the means. Results are stored after each set; run
again to resume.
"""
import argparse
import csv
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

csv.field_size_limit(1 << 30)


def read(path):
    with open(path, newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    return [r['text'] for r in rows], [r['label'] for r in rows]


def run_sklearn(train, test, **stop):
    import pickle

    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union
    wall, cpu = time.perf_counter(), time.process_time()
    texts, labels = read(train)
    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer='char_wb', ngram_range=(2, 5), sublinear_tf=True, max_features=200000))
    pipeline = make_pipeline(features, LogisticRegression(C=20, **(stop or {'max_iter': 100})))
    pipeline.fit([t[:8000] for t in texts], labels)
    with tempfile.NamedTemporaryFile() as file:
        pickle.dump(pipeline, file)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    texts, labels = read(test)
    begin = time.process_time()
    predictions = [str(label) for label in pipeline.predict([t[:8000] for t in texts])]
    spent = time.process_time() - begin
    return {'total_seconds': wall, 'total_cpu_seconds': cpu, 'rows_per_second': len(texts) / spent,
            'accuracy': sum(p == y for p, y in zip(predictions, labels)) / len(labels)}, predictions


def run_optimum(train, test):
    return run_sklearn(train, test, max_iter=2000, tol=1e-6)


def run_fasttext(train, test):
    import fasttext
    wall, cpu = time.perf_counter(), time.process_time()
    texts, labels = read(train)
    number = {label: i for i, label in enumerate(sorted(set(labels)))}
    clean = lambda text: ' '.join(text.lower().split())
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + '/train.txt', 'w', encoding='utf-8') as file:
            for text, label in zip(texts, labels):
                file.write(f'__label__{number[label]} {clean(text)}\n')
        model = fasttext.train_supervised(folder + '/train.txt', epoch=25, lr=1.0, dim=100, wordNgrams=2, minn=2,
                                          maxn=5, thread=1, verbose=0)
        model.save_model(folder + '/model.bin')
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    texts, labels = read(test)
    lines = [clean(text) + '\n' for text in texts]
    answers = [model.f.predict(line, 1, 0.0, 'strict') for line in lines]
    right = sum(bool(a) and a[0][1] == f'__label__{number.get(y)}' for a, y in zip(answers, labels))
    # The faster of its two interfaces: a row at a time, and a list at once.
    rates = []
    for predict in (lambda: [model.f.predict(line, 1, 0.0, 'strict') for line in lines],
                    lambda: model.f.multilinePredict(lines, 1, 0.0, 'strict')):
        begin, rows = time.process_time(), 0
        while time.process_time() - begin < 1:
            predict()
            rows += len(lines)
        rates.append(rows / (time.process_time() - begin))
    return {'total_seconds': wall, 'total_cpu_seconds': cpu, 'rows_per_second': max(rates),
            'accuracy': right / len(labels)}, []


def contestant(name, program, train, test, cpu, predictions=None):
    if name in ('ours', 'search'):
        command = [program, train, test] + (['--c', '20'] if name == 'ours' else ['--search'])
        with tempfile.TemporaryDirectory() as folder:
            command += ['--out', folder + '/model', '--predictions', predictions or folder + '/predictions']
            out = subprocess.run(taskset(cpu) + command, check=True, capture_output=True, text=True).stdout
    else:
        command = [sys.executable, __file__, '--child', name, train, test, '--predictions', predictions or os.devnull]
        environment = dict(os.environ, OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1')
        out = subprocess.run(taskset(cpu) + command, check=True, capture_output=True, text=True, env=environment).stdout
    return json.loads(out)


def taskset(cpu):
    return [] if cpu is None else ['taskset', '-c', str(cpu)]


def mcnemar(only_first, only_second):
    n, k = only_first + only_second, min(only_first, only_second)
    if n == 0:
        return 1.0
    tail = sum(math.exp(math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2))
               for i in range(k + 1))
    return min(1.0, 2 * tail)


def speed(arguments):
    names = ['sklearn', 'fasttext', 'ours', 'search', 'optimum']
    results = {name: [] for name in names}
    labels, right = read(arguments.files[1])[1], {}
    for turn in range(arguments.rounds):
        for name in names if turn == 0 else names[:-1]:
            with tempfile.TemporaryDirectory() as folder:
                path = folder + '/predictions'
                results[name].append(contestant(name, arguments.program, *arguments.files, arguments.cpu, path))
                answers = pathlib.Path(path).read_text(encoding='utf-8').split('\n')
                right[name] = [p == y for p, y in zip(answers, labels)]
    middle = lambda name, key: statistics.median(r[key] for r in results[name])
    for name in names:
        print(f"{name:9} accuracy {middle(name, 'accuracy'):.4f}  train {middle(name, 'total_seconds'):7.2f} s wall "
              f"{middle(name, 'total_cpu_seconds'):7.2f} s cpu  predict {middle(name, 'rows_per_second'):9,.0f} rows/s")
    for first, second in (('ours', 'sklearn'), ('ours', 'optimum'), ('search', 'sklearn')):
        better, worse = (sum(a and not b for a, b in zip(right[x], right[y])) for x, y in ((first, second), (second, first)))
        print(f'{first} against {second}: {better} rows better, {worse} worse, p {mcnemar(better, worse):.3f}')
    cpu = lambda name: middle(name, 'total_cpu_seconds')
    print(f"training: {cpu('sklearn') / cpu('ours'):.1f}x scikit-learn's speed at C = 20; "
          f"whole search {cpu('sklearn') / cpu('search'):.1f}x its single fit")
    print(f"predicting: {middle('search', 'rows_per_second') / middle('fasttext', 'rows_per_second'):.1f}x fastText, "
          f"{middle('search', 'rows_per_second') / middle('sklearn', 'rows_per_second'):.0f}x scikit-learn")


def table(arguments):
    results = json.loads(pathlib.Path(arguments.out).read_text()) if os.path.exists(arguments.out) else {}
    for train in sorted(pathlib.Path(arguments.table).glob('*.train.csv')):
        name, test = train.name[:-len('.train.csv')], str(train)[:-len('.train.csv')] + '.test.csv'
        if name not in results:
            with tempfile.TemporaryDirectory() as folder:
                row, answers = {}, {}
                for who in ('sklearn', 'search'):
                    row[who] = contestant(who, arguments.program, str(train), test, arguments.cpu, folder + '/' + who)
                    answers[who] = pathlib.Path(folder + '/' + who).read_text(encoding='utf-8').split('\n')
            labels = read(test)[1]
            right = {who: [p == y for p, y in zip(answers[who], labels)] for who in answers}
            row['better'] = sum(b and not a for a, b in zip(right['sklearn'], right['search']))
            row['worse'] = sum(a and not b for a, b in zip(right['sklearn'], right['search']))
            row['p'] = mcnemar(row['better'], row['worse'])
            results[name] = row
            pathlib.Path(arguments.out).write_text(json.dumps(results, indent=1))
        row = results[name]
        print(f"{name:28} scikit-learn {row['sklearn']['accuracy']:.4f}  ours {row['search']['accuracy']:.4f}  "
              f"p {row['p']:.3f}  train cpu {row['sklearn']['total_cpu_seconds']:.1f} s, search "
              f"{row['search']['total_cpu_seconds']:.1f} s", flush=True)
    below, bound = [], 0.0
    ordered = sorted(results, key=lambda name: results[name]['p'])
    for i, name in enumerate(ordered):
        bound = max(bound, min(1.0, (len(ordered) - i) * results[name]['p']))
        if bound < 0.05 and results[name]['worse'] > results[name]['better']:
            below.append(name)
    for who in ('sklearn', 'search'):
        print(f"mean {who}: {statistics.mean(r[who]['accuracy'] for r in results.values()):.4f}")
    print('significantly below (Holm, 0.05):', ', '.join(below) or 'none')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--child', choices=['sklearn', 'optimum', 'fasttext'], help=argparse.SUPPRESS)
    parser.add_argument('--predictions', help=argparse.SUPPRESS)
    parser.add_argument('--table', metavar='FOLDER')
    parser.add_argument('--out', default='linear_table.json')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--cpu', type=int)
    parser.add_argument('files', nargs='+')
    arguments = parser.parse_args()
    if arguments.child:
        result, predictions = {'sklearn': run_sklearn, 'optimum': run_optimum, 'fasttext': run_fasttext}[arguments.child](*arguments.files)
        pathlib.Path(arguments.predictions).write_text('\n'.join(predictions) + '\n', encoding='utf-8')
        print(json.dumps(result))
        return
    arguments.program, *arguments.files = arguments.files
    table(arguments) if arguments.table else speed(arguments)


main()
