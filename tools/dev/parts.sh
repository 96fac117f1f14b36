# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The parts of ./dev test. Each runs in a process of its own with its log in build/parts/, notes what passed and failed,
# and stops no other; the last line adds up.

all_parts=(unit clang sanitize format tidy shell layering guide contract integration)
counts=build/parts/counts

# count PASSED FAILED
count() { printf '%s %s\n' "$1" "$2" >>"$counts"; }

# --- running -----------------------------------------------------------------------------------------------------------

run_parts() {
  local part known
  [ $# -gt 0 ] || set -- "${all_parts[@]}"
  for part; do
    for known in "${all_parts[@]}"; do [ "$known" != "$part" ] || continue 2; done
    die "there is no part $part; there are: ${all_parts[*]}"
  done
  mkdir -p build/parts
  : >"$counts.all"
  for part; do run_part "$part"; done
  summary
}

run_part() {
  local part=$1 log=build/parts/$1.log begin=$SECONDS status=0
  : >"$counts"
  printf '== %-12s' "$part"
  timeout --kill-after=10 "${LUMIN_TEST_PART_TIMEOUT:-1200}" bash "$root/dev" part "$part" >"$log" 2>&1 || status=$?
  # A part that failed without counting a failure is one.
  if [ "$status" -ne 0 ] && ! awk '$2 > 0 { bad = 1 } END { exit !bad }' "$counts"; then count 0 1; fi
  cat "$counts" >>"$counts.all"
  printf '%s in %d s' "$(added "$counts")" "$((SECONDS - begin))"
  sed -n '1s/^skipped/, &/p' "$log" | tr -d '\n'
  printf '\n'
  if [ "$status" -ne 0 ]; then
    tail -n 40 "$log" | sed 's/^/   | /'
    printf '   its log is %s\n' "$log"
  fi
}

added() { awk '{ p += $1; f += $2 } END { printf "%d passed, %d failed\n", p, f }' "$1"; }

# Fails where a test failed, and where none ran.
summary() {
  printf '\n'
  added "$counts.all"
  awk '{ p += $1; f += $2 } END { exit !(p > 0 && f == 0) }' "$counts.all"
}

# check COMMAND...: a check that passes or fails as a whole
check() {
  if "$@"; then count 1 0; else
    count 0 1
    return 1
  fi
}

# --- C -----------------------------------------------------------------------------------------------------------------

# unit_tests PRESET: counts Criterion's test cases from its closing lines, and the fuzz targets whose corpus was replayed
unit_tests() {
  local log=build/parts/ctest-$1.log status=0
  ctest --test-dir "build/$1" --verbose --parallel "$(nproc)" --timeout 600 >"$log" 2>&1 || status=$?
  cat "$log"
  local passed failed
  read -r passed failed < <(sed 's/\x1b\[[0-9;]*m//g' "$log" | awk '
    /Synthesis: Tested:/ { gsub("[^0-9 ]", ""); passed += $(NF - 2); failed += $(NF - 1) + $NF }
    /fuzz_replay: replayed/ { passed++ }
    END { print passed + 0, failed + 0 }')
  [ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
  [ "$((passed + failed))" -gt 0 ] || failed=1 # no test ran
  count "$passed" "$failed"
  [ "$failed" -eq 0 ] || grep -E '\[(FAIL|CRASH|----)\]|\*\*\*' "$log"
  [ "$failed" -eq 0 ]
}

part_unit() {
  build_preset debug
  unit_tests debug
}

part_clang() { check build_preset clang; }

part_sanitize() {
  build_preset asan-ubsan
  export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
  unit_tests asan-ubsan
}

# find_in NAME FOLDER...: files in those of the folders that there are
find_in() {
  local name=$1 folder folders=()
  shift
  for folder; do [ ! -d "$folder" ] || folders+=("$folder"); done
  find "${folders[@]}" -path tests/node_modules -prune -o -name "$name" -print0
}

# Another version formats and warns otherwise, and would complain of what the house's finds right.
has_house_version() {
  "$1" --version | grep -q 'version 14\.' || {
    echo "skipped: it needs $1 14, as in Debian 12"
    return 1
  }
}

part_format() {
  has_house_version clang-format || return 0
  check format_is_right
}

format_is_right() { find_in '*.[ch]' src include tests bench | xargs -0 clang-format --dry-run -Werror; }

# It reads the flags of the build by clang, which knows no flag of gcc's alone.
part_tidy() {
  has_house_version clang-tidy || return 0
  build_preset clang lumin_schemas
  check tidy_is_clean
}

# The findings come once more at the end, without the paths to them.
tidy_is_clean() {
  local found=build/parts/tidy.found status=0
  find src -name '*.c' -print0 |
    xargs -0 -P "$(nproc)" -n 4 clang-tidy -p build/clang --quiet >"$found" 2>/dev/null || status=$?
  cat "$found"
  grep -E '^/.* error: ' "$found" | sort -u
  return "$status"
}

part_shell() {
  local scripts
  mapfile -d '' scripts < <(find_in '*.sh' tests bench)
  check shellcheck -x -a dev # with the files that it reads
  check shellcheck .ci/run tools/dev/install-packages.sh "${scripts[@]}"
}

part_layering() {
  build_preset debug
  check bash tests/layering/check.sh build/debug
  check bash tests/layering/selftest.sh build/debug
}

part_guide() {
  check bash tests/guide/add_command.sh
  check bash tests/mutants/run.sh --check
}

# --- against servers -----------------------------------------------------------------------------------------------------

part_contract() {
  install_modules
  local status=0
  (cd schemas/proto && check_in "$root" ../../tests/node_modules/.bin/buf lint) || status=1
  node_tests tests/contract || status=1
  return "$status"
}

# check_in COUNTS_ROOT COMMAND...: as check, from another folder
check_in() {
  counts=$1/$counts
  shift
  check "$@"
}

part_integration() {
  install_modules
  build_preset debug
  node_tests tests/integration tests/fault
}

# node_tests FOLDER...: counts from the closing lines of node's runner
node_tests() {
  local log=build/parts/node.log status=0 files
  mapfile -d '' files < <(find_in '*.test.mjs' "$@" | sort -z)
  [ ${#files[@]} -gt 0 ] || {
    echo "there is no test in $*"
    return 1
  }
  # Four files at a time: they mostly wait, for leases, timeouts and servers that start.
  LUMIN_BUILD=build/debug node --test --test-concurrency=4 --test-reporter=tap "${files[@]}" >"$log" 2>&1 || status=$?
  cat "$log"
  local passed failed
  read -r passed failed < <(awk '
    /^# pass / { passed = $3 }
    /^# (fail|cancelled) / { failed += $3 }
    END { print passed + 0, failed + 0 }' "$log")
  [ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
  [ "$((passed + failed))" -gt 0 ] || failed=1
  count "$passed" "$failed"
  [ "$failed" -eq 0 ] || grep -A 12 '^ *not ok' "$log" # once more at the end, without what passed
  [ "$failed" -eq 0 ]
}
