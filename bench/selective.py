"""Selective answering on official test rows: `smidgen pick` on banking77's training rows at 0.95, then `smidgen eval` on its test rows.

    python3 bench/selective.py SMIDGEN DATA [--set banking77] [--accuracy 0.95]

Exits 1 when nothing was certified, or when coverage or accuracy on the test rows falls more than three standard errors short of the bars
(coverage 0.93 for banking77 at 0.95; accuracy: the target).
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

COVERAGE_BAR = {('banking77', 0.95): 0.93}


def run(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('smidgen')
    parser.add_argument('data', type=pathlib.Path)
    parser.add_argument('--set', default='banking77')
    parser.add_argument('--accuracy', type=float, default=0.95)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle = pathlib.Path(folder) / 'bundle'
        picked = run(options.smidgen, 'pick', options.data / options.set / 'train.csv', '--accuracy', options.accuracy, '--out', bundle,
                     '--json', '--quiet')
        if not picked['certified']:
            sys.exit(f'not certified: {picked.get("refusal")}')
        found = run(options.smidgen, 'eval', bundle, options.data / options.set / 'test.csv', '--json', '--quiet')
    rows, coverage, right = found['rows'], found['coverage'], found['selective_accuracy']
    error = lambda share, n: math.sqrt(share * (1 - share) / n)
    print(f'{options.set} at {options.accuracy}: certified {picked["policy"]}, {picked["coverage"]:.4f} of the held-out rows answered')
    print(f'official test rows: answers {coverage:.4f} of {rows}, {right:.4f} of the answers right')
    bar = COVERAGE_BAR.get((options.set, options.accuracy), 0)
    short = (coverage < bar - 3 * error(bar, rows)) or (right < options.accuracy - 3 * error(options.accuracy, rows * coverage))
    print('bars:', f'coverage {bar}, accuracy {options.accuracy}, each less three standard errors:', 'missed' if short else 'met')
    sys.exit(1 if short else 0)


main()
