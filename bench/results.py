"""Measurements as they are made, one line of JSON each, so that none is made twice; what docs/ quotes is kept in bench/results/."""
import json
import os
import pathlib
import subprocess
import sys


class Results:
    """The lines of FOLDER/NAME.jsonl by the values of their fields KEY. A line is written at once and stays; several programs may add to a file.
    To measure something again, remove its line."""

    def __init__(self, folder, name, key):
        self.path, self.key = pathlib.Path(folder) / f'{name}.jsonl', key
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        self.found = {}
        for number, line in enumerate(self.path.read_text(encoding='utf-8').splitlines(), 1):
            try:
                one = json.loads(line)
            except json.JSONDecodeError:  # a disk that was full
                print(f'{self.path}:{number}: not a result, passed over', file=sys.stderr)
                continue
            self.found[tuple(one[field] for field in key)] = one

    def __contains__(self, values):
        return values in self.found

    def __getitem__(self, values):
        return self.found[values]

    def get(self, values):
        return self.found.get(values)

    def add(self, result):
        """Returns what is kept: the result, with the processor and the commit it is of."""
        result = {**result, 'processor': processor(), 'commit': commit()}
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND)
        try:
            size = os.fstat(descriptor).st_size
            whole = size == 0 or os.pread(descriptor, 1, size - 1) == b'\n'
            os.write(descriptor, (('' if whole else '\n') + json.dumps(result) + '\n').encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.found[tuple(result[field] for field in self.key)] = result
        return result


def processor():
    """Its name, and the fastest of what it has for products in low precision."""
    with open('/proc/cpuinfo', encoding='ascii') as file:
        lines = dict(map(str.strip, line.split(':', 1)) for line in file if ':' in line)
    flags = lines.get('flags', '').split()
    return f'{lines.get("model name", "?")}, {next((f for f in ("amx_bf16", "avx512_bf16", "avx512_vnni", "avx_vnni", "avx2") if f in flags), "none")}'


def commit():
    """Of the checkout this file is in."""
    done = subprocess.run(['git', 'describe', '--always', '--dirty'], cwd=pathlib.Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def packed(right):
    """A string of '0' and '1', one a row, in a quarter of its length; `unpacked` gives it back."""
    return f'{int("1" + right, 2):x}'


def unpacked(text):
    return f'{int(text, 16):b}'[1:]
