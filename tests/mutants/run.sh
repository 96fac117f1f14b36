#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Takes the keeper of each guarantee away, one at a time, in a copy of the tree under build/mutants, and expects the test
# that the list names to fail. A mutant that survives, or does not apply or build any more, fails this run.
# With arguments: only the guarantees of these numbers ("rules": those of the domain), and only tests of these kinds
# (unit, node, faults). With --check alone: only whether each expression still finds what it changes, and its test is there.
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
  faults) # a campaign: red is 1, and what is more went wrong with the campaign itself
    local status=0 arguments
    read -ra arguments <<<"$2"
    (cd "$tree" && node tests/fault/campaign/main.mjs --build "$build" "${arguments[@]}") >"$log.faults" 2>&1 || status=$?
    cat "$log.faults" >>"$log"
    [ "$status" -ne 1 ]
    ;;
  esac
}

# Whether the arguments name it, or none of its sort (numbers, kinds).
wanted() { # word arguments...
  local word=$1 argument sort='[a-z]*' any=no
  shift
  [[ $word != [0-9]* ]] || sort='[0-9]*'
  for argument; do
    [ "$argument" != "$word" ] || return 0
    # shellcheck disable=SC2254 # a pattern
    case $argument in $sort) any=yes ;; esac
  done
  [ "$any" = no ]
}

report() { # verdict guarantee file why
  printf '%-9s guarantee %-2s  %s  %s\n' "$@"
  if [ "$1" = killed ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

# What a red campaign found, by rule.
findings() { sed -n 's/.* VIOLATION \([A-Z0-9]*\):.*/\1/p' "$log.faults" | sort | uniq -c | awk '{ printf " %s x%d", $2, $1 }'; }

try_mutant() { # guarantee files sed-expression kind test
  local file files=() stale=no found=''
  for file in $2; do files+=("$tree/$file"); done
  for file in "${files[@]}"; do
    cp -p "$file" "$file.whole"
    sed -i "$3" "$file"
    ! cmp -s "$file" "$file.whole" || stale=yes
  done
  if [ "$stale" = yes ]; then
    report STALE "$1" "$2" "the expression changes nothing"
  elif ! build_tree "$target"; then
    report STALE "$1" "$2" "does not build; see $log"
  elif run_test "$4" "$5"; then
    report SURVIVED "$1" "$2" "$5 still passes"
  else
    [ "$4" != faults ] || found=$(findings)
    report killed "$1" "$2" "$4 $5:$found"
  fi
  for file in "${files[@]}"; do
    mv "$file.whole" "$file"
    touch "$file"
  done
}

test_exists() { # kind name
  case $1 in
  unit) [ -n "$(find "$top/tests/unit" -name "$2.c")" ] ;;
  node) [ -f "$top/$2" ] ;;
  faults) true ;;
  esac
}

check_mutant() { # guarantee files sed-expression kind test
  local file why=''
  for file in $2; do
    ! sed "$3" "$top/$file" | cmp -s - "$top/$file" || why="the expression changes nothing"
  done
  test_exists "$4" "$5" || why="there is no $4 $5"
  if [ -z "$why" ]; then passed=$((passed + 1)); else report STALE "$1" "$2" "$why"; fi
}

# An expression may hold "||", but no " | ".
each_mutant() { # function arguments...
  local line guarantee files rest kind name function=$1
  shift
  while read -r line <&3; do
    guarantee=${line%% | *} rest=${line#* | }
    files=${rest%% | *} rest=${rest#* | }
    read -r kind name <<<"${rest##* | }"
    wanted "$guarantee" "$@" || continue
    wanted "$kind" "$@" || continue
    "$function" "$guarantee" "$files" "${rest% | *}" "$kind" "$name"
  done 3< <(grep -v '^#' "$top/tests/mutants/list")
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
}

if [ "${1:-}" = --check ]; then
  each_mutant check_mutant
  exit
fi
mkdir -p "$top/build/mutants"
: >"$log"
copy_tree
target=lumin-user # all that campaigns need
for kind in unit node; do if wanted "$kind" "$@"; then target=all; fi; done
build_tree "$target" || { echo "the tree itself does not build: $log" >&2; exit 1; }
each_mutant try_mutant "$@"
