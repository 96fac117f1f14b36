# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# ./dev fuzz: each target for a while, one after the other. What it finds worth keeping lies in build/fuzz/corpus/, a
# finding in build/fuzz/findings/, libFuzzer's own words in build/fuzz/logs/.

fuzz=build/fuzz
fuzz_seeds=tests/fuzz/corpus

fuzz_targets() { (cd tests/fuzz/targets && printf '%s\n' *.c) | sed 's/\.c$//'; }

command_fuzz() {
  local seconds=60 keep='' target targets=() failed=0
  while [ $# -gt 0 ]; do
    case $1 in
    --seconds)
      seconds=${2:?--seconds needs a number}
      shift
      ;;
    --keep) keep=yes ;;
    -*) die "fuzz takes --seconds N, --keep and names of targets, not $1" ;;
    *) targets+=("$1") ;;
    esac
    shift
  done
  [[ $seconds =~ ^[1-9][0-9]*$ ]] || die "--seconds needs a whole number, not $seconds"
  [ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(fuzz_targets)
  for target in "${targets[@]}"; do
    [ -f "tests/fuzz/targets/$target.c" ] || die "there is no target $target; there are: $(fuzz_targets | tr '\n' ' ')"
  done
  install_packages build_packages fuzz_packages
  build_preset fuzz "${targets[@]/#/fuzz_}"
  for target in "${targets[@]}"; do
    if ! fuzz_run "$target" "$seconds"; then
      failed=$((failed + 1))
    elif [ -n "$keep" ]; then
      fuzz_keep "$target"
    fi
  done
  [ "$failed" -eq 0 ] || die "$failed of ${#targets[@]} targets found something"
}

# One line a target; more where it found something.
fuzz_run() {
  local target=$1 seconds=$2 status=0 log=$fuzz/logs/$1.log dictionary=tests/fuzz/dictionaries/$1.dict options=()
  mkdir -p "$fuzz/logs" "$fuzz/corpus/$target" "$fuzz/findings/$target" "$fuzz_seeds/$target"
  [ ! -f "$dictionary" ] || options+=("-dict=$dictionary")
  printf '%-14s ' "$target"
  "$fuzz/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$fuzz/findings/$target/" "${options[@]}" "$fuzz/corpus/$target" "$fuzz_seeds/$target" \
    >"$log" 2>&1 || status=$?
  if [ "$status" -eq 0 ]; then
    sed -n 's|^#\([0-9]*\).DONE  *cov: \([0-9]*\) ft: [0-9]* corp: \([0-9]*\)/\([^ ]*\) .*|\1 runs, corpus of \3 (\4), \2 edges|p' "$log"
    return
  fi
  printf 'FOUND SOMETHING\n'
  grep -m 12 -E 'does not hold|ERROR: |runtime error|^ +#[0-9]+ .*\.[ch]:[0-9]' "$log" | sed 's/^/   | /'
  printf '   its log is %s\n' "$log"
  sed -n 's|.*Test unit written to |   again: '"$fuzz/tests/fuzz/fuzz_$target"' |p' "$log"
  return 1
}

# The corpus of the repository, made anew: of all inputs as few as reach the same edges (with counters it would be ten
# times as many), and what once was a finding.
fuzz_keep() {
  local target=$1 merged=$fuzz/merged/$1
  rm -rf "$merged"
  mkdir -p "$merged"
  "$fuzz/tests/fuzz/fuzz_$target" -set_cover_merge=1 -use_counters=0 -max_len=4096 "$merged" "$fuzz_seeds/$target" \
    "$fuzz/corpus/$target" >"$fuzz/logs/$target.merge.log" 2>&1 || die "the merge failed: $fuzz/logs/$target.merge.log"
  find "$fuzz_seeds/$target" -name 'finding-*' -exec cp {} "$merged/" \;
  rm -rf "${fuzz_seeds:?}/$target"
  mv "$merged" "$fuzz_seeds/$target"
  printf '%-14s %s inputs kept\n' '' "$(find "$fuzz_seeds/$target" -type f | wc -l)"
}
