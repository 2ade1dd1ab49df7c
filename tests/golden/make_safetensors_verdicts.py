"""What the reference reader says about 800 mutated safetensors files, for safetensors_test.cc.

Usage: python make_safetensors_verdicts.py      (needs safetensors; made with 0.8.0)
Writes safetensors_verdicts.txt beside this script, a line a file: "ok" or "bad", a space, the bytes in hexadecimal; and
the seeds of fuzz/safetensors_fuzz.cc. Files whose header names a key twice are left out: the reference takes the last, we
refuse them.
"""
import json
import pathlib
import random
import struct

from safetensors import SafetensorError, deserialize

HERE = pathlib.Path(__file__).parent
CORPUS = HERE.parent.parent / 'fuzz' / 'corpus' / 'safetensors'


def file_of(header, data):
    header = header if isinstance(header, bytes) else json.dumps(header, separators=(',', ':')).encode()
    return struct.pack('<Q', len(header)) + header + data


def tensor(dtype, shape, begin, end):
    return {'dtype': dtype, 'shape': shape, 'data_offsets': [begin, end]}


BASES = [
    file_of({}, b''),
    file_of({'a': tensor('F32', [2], 0, 8)}, bytes(8)),
    file_of({'__metadata__': {'format': 'pt'}, 'a': tensor('F16', [1, 2], 0, 4), 'b': tensor('U8', [3], 4, 7)}, bytes(7)),
    file_of({'a': tensor('I64', [], 8, 16), 'b': tensor('F64', [1], 0, 8)}, bytes(16)),
    file_of({'z': tensor('BOOL', [0, 7], 0, 0), 'y': tensor('BF16', [2], 0, 4)}, bytes(4)),
    file_of({'q': tensor('F4', [4], 0, 2)}, bytes(2)),
    file_of({'q': tensor('F8_E4M3', [2], 0, 2), '\u00e9': tensor('I16', [1], 2, 4)}, bytes(4)),
]


def has_twice(data):
    twice = False

    def pairs(items):
        nonlocal twice
        names = [name for name, _ in items]
        twice = twice or len(set(names)) != len(names)
        return dict(items)

    try:
        json.loads(data[8:8 + struct.unpack('<Q', data[:8])[0]], object_pairs_hook=pairs)
    except (ValueError, struct.error, RecursionError):
        pass
    return twice


def verdict(data):
    try:
        deserialize(data)
        return 'ok'
    except SafetensorError:
        return 'bad'


def mutate(data, rng):
    data = bytearray(data)
    kind = rng.randrange(7)
    if kind == 0:
        return bytes(data[:rng.randrange(len(data) + 1)])
    if kind == 1:
        return bytes(data) + bytes(rng.randrange(1, 9))
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at = rng.randrange(len(data)) if kind == 2 else rng.randrange(8, max(9, len(data) - 8))
        if at >= len(data):
            continue
        if kind == 3:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 4:
            del data[at]
            data[0] = (data[0] - 1) % 256
        elif kind == 5:
            data.insert(at, rng.choice(b'0123456789-.,:[]{}" eE'))
            data[0] = (data[0] + 1) % 256
        else:
            data[at] = rng.choice(b'0123456789abFU-.,:[]{}"\\ \x00\xff')
    return bytes(data)


rng = random.Random(1)
cases = [b for b in BASES]
while len(cases) < 800:
    case = mutate(rng.choice(BASES), rng)
    if not (len(case) >= 8 and has_twice(case)):
        cases.append(case)
lines = [f'{verdict(case)} {case.hex()}' for case in sorted(set(cases))]
print({v: sum(line.startswith(v) for line in lines) for v in ('ok', 'bad')})
(HERE / 'safetensors_verdicts.txt').write_text('\n'.join(lines) + '\n')
CORPUS.mkdir(parents=True, exist_ok=True)
for i, base in enumerate(BASES):
    (CORPUS / f'base_{i}').write_bytes(base)
