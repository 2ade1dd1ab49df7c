#!/bin/sh
# clang-tidy over every source of the compile database below $1, $2 at a time. Prints findings; fails when there are any,
# and when the tool itself fails: its streams are kept, only its counts of hidden warnings are left out.
set -eu
build=$1
jobs=$2
[ -f "$build/compile_commands.json" ] || { echo "lint: no compile database in $build" >&2; exit 66; }
log=$build/tidy.log
status=0
git ls-files 'smidgen/*.cc' 'examples/*.cc' | grep -v '_test\.cc$' |
  xargs -P "$jobs" -n 2 clang-tidy-16 -p "$build" --quiet --warnings-as-errors='*' >"$log" 2>&1 || status=$?
grep -v -E '^[0-9]+ warnings? (generated|treated as error)' "$log" || true
[ "$status" -eq 0 ] || { echo "lint: FAILED" >&2; exit 1; }
echo "lint: clean"
