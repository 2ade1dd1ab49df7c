"""smidgen's encoder beside ONNX Runtime, OpenVINO, CTranslate2 and PyTorch, each in its best precision and settings, in one
interleaved run on one core; then real text in the order in which it came, on two.

    python3 bench/peers/install.py VENV
    VENV/bin/python bench/peers/run.py --model MINILM_FOLDER --data SETS --work WORK [--only NAME ..] [--quick]

SETS holds banking77/ and clinc150_oos/ (test.csv with columns text,label), WORK keeps exported models and results: what is there is
not measured again, so an interrupted run goes on where it stopped (--again measures anew). Times are wall-clock medians, so the
machine must have nothing else to do. Every round asks each engine in turn; ratios are taken within a round and shown as
median and quartiles. A ratio above 1 says that smidgen's fastest precision is faster. Cosines are of the mean-pooled vector to that of
PyTorch in f32, over 100 real texts (for the model with random weights: 100 random sequences).
"""
import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import export  # noqa: E402

OURS = ['smidgen-f32', 'smidgen-bf16', 'smidgen-int8']
PEERS = ['onnxruntime-f32', 'onnxruntime-int8', 'openvino-f32', 'openvino-bf16', 'openvino-int8', 'ctranslate2-int8', 'torch-f32',
         'torch-bf16']
SHAPES = {'minilm': [(1, 16), (1, 32), (1, 128), (1, 512), (32, 16), (16, 128)], 'distilbert': [(1, 16), (1, 32), (1, 128)]}
TEXT_BATCHES = [1, 8, 32]

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument('--model', required=True, type=pathlib.Path, help='folder of all-MiniLM-L6-v2')
parser.add_argument('--data', required=True, type=pathlib.Path)
parser.add_argument('--work', required=True, type=pathlib.Path)
parser.add_argument('--server', type=pathlib.Path, default=HERE.parent.parent / 'build/release/bench_encoder_server')
parser.add_argument('--rounds', type=int, default=9)
parser.add_argument('--seconds', type=float, default=0.3, help='per engine and round')
parser.add_argument('--only', nargs='*', help='engines, such as openvino-int8')
parser.add_argument('--models', nargs='*', default=list(SHAPES), choices=list(SHAPES))
parser.add_argument('--no-texts', action='store_true', help='leave the real text out')
parser.add_argument('--again', action='store_true', help='forget the results that are there')
parser.add_argument('--quick', action='store_true', help='one short round, to see that everything works')
options = parser.parse_args()
if options.quick:
    options.rounds, options.seconds = 1, 0.05


class Engine:
    """A child process on `cores` that answers one line at a time."""

    def __init__(self, name, folder, forms, cores):
        family, _, precision = name.rpartition('-')
        if family == 'smidgen':
            command = [options.server, folder, precision]
        else:
            command = [sys.executable, HERE / 'engine.py', name, folder, forms, len(cores)]
        self.name = name
        self.child = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                      bufsize=1, preexec_fn=lambda: os.sched_setaffinity(0, cores))
        self.what = self.child.stdout.readline().strip()
        if not self.what:
            raise RuntimeError(f'{name} does not start')

    def ask(self, *words):
        self.child.stdin.write(' '.join(map(str, words)) + '\n')
        line = self.child.stdout.readline()
        if not line.strip():
            raise RuntimeError(f'{self.name} has no answer to {words[:4]}')
        return [float(number) for number in line.split()]

    def stop(self):
        self.child.stdin.close()
        self.child.wait()


class Results:
    """A JSON file that is written after each measurement."""

    def __init__(self, path):
        self.path = path
        self.values = json.loads(path.read_text()) if path.exists() and not options.again else {}

    def measured(self, key, measure):
        if key not in self.values:
            self.values[key] = measure()
            temporary = self.path.with_suffix('.tmp')
            temporary.write_text(json.dumps(self.values, indent=1))
            temporary.rename(self.path)
        return self.values[key]


def texts_of(name):
    with open(options.data / name / 'test.csv', newline='', encoding='utf-8') as file:
        return [' '.join(row['text'].split()) for row in csv.DictReader(file)]


def quartiles(values):
    ordered = sorted(values)
    return [ordered[round(q * (len(ordered) - 1))] for q in (0.25, 0.5, 0.75)]


