// SPDX-License-Identifier: MIT
// Language tags: the examples of RFC 5646 (appendix A and sections 2.1 and 2.2), its grandfathered tags, and what its
// ABNF does not match.
#include "text_cases.h"

#include "lumin/domain/values.h"

#define SAME(text)                                                                                                     \
  { INPUT(text), INPUT(text) }

// Appendix A.
static const struct good_text examples[] = {
    SAME("de"),
    SAME("fr"),
    SAME("ja"),
    SAME("i-enochian"),
    SAME("zh-Hant"),
    SAME("zh-Hans"),
    SAME("sr-Cyrl"),
    SAME("sr-Latn"),
    SAME("zh-cmn-Hans-CN"),
    SAME("cmn-Hans-CN"),
    SAME("zh-yue-HK"),
    SAME("yue-HK"),
    SAME("zh-Hans-CN"),
    SAME("sr-Latn-RS"),
    SAME("sl-rozaj"),
    SAME("sl-rozaj-biske"),
    SAME("sl-nedis"),
    SAME("de-CH-1901"),
    SAME("sl-IT-nedis"),
    SAME("hy-Latn-IT-arevela"),
    SAME("de-DE"),
    SAME("en-US"),
    SAME("es-419"),
    SAME("de-CH-x-phonebk"),
    SAME("az-Arab-x-aze-derbend"),
    SAME("x-whatever"),
    SAME("qaa-Qaaa-QM-x-southern"),
    SAME("de-Qaaa"),
    SAME("sr-Latn-QM"),
    SAME("sr-Qaaa-RS"),
    SAME("en-US-u-islamcal"),
    SAME("zh-CN-a-myext-x-private"),
    SAME("en-a-myext-b-another"),
};

static const struct good_text grandfathered[] = {
    SAME("en-GB-oed"),
    SAME("i-ami"),
    SAME("i-bnn"),
    SAME("i-default"),
    SAME("i-enochian"),
    SAME("i-hak"),
    SAME("i-klingon"),
    SAME("i-lux"),
    SAME("i-mingo"),
    SAME("i-navajo"),
    SAME("i-pwn"),
    SAME("i-tao"),
    SAME("i-tay"),
    SAME("i-tsu"),
    SAME("sgn-BE-FR"),
    SAME("sgn-BE-NL"),
    SAME("sgn-CH-DE"),
    SAME("art-lojban"),
    SAME("cel-gaulish"),
    SAME("no-bok"),
    SAME("no-nyn"),
    SAME("zh-guoyu"),
    SAME("zh-hakka"),
    SAME("zh-min"),
    SAME("zh-min-nan"),
    SAME("zh-xiang"),
    {INPUT("I-Klingon"), INPUT("i-klingon")},
    {INPUT("SGN-be-fr"), INPUT("sgn-BE-FR")},
    {INPUT("EN-gb-OED"), INPUT("en-GB-oed")},
};

// 2.1.1: case has no meaning, and one spelling.
static const struct good_text cases[] = {
    {INPUT("MN-cYRL-mn"), INPUT("mn-Cyrl-MN")},
    {INPUT("mN-cYrL-Mn"), INPUT("mn-Cyrl-MN")},
    {INPUT("en-ca-x-ca"), INPUT("en-CA-x-ca")},
    {INPUT("SGN-BE-FR"), INPUT("sgn-BE-FR")},
    {INPUT("AZ-LATN-X-LATN"), INPUT("az-Latn-x-latn")},
    {INPUT("EN-A-BBBB-CC"), INPUT("en-a-bbbb-cc")},
    {INPUT("DE-1996"), INPUT("de-1996")},
    {INPUT("X-DE-ABCD"), INPUT("x-de-abcd")},
    {INPUT("ZH-CMN-HANS-CN"), INPUT("zh-cmn-Hans-CN")},
};

