# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The private servers of ./dev up: nats-server, PostgreSQL and a worker, on loopback ports of their own. build/dev/ holds
# their logs, process ids, ports and passwords. Root hands nats-server and PostgreSQL to an unprivileged user, and keeps
# their data outside where that user cannot enter the repository.

dev=build/dev
roles=(gateway command_publisher event_consumer worker setup operator)
nats_server=''
postgres_bin=''

# --- processes -------------------------------------------------------------------------------------------------------

# The kernel's start time of a process beside its id tells whether it is still the same one.
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" { print $20 }'; }

is_running() {
  local pid started
  [ -f "$dev/$1.pid" ] && read -r pid started <"$dev/$1.pid" && [ "$(start_time "$pid")" = "$started" ]
}

# start NAME COMMAND...: in the background, in a session of its own, with its log in build/dev/NAME.log
start() {
  local name=$1
  shift
  setsid "$@" >>"$dev/$name.log" 2>&1 </dev/null &
  printf '%s %s\n' "$!" "$(start_time "$!")" >"$dev/$name.pid"
}

# stop NAME SIGNAL: nothing but what `start` started
stop() {
  local name=$1 pid
  if is_running "$name"; then
    read -r pid _ <"$dev/$name.pid"
    say "stopping $name"
    kill -s "$2" "$pid"
    wait_for 200 not is_running "$name" || kill -s KILL "$pid"
  fi
  rm -f "$dev/$name.pid"
}

not() { ! "$@"; }

# wait_for N COMMAND...: at most N tenths of a second
wait_for() {
  local left=$1
  shift
  until "$@"; do
    [ "$left" -gt 0 ] || return 1
    left=$((left - 1))
    sleep 0.1
  done
}

# ready NAME TENTHS COMMAND...: waits until the command succeeds; a process that ends before is not waited for
ready() {
  local name=$1 tenths=$2
  shift 2
  if wait_for "$tenths" succeeds_or_ended "$name" "$@" && is_running "$name"; then return; fi
  printf '%s\n' "the end of $dev/$name.log:" >&2
  tail -20 "$dev/$name.log" >&2
  die "$name did not become ready"
}

succeeds_or_ended() {
  local name=$1
  shift
  ! is_running "$name" || "$@" >/dev/null 2>&1
}

# --- the user that runs the servers, and the place of their data -------------------------------------------------------

as_service() {
  if ! is_root; then
    "$@"
  else
    local user=nobody
    ! id postgres >/dev/null 2>&1 || user=postgres
    setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups -- "$@"
  fi
}

