"""Do certificates hold? The simulation of docs/certificates.md from beginning to end.

    python3 bench/certify_simulation.py BUILD MODEL_FOLDER DATA OUT [--sets sst2=0.90,trec6=0.90,ag_news_test7600=0.90] [--draws 1000]

1. A pool for each set: the rungs that `pick` trains, fitted on three fifths of the training rows (bench_quality), score the other two fifths.
   No text stands on both sides, no test row is read. OUT/NAME.pool.csv; one that is there is used again.
2. bench_certify_simulation takes each pool for the whole world, at the target beside its name, with the negative control; and the synthetic
   pools: two on which every policy is exactly as bad as allowed, one that is easy.

BUILD is build/release. Prints the lines and, from them, the table of docs/certificates.md. Exits 1 when something does not hold. Needs numpy.
"""
import argparse
import hashlib
import pathlib
import re
import subprocess
import sys
import tempfile

import datasets

LINE = re.compile(r'(?P<name>.+?) +(?P<rows>\d+) rows +(?P<labels>\d+) labels \| violations +(?P<wrong>\d+) of (?P<draws>\d+) \(limit (?P<limit>\d+)\) '
                  r'\| refused +(?P<refused>\d+).*? \| coverage (?P<coverage>\S+) \| tested (?P<tested>\S+) \| control (?P<control>\S+) \|')


def make_pool(options, name, path):
    rows = datasets.rows(options.data, name, 'train')
    share = lambda text: int(hashlib.sha256(' '.join(text.lower().split()).encode()).hexdigest()[:8], 16) / 2**32
    fitted = [row for row in rows if share(row[0]) < 0.6]
    known = {label for _, label in fitted}
    held = [row for row in rows if share(row[0]) >= 0.6 and row[1] in known]
    with tempfile.TemporaryDirectory() as folder:
        train, test = pathlib.Path(folder) / 'train.csv', pathlib.Path(folder) / 'held.csv'
        datasets.write(train, fitted)
        datasets.write(test, held)
        drawn = path.with_suffix('.new')
        subprocess.run([options.build / 'bench_quality', train, test, '--encoder', options.model, '--tokens-max', '128', '--test-scores', drawn],
                       check=True, stdout=subprocess.DEVNULL)
        drawn.rename(path)


def simulate(options, *words):
    done = subprocess.run([options.build / 'bench_certify_simulation', f'--draws={options.draws}', *words], stdout=subprocess.PIPE, text=True,
                          check=False)
    print(done.stdout, end='', flush=True)
    if done.returncode not in (0, 1):
        sys.exit(done.returncode)
    return [LINE.match(line) for line in done.stdout.splitlines()], done.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ('build', 'model', 'data', 'out'):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument('--sets', default='sst2=0.90,trec6=0.90,ag_news_test7600=0.90')
    parser.add_argument('--draws', type=int, default=1000)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    found, holds = simulate(options)
    targets = ['0.95'] * len(found)
    for name, target in (one.split('=') for one in options.sets.split(',')):
        path = options.out / f'{name}.pool.csv'
        if not path.exists():
            make_pool(options, name, path)
        lines, good = simulate(options, f'--accuracy={target}', '--control', str(path))
        found += lines
        targets.append(target)
        holds = holds and good
    print(f'\n| pool | rows, labels | target | wrong of {options.draws:,} (limit {found[0]["limit"]}) | refused | mean coverage | control |\n'
          '|---|---|---|---|---|---|---|')
    for line, target in zip(found, targets):
        coverage = '-' if int(line['refused']) * 2 > int(line['draws']) else line['coverage']
        print(f'| {line["name"].removesuffix(".pool.csv")} | {int(line["rows"]):,}, {line["labels"]} | {target} | {line["wrong"]} | {line["refused"]} '
              f'| {coverage} | {line["control"].replace("-", "")} |')
    sys.exit(0 if holds else 1)


main()
