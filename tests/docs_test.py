"""A page nobody is led to is not read: every page of docs/ is linked from README.md or from a page it links.

Links that lead nowhere, and pages that a text or a message of the program names though they do not exist, fail too.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()


def links(text):
    """Targets of [words](target), without those on the web and the places within a page."""
    text = re.sub(r'^( {4,}|```).*$', '', text, flags=re.M)  # code
    found = [target.split('#')[0] for target in re.findall(r'\]\(([^()\s]+)\)', re.sub(r'`[^`\n]*`', 'x', text))]
    return [target for target in found if target and '://' not in target and not target.startswith('mailto:')]


def reached(start):
    """The pages that links lead to from `start`, and the links that lead nowhere."""
    seen, broken, open_pages = set(), [], [start]
    while open_pages:
        page = open_pages.pop()
        if page in seen:
            continue
        seen.add(page)
        for target in links(page.read_text(encoding='utf-8')):
            path = (page.parent / target).resolve()
            if not path.exists():
                broken.append(f'{page.relative_to(ROOT)}: the link to {target} leads nowhere')
            elif path.suffix == '.md':
                open_pages.append(path)
    return seen, broken


def named_pages():
    """Pages named in sources and texts as docs/NAME.md that are not there."""
    for folder, pattern in ((ROOT, '*.md'), (ROOT / 'docs', '*.md'), (ROOT / 'smidgen', '**/*.cc'), (ROOT / 'smidgen', '**/*.h')):
        for path in sorted(folder.glob(pattern)):
            for name in re.findall(r'docs/\w+\.md', path.read_text(encoding='utf-8')):
                if not (ROOT / name).is_file():
                    yield f'{path.relative_to(ROOT)}: there is no {name}'


assert links('[a](x.md#y) `[b](z.md)` [c](https://e.org/d.md)\n    [d](e.md)\n') == ['x.md']
pages, problems = reached(ROOT / 'README.md')
problems += list(named_pages())
problems += [f'{page.relative_to(ROOT)}: no link leads here from README.md' for page in sorted((ROOT / 'docs').glob('*.md'))
             if page.resolve() not in pages]
print('\n'.join(problems) or f'{len(pages)} pages, each within reach')
sys.exit(1 if problems else 0)
