// SPDX-License-Identifier: MIT
// E-mail addresses: examples of RFC 5321, 5322 and 3696, IDNA2008, limits, and hostile bytes.
#include "cases.h"

#include "lumin/domain/values.h"

#define FIELD "user.email"
#define INPUT(text) SPAN_LITERAL(text)

static struct arena *arena;
static void setup(void) { cr_assert((arena = arena_create(1 << 20))); }
static void teardown(void) { arena_destroy(arena); }
TestSuite(email, .init = setup, .fini = teardown);

struct good {
  struct span input;
  const char *text;
  const char *key; // NULL: as the text
};

static const struct good goods[] = {
    {INPUT("user@example.com"), "user@example.com", NULL},
    {INPUT("a@b.c"), "a@b.c", NULL},
    // The domain has no case; the local part keeps it, and is compared without.
    {INPUT("User.Name@EXAMPLE.Com"), "User.Name@example.com", "user.name@example.com"},
    // RFC 5321 appendix D, RFC 5322 3.4.1 and appendix A.
    {INPUT("Smith@bar.com"), "Smith@bar.com", "smith@bar.com"},
    {INPUT("sam+list@iana.org"), "sam+list@iana.org", NULL},
    {INPUT("john.q.public@example.com"), "john.q.public@example.com", NULL},
    // RFC 3696 section 3 (with its errata).
    {INPUT("user+mailbox@example.com"), "user+mailbox@example.com", NULL},
    {INPUT("customer/department=shipping@example.com"), "customer/department=shipping@example.com", NULL},
    {INPUT("$A12345@example.com"), "$A12345@example.com", "$a12345@example.com"},
    {INPUT("!def!xyz%abc@example.com"), "!def!xyz%abc@example.com", NULL},
    {INPUT("_somename@example.com"), "_somename@example.com", NULL},
    {INPUT("!#$%&'*+-/=?^_`{|}~@example.com"), "!#$%&'*+-/=?^_`{|}~@example.com", NULL},
    {INPUT("\"Abc@def\"@example.com"), "\"Abc@def\"@example.com", "\"abc@def\"@example.com"},
    {INPUT("\"Fred Bloggs\"@example.com"), "\"Fred Bloggs\"@example.com", "\"fred bloggs\"@example.com"},
    {INPUT("\"Joe.\\\\Blow\"@example.com"), "\"Joe.\\\\Blow\"@example.com", "\"joe.\\\\blow\"@example.com"},
    {INPUT("\"a\\\"b\"@example.com"), "\"a\\\"b\"@example.com", NULL},
    {INPUT("\"\"@example.com"), "\"\"@example.com", NULL},
    {INPUT("\"a..b\"@example.com"), "\"a..b\"@example.com", NULL},
    {INPUT("\".a\"@example.com"), "\".a\"@example.com", NULL},
    // One mailbox, one spelling (RFC 5321 4.1.2).
    {INPUT("\"joe\"@example.com"), "joe@example.com", NULL},
    {INPUT("\"Joe.Smith\"@example.com"), "Joe.Smith@example.com", "joe.smith@example.com"},
    {INPUT("\"j\\o\\e\"@example.com"), "joe@example.com", NULL},
    {INPUT("\"a\\ b\"@example.com"), "\"a b\"@example.com", NULL},
    {INPUT("\"Abc\\@def\"@example.com"), "\"Abc@def\"@example.com", "\"abc@def\"@example.com"},
    // RFC 1035 and 1123.
    {INPUT("x@3com.com"), "x@3com.com", NULL},
    {INPUT("x@a-b--c.1.example"), "x@a-b--c.1.example", NULL},
    // IDNA2008, not transitional: sharp s and final sigma are letters of their own.
    {INPUT("x@bücher.example"), "x@xn--bcher-kva.example", NULL},
    {INPUT("x@BÜCHER.Example"), "x@xn--bcher-kva.example", NULL},
    {INPUT("x@bu\u0308cher.example"), "x@xn--bcher-kva.example", NULL}, // not yet NFC
    {INPUT("x@faß.example"), "x@xn--fa-hia.example", NULL},
    {INPUT("x@βόλος.example"), "x@xn--nxasmm1c.example", NULL},
    {INPUT("x@例え.テスト"), "x@xn--r8jz45g.xn--zckzah", NULL},
    {INPUT("x@例え。テスト"), "x@xn--r8jz45g.xn--zckzah", NULL},      // ideographic full stop
    {INPUT("x@क्\u200Dष.example"), "x@xn--11b2ezcw70k.example", NULL}, // a joiner where CONTEXTJ has it
    {INPUT("x@ａｂｃ.example"), "x@abc.example", NULL},               // full width
    {INPUT("x@XN--BCHER-KVA.example"), "x@xn--bcher-kva.example", NULL},
    {INPUT("x@sub.xn--fa-hia.example"), "x@sub.xn--fa-hia.example", NULL},
};

