"""Few labels: 8 rows a class, drawn from the train rows by seed, judged on official test rows (at most 2,000 of them, the first of NumPy's
RandomState(0).permutation), beside SetFit on the same rows with the same encoder.

    python3 bench/few_shot.py MODEL_FOLDER DATA OUT --program build/release/smidgen [--sets a,b] [--seeds N]
    python  bench/few_shot.py MODEL_FOLDER DATA OUT --setfit [--sets a,b] [--seeds N]      needs setfit 1.2.0 and its torch
    python3 bench/few_shot.py MODEL_FOLDER DATA OUT --table

--program: `smidgen train ROWS --rung encoder --minutes-max 60` and `smidgen eval`, as a user would (so many minutes, so that a loaded
machine changes no answer). --setfit: SetFit as its paper and its documentation have it (num_iterations 20, one epoch of at most 500 steps,
batch 16, logistic regression). One line a set, seed and method is kept in OUT/few_shot.jsonl; a run that was stopped goes on where it was, and the table
says what is missing. Seconds are those of training: the whole process of `train`, reading of the model included, against SetFit's `train()`
alone. Both are given as wall clock and as processor time, with the load of the machine before: wall clock means something on an idle
machine only. Needs numpy.
"""
import argparse
import csv
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy

import datasets
from results import Results

SETS = ['ag_news_test7600', 'sst2', 'trec6', 'banking77']
SHOTS, TEST_MAX, MINUTES = 8, 2000, 60
ITERATIONS = 20  # of SetFit: pairs of each kind for each row
BAR = {'ag_news_test7600': 0.83}


def all_rows(data, name, part):
    with open(pathlib.Path(data) / name / f'{part}.csv', newline='', encoding='utf-8') as file:
        return [(row['text'], row['label']) for row in csv.DictReader(file)]


def few_rows(data, name, seed):
    """SHOTS rows of each label, labels in order, by the first rows of a seeded permutation."""
    rows = all_rows(data, name, 'train')
    order = [rows[i] for i in numpy.random.RandomState(seed).permutation(len(rows))]
    return [row for label in sorted({label for _, label in rows}) for row in [r for r in order if r[1] == label][:SHOTS]]


def test_rows(data, name):
    rows = all_rows(data, name, 'test')
    return [rows[i] for i in numpy.random.RandomState(0).permutation(len(rows))[:TEST_MAX]]


def timed(work):
    """What `work` returns, with wall and processor seconds of this process and its children."""
    spent = lambda: sum(u.ru_utime + u.ru_stime for u in (resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)))
    load, wall, processor = os.getloadavg()[0], time.perf_counter(), spent()
    answer = work()
    return answer, {'seconds': time.perf_counter() - wall, 'processor_seconds': spent() - processor, 'load_before': load}


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE, text=True).stdout


def smidgen(options, name, seed):
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        datasets.write(work / 'few.csv', few_rows(options.data, name, seed))
        datasets.write(work / 'test.csv', test_rows(options.data, name))
        trained, times = timed(lambda: json.loads(run(
            options.program, 'train', work / 'few.csv', '--rung', 'encoder', '--minutes-max', MINUTES, '--out', work / 'bundle', '--encoder',
            options.model, '--tokens-max', 128, '--threads', options.threads, '--seed', seed, '--json', '--quiet')))
        found = json.loads(run(options.program, 'eval', work / 'bundle', work / 'test.csv', '--json', '--quiet'))
        return {'accuracy': found['accuracy'], 'settings': trained['settings'], 'notes': trained['notes'],
                'accuracy_out_of_fold': trained['accuracy_out_of_fold'], **times}


def setfit(options, name, seed):
    return fit_setfit(options.model, options.threads, few_rows(options.data, name, seed), test_rows(options.data, name), seed)


