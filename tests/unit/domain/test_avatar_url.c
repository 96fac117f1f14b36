// SPDX-License-Identifier: MIT
// Avatar URLs: RFC 3986's parts, with https, a host and no user. IPv6 spellings are those of RFC 4291 2.2 and RFC 3986
// 3.2.2.
#include "text_cases.h"

#include "lumin/domain/values.h"

#define SAME(text)                                                                                                     \
  { INPUT(text), INPUT(text) }

static const struct good_text goods[] = {
    SAME("https://example.com"),
    SAME("https://example.com/"),
    SAME("https://example.com/ada.png"),
    SAME("https://example.com:443/a"),
    SAME("https://example.com:/a"), // 3.2.3: the port may be empty
    SAME("https://example.com:65535"),
    SAME("https://localhost/a"),
    SAME("https://example.com?size=64"),
    SAME("https://example.com#face"),
    SAME("https://example.com/a?b=/c?d:@e#f/g?h:@"),
    SAME("https://example.com/%C3%A9t%c3%a9.png"),
    SAME("https://example.com/a;v=1,2/b=(c)!$&'*+~_-."),
    SAME("https://example.com//a//"),
    SAME("https://example.com/:@a"),
    SAME("https://ex%41mple.com/"),
    SAME("https://a_b-c.~d!$&'()*+,;=/"), // reg-name is wide
    SAME("https://192.0.2.16:80/"),
    SAME("https://999.1.1.1/"), // no IPv4 address, but a name by the ABNF
    SAME("https://[2001:db8::7]/c=gb?objectclass?one"),
    SAME("https://[::]/"),
    SAME("https://[::1]:8443/"),
    SAME("https://[1::]/"),
    SAME("https://[1:2:3:4:5:6:7:8]/"),
    SAME("https://[1:2:3:4:5:6:7::]/"),
    SAME("https://[::2:3:4:5:6:7:8]/"),
    SAME("https://[1:2:3:4:5:6:192.0.2.1]/"),
    SAME("https://[::ffff:192.0.2.1]/"),
    SAME("https://[::192.0.2.255]/"),
    SAME("https://[v1.a:b]/"),
    SAME("https://[vff.x~!]/"),
    {INPUT("HTTPS://Example.COM/Ada.PNG?Q#F"), INPUT("https://example.com/Ada.PNG?Q#F")},
    {INPUT("hTtPs://[2001:DB8::A]:443/A"), INPUT("https://[2001:db8::a]:443/A")},
    SAME("https://xn--bcher-kva.example/"),
};

