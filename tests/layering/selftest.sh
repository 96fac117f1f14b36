#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Shows that check.sh can fail: plants one violation after the other in a scratch copy, and wants each one named.
#
#   selftest.sh BUILD_DIR
set -uo pipefail
export LC_ALL=C

build=${1:?usage: selftest.sh BUILD_DIR}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
failures=0

fail() {
  echo "selftest: $*" >&2
  failures=$((failures + 1))
}

# A small house: one header in each place, and one source in each layer that may include what it does.
plant_house() {
  rm -rf "$scratch/house"
  local place
  for place in base domain application infrastructure/{codec,nats,postgres,config} worker cli; do
    mkdir -p "$scratch/house/src/$place" "$scratch/house/include/lumin/$place"
    echo '#include <stdint.h>' | tee "$scratch/house/src/$place/x.h" >"$scratch/house/include/lumin/$place/x.h"
    printf '#include "lumin/%s/x.h"\n#include "lumin/base/x.h"\n#include "x.h"\n' "$place" >"$scratch/house/src/$place/x.c"
  done
}

# check.sh on the small house: its exit code, and what it says in $scratch/said.
check() { "$here/check.sh" "$1" "$scratch/house" >"$scratch/said" 2>&1; }

want_fine() {
  local file=$1 line=$2
  plant_house
  echo "$line" >>"$scratch/house/$file"
  check "$build" || fail "refuses $line in $file: $(cat "$scratch/said")"
}

want_complaint() {
  local file=$1 line=$2
  plant_house
  echo "$line" >>"$scratch/house/$file"
  if check "$build"; then
    fail "takes $line in $file"
  elif [ "$(grep -c "^layering: $file: " "$scratch/said")" -ne 1 ]; then
    fail "does not name $file for $line: $(cat "$scratch/said")"
  fi
}

# A domain library that also calls `call`.
want_symbol() {
  local call=$1 verdict=$2
  mkdir -p "$scratch/build"
  cp "$build/liblumin_domain.a" "$scratch/build/"
  echo "void $call(void); void planted(void); void planted(void) { $call(); }" >"$scratch/planted.c"
  if ! "${CC:-cc}" -w -fno-builtin -c "$scratch/planted.c" -o "$scratch/planted.o" ||
    ! ar rcs "$scratch/build/liblumin_domain.a" "$scratch/planted.o"; then
    fail "cannot plant $call"
  fi
  plant_house
  check "$scratch/build"
  if [ $? -ne "$verdict" ]; then
    fail "verdict on $call is not $verdict: $(cat "$scratch/said")"
  elif [ "$verdict" -ne 0 ] && ! grep -q "may not call $call (in planted.o)" "$scratch/said"; then
    fail "does not name $call: $(cat "$scratch/said")"
  fi
}

plant_house
check "$build" || fail "refuses a house in order: $(cat "$scratch/said")"

want_fine src/application/x.c '#include "lumin/domain/x.h"'
want_fine src/application/x.c '#include "lumin/user/v1/types.pb-c.h"'
want_fine src/infrastructure/nats/x.c '#include "lumin/infrastructure/codec/x.h"'
want_fine src/infrastructure/nats/x.c '#include <nats/nats.h>'
want_fine src/worker/x.c '  #  include "lumin/infrastructure/postgres/x.h"'
want_fine src/base/x.c '#include <time.h>'

want_complaint src/base/x.c '#include "lumin/domain/x.h"'
want_complaint include/lumin/base/x.h '#include "lumin/domain/x.h"'
want_complaint src/domain/x.c '#include "lumin/application/x.h"'
want_complaint src/domain/x.c '  #  include  <lumin/application/x.h>'
want_complaint src/domain/x.c '#include "../application/x.h"'
want_complaint src/domain/x.c '#include "../../bench/x.h"'
want_complaint src/domain/x.c '#include <time.h>'
want_complaint src/domain/x.c '#include <stdlib.h>'
want_complaint src/domain/x.c '#include <stdio.h>'
want_complaint src/domain/x.c '#include "lumin/user/v1/types.pb-c.h"'
want_complaint include/lumin/domain/x.h '#include <protobuf-c/protobuf-c.h>'
want_complaint src/base/x.c '#include <libpq-fe.h>'
want_complaint src/application/x.c '#include <nats/nats.h>'
want_complaint src/application/x.c '#include "lumin/infrastructure/nats/x.h"'
want_complaint src/application/x.c '#include "lumin/nowhere/x.h"'
want_complaint src/infrastructure/nats/x.c '#include "lumin/infrastructure/postgres/x.h"'
want_complaint src/infrastructure/postgres/x.c '#include "../config/x.h"'
want_complaint src/infrastructure/codec/x.c '#include "lumin/infrastructure/nats/x.h"'
want_complaint src/infrastructure/config/x.c '#include "lumin/worker/x.h"'
want_complaint src/worker/x.c '#include "lumin/cli/x.h"'
want_complaint src/cli/x.c '#include "lumin/worker/x.h"'

for call in malloc time clock_gettime printf rand getenv utf8proc_map uuid_v7 arena_create; do
  want_symbol "$call" 1
done
want_symbol memcmp 0
want_symbol __asan_report_load8 0

mkdir -p "$scratch/empty"
plant_house
check "$scratch/empty" && fail "is content without a library"

if [ "$failures" -gt 0 ]; then
  echo "selftest: $failures failed" >&2
  exit 1
fi
echo "selftest: check.sh fails where it should"
