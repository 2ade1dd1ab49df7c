"""Runs every fuzzer of a build folder for a while, from its seed corpus in fuzz/corpus/NAME.

    python3 fuzz/run.py build/dev SECONDS [JOBS]

A fuzzer that crashes, leaks or hangs fails the run, and so does a blind one, which could never find anything: linked against
code without coverage instrumentation it sees only the edges of its own file. Counting edges does not tell: inlined templates of
the standard library gave a blind fuzzer 1,567 edges at -O0 and 361 at -O1, 1.5 to 11 times its empty start. So every object of
the rooms that read what others wrote must refer to the tables of the instrumentation, if it holds a function, and the seeds
must cover far more than an empty start does (else they are not read at all).
"""
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
EDGES_MIN = 250  # the smallest reader (settings) has 367, behind its fuzzer
ROOMS = ('base', 'text', 'tensor', 'model')  # as in cmake/rooms.cmake
KERNELS = re.compile(r'_(avx2|avx_vnni|avx512|avx512_vnni|avx512_bf16|amx)\.cc$')  # they read numbers, and only lose time
COUNTERS = '__start___sancov_cntrs'  # -fsanitize=fuzzer-no-link makes every object with code refer to it


def blind_objects(symbols):
    """Objects with functions and without coverage counters, from the output of `nm`."""
    blind, name, functions, counted = [], None, False, False
    for line in symbols.splitlines() + ['end.o:']:
        if line.endswith(':'):
            if functions and not counted:
                blind.append(name)
            name, functions, counted = line[:-1], False, False
        words = line.split()
        if len(words) >= 2 and words[-2] in 'tTwW':
            functions = functions or (len(words) == 3 and not words[-1].startswith(('asan.', 'sancov.', '__')))
            counted = counted or words[-1] == COUNTERS
    return blind


EXAMPLE = """
a.cc.o:
0000000000000000 T _ZN7smidgen4readEv
                 w __start___sancov_cntrs
b.cc.o:
0000000000000000 T _ZN7smidgen5writeEv
                 U memcpy
table.cc.o:
0000000000000000 t asan.module_ctor
0000000000000000 R _ZN7smidgen6kTableE
"""
assert blind_objects(EXAMPLE) == ['b.cc.o']


def check_library(build):
    library = build / 'lib' / 'libsmidgen.a'
    symbols = subprocess.run(['nm', str(library)], stdout=subprocess.PIPE, text=True, check=True).stdout
    readers = {f'{path.name}.o' for room in ROOMS for path in (ROOT / 'smidgen' / room).glob('*.cc') if not KERNELS.search(path.name)}
    blind = [name for name in blind_objects(symbols) if name in readers]
    if symbols.count(COUNTERS) == 0 or blind:
        sys.exit(f'{library}: no coverage counters in {", ".join(blind[:5]) or "it"}: its fuzzers would be blind')
    print(f'{library.name}: coverage counters in {symbols.count(COUNTERS)} objects, all that read', flush=True)


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
        return False, line + ': FAILED, the seeds are hardly read'
    return True, line


def main():
    build, seconds = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    jobs = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    programs = sorted(p for p in build.iterdir() if p.name.endswith('_fuzz') and p.is_file())
    if not programs:
        sys.exit(f'no fuzzers in {build}')
    check_library(build)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(lambda p: run(p, seconds), programs))
    for _, text in results:
        print(text, flush=True)
    failed = sum(not ok for ok, _ in results)
    print(f'{len(results) - failed} passed, {failed} failed')
    sys.exit(1 if failed else 0)


main()
