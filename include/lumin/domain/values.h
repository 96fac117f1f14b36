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

// Who may see a field of the profile. Numbers are stored and are the wire's Visibility.
enum visibility {
  VISIBILITY_UNSPECIFIED = 0, // in a change: stays as it is; in a create: the default
  VISIBILITY_EVERYONE = 1,
  VISIBILITY_CONTACTS = 2,
  VISIBILITY_NOBODY = 3,
};

enum privacy_field {
  PRIVACY_EMAIL,
  PRIVACY_PHONE,
  PRIVACY_BIRTH_DATE,
  PRIVACY_BIO,
  PRIVACY_AVATAR,
  PRIVACY_PROFILE_VIEWS,
  PRIVACY_FIELDS
};

struct privacy {
  uint8_t of[PRIVACY_FIELDS]; // enum visibility
};

// What a user says of itself; each text may be empty.
struct profile {
  struct span language_code;
  struct span bio;
  struct span birth_date; // "1815-12-10"
  struct span avatar_url;
  struct privacy privacy;
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

// A language tag, well-formed by the ABNF of RFC 5646 2.1 (BCP 47), the grandfathered ones included, without a variant
// or singleton twice (2.2.5, 2.2.6), at most 255 bytes; put into the case of 2.1.1. Whether its subtags are registered
// is not looked at: the registry grows.
LUMIN_MUST_USE enum lumin_status language_code_parse(struct span input, const char *field, struct arena *arena,
                                                     struct span *ret_code, struct refusal *ret_refusal);

// Up to 500 code points after NFC, line breaks allowed (CR LF becomes LF), no other control characters; may be empty.
LUMIN_MUST_USE enum lumin_status bio_parse(struct span input, const char *field, struct arena *arena,
                                           struct span *ret_bio, struct refusal *ret_refusal);

// Why a user is blocked: 1 to 200 code points after NFC and trimming, no control characters.
LUMIN_MUST_USE enum lumin_status block_reason_parse(struct span input, const char *field, struct arena *arena,
                                                    struct span *ret_reason, struct refusal *ret_refusal);

// When a block ends: a protobuf timestamp, later than `now_ns`, at most to the year 2262.
struct block_until {
  int64_t seconds;
  int32_t nanos;
};
LUMIN_MUST_USE enum lumin_status block_until_parse(struct block_until input, int64_t now_ns, const char *field,
                                                   int64_t *ret_until_ns, struct refusal *ret_refusal);

// A day of the (proleptic) Gregorian calendar as yyyy-mm-dd, from 1900-01-01 to the day of `now_ns` in UTC.
struct birth_date_rule {
  const char *field;
  int64_t now_ns; // the command's time
};
LUMIN_MUST_USE enum lumin_status birth_date_parse(struct span input, const struct birth_date_rule *rule,
                                                  struct arena *arena, struct span *ret_date,
                                                  struct refusal *ret_refusal);

// An https URL by RFC 3986 with a host and without user information, at most 2,048 bytes; scheme and host are put into
// lower case (6.2.2.1).
LUMIN_MUST_USE enum lumin_status avatar_url_parse(struct span input, const char *field, struct arena *arena,
                                                  struct span *ret_url, struct refusal *ret_refusal);

// A setting by its number; UNSPECIFIED is one.
LUMIN_MUST_USE enum lumin_status visibility_parse(int number, const char *field, uint8_t *ret_visibility,
                                                  struct refusal *ret_refusal);

// EVERYONE for bio and avatar, CONTACTS for the birth date, NOBODY for e-mail, phone and profile views.
extern const struct privacy privacy_default;
// `given`, and where that says nothing, `otherwise`.
struct privacy privacy_or(struct privacy given, struct privacy otherwise);
bool privacy_equal(struct privacy a, struct privacy b);
// As one number, two bits a setting, the first in the lowest: how it is stored.
uint32_t privacy_pack(struct privacy privacy);
struct privacy privacy_unpack(uint32_t packed);
