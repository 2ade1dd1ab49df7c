"""`run --out` stopped with Ctrl-C goes on from there, also after a kill, and writes the bytes of a run that was never stopped.

Usage: resume_run_test.py ROOT BUILD"""
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

PROGRAM = pathlib.Path(sys.argv[2]).resolve() / 'smidgen'
ROWS = 200_000


def fill_up():
    """No file of this process grows beyond a megabyte and a bit."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_001, 1_000_001))


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        environment = {key: value for key, value in os.environ.items() if not key.startswith('SMIDGEN_')} | {
            'HOME': name, 'XDG_CONFIG_HOME': name + '/config', 'XDG_STATE_HOME': name + '/state', 'XDG_CACHE_HOME': name + '/cache'}

        def smidgen(*arguments):
            return subprocess.run([PROGRAM, *arguments], cwd=folder, env=environment, capture_output=True, text=True)

        def run(data='rows.csv', *more):
            return smidgen('run', 'b.smidgen', data, '--out', 'answers.jsonl', '--threads', '1', *more)

        def stop(how, *more, files=('rows.csv',)):
            """Stops a run once the kept answers have grown by 100,000 bytes: what it said, and its exit code."""
            kept = folder / 'answers.jsonl.smidgen.tmp'
            for _ in range(5):  # a busy machine may let a run come to its end
                size = kept.stat().st_size if kept.exists() else 0
                child = subprocess.Popen([PROGRAM, 'run', 'b.smidgen', *files, '--out', 'answers.jsonl', '--threads', '1', *more],
                                         cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
                while child.poll() is None and not (kept.exists() and kept.stat().st_size > size + 100_000):
                    time.sleep(0.001)
                child.send_signal(how)
                said = child.communicate()[1]
                if child.returncode in (130, -signal.SIGKILL):
                    return said, child.returncode
                (folder / 'answers.jsonl').unlink()
            sys.exit('resume_run_test: no run could be stopped')

        def before(said):
            found = re.search(r'goes on after ([\d,]+) rows', said)
            return int(found[1].replace(',', '')) if found else 0

        def check(holds, what):
            if not holds:
                sys.exit(f'resume_run_test: {what}')

        (folder / 'labels.csv').write_text('text,label\n' + ''.join(f'good {i},yes\nbad {i},no\n' for i in range(20)), encoding='utf-8')
        # Line 151 is no row; texts of 33,000 letters are cut, an empty one is counted.
        rows = [f'{"good" if i % 3 else "bad"} thing {i}' for i in range(ROWS)]
        rows[149], rows[160], rows[170] = '"torn" x', 'long ' * 6600, '""'
        (folder / 'rows.csv').write_text('text\n' + '\n'.join(rows) + '\n', encoding='utf-8')
        trained = smidgen('train', 'labels.csv', '--rung', 'linear', '--out', 'b.smidgen', '--quiet')
        check(trained.returncode == 0, trained.stderr)
        whole = run('rows.csv', '--stats', 'whole.json')
        check(whole.returncode == 65, whole.stderr)
        answers, figures = (folder / 'answers.jsonl').read_bytes(), json.loads((folder / 'whole.json').read_text())
        check(answers.count(b'\n') == ROWS and figures['bad'] == 1 and figures['cut'] == 1 and figures['empty'] == 1, f'rows: {figures}')
        (folder / 'answers.jsonl').unlink()

        said, code = stop(signal.SIGINT, '--stats', 'last.json')
        check(not (folder / 'last.json').exists(), 'figures of a run that is not over')
        check(code == 130 and 'goes on from there' in said, f'Ctrl-C ended with {code}: {said}')
        kept = int(re.search(r'smidgen: ([\d,]+) answers are in', said)[1].replace(',', ''))
        check(0 < kept < ROWS, f'{kept} rows kept')
        said, _ = stop(signal.SIGKILL)
        check(before(said) == kept, f'a second run said {said}')
        said, code = stop(signal.SIGTERM)
        check(before(said) >= kept and code == 130, f'a run after a kill ended with {code}: {said}')
        check(not (folder / 'answers.jsonl').exists(), 'answers stand before they are whole')
        last = run('rows.csv', '--stats', 'last.json')
        check(last.returncode == 65 and before(last.stderr) > kept, f'the last run ended with {last.returncode}: {last.stderr}')
        check((folder / 'answers.jsonl').read_bytes() == answers, 'other answers than without a stop')
        end = json.loads((folder / 'last.json').read_text())
        check(kept < end['rows_before'] < ROWS, f'rows before the stop: {end}')
        for key in ('complete', 'rows', 'bad', 'escalated', 'cut', 'empty', 'rungs'):
            check(end[key] == figures[key], f'`{key}` is {end[key]}, not {figures[key]}')
        check(sorted(p.name for p in folder.glob('answers*')) == ['answers.jsonl'], 'something was left behind')
        (folder / 'answers.jsonl').unlink()

        # A disk that fills up: what could be written stays, and the run goes on when there is room.
        full = subprocess.run([PROGRAM, 'run', 'b.smidgen', 'rows.csv', '--out', 'answers.jsonl'], cwd=folder, env=environment,
                              preexec_fn=fill_up, capture_output=True, text=True, check=False)
        check(full.returncode == 74 and 'goes on from there' in full.stderr, f'a full disk ended with {full.returncode}: {full.stderr}')
        last = run()
        check('goes on after' in last.stderr and (folder / 'answers.jsonl').read_bytes() == answers, f'after a full disk: {last.stderr}')
        (folder / 'answers.jsonl').unlink()

        # Another option or file name, other rows, a note that cannot be read: nothing is overwritten unasked.
        (folder / 'link.csv').symlink_to('rows.csv')
        for change in ('option', 'strict', 'name', 'rows', 'note'):
            stop(signal.SIGINT)
            left = (folder / 'answers.jsonl.smidgen.tmp').read_bytes()
            if change == 'rows':
                os.utime(folder / 'rows.csv')
            if change == 'note':
                (folder / 'answers.jsonl.smidgen.tmp.json').write_text('{"run":')
            other = ['link.csv' if change == 'name' else 'rows.csv']
            other += {'option': ['--top', '1'], 'strict': ['--strict']}.get(change, [])
            if change != 'rows':
                refused = run(*other)
                check(refused.returncode == 73 and '--force' in refused.stderr, f'another {change}: {refused.returncode}, {refused.stderr}')
                check((folder / 'answers.jsonl.smidgen.tmp').read_bytes() == left, f'another {change}: kept answers changed')
                other.append('--force')
            forced = run(*other)
            check(('begins again' in forced.stderr) == (change == 'rows'), f'another {change}: {forced.stderr}')
            check(forced.returncode == 65 and before(forced.stderr) == 0 and 'goes on' not in forced.stderr, f'another {change}: {forced.returncode}, {forced.stderr}')
            if change == 'strict':  # the first bad row ends it, and would again
                check(not list(folder.glob('answers*')), f'another {change}: something was left behind')
                continue
            written = (folder / 'answers.jsonl').read_bytes()
            check(written.count(b'\n') == ROWS, f'another {change}: rows are missing')
            check(written == answers.replace(b'rows.csv', b'link.csv') if change == 'name' else written == answers or change == 'option',
                  f'another {change}: other answers')
            (folder / 'answers.jsonl').unlink()
        stop(signal.SIGINT, '--force')
        check(before(run('rows.csv', '--force').stderr) > 0, '--force does not go on')

        # Several files, and answers behind a link: what is kept lies beside what is written.
        (folder / 'few.csv').write_text('text\ngood thing\nbad thing\n', encoding='utf-8')
        (folder / 'answers.jsonl').unlink()
        stop(signal.SIGINT, files=('few.csv', 'rows.csv'))
        check(run('few.csv').returncode == 73, 'fewer files are the same run')
        (folder / 'link.jsonl').symlink_to('answers.jsonl')
        last = smidgen('run', 'b.smidgen', 'few.csv', 'rows.csv', '--out', 'link.jsonl')
        check(before(last.stderr) > 2 and (folder / 'link.jsonl').is_symlink(), f'through a link: {last.stderr}')
        check((folder / 'answers.jsonl').read_bytes().split(b'\n', 2)[2] == answers, 'two files: other answers')
        (folder / 'answers.jsonl').unlink()

        # Another model under the same name.
        stop(signal.SIGINT)
        check(smidgen('train', 'labels.csv', '--rung', 'linear', '--seed', '2', '--out', 'b.smidgen', '--force', '--quiet').returncode == 0, 'train')
        last = run()
        check('begins again' in last.stderr and (folder / 'answers.jsonl').read_bytes().count(b'\n') == ROWS, f'another model: {last.stderr}')

        # Inputs with the names that answers are kept under.
        for name_of_input, out in (('x.smidgen.tmp', 'x'), ('y.smidgen.tmp.json', 'y')):
            (folder / name_of_input).write_text('text\ngood thing\n', encoding='utf-8')
            refused = smidgen('run', 'b.smidgen', name_of_input, '--format', 'csv', '--out', out, '--force')
            check(refused.returncode == 73 and (folder / name_of_input).exists(), f'{name_of_input}: {refused.stderr}')
        refused = smidgen('run', 'b.smidgen', 'rows.csv', '--out', 'z', '--stats', 'z.smidgen.tmp.json')
        check(refused.returncode == 64, f'--stats in the place of a note: {refused.stderr}')
        print(f'stopped after {kept} and {end["rows_before"]} rows, killed once: same answers')


main()
