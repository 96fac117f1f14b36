#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Follows CONTRIBUTING, "Add a command", to the letter: applies its example to a copy of the tree, builds what the change
# touches, and sends the command through the whole pipeline. Fails where the example is out of date, or touches more than
# three places.
#
#   add_command.sh [SCRATCH_DIR]
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=${1:-$(mktemp -d)}
[ $# -gt 0 ] || trap 'rm -rf "$scratch"' EXIT

mkdir -p "$scratch/tree"
tar -C "$root" -cf - --exclude=node_modules CMakeLists.txt CONTRIBUTING.md cmake include schemas src tests |
  tar -C "$scratch/tree" -xf -
cd "$scratch/tree"

# The diff says what is added behind which line, so it is applied as text, wherever these lines stand by now.
awk '/^## /{in_section = /Add a command/} in_section && /^```diff$/{on = 1; next} /^```$/{on = 0} on' CONTRIBUTING.md >"$scratch/example.diff"
patch -p1 --fuzz=0 --forward --no-backup-if-mismatch <"$scratch/example.diff"
touched=$(grep -c '^+++ ' "$scratch/example.diff")
[ "$touched" -eq 3 ] || {
  echo "the example touches $touched places, not three" >&2
  exit 1
}

cmake -S . -B "$scratch/build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS=-O0 -DLUMIN_BENCH=OFF \
  -DLUMIN_GUIDE=ON >"$scratch/cmake.log"
ninja -C "$scratch/build" luminctl guide >"$scratch/ninja.log" || {
  tail -40 "$scratch/ninja.log" >&2
  exit 1
}
"$scratch/build/tests/guide" --short-filename -j1
# By a file: grep -q would close a pipe while luminctl still writes.
"$scratch/build/luminctl" clear-profile --help >"$scratch/help"
grep -q 'takes bio and avatar away' "$scratch/help"
"$scratch/build/luminctl" --help >"$scratch/help"
grep -q '^  clear-profile ' "$scratch/help"
echo "guide: fine"
