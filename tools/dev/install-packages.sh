#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs Debian packages as root: no service is started or enabled by that, and no PostgreSQL cluster made, since ./dev
# starts servers of its own. What it changes for the time of the installation it puts back.
#
#   install-packages.sh PACKAGE...
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

policy=/usr/sbin/policy-rc.d
cluster_defaults=/etc/postgresql-common/createcluster.conf
saved=''
made_policy=''

restore() {
  [ -z "$made_policy" ] || rm -f "$policy"
  [ -z "$saved" ] || mv "$saved" "$cluster_defaults"
}
trap restore EXIT

install() { apt-get install -y --no-install-recommends "$@"; }

forbid_services() {
  [ ! -e "$policy" ] || return 0
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  made_policy=yes
}

# A first installation of a server makes a cluster named "main", unless this file says otherwise.
forbid_cluster() {
  install postgresql-common
  saved=$cluster_defaults.before-lumin
  cp -p "$cluster_defaults" "$saved"
  printf '\ncreate_main_cluster = false\n' >>"$cluster_defaults"
}

wants() {
  local name=$1 package
  shift
  for package; do [ "$package" != "$name" ] || return 0; done
  return 1
}

# A service that came only now shall not start at the next boot either.
disable_service() {
  [ ! -d /run/systemd/system ] || systemctl disable --quiet "$1"
}

forbid_services
apt-get update
if wants postgresql "$@"; then forbid_cluster; fi
install "$@"
if wants postgresql "$@"; then disable_service postgresql; fi
if wants nats-server "$@"; then disable_service nats-server; fi
if wants pgbouncer "$@"; then disable_service pgbouncer; fi
