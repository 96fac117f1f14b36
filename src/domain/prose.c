// SPDX-License-Identifier: MIT
// Texts that people write about themselves and others: in whatever script, bounded, and without what would command the
// terminal or log that shows them.
#include "lumin/domain/values.h"
#include "text.h"

#include <utf8proc.h>

#define BIO_MAX_CODE_POINTS 500
#define REASON_MAX_CODE_POINTS 200

static const char bio_allowed[] = "up to 500 characters, no control characters but line breaks; may be empty";
static const char reason_allowed[] = "1 to 200 characters, no control characters";

static struct code_points line_breaks_unify(struct code_points text);
static bool has_control(struct code_points text, bool lines);

enum lumin_status bio_parse(struct span input, const char *field, struct arena *arena, struct span *ret_bio,
                            struct refusal *ret_refusal) {
  const char *fault = text_fault_within(input, PROSE_INPUT_MAX);
  if (fault)
    return refuse_field(ret_refusal, field, bio_allowed, fault);
  struct code_points text;
  enum lumin_status status = code_points_nfc(input, arena, &text);
  if (status != LUMIN_OK)
    return status;
  text = line_breaks_unify(text);
  if (text.len > BIO_MAX_CODE_POINTS)
    return refuse_field(ret_refusal, field, bio_allowed, "the bio is longer than 500 characters");
  if (has_control(text, true))
    return refuse_field(ret_refusal, field, bio_allowed, "the bio holds a control character");
  *ret_bio = code_points_encode(text);
  return LUMIN_OK;
}

enum lumin_status block_reason_parse(struct span input, const char *field, struct arena *arena, struct span *ret_reason,
                                     struct refusal *ret_refusal) {
  const char *fault = text_fault_within(input, PROSE_INPUT_MAX);
  if (fault)
    return refuse_field(ret_refusal, field, reason_allowed, fault);
  struct code_points text;
  enum lumin_status status = code_points_nfc(input, arena, &text);
  if (status != LUMIN_OK)
    return status;
  text = code_points_trim(text);
  if (text.len == 0)
    return refuse_field(ret_refusal, field, reason_allowed, "the reason is empty");
  if (text.len > REASON_MAX_CODE_POINTS)
    return refuse_field(ret_refusal, field, reason_allowed, "the reason is longer than 200 characters");
  if (has_control(text, false))
    return refuse_field(ret_refusal, field, reason_allowed, "the reason holds a control character");
  *ret_reason = code_points_encode(text);
  return LUMIN_OK;
}

// Forms send CR LF, whatever was typed.
static struct code_points line_breaks_unify(struct code_points text) {
  size_t len = 0;
  for (size_t i = 0; i < text.len; i++)
    if (text.data[i] != '\r' || i + 1 == text.len || text.data[i + 1] != '\n')
      text.data[len++] = text.data[i];
  text.len = len;
  return text;
}

static bool has_control(struct code_points text, bool lines) {
  for (size_t i = 0; i < text.len; i++)
    if (utf8proc_category(text.data[i]) == UTF8PROC_CATEGORY_CC && !(lines && text.data[i] == '\n'))
      return true;
  return false;
}
