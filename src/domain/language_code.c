// SPDX-License-Identifier: MIT
// Language tags by RFC 5646 (BCP 47). A tag is cut at its hyphens, and the subtags are taken one after the other in the
// order of the ABNF (2.1); what is left over is the fault.
#include "lumin/domain/values.h"
#include "text.h"

#define TAG_MAX 255
#define SUBTAG_MAX 8
#define SUBTAGS_MAX ((TAG_MAX + 1) / 2)

static const char allowed[] = "a BCP 47 language tag like en, pt-BR or zh-Hant-TW; empty clears";

struct tag {
  struct span subtags[SUBTAGS_MAX];
  size_t count;
  size_t at; // the next to be taken
};

static const char *tag_cut(struct span input, struct tag *tag);
static bool is_irregular(struct span input);
static const char *langtag_fault(struct tag *tag);
static void case_write(const struct tag *tag, char *out);

enum lumin_status language_code_parse(struct span input, const char *field, struct arena *arena, struct span *ret_code,
                                      struct refusal *ret_refusal) {
  struct tag tag = {.count = 0};
  const char *fault = text_fault(input);
  if (!fault)
    fault = tag_cut(input, &tag);
  if (!fault && !is_irregular(input))
    fault = langtag_fault(&tag);
  if (fault)
    return refuse_field(ret_refusal, field, allowed, fault);
  char *code = arena_alloc(arena, input.len + 1);
  if (!code)
    return LUMIN_NO_MEMORY;
  case_write(&tag, code);
  *ret_code = span_of(code, input.len);
  return LUMIN_OK;
}

static const char *tag_cut(struct span input, struct tag *tag) {
  if (input.len == 0)
    return "the language code is empty";
  if (input.len > TAG_MAX)
    return "the language code is longer than 255 bytes";
  for (size_t begin = 0; begin <= input.len;) {
    size_t end = begin;
    while (end < input.len && input.data[end] != '-') {
      if (!ascii_is_letter(input.data[end]) && !ascii_is_digit(input.data[end]))
        return "the language code holds something else than letters, digits and hyphens";
      end++;
    }
    if (end == begin || end - begin > SUBTAG_MAX)
      return "the language code has a part that is empty or longer than 8 characters";
    tag->subtags[tag->count++] = span_of(input.data + begin, end - begin);
    begin = end + 1;
  }
  return NULL;
}

static bool equal_folded(struct span a, struct span b) {
  if (a.len != b.len)
    return false;
  for (size_t i = 0; i < a.len; i++)
    if (ascii_lower(a.data[i]) != ascii_lower(b.data[i]))
      return false;
  return true;
}

// Grandfathered tags that the ABNF of a langtag does not match; the regular ones are langtags in form.
static bool is_irregular(struct span input) {
  static const char *const tags[] = {
      "en-gb-oed", "i-ami", "i-bnn", "i-default", "i-enochian", "i-hak",     "i-klingon", "i-lux",     "i-mingo",
      "i-navajo",  "i-pwn", "i-tao", "i-tay",     "i-tsu",      "sgn-be-fr", "sgn-be-nl", "sgn-ch-de",
  };
  for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
    if (equal_folded(input, span_from_text(tags[i])))
      return true;
  return false;
}

static bool all_letters(struct span text) {
  for (size_t i = 0; i < text.len; i++)
    if (!ascii_is_letter(text.data[i]))
      return false;
  return true;
}

static bool all_digits(struct span text) {
  for (size_t i = 0; i < text.len; i++)
    if (!ascii_is_digit(text.data[i]))
      return false;
  return true;
}

static bool is_extlang(struct span s) { return s.len == 3 && all_letters(s); }
static bool is_script(struct span s) { return s.len == 4 && all_letters(s); }
static bool is_region(struct span s) { return (s.len == 2 && all_letters(s)) || (s.len == 3 && all_digits(s)); }
static bool is_variant(struct span s) { return s.len >= 5 || (s.len == 4 && ascii_is_digit(s.data[0])); }
static bool is_private(struct span s) { return s.len == 1 && ascii_lower(s.data[0]) == 'x'; }
static bool is_singleton(struct span s) { return s.len == 1 && !is_private(s); }
static bool is_extension(struct span s) { return s.len >= 2; }

// Takes up to `most` subtags of a kind; returns how many.
static size_t tag_take(struct tag *tag, bool (*is_kind)(struct span), size_t most) {
  size_t taken = 0;
  while (taken < most && tag->at < tag->count && is_kind(tag->subtags[tag->at])) {
    tag->at++;
    taken++;
  }
  return taken;
}

// Whether the subtags of [begin, end) that are of the kind differ from one another (2.2.5, 2.2.6).
static bool all_differ(const struct tag *tag, size_t begin, size_t end, bool (*is_kind)(struct span)) {
  for (size_t i = begin; i < end; i++)
    for (size_t j = begin; is_kind(tag->subtags[i]) && j < i; j++)
      if (equal_folded(tag->subtags[i], tag->subtags[j]))
        return false;
  return true;
}

static const char *extensions_fault(struct tag *tag) {
  size_t begin = tag->at;
  while (tag_take(tag, is_singleton, 1) == 1)
    if (tag_take(tag, is_extension, SUBTAGS_MAX) == 0)
      return "the language code has an extension with nothing in it";
  if (!all_differ(tag, begin, tag->at, is_singleton))
    return "the language code has an extension twice";
  if (tag_take(tag, is_private, 1) == 1) {
    if (tag->at == tag->count)
      return "the language code has nothing behind its x";
    tag->at = tag->count;
  }
  return tag->at == tag->count ? NULL : "the language code has a part that cannot stand where it does";
}

static const char *langtag_fault(struct tag *tag) {
  struct span language = tag->subtags[0];
  if (is_private(language))
    return extensions_fault(tag);
  if (language.len < 2 || !all_letters(language))
    return "the language code does not begin with a language of 2 to 8 letters";
  tag->at = 1;
  if (language.len <= 3)
    (void)tag_take(tag, is_extlang, 3);
  (void)tag_take(tag, is_script, 1);
  (void)tag_take(tag, is_region, 1);
  size_t variants = tag->at;
  (void)tag_take(tag, is_variant, SUBTAGS_MAX);
  if (!all_differ(tag, variants, tag->at, is_variant))
    return "the language code has a variant twice";
  return extensions_fault(tag);
}

// 2.1.1: all in lower case, but two letters in upper and four in title case where they stand neither at the beginning
// nor behind a singleton.
static void case_write(const struct tag *tag, char *out) {
  bool plain = true;
  for (size_t i = 0; i < tag->count; i++) {
    struct span subtag = tag->subtags[i];
    plain = plain && subtag.len > 1;
    bool cased = plain && i > 0;
    if (i > 0)
      *out++ = '-';
    for (size_t j = 0; j < subtag.len; j++) {
      bool upper = cased && (subtag.len == 2 || (subtag.len == 4 && j == 0));
      *out++ = upper ? ascii_upper(subtag.data[j]) : ascii_lower(subtag.data[j]);
    }
  }
}