// The edges of the ABNF.
static const struct good_text edges[] = {
    SAME("abcd"), // reserved for later, and well-formed
    SAME("abcde"),
    SAME("abcdefgh"),
    SAME("zh-aaa-bbb-ccc"), // three extlangs
    SAME("zh-aaa-bbb-ccc-Hant-TW-1abc-abcde-x-1"),
    SAME("en-usa"), // three letters are an extlang, not a region
    SAME("de-1abc-abcde"),
    SAME("en-0-aa"), // a digit is a singleton
    SAME("en-a-aa-b-aa"),
    SAME("x-1"),
    SAME("x-a-b-c-x-x"), // behind x all goes
    SAME("en-x-a-a-a"),
};

static const struct bad_text bads[] = {
    {INPUT(""), "is empty"},
    {INPUT("a"), "2 to 8 letters"},
    {INPUT("1"), "2 to 8 letters"},
    {INPUT("12"), "2 to 8 letters"},
    {INPUT("d1"), "2 to 8 letters"},
    {INPUT("a-DE"), "2 to 8 letters"}, // 2.1.1 of appendix A: not i, x
    {INPUT("i-nothing"), "2 to 8 letters"},
    {INPUT("i"), "2 to 8 letters"},
    {INPUT("abcdefghi"), "longer than 8"},
    {INPUT("de-abcdefghi"), "longer than 8"},
    {INPUT("-"), "is empty or longer"},
    {INPUT("-de"), "is empty or longer"},
    {INPUT("de-"), "is empty or longer"},
    {INPUT("de--DE"), "is empty or longer"},
    {INPUT("de_DE"), "something else"},
    {INPUT("de DE"), "something else"},
    {INPUT(" de"), "something else"},
    {INPUT("de-D\u00C4"), "something else"},
    {INPUT("fran\u00E7ais"), "something else"},
    {INPUT("de\n"), "something else"},
    {INPUT("de.UTF-8"), "something else"},
    {INPUT("*"), "something else"},
    {INPUT("de-419-DE"), "cannot stand"}, // appendix A: two regions
    {INPUT("de-DE-AT"), "cannot stand"},
    {INPUT("de-DE-Latn"), "cannot stand"}, // the script comes first
    {INPUT("de-Latn-Cyrl"), "cannot stand"},
    {INPUT("zh-aaa-bbb-ccc-ddd"), "cannot stand"}, // a fourth extlang
    {INPUT("abcd-zzz"), "cannot stand"},           // four letters take no extlang
    {INPUT("de-1996-DE"), "cannot stand"},
    {INPUT("de-12"), "cannot stand"},
    {INPUT("de-1"), "nothing in it"},
    {INPUT("en-a"), "nothing in it"},
    {INPUT("en-a-b"), "nothing in it"},
    {INPUT("en-a-x-b"), "nothing in it"},
    {INPUT("en-a-bb-c"), "nothing in it"},
    {INPUT("en-x"), "behind its x"},
    {INPUT("x"), "behind its x"},
    {INPUT("ar-a-aaa-b-bbb-a-ccc"), "extension twice"}, // appendix A
    {INPUT("en-a-bbb-A-ccc"), "extension twice"},
    {INPUT("sl-rozaj-rozaj"), "variant twice"},
    {INPUT("de-DE-1901-1901"), "variant twice"}, // 2.2.5
    {INPUT("sl-rozaj-biske-ROZAJ"), "variant twice"},
    {INPUT("de\0"), "NUL"},
    {INPUT("d\xE9"
           "-DE"),
     "UTF-8"},
};

Test(language_code, takes_what_the_standard_names) {
  EXPECT_GOOD(language_code_parse, examples);
  EXPECT_GOOD(language_code_parse, grandfathered);
  EXPECT_GOOD(language_code_parse, cases);
  EXPECT_GOOD(language_code_parse, edges);
}

Test(language_code, refuses_the_rest_with_a_reason) { EXPECT_BAD(language_code_parse, bads); }

Test(language_code, is_bounded) {
  char text[300];
  memcpy(text, "x-", 2);
  for (size_t i = 2; i < sizeof text; i++)
    text[i] = i % 2 ? '-' : 'a';
  expect_good_text(language_code_parse, span_of(text, 255), span_of(text, 255));
  expect_bad_text(language_code_parse, span_of(text, 257), "longer than 255");
  expect_no_memory(language_code_parse, SPAN_LITERAL("de"));
}
