// SPDX-License-Identifier: MIT
// The load: users and commands by number, so that the generator of messages and the bare writer of rows do the same
// work without talking to each other.
#pragma once

#include "lumin/base/uuid.h"

enum work_kind {
  WORK_CREATE, // new users
  WORK_MIXED,  // 30 % new users, 35 % change_username, 35 % change_email
  WORK_GET,    // reads of existing users
  WORK_FIND,   // the same by their e-mail addresses
  WORK_ECHO,   // nothing to do: bytes that come back
};

enum act_kind { ACT_CREATE, ACT_CHANGE_USERNAME, ACT_CHANGE_EMAIL, ACT_GET, ACT_FIND, ACT_ECHO };

struct work {
  enum work_kind kind;
  uint64_t active; // changes and reads go to so many users, one after the other in a scattered order
  // Reads: to those from this one on, made by the commands from that one on, one by one, and not changed since.
  uint64_t read_from, read_op;
  uint64_t next_user;
  uint64_t next_op; // every command's own number, in what it changes to: no change is to what is there already
};

struct act {
  enum act_kind kind;
  uint64_t user;
  uint64_t op;
};

struct act work_next(struct work *work);

struct uuid work_user_id(uint64_t user);
struct uuid work_command_id(uint64_t op);

// "u<user>.<op>@bench.example.com", the address a user has since that command; returns its length.
#define WORK_EMAIL_MAX 64
size_t work_email(uint64_t user, uint64_t op, char ret_text[WORK_EMAIL_MAX]);
#define WORK_NAME_MAX 32
size_t work_first_name(uint64_t op, char ret_text[WORK_NAME_MAX]);
#define WORK_LAST_NAME "Lovelace"

const char *act_method(enum act_kind kind); // "create"

// The request's bytes, with its user id, or the body of the event that it leads to; returns their number.
#define ACT_PAYLOAD_MAX 256
size_t act_payload(const struct act *act, char ret_bytes[ACT_PAYLOAD_MAX]);
size_t act_event_body(const struct act *act, char ret_bytes[ACT_PAYLOAD_MAX]);
