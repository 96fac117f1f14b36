// SPDX-License-Identifier: MIT
// E-mail addresses by RFC 5321 with international domains by IDNA2008. An address is taken apart, each half checked and
// brought into its one spelling, and put together again: what differs only in spelling gets one key (guarantee 7).
#include "lumin/domain/values.h"
#include "text.h"

#include <idn2.h>

#define LOCAL_MAX 64
#define ADDRESS_MAX 254 // a path of 256 without its angle brackets; leaves a domain fewer bytes than its own limit does
#define LABEL_MAX 63

static const char allowed[] = "an address like name@example.com, at most 254 bytes";

static const char *address_split(struct span input, struct span *ret_local, struct span *ret_domain);
static const char *quoted_split(struct span input, struct span *ret_local, struct span *ret_domain);
static const char *dot_string_fault(struct span local);
static enum lumin_status domain_to_ascii(struct span domain, struct arena *arena, struct span *ret_ascii);
static bool domain_is_international(struct span domain);
static const char *domain_fault(struct span domain);
static const char *label_fault(struct span label);
static size_t local_write(struct span local, char *out);
static enum lumin_status email_build(struct span local, struct span domain, struct arena *arena,
                                     struct email *ret_email);

enum lumin_status email_parse(struct span input, const char *field, struct arena *arena, struct email *ret_email,
                              struct refusal *ret_refusal) {
  struct span local = SPAN_EMPTY;
  struct span domain = SPAN_EMPTY;
  const char *fault = text_fault(input);
  if (!fault)
    fault = address_split(input, &local, &domain);
  if (fault)
    return refuse_field(ret_refusal, field, allowed, fault);

  enum lumin_status status = domain_to_ascii(domain, arena, &domain);
  if (status == LUMIN_NO_MEMORY)
    return status;
  if (status != LUMIN_OK)
    return refuse_field(ret_refusal, field, allowed, "the domain of the e-mail address breaks the rules of IDNA2008");
  fault = domain_fault(domain);
  if (!fault && local.len + 1 + domain.len > ADDRESS_MAX)
    fault = "the e-mail address is longer than 254 bytes";
  if (fault)
    return refuse_field(ret_refusal, field, allowed, fault);
  return email_build(local, domain, arena, ret_email);
}

// Local part and domain: at the first @, or the one that follows a quoted local part.
static const char *address_split(struct span input, struct span *ret_local, struct span *ret_domain) {
  if (input.len == 0)
    return "the e-mail address is empty";
  const char *fault = NULL;
  if (input.data[0] == '"') {
    fault = quoted_split(input, ret_local, ret_domain);
  } else {
    const char *at = memchr(input.data, '@', input.len);
    if (!at)
      return "the e-mail address has no @";
    *ret_local = span_of(input.data, (size_t)(at - input.data));
    *ret_domain = span_skip(input, ret_local->len + 1);
    fault = dot_string_fault(*ret_local);
  }
  if (fault)
    return fault;
  if (ret_local->len > LOCAL_MAX)
    return "the e-mail address has more than 64 bytes before the @";
  if (ret_domain->len == 0)
    return "the e-mail address has no domain";
  if (ret_domain->data[0] == '[')
    return "the e-mail address has an address literal in the place of a domain";
  return NULL;
}

// Quoted-string (RFC 5321 4.1.2): printable ASCII and spaces, quotes and backslashes behind a backslash.
static const char *quoted_split(struct span input, struct span *ret_local, struct span *ret_domain) {
  size_t end = 1;
  while (end < input.len && input.data[end] != '"') {
    if (input.data[end] == '\\')
      end++;
    if (end == input.len || input.data[end] < 32 || input.data[end] > 126)
      return "the quoted part of the e-mail address holds a character other than printable ASCII";
    end++;
  }
  if (end == input.len)
    return "the e-mail address has a quote that is not closed";
  if (end + 1 == input.len || input.data[end + 1] != '@')
    return "the e-mail address has no @ after its quoted part";
  *ret_local = span_of(input.data, end + 1);
  *ret_domain = span_skip(input, end + 2);
  return NULL;
}

// Dot-string (RFC 5321 4.1.2): atoms with a dot between each two.
static const char *dot_string_fault(struct span local) {
  static const char marks[] = "!#$%&'*+-/=?^_`{|}~";
  if (local.len == 0)
    return "the e-mail address has nothing before the @";
  if (local.data[0] == '.' || local.data[local.len - 1] == '.')
    return "the e-mail address has a dot at the beginning or the end of what stands before the @";
  for (size_t i = 0; i < local.len; i++) {
    char c = local.data[i];
    if (c == '.' && local.data[i + 1] == '.')
      return "the e-mail address has two dots in a row before the @";
    if (c != '.' && !ascii_is_letter(c) && !ascii_is_digit(c) && !memchr(marks, c, sizeof marks - 1))
      return "the e-mail address holds a character before the @ that must be quoted or is not ASCII";
  }
  return NULL;
}