static void expect_good(struct span input, const char *text, const char *key) {
  struct tight_input copy;
  struct email email;
  struct refusal refusal = {.reason = LUMIN_OK};
  enum lumin_status status = email_parse(tight_copy(input, &copy), FIELD, arena, &email, &refusal);
  free(copy.data); // the value must not point into the input
  cr_assert_eq(status, LUMIN_OK, "'%.*s' refused: %.*s", SPAN_ARGS(input), SPAN_ARGS(refusal.message));
  cr_expect_eq(refusal.reason, LUMIN_OK);
  cr_expect(span_equal(email.text, span_from_text(text)), "'%.*s' gave text '%.*s'", SPAN_ARGS(input),
            SPAN_ARGS(email.text));
  cr_expect(span_equal(email.key, span_from_text(key)), "'%.*s' gave key '%.*s'", SPAN_ARGS(input),
            SPAN_ARGS(email.key));
}

Test(email, takes_good_ones_and_their_own_spelling_again) {
  for (size_t i = 0; i < COUNT(goods); i++) {
    const char *key = goods[i].key ? goods[i].key : goods[i].text;
    expect_good(goods[i].input, goods[i].text, key);
    expect_good(span_from_text(goods[i].text), goods[i].text, key);
    expect_good(span_from_text(key), key, key);
  }
}

struct bad {
  struct span input;
  const char *message_part;
};

