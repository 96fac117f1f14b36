// SPDX-License-Identifier: MIT
// Users and commands by number, and their protobuf bytes.
#include "work.h"

#include <stdio.h>

static uint64_t scatter(uint64_t number);
static size_t put_text(char *bytes, unsigned field, struct span text);

// Reads and changes walk over the active users by a step that is coprime to any number of users up to it, so that one
// batch does not meet one user twice.
#define STEP UINT64_C(1000003)

struct act work_next(struct work *work) {
  static const enum act_kind mixed[] = {
      ACT_CHANGE_EMAIL, ACT_CREATE,       ACT_CHANGE_USERNAME, ACT_CHANGE_EMAIL, ACT_CHANGE_USERNAME,
      ACT_CREATE,       ACT_CHANGE_EMAIL, ACT_CHANGE_USERNAME, ACT_CREATE,
  };
  struct act act = {.op = work->next_op++};
  switch (work->kind) {
  case WORK_CREATE:
    act.kind = ACT_CREATE;
    break;
  case WORK_MIXED:
    // The tenth of ten alternates, which makes 35 % of each change.
    act.kind = act.op % 10 < 9 ? mixed[act.op % 10] : act.op / 10 % 2 ? ACT_CHANGE_EMAIL : ACT_CHANGE_USERNAME;
    break;
  case WORK_GET:
  case WORK_FIND:
    act.kind = work->kind == WORK_GET ? ACT_GET : ACT_FIND;
    act.user = act.op * STEP % work->active;
    return (struct act){act.kind, work->read_from + act.user, work->read_op + act.user};
  case WORK_ECHO:
    act.kind = ACT_ECHO;
    break;
  }
  act.user = act.kind == ACT_CREATE ? work->next_user++ : act.op * STEP % work->active;
  return act;
}

// splitmix64
static uint64_t scatter(uint64_t number) {
  uint64_t z = number + UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

// Of version 4's form: random to the database, as ids from outside are.
static struct uuid uuid_numbered(uint64_t number, uint64_t space) {
  uint64_t halves[2] = {scatter(number * 2 + (space << 56)), scatter(number * 2 + 1 + (space << 56))};
  struct uuid uuid;
  memcpy(uuid.bytes, halves, sizeof uuid.bytes);
  uuid.bytes[6] = (uint8_t)((uuid.bytes[6] & 0x0f) | 0x40);
  uuid.bytes[8] = (uint8_t)((uuid.bytes[8] & 0x3f) | 0x80);
  return uuid;
}

struct uuid work_user_id(uint64_t user) {
  return uuid_numbered(user, 1);
}
struct uuid work_command_id(uint64_t op) {
  return uuid_numbered(op, 2);
}

size_t work_email(uint64_t user, uint64_t op, char ret_text[WORK_EMAIL_MAX]) {
  return (size_t)snprintf(ret_text, WORK_EMAIL_MAX, "u%llu.%llu@bench.example.com", (unsigned long long)user,
                          (unsigned long long)op);
}

size_t work_first_name(uint64_t op, char ret_text[WORK_NAME_MAX]) {
  return (size_t)snprintf(ret_text, WORK_NAME_MAX, "Ada %llu", (unsigned long long)op);
}

const char *act_method(enum act_kind kind) {
  static const char *const names[] = {"create", "change_username", "change_email", "get", "find_by_email", "echo"};
  return names[kind];
}

// ---- protobuf: texts only, each shorter than 128 bytes

static size_t put_text(char *bytes, unsigned field, struct span text) {
  bytes[0] = (char)(field << 3 | 2);
  bytes[1] = (char)text.len;
  memcpy(bytes + 2, text.data, text.len);
  return 2 + text.len;
}

static size_t put_fields(const struct act *act, unsigned field, char *bytes) {
  char name[WORK_NAME_MAX], email[WORK_EMAIL_MAX];
  struct span first = span_of(name, work_first_name(act->op, name));
  struct span address = span_of(email, work_email(act->user, act->op, email));
  size_t len = 0;
  if (act->kind == ACT_CREATE || act->kind == ACT_CHANGE_USERNAME) {
    len += put_text(bytes + len, field++, first);
    len += put_text(bytes + len, field++, SPAN_LITERAL(WORK_LAST_NAME));
  }
  if (act->kind == ACT_CREATE || act->kind == ACT_CHANGE_EMAIL) {
    len += put_text(bytes + len, field, address);
  }
  return len;
}

size_t act_payload(const struct act *act, char ret_bytes[ACT_PAYLOAD_MAX]) {
  char text[UUID_TEXT_LEN + 1], email[WORK_EMAIL_MAX];
  if (act->kind == ACT_FIND) {
    return put_text(ret_bytes, 1, span_of(email, work_email(act->user, act->op, email)));
  }
  struct uuid id = work_user_id(act->user);
  uuid_format(&id, text);
  size_t len = put_text(ret_bytes, 1, span_of(text, UUID_TEXT_LEN));
  return len + put_fields(act, 2, ret_bytes + len);
}

size_t act_event_body(const struct act *act, char ret_bytes[ACT_PAYLOAD_MAX]) { return put_fields(act, 1, ret_bytes); }
