# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The Debian packages that ./dev needs; only what is missing is installed.

# Used by name, through install_packages.
# shellcheck disable=SC2034
{
  build_packages=(
    gcc libc6-dev cmake ninja-build pkg-config libnats-dev libpq-dev libprotobuf-c-dev protobuf-c-compiler
    libprotobuf-dev libyaml-dev libjansson-dev libutf8proc-dev libidn2-dev libssl-dev libcriterion-dev
  )
  nats_packages=(nats-server)
  postgres_packages=(postgresql)
  fuzz_packages=(clang libclang-rt-dev llvm)
  test_packages=(
    clang clang-format clang-tidy libclang-rt-dev binutils universal-ctags jq patch shellcheck ca-certificates nodejs npm
    pgbouncer
  )
  faults_packages=(iproute2 e2fsprogs mount util-linux libfaketime)
}

is_installed() {
  case $1 in
  nodejs | npm) has_node || dpkg_has "$1" ;; # from wherever it came, if it is new enough
  *) dpkg_has "$1" ;;
  esac
}

dpkg_has() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q '^install ok installed$'; }

# install_packages LIST... (names of the arrays above)
install_packages() {
  local list package missing=()
  for list; do
    local -n packages=$list
    for package in "${packages[@]}"; do is_installed "$package" || missing+=("$package"); done
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  has apt-get || die "these Debian packages are missing, and there is no apt-get: ${missing[*]}"
  say "installing ${missing[*]}"
  mkdir -p build
  as_root bash tools/dev/install-packages.sh "${missing[@]}" >build/packages.log 2>&1 || {
    tail -20 build/packages.log >&2
    die "the installation failed; its log is build/packages.log"
  }
}
