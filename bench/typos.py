"""Typos: what three random typos a row cost the encoder alone, and what they cost the blend with `linear` in it.

    python3 bench/typos.py SMIDGEN DATA OUT [--sets trec6,banking77] [--seeds 3] [--typos 3] [--encoder all-minilm-l6-v2] [--table-only]

For each set, `smidgen train --rung all` on the (capped) training rows, as they are; then, for each seed, `smidgen eval` of every rung and of the
blend on the official test rows as they are and with typos. A typo is drawn by Python's random.Random, seeded with set, seed and row: a place
evenly among the row's ASCII letters, then one of four slips with equal chance (Damerau 1964 has the first two; keyboards and fingers add the
others):
    swap       the letter and its right neighbour change places (with none, or an equal one: drop)
    drop       the letter is missing
    double     it stands twice
    neighbour  the letter of a key beside it on a QWERTY keyboard, in the same case
Each typo is made in what the one before left. One line a set and seed is kept in OUT/typos.jsonl; a run that was stopped goes on where it was, and the
table says what is missing. Bar: the blend loses at most half of what the encoder loses (mean over seeds); exit 1 when a set misses it or results are missing.
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import datasets
from results import Results

KEYS = ['qwertyuiop', 'asdfghjkl', 'zxcvbnm']
BUNDLES = ['linear', 'static', 'encoder', 'blend']


def neighbours():
    """Keys left and right in a row, and those that touch in the rows above and below (each row stands half a key to the right)."""
    place = {letter: (row, column + row / 2) for row, keys in enumerate(KEYS) for column, letter in enumerate(keys)}
    return {a: [b for b in place if a != b and abs(place[a][0] - place[b][0]) <= 1 and abs(place[a][1] - place[b][1]) <= 1]
            for a in place}


BESIDE = neighbours()


def with_typo(text, draw):
    letters = [i for i, c in enumerate(text) if c.isascii() and c.isalpha()]
    if not letters:
        return text
    i = draw.choice(letters)
    slip = draw.choice(['swap', 'drop', 'double', 'neighbour'])
    if slip == 'swap' and i + 1 < len(text) and text[i + 1] != text[i]:
        return text[:i] + text[i + 1] + text[i] + text[i + 2:]
    if slip in ('swap', 'drop'):
        return text[:i] + text[i + 1:]
    if slip == 'double':
        return text[:i] + text[i] + text[i:]
    key = draw.choice(BESIDE[text[i].lower()])
    return text[:i] + (key.upper() if text[i].isupper() else key) + text[i + 1:]


def with_typos(pairs, name, seed, count):
    out = []
    for row, (text, label) in enumerate(pairs):
        draw = random.Random(f'{name} {seed} {row}')
        for _ in range(count):
            text = with_typo(text, draw)
        out.append((text, label))
    return out


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def key_of(options, name, seed):
    return pathlib.Path(options.encoder).name, name, seed, options.typos


def measure(options, name, seeds, results):
    """All missing seeds of a set with one training."""
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        test = datasets.rows(options.data, name, 'test')
        datasets.write(work / 'train.csv', datasets.rows(options.data, name, 'train'))
        datasets.write(work / 'test.csv', test)
        run(options.smidgen, 'train', work / 'train.csv', '--rung', 'all', '--out', work / 'bundles', '--encoder', options.encoder, '--quiet',
            '--json')
        accuracy = lambda bundle, rows: run(options.smidgen, 'eval', work / 'bundles' / bundle, rows, '--json', '--quiet')['accuracy']
        clean = {bundle: accuracy(bundle, work / 'test.csv') for bundle in BUNDLES}
        for seed in seeds:
            datasets.write(work / 'typos.csv', with_typos(test, name, seed, options.typos))
            found = {'rows': len(test), 'clean': clean,
                     'with_typos': {bundle: accuracy(bundle, work / 'typos.csv') for bundle in BUNDLES}}
            print(results.add(key_of(options, name, seed), found), flush=True)


def table(options, results):
    met = True
    print(f'{"set":<28}{"seeds":>6}' + ''.join(f'{bundle:>28}' for bundle in BUNDLES) + '   blend loses')
    for name in options.sets:
        own = [results[key] for seed in range(1, options.seeds + 1) if (key := key_of(options, name, seed)) in results]
        if not own:
            continue
        mean = lambda part, bundle: sum(one[part][bundle] for one in own) / len(own)
        lost = {bundle: mean('clean', bundle) - mean('with_typos', bundle) for bundle in BUNDLES}
        cells = ''.join(f'{mean("clean", b):.4f} -> {mean("with_typos", b):.4f} (-{lost[b]:.4f})'.rjust(28) for b in BUNDLES)
        share = lost['blend'] / lost['encoder'] if lost['encoder'] > 0 else 0
        met &= share <= 0.5
        print(f'{name:<28}{len(own):>6}{cells}   {share:.2f} of what the encoder loses')
    missing = [f'{name} seed {seed}' for name in options.sets for seed in range(1, options.seeds + 1) if key_of(options, name, seed) not in results]
    print('missing: ' + (', '.join(missing) or 'nothing'))
    said = 'not known before all is measured' if missing else 'met' if met else 'missed'
    print('bar, at most half of what the encoder alone loses:', said)
    return met and not missing


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ('smidgen', 'data', 'out'):
        parser.add_argument(name)
    parser.add_argument('--sets', type=lambda text: text.split(','), default=['trec6', 'banking77'])
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--typos', type=int, default=3)
    parser.add_argument('--encoder', default='all-minilm-l6-v2')
    parser.add_argument('--table-only', action='store_true')
    options = parser.parse_args()
    results = Results(options.out, 'typos', ('encoder', 'set', 'seed', 'typos'))
    for name in [] if options.table_only else options.sets:
        missing = [seed for seed in range(1, options.seeds + 1) if key_of(options, name, seed) not in results]
        if missing:
            measure(options, name, missing, results)
    sys.exit(0 if table(options, results) else 1)


main()
