// SPDX-License-Identifier: MIT
// UUIDs by RFC 9562: text form, name-based (version 5), and fresh ones by time and chance (versions 4 and 7).
#pragma once

#include "lumin/base/span.h"
#include "lumin/base/status.h"

#define UUID_TEXT_LEN 36

struct uuid {
  uint8_t bytes[16];
};

// The canonical form in lower case, 36 characters; nothing else (no upper case, braces or urn prefix).
LUMIN_MUST_USE enum lumin_status uuid_parse(struct span text, struct uuid *ret_uuid);
// As uuid_parse, and takes upper-case hexadecimal digits: for ids that do not become part of a subject.
LUMIN_MUST_USE enum lumin_status uuid_parse_any_case(struct span text, struct uuid *ret_uuid);

// Writes 36 characters and a NUL.
void uuid_format(const struct uuid *uuid, char ret_text[UUID_TEXT_LEN + 1]);

static inline bool uuid_equal(const struct uuid *a, const struct uuid *b) { return memcmp(a, b, sizeof *a) == 0; }
static inline int uuid_compare(const struct uuid *a, const struct uuid *b) { return memcmp(a, b, sizeof *a); }
bool uuid_is_nil(const struct uuid *uuid);
uint64_t uuid_hash(const struct uuid *uuid); // for hash tables; differs between processes

// Version 5: SHA-1 of the name space and the parts, one after the other.
LUMIN_MUST_USE enum lumin_status uuid_v5(const struct uuid *name_space, const struct span *parts, size_t count,
                                         struct uuid *ret_uuid);

// Versions 4 and 7 from the kernel's random numbers. UUIDv7 carries the wall clock's milliseconds.
LUMIN_MUST_USE enum lumin_status uuid_v4(struct uuid *ret_uuid);
LUMIN_MUST_USE enum lumin_status uuid_v7(struct uuid *ret_uuid);
