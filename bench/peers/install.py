"""Installs the peers into a virtual environment, pinned, from the package index that pip is configured for.

    python3 bench/peers/install.py VENV

Then: VENV/bin/python bench/peers/run.py ... (about 6 GB, most of it PyTorch's).
"""
import pathlib
import subprocess
import sys

venv = pathlib.Path(sys.argv[1])
requirements = pathlib.Path(__file__).with_name('requirements.txt')
if not (venv / 'bin' / 'python').exists():
    subprocess.run([sys.executable, '-m', 'venv', venv], check=True)
subprocess.run([venv / 'bin' / 'python', '-m', 'pip', 'install', '--quiet', '--requirement', requirements], check=True)
print(f'installed; run: {venv}/bin/python bench/peers/run.py -h')
