"""The report page in a real browser: it draws without an error, and hostile labels become text, never elements.

Skipped (77) where no Chromium is installed (Debian: chromium)."""
import html
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(sys.argv[2])
BROWSER = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
SKIPPED = 77
SAMPLES = (('targets', '96.3 %', 3), ('refused', 'Not certified', 3), ('untrained', 'would need 59 rows', 0),
           ('hostile', '</script><script>alert(1)</script>', 3))


def drawn(page, folder):
    """The page's elements after its scripts ran, and what the browser complained about."""
    command = [BROWSER, '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
               '--disable-background-networking', '--enable-logging=stderr', f'--user-data-dir={folder}/profile',
               '--dump-dom', page.as_uri()]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    complaints = [line for line in done.stderr.decode('utf-8', 'replace').splitlines() if 'CONSOLE' in line]
    return done.stdout.decode('utf-8', 'replace'), complaints


def check(condition, what):
    if not condition:
        sys.exit(f'pick_page_test: {what}')


def main():
    if BROWSER is None:
        print('no Chromium here; on Debian: apt-get install chromium')
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([BUILD / 'smidgen_tests', '--gtest_filter=PickPage.CanBeLookedAt'], check=True,
                       stdout=subprocess.DEVNULL, env={**os.environ, 'SMIDGEN_PAGES': folder})
        for name, wanted, charts in SAMPLES:
            try:
                dom, complaints = drawn(pathlib.Path(folder) / f'{name}.html', folder)
            except subprocess.TimeoutExpired:
                print('the browser did not answer within 120 s')
                return SKIPPED
            check(not complaints, f'{name}: {complaints}')
            shown = dom[dom.index('<main'):dom.index('</main>')]
            check(len(re.findall(r'<script\b', dom)) == 3, f'{name}: another script element')
            check('<script' not in shown and '<b>' not in shown, f'{name}: data became elements')
            check(shown.count('<canvas') == charts and '<h2' in shown, f'{name}: parts of the page are missing')
            check('NaN' not in shown and 'undefined' not in shown, f'{name}: NaN or undefined is shown')
            text = html.unescape(re.sub(r'<[^>]*>', '', shown))
            check(wanted in text, f'{name}: {wanted} is not shown')
    print('the page draws')
    return 0


sys.exit(main())
