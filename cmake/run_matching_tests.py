"""Runs the tests of a GoogleTest program that match any of the patterns, one word each; fails when a pattern matches none.

    python3 cmake/run_matching_tests.py build/tsan/smidgen_tests 'ThreadPool.* *Threads*'

A pattern left behind by a renamed test would otherwise check nothing, in silence.
"""
import subprocess
import sys


def names(program, pattern):
    listed = subprocess.run([program, '--gtest_list_tests', f'--gtest_filter={pattern}'], capture_output=True, text=True,
                            check=True).stdout
    return [line for line in listed.splitlines() if line.startswith('  ')]


program, patterns = sys.argv[1], sys.argv[2].split()
empty = [pattern for pattern in patterns if not names(program, pattern)]
if not patterns or empty:
    sys.exit(f'{sys.argv[0]}: no test matches {" ".join(empty) or "nothing"}')
sys.exit(subprocess.run([program, '--gtest_brief=1', f'--gtest_filter={":".join(patterns)}'], check=False).returncode)
