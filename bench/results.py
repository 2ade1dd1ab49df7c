"""Measurements as they are made, one line of JSON each, so that none is made twice. bench/results/ keeps some of what docs/ quotes, from one day
of measuring to the next."""
import json
import os
import pathlib
import subprocess
import sys


class Results:
    """The lines of FOLDER/NAME.jsonl by the values of their fields KEY. A line is written at once and stays; several programs may add to a file.
    Each says on which processor, and from which commit of this checkout, it was measured. To measure something again, remove its line."""

    def __init__(self, folder, name, key):
        self.path, self.key = pathlib.Path(folder) / f'{name}.jsonl', key
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        self.origin = {'processor': processor(), 'commit': commit()}
        self.found = {}
        for number, line in enumerate(self.path.read_text(encoding='utf-8').splitlines(), 1):
            try:
                one = json.loads(line)
                self.found[tuple(one[field] for field in key)] = one
            except (json.JSONDecodeError, KeyError, TypeError):  # cut by a full disk, or another program's
                print(f'{self.path}:{number}: not a result, passed over', file=sys.stderr)

    def __contains__(self, values):
        return values in self.found

    def __getitem__(self, values):
        return self.found[values]

    def get(self, values):
        return self.found.get(values)

    def add(self, values, measured):
        """Returns what is kept: the values of the fields KEY, what was measured, and where that was."""
        result = {**dict(zip(self.key, values)), **measured, **self.origin}
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND)
        try:
            size = os.fstat(descriptor).st_size
            whole = size == 0 or os.pread(descriptor, 1, size - 1) == b'\n'
            line = (('' if whole else '\n') + json.dumps(result) + '\n').encode()
            if os.write(descriptor, line) < len(line):
                raise OSError(f'{self.path}: no room')
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.found[tuple(values)] = result
        return result

    def origins(self, keys):
        """A line for a table: where the results of these keys are from."""
        found = [self.found[key] for key in keys if key in self.found]
        texts = lambda field: ', '.join(sorted({str(one.get(field)) for one in found}))
        return f'measured on {texts("processor")}; commits {texts("commit")}' if found else 'nothing measured'


def processor():
    """Its name, and the fastest of what it has for products in low precision."""
    try:
        file = open('/proc/cpuinfo', encoding='utf-8', errors='replace')
    except OSError:
        return 'unknown'
    with file:
        lines = dict(map(str.strip, line.split(':', 1)) for line in file if ':' in line)
    flags = lines.get('flags', '').split()
    name = f'{lines.get("model name", "?")} (family {lines.get("cpu family", "?")}, model {lines.get("model", "?")})'  # some names say nothing
    return f'{name}, {next((f for f in ("amx_bf16", "avx512_bf16", "avx512_vnni", "avx_vnni", "avx2") if f in flags), "none")}'


def commit():
    """Of the checkout this file is in, with a mark when more than bench/results/ is changed."""
    git = lambda *words: subprocess.run(['git', *words], cwd=pathlib.Path(__file__).parent.parent, capture_output=True, text=True, check=False).stdout.strip()
    changed = git('status', '--porcelain', '--untracked-files=no', '--', '.', ':(exclude)bench/results')
    return (git('rev-parse', '--short', 'HEAD') or 'unknown') + ('-dirty' if changed else '')


def version_of(program):
    """What the program that is measured says of itself: its version and commit."""
    return subprocess.run([program, '--version'], capture_output=True, text=True, check=True).stdout.split('\n')[0].strip()


def same_settings(folder, **settings):
    """Ends the program when FOLDER holds results of other settings: they would stand in one table with those to come."""
    path, settings = pathlib.Path(folder) / 'settings.json', {name: str(value) for name, value in settings.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        before = json.loads(path.read_text(encoding='utf-8'))
        other = [f'{name} was {before.get(name)}, is {value}' for name, value in settings.items() if before.get(name) != value]
        if other:
            sys.exit(f'{folder} holds results of other settings ({"; ".join(other)}): name another folder, or remove them')
    else:
        write_whole(path, json.dumps(settings))


def write_whole(path, text):
    """Whole or not at all."""
    temporary = pathlib.Path(f'{path}.tmp')
    temporary.write_text(text, encoding='utf-8')
    temporary.rename(path)


def packed(right):
    """A string of '0' and '1', one a row, in a quarter of its length; `unpacked` gives it back."""
    return f'{int("1" + right, 2):x}'


def unpacked(text):
    return f'{int(text, 16):b}'[1:]
