"""Every architecture and head in the shapes people use, random weights, against transformers: logits within 1e-4 in f32.

Usage: architectures_test.py ROOT BUILD [NAME..]     NAME as `bert-classification`; without: all, some minutes
Needs SMIDGEN_PEERS_PYTHON, a Python with torch and transformers, and 2 GB in the temporary folder; else skips. The models are
made by tests/golden/make_architectures.py one at a time and compared by the tests EveryArchitecture of smidgen_tests.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

root, build, only = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
python = os.environ.get('SMIDGEN_PEERS_PYTHON')
if not python:
    print('skipped: set SMIDGEN_PEERS_PYTHON to a Python with torch and transformers')
    sys.exit(77)
shapes = ('bert', 'minilm', 'distilbert', 'roberta', 'xlm-roberta', 'electra', 'modernbert')
names = only or [f'{shape}-{head}' for shape in shapes for head in ('classification', 'tokens', 'questions')]
failed = []
for name in names:
    with tempfile.TemporaryDirectory() as folder:
        script = str(root / 'tests' / 'golden' / 'make_architectures.py')
        subprocess.run([python, script, 'real', folder, '--only', name], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        report = pathlib.Path(folder) / 'report.xml'
        done = subprocess.run([str(build / 'smidgen_tests'), '--gtest_filter=*EveryArchitecture.*TheReference*', f'--gtest_output=xml:{report}'],
                              env={**os.environ, 'SMIDGEN_ARCHITECTURES': folder}, capture_output=True, text=True, check=False)
        found = dict(re.findall(r'name="((?:hidden|logits)_\w+)" value="([\d.e-]+)"', report.read_text() if report.exists() else ''))
        ok = done.returncode == 0 and len(found) == 2
        print(f'{name:28s} {"ok" if ok else "FAILED"}  largest difference: ' + ', '.join(f'{k} {v}' for k, v in found.items()), flush=True)
        if not ok:
            failed.append(name)
            print(done.stdout[-3000:])
sys.exit(1 if failed else 0)