def fit_setfit(folder_of_model, threads, few, test, seed):
    os.environ.setdefault('HF_HUB_OFFLINE', '1')
    if sys.modules.get('datasets') is datasets:  # the file beside this one bears the name of a package that SetFit imports
        sys.modules.pop('datasets')
    sys.path[:] = [folder for folder in sys.path if pathlib.Path(folder).resolve() != pathlib.Path(__file__).resolve().parent]
    import datasets as huggingface
    import setfit as package
    import torch
    labels = sorted({label for _, label in few} | {label for _, label in test})
    torch.set_num_threads(threads)
    model = package.SetFitModel.from_pretrained(folder_of_model)
    model.model_body.max_seq_length = 128
    with tempfile.TemporaryDirectory() as folder:
        steps = min(500, -(-2 * ITERATIONS * len(few) // 16))  # max_steps alone would repeat the epoch until there are 500
        arguments = package.TrainingArguments(output_dir=folder, num_iterations=ITERATIONS, max_steps=steps, batch_size=16, num_epochs=1, seed=seed,
                                              report_to='none', save_strategy='no', show_progress_bar=False)
        rows = huggingface.Dataset.from_dict({'text': [t for t, _ in few], 'label': [labels.index(l) for _, l in few]})
        trainer = package.Trainer(model=model, args=arguments, train_dataset=rows)
        _, times = timed(trainer.train)
        answers = model.predict([t for t, _ in test], show_progress_bar=False)
    right = [int(a) == labels.index(l) for a, (_, l) in zip(answers, test)]
    return {'accuracy': sum(right) / len(right), 'setfit': package.__version__, 'torch': torch.__version__,
            'threads': torch.get_num_threads(), 'steps': steps, **times}


def key_of(options, name, seed, method):
    return pathlib.Path(options.model).name, name, seed, method


def seeds_of(name, method):
    """Ten where a bar is to be reached, three where two methods stand side by side."""
    return 10 if name in BAR and method == 'smidgen' else 3


def mean(values):
    return sum(values) / len(values) if values else float('nan')


def table(options, results):
    missing = []
    print(f'{"set":<20}{"method":<9}{"seeds":>6}{"accuracy":>10}{"std. error":>11}{"wall s":>9}{"processor s":>12}{"load":>6}')
    for name in options.sets:
        found = {}
        for method in ('smidgen', 'setfit'):
            seeds = range(1, min(options.seeds, seeds_of(name, method)) + 1)
            missing += [f'{name} seed {seed} {method}' for seed in seeds if key_of(options, name, seed, method) not in results]
            found[method] = {seed: results[key] for seed in seeds if (key := key_of(options, name, seed, method)) in results}
            rows = list(found[method].values())
            if rows:
                accuracies = [row['accuracy'] for row in rows]
                error = numpy.std(accuracies, ddof=1) / len(rows) ** 0.5 if len(rows) > 1 else float('nan')
                print(f'{name:<20}{method:<9}{len(rows):>6}{mean(accuracies):>10.4f}{error:>11.4f}' + ''.join(
                    f'{mean([row[key] for row in rows]):>{width}.1f}' for key, width in (('seconds', 9), ('processor_seconds', 12), ('load_before', 6))))
        both = sorted(set(found['smidgen']) & set(found['setfit']))
        if both:
            ours, theirs = ([found[m][seed] for seed in both] for m in ('smidgen', 'setfit'))
            ratio = lambda key: sum(r[key] for r in theirs) / sum(r[key] for r in ours)
            print(f'{"":<20}same {len(both)} seed(s): {mean([r["accuracy"] for r in ours]):.4f} against {mean([r["accuracy"] for r in theirs]):.4f}; '
                  f'{ratio("seconds"):.1f} times faster by wall clock, {ratio("processor_seconds"):.1f} by processor time')
        if name in BAR and len(found['smidgen']) == 10:
            reached = mean([row['accuracy'] for row in found['smidgen'].values()])
            print(f'{"":<20}mean of 10 seeds: {reached:.4f}, bar {BAR[name]}: {"reached" if reached >= BAR[name] else "NOT reached"}')
    print('missing: ' + (', '.join(missing) or 'nothing'))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ('model', 'data', 'out'):
        parser.add_argument(name)
    parser.add_argument('--program')
    parser.add_argument('--setfit', action='store_true')
    parser.add_argument('--table', action='store_true')
    parser.add_argument('--sets', type=lambda text: text.split(','), default=SETS)
    parser.add_argument('--seeds', type=int, default=10)
    parser.add_argument('--threads', type=int, default=2)
    options = parser.parse_args()
    results = Results(options.out, 'few_shot', ('encoder', 'set', 'seed', 'method'))
    methods = ([('smidgen', smidgen)] if options.program else []) + ([('setfit', setfit)] if options.setfit else [])
    for seed in range(1, options.seeds + 1):
        for name in options.sets:
            for method, measure in methods:
                key = key_of(options, name, seed, method)
                if key in results or seed > seeds_of(name, method):
                    continue
                print(json.dumps(results.add(key, measure(options, name, seed))), flush=True)
    table(options, results)


if __name__ == '__main__':
    main()
