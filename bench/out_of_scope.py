"""Texts that belong to none of the labels: clinc150_oos, 150 labels and a handful of rows labelled "oos".

    python3 bench/out_of_scope.py SMIDGEN DATA OUT [--seeds 3] [--rejected 0.08] [--encoder all-minilm-l6-v2] [--table-only]

`smidgen train --rung all` on the official train rows, all of them; out-of-scope rows are a label like any other. Then, on the official test
rows, the probabilities that `smidgen run --top 151` prints:

  in-scope accuracy   of the most probable of the 150 labels, on rows that have one of them, nothing rejected ("without the gate")
  rejected, recall    a row is rejected when the probability of "oos" is above a threshold: the one that rejects --rejected of the in-scope
                      rows of the official validation rows, which nothing was fitted on. Shares of the test rows, in scope and out of it

Bars: blend in-scope at least 0.955; recall at least 0.90 with at most 0.10 of the in-scope rows rejected. One line a seed is kept in OUT/out_of_scope.jsonl;
a run that was stopped goes on where it was. Exit 1 when a bar is missed or results are missing.
"""
import argparse
import csv
import json
import pathlib
import subprocess
import sys
import tempfile

from results import Results

BUNDLES = ['linear', 'encoder', 'blend']
NAME, OUTSIDE, LABELS = 'clinc150_oos', 'oos', 151
IN_SCOPE_BAR, RECALL_BAR, REJECTED_BAR = 0.955, 0.90, 0.10


def labels_of(path):
    with open(path, newline='', encoding='utf-8') as file:
        return [row['label'] for row in csv.DictReader(file)]


def probabilities(options, bundle, path):
    done = subprocess.run([options.smidgen, 'run', str(bundle), str(path), '--top', str(LABELS), '--quiet'], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return [json.loads(line)['probabilities'] for line in done.stdout.splitlines()]


def measure(options, seed):
    data = pathlib.Path(options.data) / NAME
    with tempfile.TemporaryDirectory() as work:
        done = subprocess.run([options.smidgen, 'train', str(data / 'train.csv'), '--rung', 'all', '--out', work + '/bundles', '--encoder',
                               options.encoder, '--tokens-max', '128', '--seed', str(seed), '--quiet'], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(done.stderr)
        found = {'bundles': {}}
        for bundle in BUNDLES:
            place = pathlib.Path(work) / 'bundles' / bundle
            inside = sorted(row[OUTSIDE] for row, label in zip(probabilities(options, place, data / 'val.csv'), labels_of(data / 'val.csv'))
                            if label != OUTSIDE)
            threshold = inside[min(len(inside) - 1, int((1 - options.rejected) * len(inside)))]
            rows = list(zip(probabilities(options, place, data / 'test.csv'), labels_of(data / 'test.csv')))
            scope = [(row, label) for row, label in rows if label != OUTSIDE]
            outside = [row for row, label in rows if label == OUTSIDE]
            best = lambda row: max((name for name in row if name != OUTSIDE), key=row.get)
            found['bundles'][bundle] = {
                'threshold': threshold, 'in_scope_rows': len(scope), 'outside_rows': len(outside),
                'in_scope_accuracy': sum(best(row) == label for row, label in scope) / len(scope),
                'rejected': sum(row[OUTSIDE] > threshold for row, _ in scope) / len(scope),
                'recall': sum(row[OUTSIDE] > threshold for row in outside) / len(outside)}
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ('smidgen', 'data', 'out'):
        parser.add_argument(name)
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--rejected', type=float, default=0.08)
    parser.add_argument('--encoder', default='all-minilm-l6-v2')
    parser.add_argument('--table-only', action='store_true')
    options = parser.parse_args()
    results = Results(options.out, 'out_of_scope', ('seed', 'aim', 'encoder'))
    keys = [(seed, options.rejected, options.encoder) for seed in range(1, options.seeds + 1)]
    for key in keys if not options.table_only else []:
        if key not in results:
            results.add(key, measure(options, key[0]))
    found = [results[key] for key in keys if key in results]
    missing = [str(key[0]) for key in keys if key not in results]
    print(f'{"":<10}{"seeds":>6}{"in-scope accuracy":>19}{"in-scope rejected":>19}{"out-of-scope recall":>21}')
    for bundle in BUNDLES if found else []:
        mean = lambda what: sum(one['bundles'][bundle][what] for one in found) / len(found)
        print(f'{bundle:<10}{len(found):>6}{mean("in_scope_accuracy"):>19.4f}{mean("rejected"):>19.4f}{mean("recall"):>21.4f}')
    print('missing: ' + (', '.join(f'seed {seed}' for seed in missing) or 'nothing'))
    met = bool(found) and not missing and mean('in_scope_accuracy') >= IN_SCOPE_BAR and mean('recall') >= RECALL_BAR and mean('rejected') <= REJECTED_BAR
    print(f'bars of the blend (in scope {IN_SCOPE_BAR}, recall {RECALL_BAR} with at most {REJECTED_BAR} rejected): ' + ('met' if met else 'not met'))
    sys.exit(0 if met else 1)


main()
