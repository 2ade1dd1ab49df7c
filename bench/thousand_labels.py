"""What 1,000 labelled rows are worth, each rung beside its peer on the same rows.

    python3 bench/thousand_labels.py MODEL_FOLDER DATA OUT --program build/release/smidgen [--sets a,b] [--seeds N] [--rows 1000]
    python  bench/thousand_labels.py MODEL_FOLDER DATA OUT --peers     needs scikit-learn, model2vec
    python  bench/thousand_labels.py MODEL_FOLDER DATA OUT --setfit    needs setfit 1.2.0 and its torch
    python3 bench/thousand_labels.py MODEL_FOLDER DATA OUT --table

The first --rows of NumPy's RandomState(seed).permutation of the train rows, judged on the official test rows. --program: `smidgen train --rung
all --minutes-max 60` and `smidgen eval` of every bundle, as a user would. --peers: TF-IDF + logistic regression and model2vec + logistic
regression, as quality_peers.py has them. --setfit: as few_shot.py has it (num_iterations 20, at most 500 steps). One line a set, seed and
contestant is kept in OUT/thousand_labels.jsonl (with OUT bench/results, beside what is kept there); a run that was stopped goes on where it was, and the
table says what is missing. Bars: linear not below TF-IDF, static above model2vec, encoder above SetFit, blend above all. Needs numpy.
"""
import argparse
import functools
import json
import pathlib
import sys
import tempfile

import numpy

import datasets
import few_shot
from results import Results

SETS = ['banking77', 'trec6', 'sst2', 'ag_news_test7600', 'tweeteval_emotion']
RUNGS = ['linear', 'static', 'encoder', 'blend']
BESIDE = [('linear', 'tfidf'), ('static', 'model2vec'), ('encoder', 'setfit')]


def train_rows(options, name, seed):
    rows = few_shot.all_rows(options.data, name, 'train')
    return [rows[i] for i in numpy.random.RandomState(seed).permutation(len(rows))[:options.rows]]


def test_rows(options, name):
    return datasets.rows(options.data, name, 'test')


def smidgen(options, name, seed):
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        datasets.write(work / 'train.csv', train_rows(options, name, seed))
        datasets.write(work / 'test.csv', test_rows(options, name))
        trained, times = few_shot.timed(lambda: json.loads(few_shot.run(
            options.program, 'train', work / 'train.csv', '--rung', 'all', '--minutes-max', 60, '--out', work / 'bundles', '--encoder',
            options.model, '--tokens-max', 128, '--threads', options.threads, '--seed', seed, '--json', '--quiet')))
        accuracy = lambda rung: json.loads(few_shot.run(
            options.program, 'eval', work / 'bundles' / rung, work / 'test.csv', '--json', '--quiet'))['accuracy']
        return {'accuracies': {rung: accuracy(rung) for rung in RUNGS}, 'notes': trained[0]['notes'], **times}


@functools.cache
def distilled(model):
    from model2vec.distill import distill
    return distill(model_name=model, pca_dims=256)


def peers(options, name, seed):
    import quality_peers
    train, test = train_rows(options, name, seed), test_rows(options, name)
    labels, truth = numpy.array([label for _, label in train]), numpy.array([label for _, label in test])
    texts, wanted = [text for text, _ in train], [text for text, _ in test]
    static = distilled(options.model)
    right = lambda answers: float((numpy.asarray(answers) == truth).mean())
    return {'accuracies': {'tfidf': right(quality_peers.tfidf(texts, labels, wanted)),
                           'model2vec': right(quality_peers.head(static.encode(texts), labels, static.encode(wanted), (4, 16, 64)))}}


def setfit(options, name, seed):
    found = few_shot.fit_setfit(options.model, options.threads, train_rows(options, name, seed), test_rows(options, name), seed)
    return {'accuracies': {'setfit': found.pop('accuracy')}, **found}


def key_of(options, name, seed, contestant):
    return pathlib.Path(options.model).name, name, seed, contestant, options.rows


def table(options, results):
    shown, missing, missed = RUNGS + ['tfidf', 'model2vec', 'setfit'], [], []
    print(f'{"set":<20}' + ''.join(f'{what:>18}' for what in shown))
    for name in options.sets:
        found = {}  # by contestant, then seed
        for seed in range(1, options.seeds + 1):
            for contestant in ('smidgen', 'peers', 'setfit'):
                stored = results.get(key_of(options, name, seed, contestant))
                if not stored:
                    missing.append(f'{name} seed {seed} {contestant}')
                    continue
                for what, accuracy in stored['accuracies'].items():
                    found.setdefault(what, {})[seed] = accuracy
        mean = {what: sum(values.values()) / len(values) for what, values in found.items()}
        pairs = [pair for pair in BESIDE if all(what in found for what in pair)] + [('blend', what) for what in found if what != 'blend' and 'blend' in found]
        print(f'{name:<20}' + ''.join((f'{mean[what]:.4f} ({len(found[what])})' if what in mean else '-').rjust(18) for what in shown))
        for ours, theirs in pairs:  # on the seeds that both have
            both = found[ours].keys() & found[theirs].keys()
            if both and sum(found[ours][seed] for seed in both) < sum(found[theirs][seed] for seed in both):
                missed.append(f'{name}: {ours} below {theirs}')
    print('missed: ' + ('; '.join(missed) or 'nothing'))
    print('missing: ' + (', '.join(missing) or 'nothing'))
    print(results.origins([key_of(options, name, seed, contestant) for name in options.sets for seed in range(1, options.seeds + 1)
                           for contestant in ('smidgen', 'peers', 'setfit')]))
    return not missed and not missing


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ('model', 'data', 'out'):
        parser.add_argument(name)
    parser.add_argument('--program')
    for flag in ('--peers', '--setfit', '--table'):
        parser.add_argument(flag, action='store_true')
    parser.add_argument('--sets', type=lambda text: text.split(','), default=SETS)
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--rows', type=int, default=1000)
    parser.add_argument('--threads', type=int, default=2)
    options = parser.parse_args()
    results = Results(options.out, 'thousand_labels', ('encoder', 'set', 'seed', 'contestant', 'rows'))
    chosen = [('smidgen', smidgen, options.program), ('peers', peers, options.peers), ('setfit', setfit, options.setfit)]
    for seed in range(1, options.seeds + 1):
        for name in options.sets:
            for contestant, measure, wanted in chosen:
                key = key_of(options, name, seed, contestant)
                if not wanted or key in results:
                    continue
                result = results.add(key, measure(options, name, seed))
                print(name, seed, {what: round(value, 4) for what, value in result['accuracies'].items()}, flush=True)
    sys.exit(0 if table(options, results) else 1)


if __name__ == '__main__':
    main()
