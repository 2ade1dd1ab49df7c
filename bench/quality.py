"""The quality table: accuracy and macro-F1 of every rung and of their blend on official test rows, beside the peers.

    python3 bench/quality.py SMIDGEN MODEL_FOLDER DATA OUT [--seeds 3] [--sets a,b] [--peers FOLDER] [--tokens-max 128]

For each set and seed: `smidgen train --rung all` on the (capped) training rows, then `smidgen eval --predictions` on the official test rows,
which no training sees. One JSON a set and seed is stored in OUT; a run that was stopped goes on where it was, and the table says
what is missing. --peers: answers stored by quality_peers.py; then each rung is compared with its peer on the same rows
(exact McNemar test on the first seed, Holm over the sets). Needs numpy (the caps are drawn by it).
"""
import argparse
import csv
import json
import math
import pathlib
import shutil
import subprocess
import tempfile

import datasets

RUNGS = ['linear', 'static', 'encoder', 'blend']
PEER = {'linear': 'tfidf', 'static': 'model2vec', 'encoder': 'minilm'}


def measure(options, name, seed):
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        datasets.write(work / 'train.csv', datasets.rows(options.data, name, 'train'))
        run = lambda *words: subprocess.run([options.smidgen, *map(str, words)], check=True, capture_output=True, text=True).stdout
        trained = json.loads(run('train', work / 'train.csv', '--rung', 'all', '--out', work / 'bundles', '--encoder', options.model,
                                 '--tokens-max', options.tokens_max, '--seed', seed, '--json', '--quiet'))
        datasets.write(work / 'test.csv', datasets.rows(options.data, name, 'test'))
        result = {'set': name, 'seed': seed, 'seconds': trained[-1]['seconds'], 'blend_of': trained[-1]['rungs'], 'rungs': {}}
        for rung in RUNGS:
            found = json.loads(run('eval', work / 'bundles' / rung, work / 'test.csv', '--json', '--quiet',
                                   '--predictions', work / 'answers.csv', '--force'))
            with open(work / 'answers.csv', newline='', encoding='utf-8') as file:
                rows = list(csv.DictReader(file))
            result['rungs'][rung] = {key: found[key] for key in ('accuracy', 'accuracy_low', 'accuracy_high', 'macro_f1', 'ece')}
            result['rungs'][rung]['correct'] = ''.join('1' if row['label'] == row['answer'] else '0' for row in rows)
            if name == 'clinc150_oos':
                known = [row for row in rows if row['label'] != 'oos']
                other = [row for row in rows if row['label'] == 'oos']
                result['rungs'][rung]['in_scope_accuracy'] = sum(r['label'] == r['answer'] for r in known) / len(known)
                result['rungs'][rung]['out_of_scope_recall'] = sum(r['answer'] == 'oos' for r in other) / len(other)
        shutil.rmtree(work / 'bundles')
        return result


def mcnemar(ours, theirs):
    """Two-sided exact p-value, and whether ours is the worse one."""
    better = sum(a == '1' and b == '0' for a, b in zip(ours, theirs))
    worse = sum(a == '0' and b == '1' for a, b in zip(ours, theirs))
    n, k = better + worse, min(better, worse)
    log_half = math.lgamma(n + 1) - n * math.log(2)
    tail = sum(math.exp(log_half - math.lgamma(i + 1) - math.lgamma(n - i + 1)) for i in range(k + 1))
    return min(1.0, 2 * tail), worse > better


def holm(p_values):
    """Adjusted p-values, by name."""
    adjusted, running = {}, 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        running = max(running, min(1.0, p * (len(p_values) - rank)))
        adjusted[name] = running
    return adjusted


def peer_correct(folder, name, rung):
    path = pathlib.Path(folder) / f'{name}.json'
    if rung not in PEER or not path.exists():
        return None
    stored = json.loads(path.read_text())
    return ''.join('1' if a == t else '0' for a, t in zip(stored['answers'][PEER[rung]], stored['truth']))


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else float('nan')


def table(options, results):
    sets = [name for name in options.sets if (name, 1) in results]
    seeds = lambda name: [s for s in range(1, options.seeds + 1) if (name, s) in results]
    value = lambda name, rung, key: mean(results[name, s]['rungs'][rung][key] for s in seeds(name))
    print(f'{"set":<28}{"seeds":>6}' + ''.join(f'{rung:>28}' for rung in RUNGS))
    for name in sets:
        cells = ''.join(f'{value(name, r, "accuracy"):>8.4f} ({value(name, r, "accuracy_low"):.3f}..{value(name, r, "accuracy_high"):.3f})'
                        f' {value(name, r, "macro_f1"):.3f}'.rjust(28) for r in RUNGS)
        print(f'{name:<28}{len(seeds(name)):>6}{cells}')
    print(f'{"mean of " + str(len(sets)):<34}' + ''.join(f'{mean(value(n, r, "accuracy") for n in sets):.4f}'.rjust(10).ljust(28)
                                                      for r in RUNGS))
    if 'clinc150_oos' in sets:
        for rung in RUNGS:
            print(f'clinc150_oos, {rung}: in-scope accuracy {value("clinc150_oos", rung, "in_scope_accuracy"):.4f}, '
                  f'out-of-scope recall {value("clinc150_oos", rung, "out_of_scope_recall"):.4f}')
    for rung in RUNGS[:3] if options.peers else []:
        pairs = {n: (results[n, 1]['rungs'][rung]['correct'], peer_correct(options.peers, n, rung)) for n in sets}
        pairs = {n: p for n, p in pairs.items() if p[1] is not None}
        tests = {n: mcnemar(*p) for n, p in pairs.items()}
        adjusted = holm({n: p for n, (p, _) in tests.items()})
        below = [f'{n} (p {adjusted[n]:.3f})' for n, (_, worse) in tests.items() if worse and adjusted[n] < 0.05]
        print(f'{rung} against {PEER[rung]} on {len(pairs)} sets: mean {mean(value(n, rung, "accuracy") for n in pairs):.4f} against '
              f'{mean(p[1].count("1") / len(p[1]) for p in pairs.values()):.4f}; significantly below: {", ".join(below) or "none"}')
    missing = [f'{n} seed {s}' for n in options.sets for s in range(1, options.seeds + 1) if (n, s) not in results]
    print('missing: ' + (', '.join(missing) or 'nothing'))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ('smidgen', 'model', 'data', 'out'):
        parser.add_argument(name)
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--sets', type=lambda text: text.split(','), default=datasets.SETS)
    parser.add_argument('--tokens-max', type=int, default=128)
    parser.add_argument('--peers')
    parser.add_argument('--table-only', action='store_true')
    options = parser.parse_args()
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    results = {}
    for seed in range(1, options.seeds + 1):
        for name in options.sets:
            path = out / f'{name}.{seed}.json'
            if not path.exists():
                if options.table_only:
                    continue
                path.write_text(json.dumps(measure(options, name, seed)))
            results[name, seed] = json.loads(path.read_text())
            if not options.table_only:
                print(name, seed, {r: round(v['accuracy'], 4) for r, v in results[name, seed]['rungs'].items()},
                      results[name, seed]['blend_of'], flush=True)
    table(options, results)


main()