static const struct bad bads[] = {
    {INPUT(""), "is empty"},
    {INPUT("plain"), "no @"},
    {INPUT("user.example.com"), "no @"},
    {INPUT("@example.com"), "nothing before the @"},
    {INPUT("user@"), "no domain"},
    {INPUT("@"), "nothing before the @"},
    {INPUT("user name@example.com"), "must be quoted"},
    {INPUT(" user@example.com"), "must be quoted"},
    {INPUT("user@example.com "), "letters, digits, hyphens"},
    {INPUT("user@example.com\n"), "letters, digits, hyphens"},
    {INPUT("user\r\n@example.com"), "must be quoted"},
    {INPUT("<user@example.com>"), "must be quoted"},
    {INPUT("User <user@example.com>"), "must be quoted"},
    {INPUT("user(comment)@example.com"), "must be quoted"},
    {INPUT("Abc\\@def@example.com"), "must be quoted"}, // RFC 3696 erratum 246
    {INPUT(".user@example.com"), "a dot at the beginning or the end"},
    {INPUT("user.@example.com"), "a dot at the beginning or the end"},
    {INPUT("us..er@example.com"), "two dots in a row before"},
    {INPUT("us\x7F@example.com"), "must be quoted"},
    {INPUT("jürgen@example.com"), "not ASCII"},
    {INPUT("a@b@example.com"), "letters, digits, hyphens"},
    {INPUT("\"user@example.com"), "not closed"},
    {INPUT("\"user\\\"@example.com"), "not closed"},
    {INPUT("\""), "not closed"},
    {INPUT("\"a\\"), "other than printable ASCII"},
    {INPUT("\"a\tb\"@example.com"), "other than printable ASCII"},
    {INPUT("\"ü\"@example.com"), "other than printable ASCII"},
    {INPUT("\"a\\\x7F\"@example.com"), "other than printable ASCII"},
    {INPUT("\"user\""), "no @ after"},
    {INPUT("\"user\"x@example.com"), "no @ after"},
    {INPUT("\"user\".x@example.com"), "no @ after"},
    {INPUT("\"user\"@"), "no domain"},
    {INPUT("user@[192.0.2.1]"), "address literal"},
    {INPUT("user@[IPv6:2001:db8::1]"), "address literal"},
    {INPUT("user@192.0.2.1"), "begins with a digit"},
    {INPUT("user@example.4711"), "begins with a digit"},
    {INPUT("user@localhost"), "no dot"},
    {INPUT("user@.example.com"), "begins or ends with a dot"},
    {INPUT("user@example.com."), "begins or ends with a dot"},
    {INPUT("user@."), "begins or ends with a dot"},
    {INPUT("user@example..com"), "two in a row"},
    {INPUT("user@-example.com"), "hyphen"},
    {INPUT("user@example-.com"), "hyphen"},
    {INPUT("user@exam_ple.com"), "letters, digits, hyphens"},
    {INPUT("user@exam ple.com"), "letters, digits, hyphens"},
    {INPUT("user@example.com/x"), "letters, digits, hyphens"},
    // IDNA2008.
    {INPUT("user@☃.example"), "IDNA2008"},
    {INPUT("user@💩.la"), "IDNA2008"},
    {INPUT("user@a\u200Db.example"), "IDNA2008"},             // a joiner out of its context
    {INPUT("user@\u0301a.example"), "IDNA2008"},              // a combining mark first
    {INPUT("user@\u05D0a.example"), "IDNA2008"},              // both directions in a label
    {INPUT("user@\u202Eelpmaxe.moc"), "IDNA2008"},            // an override
    {INPUT("user@-ü.example"), "IDNA2008"},                   //
    {INPUT("user@xn--a.example"), "IDNA2008"},                // decodes to a control character
    {INPUT("user@xn--bcher-kvb.example"), "IDNA2008"},        // decodes to what no one may register
    {INPUT("user@xn--u-ccb.example"), "IDNA2008"},            // decodes to what is not NFC
    {INPUT("user@xn--.example"), "IDNA2008"},                 // decodes to nothing
    {INPUT("user@xn--example-.com"), "IDNA2008"},             //
    {INPUT("user@a.xn--ls8h"), "IDNA2008"},                   // an emoji in punycode
    {INPUT("user@ü_ä.example"), "letters, digits, hyphens"},  //
    {INPUT("user@ü＿ä.example"), "letters, digits, hyphens"}, // full width, maps to ASCII
    {INPUT("user@bücher"), "no dot"},
    {INPUT("user@bücher..example"), "two in a row"},
    {INPUT("user@bücher.example."), "begins or ends with a dot"},
    // Bytes.
    {INPUT("us\0er@example.com"), "NUL"},
    {INPUT("user@example.com\0"), "NUL"},
    {INPUT("user@b\0ücher.example"), "NUL"},
    {INPUT("\0"), "NUL"},
    {INPUT("user@b\xFC"
           "cher.example"),
     "UTF-8"},                                         // Latin-1
    {INPUT("user@\xC0\xAE.example"), "UTF-8"},         // overlong
    {INPUT("user@\xE0\x80\xAE.example"), "UTF-8"},     // overlong
    {INPUT("user@\xED\xA0\x80.example"), "UTF-8"},     // a surrogate
    {INPUT("user@\xF4\x90\x80\x80.example"), "UTF-8"}, // beyond U+10FFFF
    {INPUT("user@\xFF.example"), "UTF-8"},             //
    {INPUT("user@example.com\xC3"), "UTF-8"},          // cut short
    {INPUT("user@example.com\xF0\x9F\x92"), "UTF-8"},  // cut short
};

static void expect_bad(struct span input, const char *message_part) {
  struct tight_input copy;
  const struct email untouched = {SPAN_LITERAL("text"), SPAN_LITERAL("key")};
  struct email email = untouched;
  struct refusal refusal = {.reason = LUMIN_OK};
  enum lumin_status status = email_parse(tight_copy(input, &copy), FIELD, arena, &email, &refusal);
  free(copy.data);
  cr_assert_eq(status, LUMIN_INVALID_ARGUMENT, "'%.*s' was taken", SPAN_ARGS(input));
  expect_helpful(&refusal, FIELD, input, message_part);
  cr_expect(span_equal(email.text, untouched.text) && span_equal(email.key, untouched.key));
}

