#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Takes the keeper of each guarantee away, one at a time, in a copy of the tree under build/mutants, and expects the test
# that the list names to fail. A mutant that survives, or does not apply or build any more, fails this run.
# With arguments: only the guarantees of these numbers ("rules": those of the domain).
set -euo pipefail
top=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
tree=$top/build/mutants/tree
build=$top/build/mutants/build
log=$top/build/mutants/log
passed=0 failed=0

# What git tracks, as it stands in the work tree; times are kept, so that only what changed is built again.
copy_tree() {
  mkdir -p "$tree"
  (cd "$top" && git ls-files -z | xargs -0 tar cf - --null) | tar xf - -C "$tree"
  ln -sfn "$top/tests/node_modules" "$tree/tests/node_modules"
  [ -d "$tree/.git" ] || git -C "$tree" init -q # the tests find their repository by it
}

build_tree() {
  cmake -S "$tree" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DLUMIN_FAILPOINTS=ON -DLUMIN_BENCH=OFF >>"$log" 2>&1 &&
    ninja -C "$build" "$@" >>"$log" 2>&1
}

run_test() { # kind name
  case $1 in
  unit) (cd "$build" && ctest -R "^unit\\.$2\$" --no-tests=error) >>"$log" 2>&1 ;;
  node) (cd "$tree" && LUMIN_BUILD=$build node --test --test-concurrency=1 "$2") >>"$log" 2>&1 ;;
  esac
}

report() { # verdict guarantee file why
  printf '%-9s guarantee %-2s  %s  %s\n' "$@"
  if [ "$1" = killed ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

try_mutant() { # guarantee file sed-expression kind test
  local file=$tree/$2
  cp -p "$file" "$file.whole"
  sed -i "$3" "$file"
  if cmp -s "$file" "$file.whole"; then
    report STALE "$1" "$2" "the expression changes nothing"
  elif ! build_tree all; then
    report STALE "$1" "$2" "does not build; see $log"
  elif run_test "$4" "$5"; then
    report SURVIVED "$1" "$2" "$5 still passes"
  else
    report killed "$1" "$2" "$5"
  fi
  mv "$file.whole" "$file"
  touch "$file"
}

mkdir -p "$top/build/mutants"
: >"$log"
copy_tree
build_tree all || { echo "the tree itself does not build: $log" >&2; exit 1; }
# An expression may hold "||", but no " | ".
while read -r line <&3; do
  guarantee=${line%% | *} rest=${line#* | }
  file=${rest%% | *} rest=${rest#* | }
  [ $# -eq 0 ] || [[ " $* " == *" $guarantee "* ]] || continue
  read -r kind name <<<"${rest##* | }"
  try_mutant "$guarantee" "$file" "${rest% | *}" "$kind" "$name"
done 3< <(grep -v '^#' "$top/tests/mutants/list")
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
