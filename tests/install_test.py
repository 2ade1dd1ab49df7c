"""The installed package is enough: install into a folder of its own, build examples/classify.cc outside the tree."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT, BUILD = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
if 'SMIDGEN_SANITIZE:STRING=\n' not in (BUILD / 'CMakeCache.txt').read_text(encoding='utf-8'):
    print('skipped: a sanitizer build is not one to install')
    sys.exit(77)

PROJECT = '''cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES CXX)
find_package(smidgen REQUIRED)
add_executable(classify classify.cc)
target_link_libraries(classify PRIVATE smidgen::smidgen)
'''


def run(*command, code=0):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == code, f'{command} ended with {done.returncode}:\n{done.stdout}'
    return done.stdout


with tempfile.TemporaryDirectory() as folder:
    here = pathlib.Path(folder)
    run('cmake', '--install', BUILD, '--prefix', here / 'prefix', '--component', 'library')
    (here / 'CMakeLists.txt').write_text(PROJECT, encoding='utf-8')
    shutil.copy(ROOT / 'examples' / 'classify.cc', here)
    run('cmake', '-S', here, '-B', here / 'out', f'-DCMAKE_PREFIX_PATH={here / "prefix"}')
    run('cmake', '--build', here / 'out')
    assert 'no such bundle' in run(here / 'out' / 'classify', here / 'none', code=66)
    run('cmake', '--install', BUILD, '--prefix', here / 'program', '--component', 'program')
    share = here / 'program' / 'share'
    for page in ('man/man1/smidgen.1', 'bash-completion/completions/smidgen', 'zsh/site-functions/_smidgen',
                 'fish/vendor_completions.d/smidgen.fish'):
        assert 'pick' in (share / page).read_text(encoding='utf-8'), page
    assert (share / 'man/man1/smidgen.1').read_text(encoding='utf-8') == run(here / 'program' / 'bin' / 'smidgen', 'man')
    for prefix in ('prefix', 'program'):
        notices = here / prefix / 'share/doc/smidgen/licences/scowl.txt'
        assert 'Copyright 1993, Geoff Kuenning' in notices.read_text(encoding='utf-8'), prefix
    for header in (here / 'prefix' / 'include' / 'smidgen').rglob('*.h'):
        assert str(ROOT) not in header.read_text(encoding='utf-8')
lines = len((ROOT / 'examples' / 'classify.cc').read_text(encoding='utf-8').splitlines())
assert lines < 60, f'examples/classify.cc has {lines} lines'
print('the example builds against the installed package')