Test(email, refuses_bad_ones_with_a_reason) {
  for (size_t i = 0; i < COUNT(bads); i++)
    expect_bad(bads[i].input, bads[i].message_part);
}

// An address of `local` and labels of 'b' that are as long as given, and ".cc".
static struct span address(size_t local, const size_t *labels, size_t count) {
  struct span text = repeat(arena, "a", local);
  for (size_t i = 0; i < count; i++)
    text = arena_printf(arena, "%s%s%s", text.data, i ? "." : "@", repeat(arena, "b", labels[i]).data);
  return arena_printf(arena, "%s.cc", text.data);
}

Test(email, limits) {
  const size_t short_label = 7;
  struct span fits = address(64, &short_label, 1);
  expect_good(fits, fits.data, fits.data);
  expect_bad(address(65, &short_label, 1), "more than 64 bytes before");

  const size_t long_labels[] = {63, 64};
  fits = address(1, &long_labels[0], 1);
  expect_good(fits, fits.data, fits.data);
  expect_bad(address(1, &long_labels[1], 1), "more than 63 bytes between");

  const size_t many[] = {63, 63, 59};
  fits = address(64, many, 3);
  cr_assert_eq(fits.len, 255);
  expect_bad(fits, "longer than 254 bytes");
  fits = address(63, many, 3);
  cr_assert_eq(fits.len, 254);
  expect_good(fits, fits.data, fits.data);

  // A quoted local part counts as it was given.
  struct span quoted = arena_printf(arena, "\"%s\"@b.cc", repeat(arena, "a", 62).data);
  struct span bare = arena_printf(arena, "%s@b.cc", repeat(arena, "a", 62).data);
  expect_good(quoted, bare.data, bare.data);
  expect_bad(arena_printf(arena, "\"%s\"@b.cc", repeat(arena, "a", 63).data), "more than 64 bytes before");
}

// What an international domain becomes is what counts.
Test(email, limits_of_international_domains) {
  expect_bad(arena_printf(arena, "a@%s.example", repeat(arena, "ü", 64).data), "IDNA2008");
  struct span wide = arena_printf(arena, "%s@", repeat(arena, "a", 64).data);
  for (int i = 0; i < 12; i++)
    wide = arena_printf(arena, "%sbücherbücher.", wide.data);
  expect_bad(arena_printf(arena, "%scc", wide.data), "longer than 254 bytes");
}

Test(email, refuses_too_many_bytes_before_it_looks_at_them) {
  expect_bad(repeat(arena, "\xFF", 1025), "far too long");
  expect_bad(repeat(arena, "\xFF", 1024), "UTF-8");
  expect_bad(repeat(arena, "a", 1024), "no @");
}

Test(email, says_no_memory_and_nothing_else) {
  const struct span inputs[] = {SPAN_LITERAL("User@example.com"), SPAN_LITERAL("\"User\"@bücher.example")};
  for (size_t i = 0; i < COUNT(inputs); i++) {
    size_t failures = 0;
    enum lumin_status status = LUMIN_NO_MEMORY;
    for (size_t limit = 0; status != LUMIN_OK && limit < 4096; limit++) {
      struct arena *small ARENA_SCOPED = arena_create(limit);
      cr_assert(small);
      struct email email = {SPAN_EMPTY, SPAN_EMPTY};
      struct refusal refusal = {.reason = LUMIN_OK};
      status = email_parse(inputs[i], FIELD, small, &email, &refusal);
      cr_expect_eq(refusal.reason, LUMIN_OK);
      if (status == LUMIN_OK)
        continue;
      failures++;
      cr_expect_eq(status, LUMIN_NO_MEMORY);
      cr_expect_null(email.text.data);
    }
    cr_expect_eq(status, LUMIN_OK);
    cr_expect_gt(failures, 0);
  }
}
