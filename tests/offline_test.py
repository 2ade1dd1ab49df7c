"""Nothing but `pull` talks to a network, and no row of the training data is in what is written.

The program cannot connect: it imports no function that could. It does its work in a network namespace without any
network. Rows carry words that stand nowhere else (canaries); they are looked for in every written byte.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT, BUILD = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
PROGRAM = pathlib.Path(os.environ.get('SMIDGEN_PROGRAM', str(BUILD / 'smidgen'))).resolve()
SANITIZED = 'SMIDGEN_SANITIZE:STRING=\n' not in (BUILD / 'CMakeCache.txt').read_text(encoding='utf-8')
HERE = tempfile.TemporaryDirectory()
FOLDER = pathlib.Path(HERE.name)
ENVIRONMENT = {name: os.environ[name] for name in os.environ if name.endswith('SAN_OPTIONS')} | {
    'PATH': f'{PROGRAM.parent}:/usr/bin:/bin', 'HOME': HERE.name, 'LC_ALL': 'C.UTF-8', 'TMPDIR': HERE.name}
SAID = []
notes = []


def run(*command, code=0, folder=FOLDER):
    done = subprocess.run([str(word) for word in command], cwd=folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=300)
    text = done.stdout.decode('utf-8', 'replace')
    assert done.returncode in (code if isinstance(code, tuple) else (code,)), f'{command} ended with {done.returncode}:\n{text}'
    return text


def canary(number):
    return f'qz{number * 7919 % 100003:05d}xv'


ROWS = 600
with open(FOLDER / 'data.csv', 'w', encoding='utf-8') as data:
    data.write('text,label,id,customer\n')
    for row in range(ROWS):
        kind = ('card', 'transfer')[row % 2]
        words = ' '.join(f'{kind}{(row * step) % 9}' if (row + step) % 4 else f'w{(row * step) % 97}' for step in (1, 3, 5, 7))
        data.write(f'"{canary(row)}, {words} {canary(row + 2 * ROWS)}",{kind},{canary(row + 4 * ROWS)},{canary(row + 6 * ROWS)}\n')
CANARIES = {canary(row + 2 * part * ROWS) for row in range(ROWS) for part in range(4)}
assert len(CANARIES) == 4 * ROWS
ENCODER = ROOT / 'tests' / 'golden' / 'tiny_bert'
COMMANDS = [
    ('train', 'data.csv', '--rung', 'all', '--encoder', ENCODER, '--out', 'trained'),
    ('pick', 'data.csv', '--accuracy', '0.6', '--encoder', ENCODER, '--group', 'customer', '--no-texts', '--allow-uncertified',
     '--out', 'picked.smidgen'),
    ('pick', 'data.csv', '--accuracy', '0.999', '--encoder', ENCODER, '--no-texts', '--out', 'refused.smidgen'),
    ('run', 'picked.smidgen', 'data.csv', '--out', 'answers.jsonl', '--stats', 'stats.json', '--text-column', 'label'),
    ('eval', 'picked.smidgen', 'data.csv'),
    ('show', 'picked.smidgen'), ('show', 'picked.smidgen', '--json'),
    ('run', ENCODER, '--labels', 'good,bad', '--text', 'a refund'),
    ('bench', ENCODER, '--tokens', '8', '--seconds', '0.05'),
    ('doctor',),
]
# `--id-column`, and an answer's `id` is the row's own: the answers above must not hold it either.
COMMANDS[3] += ('--id-column', 'label')


def test_no_function_that_connects():
    if SANITIZED or not shutil.which('nm'):
        notes.append('the imports of a sanitizer build are those of the sanitizer')
        return
    names = {line.split()[-1].split('@')[0] for line in run('nm', '-D', '--undefined-only', PROGRAM).splitlines() if line.split()}
    assert 'posix_spawnp' in names, 'this does list the imports'
    talking = {'socket', 'connect', 'bind', 'listen', 'accept', 'accept4', 'send', 'sendto', 'sendmsg', 'sendmmsg', 'recvfrom',
               'getaddrinfo', 'gethostbyname', 'res_query', 'dlopen', 'system', 'popen'}
    assert not names & talking, f'the program imports {sorted(names & talking)}'


def test_works_without_a_network():
    namespace = ['unshare', '-rn'] if subprocess.run(['unshare', '-rn', 'true'], check=False, capture_output=True).returncode == 0 \
        else []
    if not namespace:
        notes.append('unshare is not permitted: the commands ran with the network of this machine')
    tracer = []
    if shutil.which('strace') and not SANITIZED:
        tracer = ['strace', '-f', '-qq', '-o', FOLDER / 'trace', '-A', '-e', 'trace=connect,sendto,sendmsg,sendmmsg']
        probe = [*tracer, sys.executable, '-c', 'import socket; socket.socket().connect_ex(("127.0.0.1", 9))']
        done = subprocess.run(probe, cwd=FOLDER, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, check=False,
                              timeout=60)
        if done.returncode == 0:
            assert 'connect(' in (FOLDER / 'trace').read_text(encoding='utf-8'), 'the tracer sees a connection'
        else:
            notes.append(f'strace may not trace: network calls were not counted ({done.stderr.decode(errors="replace").strip()})')
            tracer = []
        (FOLDER / 'trace').unlink(missing_ok=True)
    else:
        notes.append('strace is not here: network calls were not counted')
    for command in COMMANDS:
        SAID.append(run(*namespace, *tracer, PROGRAM, *command, code=(0, 1)))
    if tracer:
        trace = (FOLDER / 'trace').read_text(encoding='utf-8') if (FOLDER / 'trace').exists() else ''
        (FOLDER / 'trace').unlink(missing_ok=True)
        assert not [line for line in trace.splitlines() if '(' in line and ' --- ' not in line], trace[:2000]


def test_no_row_is_in_what_is_written():
    written = [path for path in FOLDER.rglob('*') if path.is_file() and path.name != 'data.csv']
    names = {path.name for path in written}
    assert {'bundle.json', 'README.md', 'model.safetensors', 'answers.jsonl', 'stats.json', 'picked.report.html'} <= names, names
    for path in written:
        bytes_ = path.read_bytes()
        for word in CANARIES:
            assert word.encode() not in bytes_, f'{path.relative_to(FOLDER)} holds the canary {word}'
    for command, said in zip(COMMANDS, SAID):
        assert not [word for word in CANARIES if word in said], command
    (FOLDER / 'page').mkdir()
    run(PROGRAM, 'pick', '../data.csv', '--accuracy', '0.6', '--rungs', 'linear', '--allow-uncertified', '--out', 'p.smidgen',
        code=(0, 1), folder=FOLDER / 'page')
    page = (FOLDER / 'page' / 'p.report.html').read_text(encoding='utf-8')
    assert any(word in page for word in CANARIES), 'without --no-texts the report does show rows: the search works'


for name, test in list(globals().items()):
    if name.startswith('test_'):
        test()
for note in notes:
    print('skipped:', note)
print('no connection, and no row in what is written')
