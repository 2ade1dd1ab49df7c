"""`train --minutes-max` killed with SIGKILL at random moments goes on where it was and ends with the same weights.

Usage: resume_test.py ROOT BUILD"""
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

ROOT, PROGRAM = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve() / 'smidgen'
ROWS, KILLS = 600, 12


def rows():
    """Which of two words comes first: nothing a frozen mean of word vectors tells."""
    lines = ['text,label']
    for i in range(ROWS):
        swapped = i * 7919 % 101 % 2
        words = ['bad' if swapped else 'good', chr(97 + i % 26) + chr(97 + i // 26 % 26), 'good' if swapped else 'bad']
        lines.append(f'{" ".join(words)},{"swapped" if swapped else "straight"}')
    return '\n'.join(lines) + '\n'


def main():
    random.seed(1)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / 'rows.csv').write_text(rows(), encoding='utf-8')
        state = folder / 'state'
        command = [PROGRAM, 'train', folder / 'rows.csv', '--rung', 'encoder', '--encoder', ROOT / 'tests' / 'golden' / 'tiny_bert',
                   '--minutes-max', '30', '--out', folder / 'bundle', '--quiet', '--force']
        environment = {key: value for key, value in os.environ.items() if not key.startswith('SMIDGEN_')} | {
            'HOME': str(folder), 'XDG_CONFIG_HOME': str(folder / 'config'), 'XDG_STATE_HOME': str(state),
            'XDG_CACHE_HOME': str(folder / 'cache')}

        def run(seconds=None):
            child = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            try:
                return child.communicate(timeout=seconds)[0], child.returncode
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                return None, None

        start = time.time()
        text, code = run()
        whole = time.time() - start
        if code != 0:
            sys.exit(f'resume_test: train ended with {code}: {text}')
        weights = next((folder / 'bundle').rglob('model.safetensors')).read_bytes()
        if weights == (ROOT / 'tests' / 'golden' / 'tiny_bert' / 'model.safetensors').read_bytes():
            sys.exit('resume_test: nothing was fine-tuned')
        shutil.rmtree(folder / 'bundle')
        killed = 0
        for _ in range(KILLS):
            killed += run(random.uniform(0.1, 0.8) * whole)[1] is None
            if (folder / 'bundle').exists():  # it came to its end, or nearly: then the bundle is whole
                if next((folder / 'bundle').rglob('model.safetensors')).read_bytes() != weights:
                    sys.exit('resume_test: a bundle with other weights')
                shutil.rmtree(folder / 'bundle')
        text, code = run()
        if code != 0:
            sys.exit(f'resume_test: train ended with {code} after {killed} kills: {text}')
        if next((folder / 'bundle').rglob('model.safetensors')).read_bytes() != weights:
            sys.exit('resume_test: other weights than without being killed')
        if list(state.rglob('checkpoint*')) or list(state.rglob('plan')):
            sys.exit('resume_test: the state of a finished run was left behind')
        if killed == 0:
            sys.exit(f'resume_test: no run was killed')
        print(f'killed {killed} times, same weights')


main()
