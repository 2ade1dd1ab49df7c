"""The quality table: accuracy and macro-F1 of every rung and of their blend on official test rows, beside the peers.

    python3 bench/quality.py BENCH_QUALITY MODEL_FOLDER DATA OUT [--seeds 3] [--sets a,b] [--peers FOLDER] [--tokens-max 128]
                             [--markdown]

For each set and seed: build/release/bench_quality trains what `smidgen train --rung all` trains on the (capped) training rows and then answers
the official test rows, which no training sees. The encoder's vectors are kept in OUT/vectors: they cost most of a run and are the same for
every seed. One JSON a set and seed is stored in OUT; a run that was stopped goes on where it was, and the table says what is missing.
--product SMIDGEN: also runs the program itself (`train --rung all --typos keep`: the table is without the speller, `eval --predictions`) and stops
at the first answer that differs.
--peers: answers stored by quality_peers.py; then each rung is compared with its peer on the same rows (exact McNemar test on the first seed,
Holm over the sets). --markdown: the table as in docs/results.md. Needs numpy (the caps are drawn by it).
"""
import argparse
import csv
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import datasets
from results import processor, same_settings, write_whole

RUNGS = ['linear', 'static', 'encoder', 'blend']
PEER = {'linear': 'tfidf', 'static': 'model2vec', 'encoder': 'minilm'}
# Probabilities of the first and the last of these averaged, on the same rows, one seed: measured once elsewhere, and not by a command here.
AVERAGED = dict(zip(datasets.SETS, (.943, .938, .988, .858, .854, .768, .786, .907, .897, .610, .902, .954, .651, .968, .998, .977)))


def measure(options, name, seed):
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        vectors = pathlib.Path(options.out) / 'vectors'
        vectors.mkdir(exist_ok=True)
        datasets.write(work / 'train.csv', datasets.rows(options.data, name, 'train'))
        datasets.write(work / 'test.csv', datasets.rows(options.data, name, 'test'))
        found = json.loads(run(options.program, work / 'train.csv', work / 'test.csv', '--encoder', options.model, '--embeddings', vectors,
                               '--tokens-max', options.tokens_max, '--seed', seed))
        if options.product:
            compare_with_product(options, work, seed, found)
    oos = found['labels'].index('oos') if name == 'clinc150_oos' else None
    result = {'set': name, 'seed': seed, **{key: found[key] for key in ('seconds', 'blend_of', 'settings')}, 'rungs': {}}
    for rung, one in found['rungs'].items():
        answers = one.pop('answers')
        pairs = list(zip(found['truth'], answers))
        result['rungs'][rung] = {**one, 'correct': ''.join('1' if t == a else '0' for t, a in pairs)}
        if oos is not None:
            result['rungs'][rung]['in_scope_accuracy'] = mean(t == a for t, a in pairs if t != oos)
            result['rungs'][rung]['out_of_scope_recall'] = mean(a == oos for t, a in pairs if t == oos)
    return result


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE, text=True).stdout


def compare_with_product(options, work, seed, found):
    run(options.product, 'train', work / 'train.csv', '--rung', 'all', '--out', work / 'bundles', '--encoder', options.model, '--tokens-max',
        options.tokens_max, '--precision', 'f32', '--typos', 'keep', '--seed', seed, '--quiet', '--json')
    for rung in RUNGS:
        run(options.product, 'eval', work / 'bundles' / rung, work / 'test.csv', '--json', '--quiet', '--predictions', work / 'answers.csv')
        with open(work / 'answers.csv', newline='', encoding='utf-8') as file:
            answers = [row['answer'] for row in csv.DictReader(file)]
        wanted = [found['labels'][number] for number in found['rungs'][rung]['answers']]
        differing = sum(a != b for a, b in zip(answers, wanted))
        print(f'{rung}: {differing} of {len(wanted)} answers differ from those of `eval`', file=sys.stderr)
        if differing or len(answers) != len(wanted):
            sys.exit('the benchmark does not do what the program does')


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


def markdown(options, results):
    """The table of docs/results.md: ours, and in brackets the peer's."""
    sets = [name for name in options.sets if (name, 1) in results]
    ours, theirs = {rung: [] for rung in RUNGS}, {rung: [] for rung in RUNGS}
    print('| set | seeds | linear (TF-IDF + LR) | static (model2vec + LR) | encoder (MiniLM + LR) | blend (TF-IDF and MiniLM averaged) '
          '| blend, 95 % interval | blend, macro-F1 |\n|---|---|---|---|---|---|---|---|')
    for name in sets:
        seeds = [s for s in range(1, options.seeds + 1) if (name, s) in results]
        value = lambda rung, key: mean(results[name, s]['rungs'][rung][key] for s in seeds)
        cells = []
        for rung in RUNGS:
            correct = peer_correct(options.peers, name, rung) if options.peers else None
            peer = AVERAGED[name] if rung == 'blend' else mean(c == '1' for c in correct or '')
            ours[rung].append(value(rung, 'accuracy'))
            theirs[rung].append(peer)
            cells.append(f'{ours[rung][-1]:.3f} ({peer:.3f})')
        print(f'| {name} | {len(seeds)} | {" | ".join(cells)} | {value("blend", "accuracy_low"):.3f} .. '
              f'{value("blend", "accuracy_high"):.3f} | {value("blend", "macro_f1"):.3f} |')
    print(f'| **mean of {len(sets)}** | | ' + ' | '.join(f'**{mean(ours[r]):.4f}** ({mean(theirs[r]):.3f})' for r in RUNGS) + ' | | |\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ('program', 'model', 'data', 'out'):
        parser.add_argument(name)
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--sets', type=lambda text: text.split(','), default=datasets.SETS)
    parser.add_argument('--tokens-max', type=int, default=128)
    parser.add_argument('--peers')
    parser.add_argument('--product')
    parser.add_argument('--markdown', action='store_true')
    parser.add_argument('--table-only', action='store_true')
    options = parser.parse_args()
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    if not options.table_only:
        same_settings(out, model=pathlib.Path(options.model).name, tokens_max=options.tokens_max, processor=processor(), product=bool(options.product))
    results = {}
    for seed in range(1, options.seeds + 1):
        for name in options.sets:
            path = out / f'{name}.{seed}.json'
            if not path.exists():
                if options.table_only:
                    continue
                write_whole(path, json.dumps(measure(options, name, seed)))
            results[name, seed] = json.loads(path.read_text())
            if not options.table_only:
                print(name, seed, {r: round(v['accuracy'], 4) for r, v in results[name, seed]['rungs'].items()},
                      results[name, seed]['blend_of'], flush=True)
    if options.markdown:
        markdown(options, results)
    table(options, results)


main()