static const struct bad_text bads[] = {
    {INPUT(""), "is empty"},
    {INPUT("http://example.com/"), "begin with https"},
    {INPUT("ftp://example.com/"), "begin with https"},
    {INPUT("javascript:alert(1)"), "begin with https"},
    {INPUT("data:image/png;base64,AAAA"), "begin with https"},
    {INPUT("//example.com/a"), "begin with https"},
    {INPUT("example.com/a.png"), "begin with https"},
    {INPUT("/a.png"), "begin with https"},
    {INPUT("https:/example.com"), "begin with https"},
    {INPUT("https:example.com"), "begin with https"},
    {INPUT("https"), "begin with https"},
    {INPUT(" https://example.com"), "begin with https"},
    {INPUT("https://"), "has no host"},
    {INPUT("https:///a.png"), "has no host"},
    {INPUT("https://:443/"), "has no host"},
    {INPUT("https://?a"), "has no host"},
    {INPUT("https://#a"), "has no host"},
    {INPUT("https://ada@example.com/"), "has a user"},
    {INPUT("https://ada:secret@example.com/"), "has a user"},
    {INPUT("https://@example.com/"), "has a user"},
    {INPUT("https://example.com@evil.example/"), "has a user"},
    {INPUT("https://example.com:80a/"), "port"},
    {INPUT("https://example.com:65536/"), "port"},
    {INPUT("https://example.com:99999999999999999999/"), "port"},
    {INPUT("https://example.com:-1/"), "port"},
    {INPUT("https://example.com:80:81/"), "port"},
    {INPUT("https://exa mple.com/"), "host of the URL"},
    {INPUT("https://exa<mple.com/"), "host of the URL"},
    {INPUT("https://b\u00FCcher.example/"), "host of the URL"}, // IRIs are to be mapped by whoever has one
    {INPUT("https://example.com\\a"), "host of the URL"},
    {INPUT("https://ex%4.com/"), "host of the URL"},
    {INPUT("https://example.com/a b"), "percent-encoded"},
    {INPUT("https://example.com/\u00E9"), "percent-encoded"},
    {INPUT("https://example.com/a\\b"), "percent-encoded"},
    {INPUT("https://example.com/<script>"), "percent-encoded"},
    {INPUT("https://example.com/\"quoted\""), "percent-encoded"},
    {INPUT("https://example.com/{a}|^`"), "percent-encoded"},
    {INPUT("https://example.com/[a]"), "percent-encoded"},
    {INPUT("https://example.com/%"), "percent-encoded"},
    {INPUT("https://example.com/%1"), "percent-encoded"},
    {INPUT("https://example.com/%zz"), "percent-encoded"},
    {INPUT("https://example.com/a%2"), "percent-encoded"},
    {INPUT("https://example.com/a#b#c"), "percent-encoded"},
    {INPUT("https://example.com/?a[0]=1"), "percent-encoded"},
    {INPUT("https://example.com/a\n"), "percent-encoded"},
    {INPUT("https://example.com/\r\nHost: x"), "percent-encoded"},
    {INPUT("https://example.com/\x7F"), "percent-encoded"},
    {INPUT("https://[::1"), "not closed"},
    {INPUT("https://[::1/a]"), "not closed"},
    {INPUT("https://[]/"), "host of the URL"},
    {INPUT("https://[:]/"), "host of the URL"},
    {INPUT("https://[:::]/"), "host of the URL"},
    {INPUT("https://[1::2::3]/"), "host of the URL"},
    {INPUT("https://[1:2:3:4:5:6:7]/"), "host of the URL"},
    {INPUT("https://[1:2:3:4:5:6:7:8:9]/"), "host of the URL"},
    {INPUT("https://[1:2:3:4::5:6:7:8]/"), "host of the URL"}, // :: stands for one group at least
    {INPUT("https://[12345::]/"), "host of the URL"},
    {INPUT("https://[g::]/"), "host of the URL"},
    {INPUT("https://[:1::]/"), "host of the URL"},
    {INPUT("https://[1::2:]/"), "host of the URL"},
    {INPUT("https://[192.0.2.1::]/"), "host of the URL"}, // only at the end
    {INPUT("https://[::192.0.2.256]/"), "host of the URL"},
    {INPUT("https://[::192.0.02.1]/"), "host of the URL"},
    {INPUT("https://[::192.0.2]/"), "host of the URL"},
    {INPUT("https://[::192.0.2.1.]/"), "host of the URL"},
    {INPUT("https://[::192.0.2.1.5]/"), "host of the URL"},
    {INPUT("https://[192.0.2.1]/"), "host of the URL"},
    {INPUT("https://[::1%25eth0]/"), "host of the URL"}, // zones are RFC 6874's, and nobody else's business
    {INPUT("https://[v.a]/"), "host of the URL"},
    {INPUT("https://[v1.]/"), "host of the URL"},
    {INPUT("https://[v1]/"), "host of the URL"},
    {INPUT("https://[vg.a]/"), "host of the URL"},
    {INPUT("https://[v1.%41]/"), "host of the URL"},
    {INPUT("https://[::1]a/"), "something else than a port"},
    {INPUT("https://example.com/\0"), "NUL"},
    {INPUT("https://example.com/\xFF"), "UTF-8"},
};

Test(avatar_url, takes_urls) { EXPECT_GOOD(avatar_url_parse, goods); }
Test(avatar_url, refuses_the_rest_with_a_reason) { EXPECT_BAD(avatar_url_parse, bads); }

Test(avatar_url, is_bounded) {
  struct arena *arena = arena_create(1 << 20);
  struct span padding = repeat(arena, "a", 8200);
  struct span longest = arena_printf(arena, "https://example.com/%.*s", 2048 - 20, padding.data);
  struct span longer = arena_printf(arena, "https://example.com/%.*s", 2049 - 20, padding.data);
  struct span huge = arena_printf(arena, "https://example.com/%.*s", 8193 - 20, padding.data);
  cr_assert_eq(longest.len, 2048);
  expect_good_text(avatar_url_parse, longest, longest);
  expect_bad_text(avatar_url_parse, longer, "longer than 2,048");
  expect_bad_text(avatar_url_parse, huge, "far too long");
  expect_no_memory(avatar_url_parse, SPAN_LITERAL("https://example.com"));
  arena_destroy(arena);
}
