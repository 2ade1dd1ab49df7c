"""Fine-tuning beside PyTorch: accuracy on official test rows, time, time to equal accuracy and memory.

    python3 bench/fine_tune.py BUILD MODEL DATA OUT [--sets banking77,trec6,sst2] [--seeds 3] [--contestants recipe,torch,product]
                               [--threads 2] [--python PYTHON] [--table-only]

BUILD: the folder of `bench_fine_tune` and `smidgen`. MODEL: the encoder's folder. DATA: folders of train.csv and test.csv; all sixteen sets of
datasets.py are known (capped as there), `--sets all` takes them all. Contestants, each on the same rows:

  recipe   full fine-tuning here, with the epochs and the rate of the table RECIPES, the rest as FineTuneOptions has it
  torch    the same epochs and rate in PyTorch (fine_tune_peer.py says how): bf16 autocast, as many threads; --python: one with torch
  product  `smidgen train --rung all --minutes-max 1000`: what the program itself makes of it, encoder alone and blended out-of-fold
  frozen   `smidgen train --rung all`: the same without fine-tuning; the last line is the mean, over sets, of what the blend gains

One line a set, seed and contestant is kept in OUT/fine_tune.jsonl and never measured twice (with OUT bench/results, beside what is kept there): a
run that was stopped goes on where it was (the product's training, to the step), and the table says what is missing. What went on after a stop has
the seconds and memory of its last process only: the table then says "over". Settings were chosen on held-out train rows only (`bench_fine_tune .. tune`); the
test rows are read once, at the end. Seconds are wall time, so the machine should do nothing else; memory is the peak of the whole process.
Needs numpy (the caps are drawn by it).
"""
import argparse
import csv
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import datasets
from results import Results, packed, unpacked, version_of

PEER = pathlib.Path(__file__).with_name('fine_tune_peer.py')
# Epochs and rate. Others: as many epochs as `plan_tuning` would take, at 1e-4.
RECIPES = {'banking77': (8, 1e-4), 'trec6': (6, 1e-4), 'sst2': (3, 5e-5)}
CONTESTANTS = ['recipe', 'torch', 'product', 'frozen']
RUNGS = ['linear', 'encoder', 'blend']


def recipe_of(name, rows):
    return RECIPES.get(name, (min(8, max(3, round(45000 / rows))), 1e-4))


def run(*words, **more):
    """Standard output, seconds, and the peak megabytes of the child."""
    start = time.time()
    child = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True, **more)
    text = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f'{words[0]} ended with {child.returncode}')
    return text, time.time() - start, usage.ru_maxrss // 1024


def recipe(options, name, seed, work, rows):
    epochs, rate = recipe_of(name, rows)
    text, _, memory = run(options.build / 'bench_fine_tune', options.model, work / 'train.csv', work / 'test.csv', f'epochs={epochs}',
                          f'rate={rate}', f'seed={seed}', f'threads={options.threads}')
    found = json.loads(text)
    return {**{key: found[key] for key in ('accuracy', 'frozen', 'seconds', 'epochs', 'isa', 'precision')}, 'peak_mb': memory,
            'correct': correct(found['answers'], found['truth'])}


def torch(options, name, seed, work, rows):
    epochs, rate = recipe_of(name, rows)
    text, _, memory = run(options.python, PEER, 'train', options.model, work / 'train.csv', work / 'test.csv', epochs, rate, seed,
                          '--threads', options.threads)
    found = json.loads(text)
    return {**{key: found[key] for key in ('accuracy', 'seconds', 'epochs', 'torch')}, 'peak_mb': memory,
            'correct': correct(found['answers'], found['truth'])}


def product(options, name, seed, work, rows):
    """The rows and the bundle stay in OUT until the result stands, so that a second call goes on with the training. Seconds and memory of the
    process that was killed are not known: the result is then marked as resumed."""
    kept = options.out / f'{name}.{seed}.work'
    kept.mkdir(exist_ok=True)
    resumed = (kept / 'begun').exists()
    (kept / 'begun').touch()
    for part in ('train', 'test'):
        if not (kept / f'{part}.csv').exists():
            shutil.copy(work / f'{part}.csv', kept)
    result = {'resumed': resumed, **trained(options, name, seed, kept, ['--minutes-max', 1000])}
    shutil.rmtree(kept)
    return result