// INVALID_ARGUMENT where IDNA2008 forbids the domain. The library allocates: the one place where the domain does, and
// only for names that need it.
static enum lumin_status domain_to_ascii(struct span domain, struct arena *arena, struct span *ret_ascii) {
  if (!domain_is_international(domain)) {
    *ret_ascii = domain;
    return LUMIN_OK;
  }
  struct span terminated = arena_copy(arena, domain);
  if (!terminated.data)
    return LUMIN_NO_MEMORY;
  uint8_t *name = NULL;
  int result = idn2_lookup_u8((const uint8_t *)terminated.data, &name, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  if (result != IDN2_OK)
    return result == IDN2_MALLOC ? LUMIN_NO_MEMORY : LUMIN_INVALID_ARGUMENT;
  struct span ascii = arena_copy(arena, span_from_text((const char *)name));
  idn2_free(name);
  if (!ascii.data)
    return LUMIN_NO_MEMORY;
  *ret_ascii = ascii;
  return LUMIN_OK;
}

// Not ASCII, or with a label that claims to be punycode.
static bool domain_is_international(struct span domain) {
  bool label_begins = true;
  for (size_t i = 0; i < domain.len; i++) {
    const char *c = domain.data + i;
    if ((unsigned char)*c >= 0x80)
      return true;
    if (label_begins && domain.len - i >= 4 && ascii_lower(c[0]) == 'x' && ascii_lower(c[1]) == 'n' && c[2] == '-' &&
        c[3] == '-')
      return true;
    label_begins = *c == '.';
  }
  return false;
}

static const char *domain_fault(struct span domain) {
  size_t labels = 0;
  struct span label = SPAN_EMPTY;
  for (size_t begin = 0; begin <= domain.len; begin += label.len + 1) {
    label = span_skip(domain, begin);
    const char *dot = label.len > 0 ? memchr(label.data, '.', label.len) : NULL;
    if (dot)
      label.len = (size_t)(dot - label.data);
    const char *fault = label_fault(label);
    if (fault)
      return fault;
    labels++;
  }
  if (labels < 2)
    return "the domain of the e-mail address has no dot";
  // Top-level domains are alphabetic (RFC 1123 2.1): this is an IP address as a rule.
  if (ascii_is_digit(label.data[0]))
    return "the top-level domain of the e-mail address begins with a digit";
  return NULL;
}

// RFC 1035 2.3.1, with RFC 1123's leave to begin with a digit.
static const char *label_fault(struct span label) {
  if (label.len == 0)
    return "the domain of the e-mail address begins or ends with a dot, or has two in a row";
  if (label.len > LABEL_MAX)
    return "the domain of the e-mail address has more than 63 bytes between two dots";
  if (label.data[0] == '-' || label.data[label.len - 1] == '-')
    return "the domain of the e-mail address has a hyphen beside a dot, or at its beginning or end";
  for (size_t i = 0; i < label.len; i++)
    if (!ascii_is_letter(label.data[i]) && !ascii_is_digit(label.data[i]) && label.data[i] != '-')
      return "the domain of the e-mail address holds something else than letters, digits, hyphens and dots";
  return NULL;
}

static enum lumin_status email_build(struct span local, struct span domain, struct arena *arena,
                                     struct email *ret_email) {
  char *text = arena_alloc(arena, local.len + 1 + domain.len);
  char *key = arena_alloc(arena, local.len + 1 + domain.len);
  if (!text || !key)
    return LUMIN_NO_MEMORY;
  size_t len = local_write(local, text);
  text[len++] = '@';
  for (size_t i = 0; i < domain.len; i++)
    text[len++] = ascii_lower(domain.data[i]);
  for (size_t i = 0; i < len; i++)
    key[i] = ascii_lower(text[i]);
  *ret_email = (struct email){.text = {text, len}, .key = {key, len}};
  return LUMIN_OK;
}

// The local part in its least quoted spelling, which RFC 5321 4.1.2 asks senders for: "joe"@ and joe@ are one mailbox.
// Never longer than what was given.
static size_t local_write(struct span local, char *out) {
  if (local.data[0] != '"') {
    memcpy(out, local.data, local.len);
    return local.len;
  }
  char bare[LOCAL_MAX];
  size_t bare_len = 0;
  for (size_t i = 1; i + 1 < local.len; i++) {
    if (local.data[i] == '\\')
      i++;
    bare[bare_len++] = local.data[i];
  }
  if (!dot_string_fault(span_of(bare, bare_len))) {
    memcpy(out, bare, bare_len);
    return bare_len;
  }
  size_t len = 0;
  out[len++] = '"';
  for (size_t i = 0; i < bare_len; i++) {
    if (bare[i] == '"' || bare[i] == '\\')
      out[len++] = '\\';
    out[len++] = bare[i];
  }
  out[len++] = '"';
  return len;
}
