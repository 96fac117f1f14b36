# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What the other parts of ./dev share.

say() { printf '%s\n' "== $*"; }

die() {
  printf '%s\n' "dev: $*" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# Debian keeps servers out of the path of ordinary users.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# npm and buf want a home to keep their caches in; a machine for tests may have none.
if [ ! -w "${HOME:-/nonexistent}" ]; then
  export HOME=$PWD/build/home
  mkdir -p "$HOME"
fi

is_root() { [ "$(id -u)" -eq 0 ]; }

as_root() {
  if is_root; then
    "$@"
  elif has sudo; then
    sudo "$@"
  else
    die "root is needed for: $*"
  fi
}

# The installed node, where it is new enough for the tests.
has_node() {
  has node && has npm && [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ]
}

# build_preset PRESET [TARGET...]
build_preset() {
  local preset=$1
  shift
  say "building $preset"
  mkdir -p build
  # The file is written last, so an interrupted configuration is begun again.
  if [ ! -f "build/$preset/build.ninja" ]; then
    cmake --preset "$preset" >"build/$preset.log" 2>&1 || {
      cat "build/$preset.log" >&2
      return 1
    }
  fi
  cmake --build --preset "$preset" ${1:+--target "$@"}
}

# The test's modules, where the lock file is newer than what is there.
install_modules() {
  [ tests/node_modules/.package-lock.json -nt tests/package-lock.json ] ||
    (cd tests && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
}
