"""What the command line owes everybody: completion, manual page, streams, colour, full disks, closed pipes and Ctrl-C.

What it says is in tests/transcripts/; this is what a transcript cannot show.
"""
import os
import pathlib
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT, BUILD = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
PROGRAM = pathlib.Path(os.environ.get('SMIDGEN_PROGRAM', str(BUILD / 'smidgen'))).resolve()
SANITIZED = 'SMIDGEN_SANITIZE:STRING=\n' not in (BUILD / 'CMakeCache.txt').read_text(encoding='utf-8')
HERE = tempfile.TemporaryDirectory()
FOLDER = pathlib.Path(HERE.name)
ENVIRONMENT = {name: os.environ[name] for name in os.environ if name.endswith('SAN_OPTIONS')} | {
    'PATH': f'{PROGRAM.parent}:/usr/bin:/bin', 'HOME': HERE.name, 'LC_ALL': 'C.UTF-8', 'TERM': 'xterm'}
notes = []


def smidgen(*arguments, code=0, **options):
    done = subprocess.run([PROGRAM, *map(str, arguments)], cwd=FOLDER, env=ENVIRONMENT, stdin=subprocess.DEVNULL, text=True,
                          check=False, timeout=120, **({'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE} | options))
    assert done.returncode == code, f'smidgen {arguments} ended with {done.returncode}, not {code}:\n{done.stdout}{done.stderr}'
    return done


def shell(name, script):
    return subprocess.run([name, '-c', script], cwd=FOLDER, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False, timeout=60)


def leftovers():
    return sorted(path.name for path in FOLDER.iterdir() if '.tmp.' in path.name)


# ---- the tree, read from the source and not from what the program says of itself ----

def declared():
    """{verb: its options}, from the calls that declare them; '' has the options of every verb."""
    source = (ROOT / 'smidgen' / 'app' / 'command_line.cc').read_text(encoding='utf-8')
    bodies = dict(re.findall(r'^void declare_(\w+)\((?:[^{]*?)\) \{\n(.*?)^\}', source, re.M | re.S))
    shared = {'reading', 'output', 'encoder', 'typos', 'pick_limits', 'train_task'}

    def options(body):
        found = {name for names in re.findall(r'(?:add_option|add_flag|number)\(\s*"(-[^"]+)"', body) for name in names.split(',')}
        for one in shared:
            if re.search(rf'\bdeclare_{one}\(', body):
                found |= options(bodies[one])
        return found

    verbs = {name: options(bodies[name]) for name in bodies.keys() - shared - {'globals', 'all'}}
    verbs |= {name: verbs.get(name, set()) for name in re.findall(r'verb\("(\w+)"\)', source)}
    verbs['run'] -= {'--label-column', '--soft-column', '--source-column', '--labels-from'}  # a run reads no labels
    return verbs | {'': options(bodies['globals'])}


TREE = declared()
VERBS = sorted(set(TREE) - {''})
assert len(VERBS) >= 11 and '--accuracy' in TREE['pick'] and '--minutes-max' in TREE['pick'] and '--seed' in TREE['']


def test_manual_page():
    page = smidgen('man').stdout
    plain = page.replace('\\-', '-')
    for verb in VERBS:
        section = plain.split(f'.SS smidgen {verb}\n')
        assert len(section) == 2, f'{verb} is not in the manual page'
        missing = [name for name in TREE[verb] if f'\\fB{name}\\fR' not in section[1].split('.SS ')[0]]
        assert not missing, f'the manual page of {verb} lacks {missing}'
    options = plain.split('.SH OPTIONS\n')[1].split('.SH ')[0]
    assert all(f'\\fB{name}\\fR' in options for name in TREE[''] | {'-h', '--help', '--version'})
    kinds = (ROOT / 'smidgen' / 'base' / 'result.h').read_text(encoding='utf-8').split('enum class ErrorKind')[1].split('};')[0]
    codes = {'0'} | set(re.findall(r'^\s*k\w+ = (\d+)', kinds, re.M))
    listed = re.findall(r'^\.TP\n\\fB(\d+)\\fR$', plain.split('.SH EXIT STATUS\n')[1].split('.SH ')[0], re.M)
    assert sorted(listed) == sorted(codes), f'exit codes {listed}, the program has {codes}'
    help_text = smidgen('-h').stdout
    assert re.findall(r'^  (\d+) ', help_text.split('Exit codes:')[1], re.M) == listed
    if shutil.which('mandoc'):
        (FOLDER / 'smidgen.1').write_text(page, encoding='utf-8')
        lint = shell('bash', 'mandoc -T lint -W warning smidgen.1').stdout
        lint = [line for line in lint.splitlines() if 'missing date' not in line]
        assert not lint, lint[:5]
    else:
        notes.append('mandoc is not here: the manual page was not linted')


def bash_completes(line):
    words = line.split(' ')
    script = ('source <(smidgen completion bash); COMP_WORDS=(' + ' '.join(f"'{word}'" for word in words) +
              f'); COMP_CWORD={len(words) - 1}; compopt() {{ echo FILES; }}; _smidgen; printf "%s\\n" "${{COMPREPLY[@]}}"')
    done = shell('bash', script)
    assert done.returncode == 0 and not done.stderr, (line, done.stderr)
    return set(done.stdout.split())


def test_bash_completion():
    assert bash_completes('smidgen ') == set(VERBS) | {'help'}
    assert bash_completes('smidgen p') == {'pick', 'plan', 'pull'}
    assert bash_completes('smidgen --threads 2 ev') == {'eval'}
    assert bash_completes('smidgen help tr') == {'train'}
    for verb in VERBS:
        assert bash_completes(f'smidgen {verb} -') == TREE[verb] | TREE[''] | {'-h', '--help', '--version'}, verb
    assert bash_completes('smidgen run x --format ') == {'auto', 'csv', 'tsv', 'jsonl', 'lines'}
    assert bash_completes('smidgen run x --format = j') == {'jsonl'}  # --format=j, as bash breaks it
    assert bash_completes('smidgen pick x --precision b') == {'bf16'}
    assert bash_completes('smidgen pull d') == {'demo-sentiment', 'demo-kinds'}
    assert bash_completes('smidgen completion ') == {'bash', 'zsh', 'fish'}
    for line in ('smidgen run ', 'smidgen run x --out ', 'smidgen pick a.csv -o ', 'smidgen train t.csv --encoder '):
        assert bash_completes(line) == {'FILES'}, line
    assert bash_completes('smidgen pick a.csv --accuracy ') == set()


def test_other_completions():
    for name, check in (('zsh', 'zsh -n'), ('fish', 'fish --no-execute')):
        (FOLDER / name).write_text(smidgen('completion', name).stdout, encoding='utf-8')
        if not shutil.which(name):
            notes.append(f'{name} is not here: its completion was not run')
            continue
        done = shell('bash', f'{check} {name}')
        assert done.returncode == 0 and not done.stderr, done.stderr
    if shutil.which('fish'):
        def fish(line):
            return {one.split('\t')[0] for one in shell('fish', f'source fish; complete -C "{line}"').stdout.splitlines()}
        assert fish('smidgen p') == {'pick', 'plan', 'pull'}
        assert fish('smidgen run x --format j') == {'jsonl'}
        for verb in VERBS:
            wanted = {name for name in TREE[verb] | TREE[''] if name.startswith('--')}
            assert wanted <= fish(f'smidgen {verb} --'), verb
    if shutil.which('zsh'):
        assert zsh('smidgen p\t\t', 'pull') and zsh('smidgen run x --form\t', 'smidgen run x --format')


def zsh(typed, wanted):
    """Types into an interactive zsh and waits for `wanted` on its screen."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(FOLDER)
        os.execvpe('zsh', ['zsh', '-f', '-i'], ENVIRONMENT)
    screen = b''
    for line in ('PS1=ready%#\n', 'autoload -U compinit; compinit -u; source ./zsh; echo rea""dy\n', typed):
        os.write(terminal, line.encode())
        end = time.monotonic() + 10
        target = wanted if line == typed else 'ready'
        screen = b''
        while time.monotonic() < end and target.encode() not in screen:
            if select.select([terminal], [], [], 0.2)[0]:
                screen += os.read(terminal, 4096)
        time.sleep(0.2)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(terminal)
    return wanted.encode() in screen


def test_help_is_quick():
    times = []
    for _ in range(10):  # processor time: other work on the machine makes no difference
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        smidgen('--help')
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert SANITIZED or min(times) <= 0.05, f'--help took {min(times):.3f} s of processor time'


# ---- streams ----

def make_data():
    lines = ['text,label']
    for i in range(40):
        lines.append(f'my card number {i} is lost,card\nthe transfer number {i} is late,transfer')
    (FOLDER / 'tickets.csv').write_text('\n'.join(lines) + '\n', encoding='utf-8')
    smidgen('train', 'tickets.csv', '--rung', 'linear', '--out', 't.smidgen', '--quiet')
    many = ['text,label']
    seed = 1
    for i in range(40000):
        words = []
        for _ in range(12):
            seed = (seed * 1103515245 + 12345) % (1 << 31)
            words.append(f'w{(seed >> 8) % 5000}')
        label = 'abcdefghij'[seed % 10]
        many.append(f'row {i} {" ".join(words)},{"card" if label == "b" else label}')
    (FOLDER / 'many.csv').write_text('\n'.join(many) + '\n', encoding='utf-8')


ANSWERS = (('-h',), ('help', 'pick'), ('--version',), ('man',), ('completion', 'bash'), ('pull',), ('pull', '--json'),
           ('show', 't.smidgen'), ('show', 't.smidgen', '--json'), ('eval', 't.smidgen', 'tickets.csv', '--quiet'),
           ('run', 't.smidgen', 'tickets.csv', '--quiet'),
           ('train', 'tickets.csv', '--rung', 'linear', '--out', 'full.smidgen', '--force', '--json', '--quiet'))


def test_full_disk_and_closed_pipe():
    assert 'No space left' in smidgen('doctor', code=74, stdout=open('/dev/full', 'w', encoding='utf-8')).stderr
    for arguments in ANSWERS:
        with open('/dev/full', 'w', encoding='utf-8') as full:
            assert 'No space left' in smidgen(*arguments, code=74, stdout=full).stderr, arguments
        done = shell('bash', 'set -o pipefail; { ' + ' '.join(('smidgen', *arguments)) + '; } | true; echo ${PIPESTATUS[0]}')
        assert done.stdout == '0\n' and not done.stderr, (arguments, done.stdout, done.stderr)


def test_temporary_folder_that_is_none():
    """A file system's error is told as such, not as a lack of memory; the doctor needs no temporary folder."""
    done = subprocess.run([PROGRAM, 'doctor'], cwd=FOLDER, env=ENVIRONMENT | {'TMPDIR': '/nonexistent'}, check=False,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1) and 'out of memory' not in done.stderr and 'pip' in done.stdout, done


def test_full_file_system():
    """A file system of a few KiB: exit 74 wherever it fills, and nothing torn is left; what `run` answered is kept."""
    probe = shell('bash', 'mkdir -p small; unshare -rm mount -t tmpfs -o size=4k none small')
    if probe.returncode != 0:
        notes.append(f'no small file system can be mounted to be filled: {probe.stderr.strip()}')
        return
    for size in (4, 12, 28, 60, 120):
        for command, made in (('train ../tickets.csv --rung linear --out b.smidgen --quiet', 'b.smidgen'),
                              ('run ../t.smidgen ../many.csv --out a.jsonl --quiet', 'a.jsonl'),
                              ('eval ../t.smidgen ../many.csv --predictions p.csv --quiet', 'p.csv')):
            done = shell('bash', f'mkdir -p small; unshare -rm sh -c "mount -t tmpfs -o size={size}k none small && cd small && '
                                 f'{{ smidgen {command}; code=\\$?; ls -A; exit \\$code; }}"')
            names = [line for line in done.stdout.splitlines() if '.smidgen' in line or '.jsonl' in line or line.startswith('p.csv')]
            if done.returncode == 0:
                assert made == 'b.smidgen' and made in names, (size, command)
                continue
            kept = [f'{made}.smidgen.tmp', f'{made}.smidgen.tmp.json'] if made == 'a.jsonl' else []
            assert done.returncode == 74 and sorted(names) in ([], kept), (size, command, done)
            assert 'No space left' in done.stderr, done.stderr


def test_memory_that_runs_out():
    if SANITIZED:
        notes.append('a sanitizer reserves more memory than can be limited')
        return
    ended = set()
    for kilobytes in range(70000, 330000, 60000):
        for command in ('train many.csv --rung linear --out m.smidgen', 'eval t.smidgen many.csv',
                        'pick many.csv --accuracy 0.9 --rungs linear --out m.smidgen',
                        'run t.smidgen many.csv --threads 8 --out m.jsonl --force'):
            # What was enough once is enough with more; the rest of a long training proves nothing.
            done = shell('bash', f'ulimit -v {kilobytes}; timeout -s INT 1 smidgen {command} --quiet')
            assert done.returncode in (0, 1, 74, 124, 127), (kilobytes, command, done)  # 127: the libraries did not fit
            assert done.returncode != 74 or done.stderr.startswith('smidgen: '), done.stderr
            ended.add(done.returncode)
            for kept in FOLDER.glob('m.jsonl*'):  # the answers that came before the end of memory or time
                kept.unlink()
            assert done.returncode in (124, 0, 1) or not leftovers(), leftovers()
            for path in ('m.smidgen', 'm.report.html'):
                shutil.rmtree(FOLDER / path, ignore_errors=True)
    assert 74 in ended and 0 in ended, ended


# ---- terminal ----

def on_terminal(arguments, **environment):
    """What the program writes when both its streams are a terminal, and its exit code."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(FOLDER)
        os.execve(PROGRAM, ['smidgen', *arguments], ENVIRONMENT | environment)
    screen = b''
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        screen += piece
    os.close(terminal)
    return screen.decode(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_terminal():
    show = ['show', 't.smidgen']
    assert '\x1b[1m' in on_terminal(show)[0], 'a terminal gets colour'
    for arguments, environment in ((show, {'NO_COLOR': '1'}), (show, {'TERM': 'dumb'}), (show + ['--no-color'], {}),
                                   (show + ['--plain'], {}), (show + ['--json'], {})):
        screen, code = on_terminal(arguments, **environment)
        assert code == 0 and '\x1b' not in screen, (arguments, environment, screen)
    assert '\x1b' not in smidgen(*show).stdout, 'no terminal, no colour'
    screen, code = on_terminal(['run', 't.smidgen', '--no-input'])
    assert code == 64 and '--no-input' in screen, screen
    bert, ask = str(ROOT / 'tests' / 'golden' / 'tiny_bert'), ['ask', str(ROOT / 'tests' / 'golden' / 'tiny_questions')]
    for arguments in (['run', 't.smidgen', '-'], ['run', 't.smidgen', 'tickets.csv', '/dev/stdin'], ['run', 't.smidgen', '/dev/tty'],
                      ['run', bert, 'tickets.csv', '--labels', '@/dev/stdin'], ['eval', 't.smidgen', '-'],
                      [*ask, '-p', '-', 'What?'], [*ask, '--questions', '/dev/fd/0'], ['plan', '-', '--encoder', bert],
                      ['plan', 'tickets.csv', '/dev/stdin', '--encoder', bert], ['train', '-', '--rung', 'linear', '--out', 'n'],
                      ['pick', '-', '-a', '0.9', '--out', 'n'], ['pick', 'tickets.csv', '--test', '-', '-a', '0.9', '--out', 'n']):
        screen, code = on_terminal(arguments + ['--no-input'])
        assert code == 64 and 'is the terminal, and --no-input forbids that' in screen, (arguments, screen)
    assert on_terminal(['run', 't.smidgen', '--text', '-', '--no-input', '-q'])[1] == 0
    assert smidgen('run', 't.smidgen', '-', '/dev/null', '--no-input', '-q', '--format', 'lines').stdout == ''
    train = ['train', 'tickets.csv', '--rung', 'linear', '--out', 'p.smidgen', '--force']
    assert '\x1b' not in on_terminal(train + ['--plain'])[0] and '\x1b' not in on_terminal(train + ['--quiet', '--no-color'])[0]


# ---- Ctrl-C ----

def state_of(child):
    """The lines of /proc/PID/status; nothing once the process has ended."""
    try:
        text = pathlib.Path(f'/proc/{child.pid}/status').read_text(encoding='utf-8')
    except OSError:
        return {}
    return dict(line.split(':\t', 1) for line in text.splitlines() if ':\t' in line)


def wait_until(child, ready):
    """Until `ready` holds of its state, or it has ended."""
    end = time.monotonic() + 60
    while child.poll() is None and not ready(state_of(child)):
        assert time.monotonic() < end, f'no sign of life: {state_of(child)}'
        time.sleep(0.002)


def interrupt(arguments, after, times=1, stdin=subprocess.DEVNULL):
    """Ctrl-C `after` seconds after it can be caught. Whether the command was interrupted, or had already ended."""
    child = subprocess.Popen([PROGRAM, *arguments], cwd=FOLDER, env=ENVIRONMENT, stdin=stdin, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True)
    wait_until(child, lambda state: int(state.get('SigCgt', '0'), 16) >> (signal.SIGINT - 1) & 1)
    if stdin == subprocess.PIPE:
        wait_until(child, lambda state: state.get('State', '').startswith('S'))  # sits in a read
    time.sleep(after)
    began = time.monotonic()
    for _ in range(times):
        child.send_signal(signal.SIGINT)
        time.sleep(0.05)
    code = child.wait(timeout=60)
    took = time.monotonic() - began
    message = child.stderr.read()
    assert code == 130 or (code in (0, 1) and stdin != subprocess.PIPE), (arguments, code, message)
    assert took < (40 if SANITIZED else 10), f'{arguments} took {took:.1f} s to stop'
    assert not leftovers(), leftovers()
    for pipe in (child.stdin, child.stderr):
        if pipe:
            pipe.close()
    return code == 130


def test_interrupts():
    slow = 4 if SANITIZED else 1
    train = ['train', 'many.csv', '--rung', 'linear', '--out', 'i.smidgen', '--quiet']
    pick = ['pick', 'many.csv', '--accuracy', '0.9', '--rungs', 'linear', '--out', 'i.smidgen', '--quiet']
    interrupted = 0
    for arguments in (train, pick):
        for after in (0, 0.15 * slow, 0.6 * slow):
            was = interrupt(arguments, after)
            interrupted += was
            assert not was or not (FOLDER / 'i.smidgen').exists()
            shutil.rmtree(FOLDER / 'i.smidgen', ignore_errors=True)
    interrupted += interrupt(train, 0.3 * slow, times=2)
    assert interrupted > 0, 'every command had ended before it could be interrupted'
    shutil.rmtree(FOLDER / 'i.smidgen', ignore_errors=True)


def test_interrupts_of_a_wait_for_input():
    for arguments in (['run', 't.smidgen'], ['run', 't.smidgen', '--out', 'i.jsonl'],
                      ['eval', 't.smidgen', '-', '--format', 'csv'],
                      ['plan', '-', '--encoder', str(ROOT / 'tests' / 'golden' / 'tiny_bert')],
                      ['train', '-', '--format', 'csv', '--rung', 'linear', '--out', 'i.smidgen'],
                      ['pick', '-', '--format', 'csv', '--accuracy', '0.9', '--rungs', 'linear', '--out', 'i.smidgen']):
        interrupt([*arguments, '--quiet'], 0.1, stdin=subprocess.PIPE)
        assert not (FOLDER / 'i.jsonl').exists() and not (FOLDER / 'i.smidgen').exists()


make_data()
for name, test in list(globals().items()):
    if name.startswith('test_'):
        test()
for note in notes:
    print('skipped:', note)
print('the command line keeps its promises')