# Sets `place`. The path must be short too: a Unix socket's may have 107 bytes.
find_place() {
  mkdir -p "$dev"
  if [ -f "$dev/place" ]; then
    place=$(cat "$dev/place")
    [ ! -d "$place" ] || return 0
  fi
  place=$root/$dev/servers
  mkdir -p "$place"
  hand_over "$place"
  if [ ${#place} -gt 80 ] || ! as_service test -x "$place"; then
    rmdir "$place"
    place=$(mktemp -d /var/tmp/lumin-dev.XXXXXX)
    hand_over "$place"
  fi
  printf '%s\n' "$place" >"$dev/place"
}

hand_over() {
  if is_root; then chown "$(as_service id -u):$(as_service id -g)" "$1"; fi
  chmod 700 "$1"
}

wipe() {
  if [ -f "$dev/place" ]; then rm -rf "$(cat "$dev/place")"; fi
  rm -rf "$dev"
}

# --- secrets and ports -------------------------------------------------------------------------------------------------

# It begins with a letter, because nats-server reads a variable's value as configuration.
secret() { printf 'p%s\n' "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"; }

make_secrets() {
  [ ! -f "$dev/secrets" ] || return 0
  local role
  (
    umask 077
    for role in "${roles[@]}"; do echo "NATS_PASSWORD_${role^^}=$(secret)"; done >"$dev/secrets"
    echo "POSTGRES_PASSWORD=$(secret)" >>"$dev/secrets"
  )
}

secret_of() { sed -n "s/^$1=//p" "$dev/secrets"; }

password_of() { secret_of "NATS_PASSWORD_${1^^}"; }

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# port_for NAME: the same as last time if it is free, else one below those of outgoing connections
port_for() {
  local file=$dev/$1.port port
  if [ -f "$file" ] && port_is_free "$(cat "$file")"; then return; fi
  until port=$((15000 + RANDOM % 17000)) && port_is_free "$port"; do :; done
  printf '%s\n' "$port" >"$file"
}

# --- nats-server -------------------------------------------------------------------------------------------------------

find_nats_server() {
  [ -n "$nats_server" ] || nats_server=$(command -v nats-server) || die "there is no nats-server; name one: --nats-server"
  as_service "$nats_server" --version >/dev/null || die "$nats_server does not run as $(as_service id -un)"
}

# 2.10 brought `sync_interval: always`, which 2.9 refuses.
nats_configuration() {
  local version
  version=$("$nats_server" --version | grep -oE '[0-9]+\.[0-9]+' | head -1)
  if printf '2.10\n%s\n' "$version" | sort -CV; then echo server-2.10.conf; else echo server.conf; fi
}

start_nats() {
  ! is_running nats || return 0
  find_nats_server
  port_for nats
  install -d -m 755 "$place/nats"
  install -m 644 deploy/nats/*.conf "$place/nats/"
  as_service mkdir -p "$place/jetstream"
  (
    set -a
    # shellcheck disable=SC1091
    . "$dev/secrets"
    NATS_LISTEN=127.0.0.1:$(cat "$dev/nats.port")
    NATS_STORE=$(printf '"%s"' "$place/jetstream") # in quotes, for a path with blanks
    export NATS_LISTEN NATS_STORE
    start nats "${service[@]}" "$nats_server" -c "$place/nats/$(nats_configuration)"
  )
  ready nats 150 nats_greets
}

# In a process of its own: a redirection of `exec` that fails would end this one.
nats_greets() (
  exec 3<>"/dev/tcp/127.0.0.1/$(cat "$dev/nats.port")"
  read -r -t 1 greeting <&3
  [[ $greeting == INFO* ]]
)

# --- PostgreSQL --------------------------------------------------------------------------------------------------------

find_postgres() {
  if [ -z "$postgres_bin" ]; then
    local found
    found=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V | tail -1)
    postgres_bin=$(dirname "$found")
  fi
  [ -x "$postgres_bin/initdb" ] || die "there is no initdb in $postgres_bin; name another: --postgres-bin"
}

# Made beside its place and moved there when it is complete.
make_cluster() {
  local data=$place/postgres new=$place/postgres.new
  [ ! -d "$data" ] || return 0
  say "making a PostgreSQL cluster in $data"
  rm -rf "$new"
  if ! fill_cluster "$new" >"$dev/initdb.log" 2>&1; then
    tail "$dev/initdb.log" >&2
    die "the cluster could not be made"
  fi
  mv "$new" "$data"
}

fill_cluster() {
  local password
  password=$(secret_of POSTGRES_PASSWORD)
  as_service "$postgres_bin/initdb" -D "$1" --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 \
    --data-checksums &&
    # In single-user mode a statement ends with the line.
    printf '%s\n' "ALTER ROLE postgres PASSWORD '$password'" "CREATE ROLE lumin LOGIN PASSWORD '$password'" \
      'CREATE DATABASE lumin OWNER lumin' | as_service "$postgres_bin/postgres" --single -D "$1" postgres &&
    printf '%s\n' 'local all all scram-sha-256' 'host all all 127.0.0.1/32 scram-sha-256' |
    as_service tee "$1/pg_hba.conf"
}

check_cluster_version() {
  local made here
  made=$(cat "$place/postgres/PG_VERSION")
  here=$("$postgres_bin/postgres" --version | grep -oE '[0-9]+' | head -1)
  [ "$made" = "$here" ] || die "the data is of PostgreSQL $made, not $here; ./dev down --wipe forgets it"
}

write_postgres_settings() {
  as_service tee "$place/postgres/postgresql.auto.conf" >/dev/null <<END
listen_addresses = '127.0.0.1'
port = $(cat "$dev/postgres.port")
unix_socket_directories = '$place'
shared_buffers = '256MB'
max_wal_size = '2GB'
max_connections = 60
log_line_prefix = '%m [%p] %q%a '
# Values of a statement and keys of a conflict are personal data.
log_error_verbosity = terse
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_min_error_statement = panic
log_lock_waits = on
client_connection_check_interval = '1s'
tcp_keepalives_idle = 5
tcp_keepalives_interval = 2
tcp_keepalives_count = 3
END
}

start_postgres() {
  ! is_running postgres || return 0
  find_postgres
  make_cluster
  check_cluster_version
  port_for postgres
  write_postgres_settings
  start postgres "${service[@]}" "$postgres_bin/postgres" -D "$place/postgres"
  ready postgres 300 "$postgres_bin/pg_isready" -h 127.0.0.1 -p "$(cat "$dev/postgres.port")"
}

# --- all together ------------------------------------------------------------------------------------------------------

start_servers() {
  find_place
  make_secrets
  service=()
  # `start` notes the process it starts, so a function may not stand between.
  if is_root; then
    service=(setpriv "--reuid=$(as_service id -u)" "--regid=$(as_service id -g)" --clear-groups --)
  fi
  say "starting nats-server and PostgreSQL; their logs are in $dev/"
  start_nats
  start_postgres
}

database_url() {
  printf 'postgresql://lumin:%s@127.0.0.1:%s/lumin\n' "$(secret_of POSTGRES_PASSWORD)" "$(cat "$dev/postgres.port")"
}

# with_role ROLE COMMAND...: with the environment of that role
with_role() {
  local role=$1
  shift
  (
    NATS_URL=nats://127.0.0.1:$(cat "$dev/nats.port")
    NATS_PASSWORD=$(password_of "$role")
    DATABASE_URL=$(database_url)
    export NATS_URL NATS_USER=$role NATS_PASSWORD DATABASE_URL
    "$@"
  )
}

start_worker() {
  ! is_running worker || return 0
  with_role setup build/release/lumin-user setup
  with_role worker start worker build/release/lumin-user worker
  ready worker 300 with_role setup build/release/lumin-user health
}

# print_env ROLE
print_env() {
  cat <<END
# The operator may call methods, send commands and read events. Every role has its own user name (gateway,
# command_publisher, event_consumer, worker, setup, operator), password and inbox prefix (_INBOX_lumin_<role>).
export NATS_URL=nats://127.0.0.1:$(cat "$dev/nats.port")
export NATS_USER=$1
export NATS_PASSWORD=$(password_of "$1")
$(sed -n 's/^NATS_PASSWORD_/export &/p' "$dev/secrets")
export DATABASE_URL=$(database_url)
export PATH=$(printf %q "$root/build/release"):\$PATH
END
}
