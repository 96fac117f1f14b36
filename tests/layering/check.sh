#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Each layer may include only itself and what stands above it; the domain may call only what domain.symbols lists. Prints
# each offender and exits 1 where there is one.
#
#   check.sh BUILD_DIR [SOURCE_DIR]
set -uo pipefail
export LC_ALL=C

build=${1:?usage: check.sh BUILD_DIR [SOURCE_DIR]}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "${2:-$here/../..}" && pwd) || exit 2
failures=0

# Worker and cli have the same height, so that neither may include the other.
declare -A height=([base]=0 [domain]=1 [application]=2 [infrastructure]=3 [worker]=4 [cli]=4)

# Folders of infrastructure that stand for one thing outside each, and know nothing of one another; the rest of
# infrastructure (the codec, an event loop) is for all of them and may use none.
adapters='^(nats|postgres|config|cache)$'

complain() {
  echo "layering: $*" >&2
  failures=$((failures + 1))
}

# Sets place to "layer folder" for a path below src/ or include/lumin/; the folder of a file right in its layer is ".".
place_of() {
  local rest=$1
  rest=${rest#src/} rest=${rest#include/} rest=${rest#lumin/}
  place=${rest%%/*}
  rest=${rest#*/}
  case $rest in
  */*) place+=" ${rest%%/*}" ;;
  *) place+=" ." ;;
  esac
}

# One include of one file: `target` is as written, without its quotes or brackets; `form` is the opening one of these.
check_include() {
  local file=$1 form=$2 target=$3 place layer folder their_layer their_folder
  place_of "$file"
  read -r layer folder <<<"$place"
  case $target in
  *.pb-c.h | protobuf-c/*)
    [ "${height[$layer]}" -ge 2 ] || complain "$file: $layer may not know protobuf: $target"
    return
    ;;
  lumin/*) ;;
  *)
    if [ "$form" = '<' ]; then
      check_system_include "$file" "$layer" "$target"
      return
    fi
    target=$(realpath -ms --relative-to="$root" "$root/$(dirname "$file")/$target")
    case $target in
    src/* | include/lumin/*) ;;
    *)
      complain "$file: includes $target, which is in no layer"
      return
      ;;
    esac
    ;;
  esac
  place_of "$target"
  read -r their_layer their_folder <<<"$place"
  if [ -z "${height[$their_layer]:-}" ]; then
    complain "$file: includes $target, which is in no layer"
  elif [ "$their_layer" != "$layer" ] && [ "${height[$their_layer]}" -ge "${height[$layer]}" ]; then
    complain "$file: $layer may not include $their_layer: $target"
  elif [ "$their_layer" = "$layer" ] && [ "$layer" = infrastructure ] && [ "$their_folder" != "$folder" ] &&
    [[ $their_folder =~ $adapters ]]; then
    complain "$file: infrastructure/$folder may not include infrastructure/$their_folder: $target"
  fi
}

check_system_include() {
  local file=$1 layer=$2 target=$3
  case $layer in
  domain)
    case $target in
    stdbool.h | stddef.h | stdint.h | limits.h | string.h | utf8proc.h | idn2.h) ;;
    *) complain "$file: domain may not include <$target>" ;;
    esac
    ;;
  base | application)
    case $target in
    nats/* | nats.h | libpq-fe.h | libpq/* | postgresql/*) complain "$file: $layer may not include <$target>" ;;
    esac
    ;;
  esac
}

check_includes() {
  local layer seen file form target
  for layer in "${!height[@]}"; do
    seen=0
    while IFS=$'\t' read -r file form target; do
      seen=$((seen + 1))
      check_include "$file" "$form" "$target"
    done < <(cd "$root" && find "src/$layer" "include/lumin/$layer" -type f \( -name '*.[ch]' -o -name '*.def' \) \
      -exec grep -HE '^[[:space:]]*#[[:space:]]*include' {} + 2>/dev/null |
      sed -nE 's/^([^:]+):[[:space:]]*#[[:space:]]*include[[:space:]]*(["<])([^">]+)[">].*/\1\t\2\t\3/p')
    # A layer without a single include was not found, rather than innocent.
    [ "$seen" -gt 0 ] || [ ! -d "$root/src/$layer" ] || [ -z "$(find "$root/src/$layer" -name '*.c')" ] ||
      complain "found no include in src/$layer"
  done
}

symbol_is_allowed() {
  local symbol=$1 pattern
  for pattern in "${allowed[@]}"; do
    # shellcheck disable=SC2053 # a pattern it is
    [[ $symbol == $pattern ]] && return 0
  done
  return 1
}

check_symbols() {
  local library=$build/liblumin_domain.a symbol defined
  local -a allowed
  mapfile -t allowed < <(sed -E 's/#.*//; s/[[:space:]]+//g; /^$/d' "$here/domain.symbols")
  defined=$(nm -g --defined-only --format=posix "$library" 2>/dev/null | awk 'NF > 1 { print $1 }' | sort -u)
  if ! grep -qx user_apply <<<"$defined"; then
    complain "$library does not define user_apply: no domain library"
    return
  fi
  while read -r symbol; do
    symbol_is_allowed "$symbol" || complain "liblumin_domain.a may not call $symbol$(callers_of "$library" "$symbol")"
  done < <(nm -u --format=posix "$library" | awk 'NF > 1 { print $1 }' | sort -u | comm -23 - <(echo "$defined"))
}

# " (in user.c.o)"
callers_of() {
  nm -u -A --format=posix "$1" |
    awk -v symbol="$2" '$2 == symbol { sub(/^.*\[/, "", $1); sub(/\]:$/, "", $1); printf " (in %s)", $1 }'
}

check_includes
check_symbols
if [ "$failures" -gt 0 ]; then
  echo "layering: $failures found" >&2
  exit 1
fi
echo "layering: fine"
