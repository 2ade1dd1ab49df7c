#!/bin/sh
# Installs the Debian packages that packages.txt names and this machine lacks: `install_packages.sh build` or `... all`.
# Not root and something missing: says what to install and stops (exit 69).
set -eu
list=$(dirname "$0")/packages.txt
case "${1:-build}" in
  build) wanted=$(sed '/^# ---/,$d' "$list" | grep -v '^#') ;;
  all) wanted=$(grep -v '^#' "$list") ;;
  *) echo "usage: $0 build|all" >&2; exit 64 ;;
esac
if ! command -v dpkg-query >/dev/null 2>&1; then
  echo "smidgen: this is not a Debian system; install the equivalents of:" $wanted >&2
  exit 0
fi
missing=""
for package in $wanted; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "smidgen: missing packages. Install them, then run make again:" >&2
  echo "  sudo apt-get install$missing" >&2
  exit 69
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends $missing >/dev/null
