# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The tour that ./dev up ends with: a user created, changed, read back, and its events.

uuid='[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'

# show COMMAND...: prints it as one would type it, runs it as the operator, prints and keeps what it says
show() {
  printf '\n$ %s\n' "$*"
  answer=$(with_role operator "build/release/$1" "${@:2}") || {
    printf '%s\n' "$answer"
    die "the tour ended at: $*"
  }
  printf '%s\n' "$answer"
}

# id_in_answer user|command: the UUID beside user_id, userId or the like
id_in_answer() {
  grep -oiE "$1[_ -]?id\"?[:= ]*\"?$uuid" <<<"$answer" | grep -oiE "$uuid" | head -1
}

tour() {
  local user command name
  name=ada.$(date +%s) # an address belongs to one user, and this may be the tenth tour
  printf '\n%s\n' "A user is created by request/reply:"
  show luminctl create --first-name Ada --email "$name@example.com"
  user=$(id_in_answer user) || die "no user id in the answer"
  printf '\n%s\n' "It is changed by an asynchronous command, whose outcome is asked for afterwards:"
  show luminctl change-email --user-id "$user" --email "$name@example.org" --async
  command=$(id_in_answer command) || die "no command id in the answer"
  show luminctl command-outcome --command-id "$command" --wait-ms 5000
  printf '\n%s\n' "Read back, and its events on JetStream:"
  show luminctl get --user-id "$user"
  show luminctl events --user-id "$user"
  next_commands "$user"
}

# next_commands [USER_ID]
next_commands() {
  cat <<END

Next, in this shell:
  eval "\$(./dev env)"
  luminctl create --first-name Grace --email grace@example.com
  luminctl change-username --user-id ${1:-ID} --first-name Augusta --last-name King
  luminctl events --follow
  luminctl delete --user-id ${1:-ID}
  luminctl help
The worker's log is $dev/worker.log. ./dev down stops everything, ./dev test runs the tests.
END
}
