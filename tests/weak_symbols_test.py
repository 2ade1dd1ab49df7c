"""No weak symbol in the objects compiled with instruction-set flags.

An inline function of <vector> compiled with AVX-512 flags is a weak symbol; the linker may keep that copy for the whole
program, which then crashes on an older processor. Usage: weak_symbols_test.py ROOT BUILD
"""
import pathlib
import re
import shutil
import subprocess
import sys

root, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
ALLOWED = {'<immintrin.h>', '<cstdint>', '<cstddef>', '"smidgen/tensor/kernel_table.h"',
           '"smidgen/tensor/linear_kernel_table.h"', '"smidgen/tensor/linear_kernels_body.h"',
           '"smidgen/tensor/encoder_kernel_table.h"', '"smidgen/tensor/training_kernel_table.h"',
           '"smidgen/tensor/training_kernels_body.h"', '"smidgen/tensor/vectors_body.h"',
           '"smidgen/tensor/encoder_kernels_body.h"', '"smidgen/tensor/encoder_avx2_body.h"',
           '"smidgen/tensor/encoder_avx512_body.h"', '"smidgen/tensor/encoder_product_body.h"',
           '"smidgen/tensor/encoder_rows_body.h"', '"smidgen/tensor/encoder_attention_body.h"'}
sources = [p for p in (root / 'smidgen').rglob('*.cc') if re.search(r'_(avx2|avx_vnni|avx512|avx512_vnni|avx512_bf16|amx)\.cc$', p.name)]
assert sources, 'no instruction-set sources found'
sanitized = 'SMIDGEN_SANITIZE:STRING=\n' not in (build / 'CMakeCache.txt').read_text(encoding='utf-8')
wrong = []
for source in sources + list((root / 'smidgen' / 'tensor').rglob('*_body.h')):
    for number, line in enumerate(source.read_text().splitlines(), 1):
        include = re.match(r'\s*#\s*include\s*(\S+)', line)
        if include and include.group(1) not in ALLOWED:
            wrong.append(f'{source.relative_to(root)}:{number}: must not include {include.group(1)}')
if shutil.which('nm') is None:
    print('\n'.join(wrong) or 'nm not found: install binutils')
    sys.exit(1 if wrong else 77)


def weak_symbols(symbols):
    return [line for line in symbols.splitlines() if re.match(r'^[0-9a-fA-F]*\s+[WwVvu]\s', line)]


assert weak_symbols('0000000000000000 W std::vector<int>::size() const') and not weak_symbols('0000 T f\n')
for source in sources:
    objects = list(build.rglob(source.name + '.o'))
    if not objects:
        wrong.append(f'{source.name}: no object in {build}: build first')
    for path in objects:
        symbols = subprocess.run(['nm', '-C', str(path)], capture_output=True, text=True, check=True).stdout
        # Sanitizers add weak symbols of their own: calls into their run-time, and names of types; no code with our flags.
        wrong += [f'{path}: weak symbol {line}' for line in weak_symbols(symbols)
                  if 'asan' not in line and not (sanitized and ' typeinfo ' in line)]
print('\n'.join(wrong) or f'{len(sources)} instruction-set sources have no weak symbol')
sys.exit(1 if wrong else 0)