def frozen(options, name, seed, work, rows):
    return trained(options, name, seed, work, [])


def trained(options, name, seed, work, more):
    """Of `train --rung all`: seconds, memory, and what each rung is right on."""
    program = options.build / 'smidgen'
    _, seconds, memory = run(program, 'train', work / 'train.csv', '--rung', 'all', '--out', work / 'bundles', '--encoder', options.model, '--tokens-max', 128,
                             '--seed', seed, '--threads', options.threads, '--json', '--force', *more)
    truth = [label for _, label in datasets.rows(options.data, name, 'test')]
    result = {'seconds': seconds, 'peak_mb': memory, 'rungs': {}}
    for rung in RUNGS:
        run(program, 'eval', work / 'bundles' / rung, work / 'test.csv', '--json', '--quiet', '--predictions', work / f'{rung}.csv', '--force')
        with open(work / f'{rung}.csv', newline='', encoding='utf-8') as file:
            answers = [row['answer'] for row in csv.DictReader(file)]
        result['rungs'][rung] = {'accuracy': mean(a == t for a, t in zip(answers, truth)), 'correct': correct(answers, truth)}
        if name == 'clinc150_oos':
            result['rungs'][rung]['in_scope_accuracy'] = mean(a == t for a, t in zip(answers, truth) if t != 'oos')
            result['rungs'][rung]['out_of_scope_recall'] = mean(a == t for a, t in zip(answers, truth) if t == 'oos')
    result['accuracy'] = result['rungs']['blend']['accuracy']
    return result


def correct(answers, truth):
    if len(answers) != len(truth):
        sys.exit('not one answer a row')
    return packed(''.join('1' if a == t else '0' for a, t in zip(answers, truth)))


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else math.nan


def interval(accuracy, rows):
    """Wilson's, 95 %."""
    z = 1.959964
    middle, half = accuracy + z * z / (2 * rows), z * math.sqrt(accuracy * (1 - accuracy) / rows + z * z / (4 * rows * rows))
    return (middle - half) / (1 + z * z / rows), (middle + half) / (1 + z * z / rows)


def seconds_to(result, accuracy):
    """Of training, until the test rows were first answered this well; None: never."""
    return next((epoch['seconds'] for epoch in result['epochs'] if epoch['accuracy'] >= accuracy), None)


def seconds_shown(found):
    """Their mean; a lower bound where a run was stopped and went on."""
    text = f'{mean(one["seconds"] for one in found):.0f}'
    return f'over {text}' if any(one.get('resumed') for one in found) else text


def table(options, results):
    print(f'{"set":<28}{"what":<16}{"seeds":>6}{"accuracy":>10}{"95 % interval":>18}{"seconds":>13}{"peak MB":>9}')
    for name in options.sets:
        for contestant in CONTESTANTS:
            found = [results[name, seed, contestant] for seed in range(1, options.seeds + 1) if (name, seed, contestant) in results]
            if found and 'rungs' not in found[0]:
                line(name, contestant, found, found)
            elif found:
                for rung in RUNGS:
                    line(name, f'frozen {rung}' if contestant == 'frozen' else rung, found, [one['rungs'][rung] for one in found])
        compare(options, name, results)
    gains(options, results)
    missing = [f'{name} seed {seed} {contestant}' for name in options.sets for seed in range(1, options.seeds + 1)
               for contestant in options.contestants if (name, seed, contestant) not in results]
    print('missing: ' + (', '.join(missing) or 'nothing'))


def line(name, what, found, shown):
    accuracy = mean(one['accuracy'] for one in shown)
    low, high = interval(accuracy, len(unpacked(shown[0]['correct'])))
    print(f'{name:<28}{what:<16}{len(found):>6}{accuracy:>10.4f}{f"{low:.3f} .. {high:.3f}":>18}'
          f'{seconds_shown(found):>13}{max(one["peak_mb"] for one in found):>9}')
    if 'in_scope_accuracy' in shown[0]:
        print(f'{"":<44}in-scope {mean(one["in_scope_accuracy"] for one in shown):.4f}, out-of-scope recall '
              f'{mean(one["out_of_scope_recall"] for one in shown):.4f}')


