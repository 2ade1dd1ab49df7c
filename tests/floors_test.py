"""Includes only point down, and every library is included from its home room only (ARCHITECTURE.md has the map)."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)

MAY_INCLUDE = {
    'base': set(),
    'text': {'base'},
    'tensor': {'base'},
    'model': {'tensor', 'text', 'base'},
    'learn': {'model', 'tensor', 'text', 'base'},
    'cascade': {'model', 'text', 'base'},
    'serve': {'cascade', 'model', 'text', 'base'},
    'app': {'base', 'text', 'tensor', 'model', 'learn', 'cascade', 'serve'},
}
HOME = {
    r'simdjson\.h': {'base'},
    r'nlohmann/': {'base', 'text', 'tensor', 'model', 'learn', 'app'},
    r'openssl/': {'base'},
    r'curl/': {'base'},
    r're2/': {'text'},
    r'utf8proc\.h': {'text'},
    r'sqlite3\.h': {'cascade'},
    r'boost/': {'serve'},
    r'CLI/': {'app'},
    r'archive(_entry)?\.h': {'app'},
}


def problems():
    for path in sorted((ROOT / 'smidgen').rglob('*')):
        if path.suffix not in ('.h', '.cc'):
            continue
        room = path.relative_to(ROOT / 'smidgen').parts[0]
        test = path.name.endswith('_test.cc')
        for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not match:
                continue
            where, name = f'{path.relative_to(ROOT)}:{number}', match.group(2)
            if match.group(1) == '"':
                parts = name.split('/')
                if test and parts[0] == 'tests':
                    continue  # what several tests share
                if len(parts) != 3 or parts[0] != 'smidgen':
                    yield f'{where}: include by full path "smidgen/room/file.h", not "{name}"'
                elif parts[1] != room and parts[1] not in MAY_INCLUDE[room]:
                    yield f'{where}: {room} must not include {parts[1]}'
            for pattern, homes in HOME.items():
                if re.match(pattern, name) and room not in homes and not test:
                    yield f'{where}: {name} belongs to {sorted(homes)}'


def self_test():
    assert 'learn' not in MAY_INCLUDE['model'] and 'app' not in MAY_INCLUDE['base']


self_test()
found = list(problems())
print('\n'.join(found) or 'includes point down')
sys.exit(1 if found else 0)
