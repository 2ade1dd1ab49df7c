"""One training step of an encoder: smidgen beside PyTorch, in turns, in one run.

    python3 bench/fine_tune_step.py BENCH_FINE_TUNE_STEP MODEL [--rows 32] [--tokens 32] [--threads 1,2] [--rounds 9] [--f32] [--python PYTHON]

Both do forward, loss, backward, clipping and AdamW on the same number of random tokens, PyTorch in bf16 autocast and in f32. Prints for each
number of threads the median milliseconds of a step (wall and processor time), the peak memory, and PyTorch's time over ours as the median
and quartiles of the rounds. Other work on the machine moves wall times; processor times move less.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

PEER = pathlib.Path(__file__).with_name('fine_tune_peer.py')


class Contestant:
    def __init__(self, *words):
        self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.rounds = []

    def round(self, keep=True):
        self.process.stdin.write('\n')
        found = json.loads(self.process.stdout.readline())
        if keep:
            self.rounds.append(found)

    def values(self, key):
        return [found[key] for found in self.rounds]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('program')
    parser.add_argument('model')
    parser.add_argument('--rows', type=int, default=32)
    parser.add_argument('--tokens', type=int, default=32)
    parser.add_argument('--threads', type=lambda text: [int(one) for one in text.split(',')], default=[1, 2])
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('--python', default=sys.executable)
    parser.add_argument('--f32', action='store_true', help='ours in f32 too, and against it PyTorch in f32')
    options = parser.parse_args()
    for threads in options.threads:
        ours = [options.program, options.model, f'rows={options.rows}', f'tokens={options.tokens}', f'threads={threads}']
        theirs = [options.python, PEER, 'step', options.model, '--rows', options.rows, '--tokens', options.tokens, '--threads', threads]
        all_of = {'smidgen': Contestant(*ours), 'torch bf16': Contestant(*theirs), 'torch f32': Contestant(*theirs, '--f32')}
        if options.f32:
            all_of['smidgen f32'] = Contestant(*ours, 'bf16=0')
        for number in range(options.rounds + 1):
            for one in all_of.values():
                one.round(keep=number > 0)  # the first pays for memory
        first = all_of['smidgen'].rounds[0]
        print(f'{options.rows} rows x {options.tokens} tokens, {threads} threads; smidgen {first["isa"]}, {first["precision"]}; '
              f'torch {all_of["torch f32"].rounds[0]["torch"]}')
        for name, one in all_of.items():
            against = all_of['smidgen f32' if options.f32 and name == 'torch f32' else 'smidgen']
            text = ''
            if name != 'smidgen':
                for key in ('wall_ms', 'processor_ms'):
                    ratios = sorted(a / b for a, b in zip(one.values(key), against.values(key)))
                    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
                    text += f'  {key[:-3]} / ours {middle:.2f} ({low:.2f} .. {high:.2f})'
            print(f'  {name:<12} wall {statistics.median(one.values("wall_ms")):8.1f} ms  processor '
                  f'{statistics.median(one.values("processor_ms")):8.1f} ms  peak {max(one.values("peak_mb")):5d} MB{text}', flush=True)
        for one in all_of.values():
            one.close()


main()
