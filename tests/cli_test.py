"""The command line, as transcripts anyone can write: tests/transcripts/*.txt.

    --- tickets.csv           a file: everything up to a line of three dashes
    text,label
    ---
    $ smidgen run x.smidgen   a command for the shell; both its streams are compared with the lines below it
    ... no such bundle ...    "..." stands for anything; alone on a line, for any number of lines
    [exit 66]                 the exit code, when it is not 0

A line beginning with "# " is a comment; "# needs: NAME" skips the transcript where that environment variable is unset.
Each transcript runs in an empty folder of its own, with HOME there, without a network or terminal; $GOLDEN is tests/golden.
`python3 tests/cli_test.py ROOT BUILD --show NAME` prints what the commands say, to write a transcript from.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(sys.argv[1]).resolve()
PROGRAM = pathlib.Path(os.environ.get('SMIDGEN_PROGRAM', str(pathlib.Path(sys.argv[2]) / 'smidgen'))).resolve()
SHOW = sys.argv[4] if len(sys.argv) > 4 and sys.argv[3] == '--show' else None


def parse(text):
    """Yields ('file', name, text) and ('command', line number, command, expected lines, exit code)."""
    lines = text.split('\n')
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.startswith('--- '):
            end = lines.index('---', at)
            yield 'file', line[4:], ''.join(one + '\n' for one in lines[at:end])
            at = end + 1
        elif line.startswith('$ '):
            number, command, expected, code = at, line[2:], [], 0
            while at < len(lines) and not lines[at].startswith(('$ ', '--- ', '# ')):
                exit_code = re.fullmatch(r'\[exit (\d+)\]', lines[at])
                if exit_code:
                    code = int(exit_code.group(1))
                else:
                    expected.append(lines[at])
                at += 1
            while expected and not expected[-1]:
                expected.pop()
            yield 'command', number, command, expected, code


def matches(expected, actual):
    if not expected:
        return not actual
    if expected[0] == '...':
        return any(matches(expected[1:], actual[skip:]) for skip in range(len(actual) + 1))
    pattern = '.*'.join(re.escape(part) for part in expected[0].split('...'))
    return bool(actual) and re.fullmatch(pattern, actual[0]) is not None and matches(expected[1:], actual[1:])


def run(command, folder):
    environment = {'PATH': f'{PROGRAM.parent}:/usr/bin:/bin', 'HOME': str(folder), 'LC_ALL': 'C.UTF-8',
                   'TMPDIR': str(folder), 'SMIDGEN': str(PROGRAM), 'GOLDEN': str(ROOT / 'tests' / 'golden')}
    for name in ('ASAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS'):
        if name in os.environ:
            environment[name] = os.environ[name]
    done = subprocess.run(['bash', '-c', command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)
    return done.stdout.decode('utf-8', 'backslashreplace').replace(str(folder), 'HERE').replace(
        str(ROOT / 'tests' / 'golden'), 'GOLDEN'), done.returncode


def play(path):
    """The problems of one transcript, as text."""
    text = path.read_text(encoding='utf-8')
    for name in re.findall(r'^# needs: ([A-Z_]+)$', text, re.M):
        if not os.environ.get(name):
            print(f'{path.name}: skipped, {name} is not set')
            return []
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        for step in parse(text):
            if step[0] == 'file':
                (pathlib.Path(folder) / step[1]).write_text(step[2], encoding='utf-8')
                continue
            _, number, command, expected, code = step
            output, actual_code = run(command, pathlib.Path(folder))
            actual = output.split('\n')
            while actual and not actual[-1]:
                actual.pop()
            if SHOW:
                print(f'$ {command}\n{output}' + (f'[exit {actual_code}]\n' if actual_code else ''), end='')
            elif actual_code != code or not matches(expected, actual):
                problems.append(f'{path.name}:{number}: $ {command}\n'
                                f'  expected [exit {code}]:\n    ' + '\n    '.join(expected) +
                                f'\n  got [exit {actual_code}]:\n    ' + '\n    '.join(actual))
    return problems


assert matches(['a ... c', '...', 'z'], ['a b c', 'x', 'y', 'z']) and not matches(['a'], ['a', 'b'])
found, played = [], 0
for transcript in sorted((ROOT / 'tests' / 'transcripts').glob('*.txt')):
    if SHOW in (None, transcript.stem):
        found += play(transcript)
        played += 1
print('\n'.join(found) or f'{played} transcripts as written')
sys.exit(1 if found or not played else 0)
