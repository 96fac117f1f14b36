// SPDX-License-Identifier: MIT
// Value objects. Parsing is the only constructor: a value that exists is valid. Every parser refuses ill-formed UTF-8
// and NUL bytes, names no input in its refusal, and puts what it makes into the arena.
#pragma once

#include "lumin/base/arena.h"
#include "lumin/domain/refusal.h"

// An address as it is shown and sent to, and the key it is compared by.
struct email {
  struct span text; // local part in its least quoted spelling, domain in lower case and ASCII (IDN by punycode); empty:
                    // no address
  struct span key;  // text in lower case: two addresses with one key are the same address
};

// RFC 5321 4.5.3.1: local part up to 64 bytes, domain up to 255, path up to 256 (so the address up to 254). Dot-atom
// and quoted local parts in ASCII (RFC 5321 4.1.2; no SMTPUTF8); the domain needs two labels at least, each by RFC 1035
// and IDNA2008 (RFC 5891); address literals are refused. `field` is the path that a refusal names.
LUMIN_MUST_USE enum lumin_status email_parse(struct span input, const char *field, struct arena *arena,
                                             struct email *ret_email, struct refusal *ret_refusal);

// E.164: "+", then 7 to 15 digits, the first not 0. Spaces, hyphens, dots and parentheses between digits are dropped.
LUMIN_MUST_USE enum lumin_status phone_parse(struct span input, const char *field, struct arena *arena,
                                             struct span *ret_phone, struct refusal *ret_refusal);

// A first name: NFC, white space trimmed (Unicode White_Space), 1 to 64 code points, no control, format-override or
// unassigned characters, line or paragraph separators.
LUMIN_MUST_USE enum lumin_status first_name_parse(struct span input, const char *field, struct arena *arena,
                                                  struct span *ret_name, struct refusal *ret_refusal);
// As a first name, and may be empty.
LUMIN_MUST_USE enum lumin_status last_name_parse(struct span input, const char *field, struct arena *arena,
                                                 struct span *ret_name, struct refusal *ret_refusal);