def gains(options, results):
    """What fine-tuning adds to the blend's accuracy, over the sets and seeds that have both; the standard error is of the test rows, paired."""
    sets = {}
    for name in options.sets:
        pairs = [(results[name, seed, 'product'], results[name, seed, 'frozen']) for seed in range(1, options.seeds + 1)
                 if (name, seed, 'product') in results and (name, seed, 'frozen') in results]
        if pairs:
            found = [difference(*(one['rungs']['blend']['correct'] for one in pair)) for pair in pairs]
            sets[name] = [mean(values) for values in zip(*found)] + [mean(one['accuracy'] for one, _ in pairs)]
            print(f'{name:<28}fine-tuning adds {sets[name][0]:+.4f} to the blend (standard error {sets[name][1]:.4f}; seeds: {len(pairs)})')
    if sets:
        added, errors, after = zip(*sets.values())
        print(f'{len(sets)} sets: fine-tuning adds {mean(added):+.4f} to the blend (standard error {math.sqrt(sum(e * e for e in errors)) / len(sets):.4f}), '
              f'from {mean(after) - mean(added):.4f} to {mean(after):.4f}')


def difference(ours, theirs):
    """Of two accuracies on the same rows, and its standard error: McNemar's, from the rows that one alone answers right."""
    ours, theirs = unpacked(ours), unpacked(theirs)
    more, fewer = (sum(a > b for a, b in zip(*pair)) for pair in ((ours, theirs), (theirs, ours)))
    rows, mean_difference = len(ours), (more - fewer) / len(ours)
    return mean_difference, math.sqrt(max(0, (more + fewer) / rows - mean_difference ** 2) / rows)


def compare(options, name, results):
    """Time to equal accuracy: of the whole recipe, at whose end both should be equal within the noise of the test rows; and of the first epoch that
    reaches the lower of the two ends, which is noisier."""
    for seed in range(1, options.seeds + 1):
        ours, theirs = results.get((name, seed, 'recipe')), results.get((name, seed, 'torch'))
        if not ours or not theirs:
            continue
        where = lambda one: (one.get('threads'), one.get('processor'))
        if where(ours) != where(theirs):
            print(f'{"":<28}seed {seed}: not comparable: ours on {where(ours)}, PyTorch on {where(theirs)}')
            continue
        aim = min(ours['accuracy'], theirs['accuracy'])
        a, b = seconds_to(ours, aim), seconds_to(theirs, aim)
        apart, error = difference(ours['correct'], theirs['correct'])
        print(f'{"":<28}seed {seed}: the whole recipe takes PyTorch {theirs["seconds"] / ours["seconds"]:.2f} times as long ({theirs["seconds"]:.0f} s for '
              f'{ours["seconds"]:.0f} s); ours ends {apart:+.4f} from it (standard error {error:.4f}); memory {ours["peak_mb"] / theirs["peak_mb"]:.2f} of theirs')
        print(f'{"":<35}first epoch at {aim:.4f} or better: ours after {a:.0f} s, PyTorch after {b:.0f} s: {b / a:.2f} times as long')


def measure(options, name, seed, contestant):
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        train = datasets.rows(options.data, name, 'train')
        datasets.write(work / 'train.csv', train)
        datasets.write(work / 'test.csv', datasets.rows(options.data, name, 'test'))
        return {'threads': options.threads, 'program': version_of(options.build / 'smidgen'), **globals()[contestant](options, name, seed, work, len(train))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ('build', 'model', 'data', 'out'):
        parser.add_argument(name, type=pathlib.Path)
    listed = lambda text: datasets.SETS if text == 'all' else text.split(',')
    parser.add_argument('--sets', type=listed, default=list(RECIPES))
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--contestants', type=lambda text: text.split(','), default=CONTESTANTS)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--python', default=sys.executable)
    parser.add_argument('--table-only', action='store_true')
    options = parser.parse_args()
    kept = Results(options.out, 'fine_tune', ('encoder', 'set', 'seed', 'contestant'))
    for seed in range(1, options.seeds + 1):
        for name in options.sets:
            for contestant in CONTESTANTS if not options.table_only else []:
                key = options.model.name, name, seed, contestant
                if key not in kept and contestant in options.contestants:
                    found = kept.add(key, measure(options, name, seed, contestant))
                    print(name, seed, contestant, round(found['accuracy'], 4), flush=True)
    results = {key[1:]: one for key, one in kept.found.items() if key[0] == options.model.name and key[1] in options.sets and key[2] <= options.seeds}
    table(options, results)
    print(kept.origins([(options.model.name, *key) for key in results]))


main()
