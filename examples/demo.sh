#!/bin/sh
# The whole story on real input: fetch the default encoder and 19,459 human-rated sentences, pick the smallest model that is right at
# least 90 % of the time when it answers, then ask it. Everything downloaded is pinned by SHA-256 and cached; the second run is offline.
#
#   sh examples/demo.sh build/release/smidgen [FOLDER]
set -eu
smidgen=$1
folder=${2:-demo}
mkdir -p "$folder"
# Prints a command so that it can be pasted into a shell, then runs it.
show() {
  printf '\n$ smidgen'
  for word; do
    case $word in
      *" "*) printf ' "%s"' "$word" ;;
      *) printf ' %s' "$word" ;;
    esac
  done
  printf '\n'
  "$smidgen" "$@"
}
show pull all-minilm-l6-v2
show pull demo-sentiment --out "$folder/sentiment.csv"
show pick "$folder/sentiment.csv" --group group --accuracy 0.90 --out "$folder/sentiment.smidgen" --force
show run "$folder/sentiment.smidgen" \
  --text "The battery died after two days and nobody answered my emails." \
  --text "what a lovely little film, I smiled the whole way through" \
  --text "It is a phone."
if [ -t 0 ] && [ -t 1 ]; then
  printf '\nYour turn: type a sentence and press Enter (Ctrl-D ends).\n'
  "$smidgen" run "$folder/sentiment.smidgen" --format lines
fi
