"""Encoder against ONNX Runtime and PyTorch, f32, one thread each, interleaved round by round in one run.

Usage: python bench/encoder_peers.py MODEL_FOLDER BENCH_ENCODER [--lengths 16,32,128] [--rounds 9] [--seconds 0.3]
Needs torch, transformers, onnxruntime (and onnx). Prints the median ms of a call and the ratio to smidgen, with the
quartiles of the rounds, and checks that the peers give the same pooled vector (that ours is PyTorch's is tested elsewhere).
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument('model')
parser.add_argument('bench_encoder')
parser.add_argument('--lengths', default='16,32,128')
parser.add_argument('--rounds', type=int, default=9)
parser.add_argument('--seconds', type=float, default=0.3, help='per engine and round')
parser.add_argument('--torch', action='store_true', help='time PyTorch too')
options = parser.parse_args()
os.environ['OMP_NUM_THREADS'] = '1'

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
import torch  # noqa: E402
from transformers import AutoModel  # noqa: E402

torch.set_num_threads(1)
core = sorted(os.sched_getaffinity(0))[-1]
os.sched_setaffinity(0, {core})  # the child below inherits it: one core for all, one at a time


class LastHidden(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


wrapped = LastHidden(AutoModel.from_pretrained(options.model).eval()).eval()
vocabulary = wrapped.model.config.vocab_size


def inputs(rows, tokens):
    ids = np.random.RandomState(tokens).randint(0, vocabulary, (rows, tokens)).astype(np.int64)
    return ids, np.ones_like(ids)


with tempfile.TemporaryDirectory() as folder:
    onnx_path = str(pathlib.Path(folder) / 'f32.onnx')
    ids, mask = inputs(2, 16)
    axes = {0: 'rows', 1: 'tokens'}
    torch.onnx.export(wrapped, (torch.from_numpy(ids), torch.from_numpy(mask)), onnx_path,
                      input_names=['input_ids', 'attention_mask'], output_names=['y'],
                      dynamic_axes={'input_ids': axes, 'attention_mask': axes, 'y': axes}, opset_version=17, dynamo=False)
    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = session_options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx_path, session_options, providers=['CPUExecutionProvider'])


def onnx_run(ids, mask):
    return session.run(None, {'input_ids': ids, 'attention_mask': mask})[0]


def torch_run(ids, mask):
    with torch.inference_mode():
        return wrapped(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()


def timed(run, rows, tokens):
    ids, mask = inputs(rows, tokens)
    for _ in range(2):
        run(ids, mask)
    times, start = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - start < options.seconds:
        before = time.thread_time()  # processor time: other programs' share of the core is not counted
        run(ids, mask)
        times.append((time.thread_time() - before) * 1e3)
    return statistics.median(times)


child = subprocess.Popen([options.bench_encoder, options.model, '--interactive'], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True, bufsize=1)


def smidgen_timed(rows, tokens):
    child.stdin.write(f'{rows} {tokens} {options.seconds}\n')
    return float(child.stdout.readline())


engines = {'smidgen': smidgen_timed, f'onnxruntime {onnxruntime.__version__}': lambda r, t: timed(onnx_run, r, t)}
if options.torch:
    engines[f'torch {torch.__version__}'] = lambda r, t: timed(torch_run, r, t)
ids, mask = inputs(1, 16)
difference = np.abs(onnx_run(ids, mask) - torch_run(ids, mask)).max()
assert difference < 1e-3, f'the exported graph differs from torch by {difference}'
with open('/proc/cpuinfo', encoding='utf-8') as info:
    print(next(line.split(':')[1].strip() for line in info if line.startswith('model name')), f'core {core}, f32, one thread')
shapes = [(1, int(t)) for t in options.lengths.split(',')]
for rows, tokens in shapes:
    rounds = {name: [] for name in engines}
    for _ in range(options.rounds):
        for name, run in engines.items():
            rounds[name].append(run(rows, tokens))
    for name, times in rounds.items():
        ratios = sorted(t / s for t, s in zip(times, rounds['smidgen']))
        low, middle, high = (ratios[int(q * (len(ratios) - 1))] for q in (0.25, 0.5, 0.75))
        print(f'{rows} x {tokens:3d} tokens  {name:22s} {statistics.median(times):8.3f} ms   '
              f'x {middle:.2f} of smidgen (quartiles {low:.2f} .. {high:.2f})', flush=True)
child.stdin.close()
child.wait()
