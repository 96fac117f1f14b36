// SPDX-License-Identifier: MIT
// JSON's grammar (RFC 8259), token by token, and where in the message the reader stands.
#pragma once

#include "json.h"

// A field or an element on the way from the message to a value.
struct json_place {
  const struct json_place *outer; // NULL: the whole message
  struct span name;               // of a field; data NULL: an element
  size_t index;                   // of an element
};

struct json_reader {
  struct span rest;
  size_t len; // of the whole text
  struct arena *arena;
  size_t budget_left;
  unsigned values_left; // fields and elements
  unsigned depth;       // of messages
  struct refusal *refusal;
};

// Refusals return INVALID_ARGUMENT, or NO_MEMORY where there is no room for the path.
LUMIN_MUST_USE enum lumin_status json_refuse(struct json_reader *reader, const struct json_place *place,
                                             const char *allowed, const char *message);
// `allowed` is in the arena.
LUMIN_MUST_USE enum lumin_status json_refuse_text(struct json_reader *reader, const struct json_place *place,
                                                  struct span allowed, const char *message);
// The field does not take the value.
LUMIN_MUST_USE enum lumin_status json_refuse_value(struct json_reader *reader, const struct json_place *place,
                                                   const char *allowed);
// No JSON from here on.
LUMIN_MUST_USE enum lumin_status json_refuse_broken(struct json_reader *reader);

// Zeroed bytes within the budget.
LUMIN_MUST_USE enum lumin_status json_alloc(struct json_reader *reader, size_t size, void **ret_bytes);

// One more field or element.
LUMIN_MUST_USE enum lumin_status json_count(struct json_reader *reader);

// Whether there is nothing left but white space.
bool json_is_over(struct json_reader *reader);

// The next byte that is no white space; NUL at the end.
char json_peek(struct json_reader *reader);
// Takes it where it is this one.
bool json_take(struct json_reader *reader, char wanted);
bool json_take_word(struct json_reader *reader, struct span word);

// A string, unescaped, in the arena with a NUL behind it: UTF-8 without NULs, or refused as the place's.
LUMIN_MUST_USE enum lumin_status json_take_string(struct json_reader *reader, const struct json_place *place,
                                                  struct span *ret_text);
// The letters of a number.
LUMIN_MUST_USE enum lumin_status json_take_number(struct json_reader *reader, struct span *ret_number);

// How much of the text is a number; 0: it does not begin with one.
size_t json_number_len(struct span text);
// A whole number's sign and size, however it is written ("1.50e1"); false where it is not whole or has more than 64
// bits.
bool json_number_whole(struct span number, bool *ret_negative, uint64_t *ret_size);
