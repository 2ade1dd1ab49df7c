"""Runs every fuzzer of a build folder for a while, from its seed corpus in fuzz/corpus/NAME.

    python3 fuzz/run.py build/fuzz SECONDS [JOBS]

A fuzzer that crashes, leaks or hangs fails the run, and so does a blind one, which could never find anything: linked against
code without coverage instrumentation it sees only the edges of its own file. Each fuzzer first starts from nothing: the
seeds must then cover far more than that empty start, and more edges than a fuzzer's own file has.
"""
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
EDGES_MIN = 400  # a fuzzer's own file with the templates it pulls in has fewer; the readers behind it have thousands


def libfuzzer(program, *arguments):
    command = [program.resolve(), '-timeout=5', '-rss_limit_mb=1024', '-max_len=65536', '-print_final_stats=1',
               f'-artifact_prefix={program.parent}/', *arguments]
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors='replace', check=False)


def coverage(log, marker):
    found = re.findall(rf'{marker}\s+cov: (\d+)', log)
    return int(found[-1]) if found else 0


def run(program, seconds):
    name = program.name.removesuffix('_fuzz')
    seeds = ROOT / 'fuzz' / 'corpus' / name
    if not any(seeds.iterdir()):
        return False, f'{name}: FAILED, no seeds in {seeds}'
    with tempfile.TemporaryDirectory() as work:
        nothing = coverage(libfuzzer(program, '-runs=0', work).stdout, 'INITED')
        done = libfuzzer(program, f'-max_total_time={seconds}', work, seeds)
    start = coverage(done.stdout, 'INITED')
    end = max(coverage(done.stdout, marker) for marker in ('INITED', 'NEW', 'REDUCE', 'DONE'))
    runs = re.findall(r'number_of_executed_units: (\d+)', done.stdout)
    line = f'{name}: {runs[-1] if runs else "?"} runs, edges: {nothing} from nothing, {start} from the seeds, {end} after {seconds} s'
    if done.returncode != 0:
        return False, done.stdout[-4000:] + f'\n{line}: FAILED'
    if start < EDGES_MIN or start < 2 * nothing:
        return False, line + ': FAILED, the fuzzer is blind (is every source instrumented?)'
    return True, line


def main():
    build, seconds = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    jobs = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    programs = sorted(p for p in build.iterdir() if p.name.endswith('_fuzz') and p.is_file())
    if not programs:
        sys.exit(f'no fuzzers in {build}')
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(lambda p: run(p, seconds), programs))
    for _, text in results:
        print(text, flush=True)
    failed = sum(not ok for ok, _ in results)
    print(f'{len(results) - failed} passed, {failed} failed')
    sys.exit(1 if failed else 0)


main()