def token_ids(folder, texts):
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(folder / 'tokenizer.json'))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    return [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def start(names, folder, forms, cores):
    engines = []
    for name in names:
        try:
            engines.append(Engine(name, folder, forms, cores))
        except (RuntimeError, OSError) as error:
            print(f'left out: {error}', flush=True)
    return engines


def cosines(engines, sequences):
    """Mean and worst cosine of each engine's vectors to those of torch-f32."""
    vectors = {engine.name: [engine.ask('embed', *ids) for ids in sequences] for engine in engines}
    if 'torch-f32' not in vectors:
        return {}
    found = {}
    for name, rows in vectors.items():
        pairs = zip(np.array(rows), np.array(vectors['torch-f32']))
        values = [float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in pairs]
        found[name] = [statistics.mean(values), min(values)]
    return found


def interleaved(engines, rows, tokens):
    """Milliseconds of a call: one list over the rounds for each engine."""
    rounds = {engine.name: [] for engine in engines}
    for _ in range(options.rounds):
        for engine in engines:
            rounds[engine.name].append(engine.ask('time', rows, tokens, options.seconds)[0])
    return rounds


def show_latency(model, shapes, results, what):
    print(f'\n{model}: median ms a row (x: times smidgen\'s fastest, quartiles)')
    for rows, tokens in shapes:
        rounds = results.values[f'{model} {rows}x{tokens}']
        best = min((name for name in rounds if name in OURS), key=lambda name: statistics.median(rounds[name]))
        print(f'  {rows} x {tokens} tokens')
        for name in sorted(rounds, key=lambda name: statistics.median(rounds[name])):
            low, middle, high = quartiles([theirs / ours for theirs, ours in zip(rounds[name], rounds[best])])
            mean, worst = results.values[f'{model} cosines'].get(name, (float('nan'), float('nan')))
            print(f'    {name:17s} {statistics.median(rounds[name]) / rows:9.3f} ms   x {middle:5.2f} ({low:.2f} .. {high:.2f})   '
                  f'cosine {mean:.4f}, worst {worst:.4f}   {what.get(name, "")}')
        peers = [name for name in rounds if name not in OURS]
        if peers:
            rival = min(peers, key=lambda name: statistics.median(rounds[name]))
            low, middle, high = quartiles([theirs / ours for theirs, ours in zip(rounds[rival], rounds[best])])
            print(f'    -> {best} is {middle:.2f} times as fast as the fastest peer, {rival} (quartiles {low:.2f} .. {high:.2f})', flush=True)


def latency(model, folder, forms, sequences, names, results):
    cores = {sorted(os.sched_getaffinity(0))[-1]}
    engines = start(names, folder, forms, cores)
    what = {engine.name: engine.what for engine in engines}
    results.measured(f'{model} cosines', lambda: cosines(engines, sequences))
    for rows, tokens in SHAPES[model]:
        results.measured(f'{model} {rows}x{tokens}', lambda: interleaved(engines, rows, tokens))
    for engine in engines:
        engine.stop()
    show_latency(model, SHAPES[model], results, what)


def throughput(folder, forms, names, results):
    """Rows a second on two cores, each engine at the batch that suits it."""
    cores = set(sorted(os.sched_getaffinity(0))[-2:])
    for name in ('banking77', 'clinc150_oos'):
        file = options.work / f'{name}.txt'
        texts = texts_of(name)[:200] if options.quick else texts_of(name)
        file.write_text('\n'.join(texts) + '\n', encoding='utf-8')

        def measure():
            engines = start(names, folder, forms, cores)
            found = {engine.name: {str(batch): [] for batch in TEXT_BATCHES} for engine in engines}
            for turn in range(1 + max(3, options.rounds // 3)):  # the first warms up
                for batch in TEXT_BATCHES:
                    for engine in engines:
                        rate = engine.ask('texts', file, len(cores), batch)[0]
                        if turn > 0:
                            found[engine.name][str(batch)].append(rate)
            for engine in engines:
                engine.stop()
            return found

        found = results.measured(f'texts {name}', measure)
        best = {engine: max((statistics.median(rates), batch) for batch, rates in batches.items()) for engine, batches in found.items()}
        print(f'\n{name}, {len(texts)} texts in arrival order, {len(cores)} cores, tokenization included: rows/s')
        ours = max(rate for engine, (rate, _) in best.items() if engine in OURS)
        for engine, (rate, batch) in sorted(best.items(), key=lambda item: -item[1][0]):
            print(f'    {engine:17s} {rate:9.0f}   (batches of {batch})   smidgen\'s fastest is {ours / rate:.2f} times as fast', flush=True)


def main():
    options.work.mkdir(parents=True, exist_ok=True)
    names = [name for name in OURS + PEERS if not options.only or name in options.only or name == 'smidgen-f32']
    with open('/proc/cpuinfo', encoding='utf-8') as info:
        lines = info.read().splitlines()
    said = lambda what: next((line.split(':')[1].strip() for line in lines if line.startswith(what)), '?')
    kind = f'{said("model name")} (family {said("cpu family")}, model {said("model" + chr(9))})'  # some names say nothing
    flags = next(line for line in lines if line.startswith('flags')).split()
    wanted = [flag for flag in ('avx2', 'avx_vnni', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'amx_int8', 'amx_bf16') if flag in flags]
    print(f'{kind}: {" ".join(wanted)}; {options.rounds} rounds of {options.seconds} s', flush=True)
    results = Results(options.work / ('quick.json' if options.quick else 'results.json'))
    now = {'processor': kind, 'flags': wanted, 'rounds': options.rounds, 'seconds': options.seconds, 'engines': names}
    if results.measured('machine', lambda: now) != now:
        raise SystemExit(f'{results.path} holds results of another machine, other rounds or other engines: pass --again to begin anew')
    calibration = token_ids(options.model, texts_of('clinc150_oos')[:300])
    real = token_ids(options.model, texts_of('banking77')[::31])[:100]
    if 'minilm' in options.models:
        forms = export.export(options.model, options.work / 'minilm', calibration)
        latency('minilm', options.model, forms, real, names, results)
        if not options.no_texts:
            throughput(options.model, forms, names, results)
    if 'distilbert' in options.models:
        folder = export.distilbert(options.work, options.model)
        random = np.random.RandomState(0)
        sequences = [random.randint(1000, 20000, random.randint(8, 128)).tolist() for _ in range(300)]
        forms = export.export(folder, options.work / 'distilbert', sequences)
        latency('distilbert', folder, forms, sequences[:100], names, results)


main()
