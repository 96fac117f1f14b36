// SPDX-License-Identifier: MIT
// Phone numbers by E.164. Only the form is checked: which numbers exist is the networks' business and changes.
#include "lumin/domain/values.h"
#include "text.h"

#define PHONE_MIN_DIGITS 7
#define PHONE_MAX_DIGITS 15

static const char allowed[] = "+ and 7 to 15 digits with the country code, like +14155550123";

struct digits {
  char text[1 + PHONE_MAX_DIGITS]; // the plus sign too
  size_t len;
};

static const char *digits_collect(struct span input, struct digits *digits);
static bool is_separator(char c);

enum lumin_status phone_parse(struct span input, const char *field, struct arena *arena, struct span *ret_phone,
                              struct refusal *ret_refusal) {
  struct digits digits = {.text = "+", .len = 1};
  const char *fault = text_fault(input);
  if (!fault)
    fault = digits_collect(input, &digits);
  if (fault)
    return refuse_field(ret_refusal, field, allowed, fault);
  struct span phone = arena_copy(arena, span_of(digits.text, digits.len));
  if (!phone.data)
    return LUMIN_NO_MEMORY;
  *ret_phone = phone;
  return LUMIN_OK;
}

static const char *digits_collect(struct span input, struct digits *digits) {
  if (input.len == 0)
    return "the phone number is empty";
  if (input.data[0] != '+')
    return "the phone number does not begin with + and a country code";
  for (size_t i = 1; i < input.len; i++) {
    char c = input.data[i];
    bool between_digits = digits->len > 1 && i + 1 < input.len;
    if (is_separator(c) && between_digits)
      continue;
    if (!ascii_is_digit(c))
      return "the phone number holds something else than digits and separators between them";
    if (c == '0' && digits->len == 1)
      return "the country code of the phone number begins with 0";
    if (digits->len == sizeof digits->text)
      return "the phone number has more than 15 digits";
    digits->text[digits->len++] = c;
  }
  return digits->len - 1 < PHONE_MIN_DIGITS ? "the phone number has fewer than 7 digits" : NULL;
}

static bool is_separator(char c) { return c == ' ' || c == '-' || c == '.' || c == '(' || c == ')'; }
