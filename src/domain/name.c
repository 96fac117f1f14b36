// SPDX-License-Identifier: MIT
// First and last names: what is shown to people, so whatever a script needs goes (combining marks, joiners), and what
// would break or disguise the line it is shown in does not.
#include "lumin/domain/values.h"
#include "text.h"

#include <utf8proc.h>

#define NAME_MAX_CODE_POINTS 64

struct name_rule {
  size_t min;
  const char *field;
  const char *allowed;
};

static enum lumin_status name_parse(struct span input, const struct name_rule *rule, struct arena *arena,
                                    struct span *ret_name, struct refusal *ret_refusal);
static const char *name_fault(struct code_points name, size_t min);
static const char *character_fault(int32_t c);

enum lumin_status first_name_parse(struct span input, const char *field, struct arena *arena, struct span *ret_name,
                                   struct refusal *ret_refusal) {
  const struct name_rule rule = {1, field, "1 to 64 characters, no control characters"};
  return name_parse(input, &rule, arena, ret_name, ret_refusal);
}

enum lumin_status last_name_parse(struct span input, const char *field, struct arena *arena, struct span *ret_name,
                                  struct refusal *ret_refusal) {
  const struct name_rule rule = {0, field, "up to 64 characters, no control characters; may be empty"};
  return name_parse(input, &rule, arena, ret_name, ret_refusal);
}

static enum lumin_status name_parse(struct span input, const struct name_rule *rule, struct arena *arena,
                                    struct span *ret_name, struct refusal *ret_refusal) {
  const char *fault = text_fault(input);
  if (fault)
    return refuse_field(ret_refusal, rule->field, rule->allowed, fault);
  struct code_points name;
  enum lumin_status status = code_points_nfc(input, arena, &name);
  if (status != LUMIN_OK)
    return status;
  name = code_points_trim(name);
  fault = name_fault(name, rule->min);
  if (fault)
    return refuse_field(ret_refusal, rule->field, rule->allowed, fault);
  *ret_name = code_points_encode(name);
  return LUMIN_OK;
}

static const char *name_fault(struct code_points name, size_t min) {
  if (name.len < min)
    return "the name is empty";
  if (name.len > NAME_MAX_CODE_POINTS)
    return "the name is longer than 64 characters";
  for (size_t i = 0; i < name.len; i++) {
    const char *fault = character_fault(name.data[i]);
    if (fault)
      return fault;
  }
  return NULL;
}

static const char *character_fault(int32_t c) {
  // Bidirectional embeddings, overrides and isolates reorder the text around the name too.
  if ((c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069))
    return "the name holds a character that overrides the direction of text";
  switch (utf8proc_category(c)) {
  case UTF8PROC_CATEGORY_CC:
    return "the name holds a control character";
  case UTF8PROC_CATEGORY_ZL:
  case UTF8PROC_CATEGORY_ZP:
    return "the name holds a line or paragraph separator";
  case UTF8PROC_CATEGORY_CN:
    return "the name holds a character that Unicode does not assign";
  default:
    return NULL;
  }
}
