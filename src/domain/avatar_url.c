// SPDX-License-Identifier: MIT
// Avatar URLs by RFC 3986: https alone, since browsers load them into others' pages. Nothing is resolved, fetched or
// decoded here.
#include "lumin/domain/values.h"
#include "text.h"

#define URL_MAX 2048
#define SCHEME "https://"
#define SCHEME_LEN (sizeof SCHEME - 1)

static const char allowed[] =
    "a URL like https://example.com/ada.png, at most 2,048 bytes, without a user; empty clears";

static const char *url_fault(struct span input, struct span *ret_host);
static const char *authority_fault(struct span authority, struct span *ret_host);
static const char *port_fault(struct span port);
static bool is_ip_literal(struct span host);
static bool is_text_of(struct span text, const char *more);

enum lumin_status avatar_url_parse(struct span input, const char *field, struct arena *arena, struct span *ret_url,
                                   struct refusal *ret_refusal) {
  struct span host = SPAN_EMPTY;
  const char *fault = text_fault_within(input, PROSE_INPUT_MAX);
  if (!fault)
    fault = url_fault(input, &host);
  if (fault)
    return refuse_field(ret_refusal, field, allowed, fault);
  char *url = arena_alloc(arena, input.len + 1);
  if (!url)
    return LUMIN_NO_MEMORY;
  memcpy(url, input.data, input.len);
  size_t end = (size_t)(host.data - input.data) + host.len;
  for (size_t i = 0; i < end; i++)
    url[i] = ascii_lower(url[i]);
  *ret_url = span_of(url, input.len);
  return LUMIN_OK;
}

static bool has_https(struct span input) {
  if (input.len < SCHEME_LEN)
    return false;
  for (size_t i = 0; i < SCHEME_LEN; i++)
    if (ascii_lower(input.data[i]) != SCHEME[i])
      return false;
  return true;
}

// What stands before the first of the marks; *rest begins at the mark, or is empty.
static struct span cut_before(struct span *rest, const char *marks, size_t mark_count) {
  size_t len = 0;
  while (len < rest->len && !memchr(marks, rest->data[len], mark_count))
    len++;
  struct span head = span_of(rest->data, len);
  *rest = span_skip(*rest, len);
  return head;
}

// RFC 3986 3: scheme "://" authority path-abempty [ "?" query ] [ "#" fragment ].
static const char *url_fault(struct span input, struct span *ret_host) {
  if (input.len == 0)
    return "the URL is empty";
  if (input.len > URL_MAX)
    return "the URL is longer than 2,048 bytes";
  if (!has_https(input))
    return "the URL does not begin with https://";
  struct span rest = span_skip(input, SCHEME_LEN);
  struct span authority = cut_before(&rest, "/?#", 3);
  const char *fault = authority_fault(authority, ret_host);
  if (fault)
    return fault;
  struct span path = cut_before(&rest, "?#", 2);
  struct span query = cut_before(&rest, "#", 1);
  bool fine =
      is_text_of(path, ":@/") && is_text_of(span_skip(query, 1), ":@/?") && is_text_of(span_skip(rest, 1), ":@/?");
  return fine ? NULL : "the URL holds a character that must be percent-encoded";
}

static const char *authority_fault(struct span authority, struct span *ret_host) {
  if (authority.len == 0)
    return "the URL has no host";
  if (memchr(authority.data, '@', authority.len))
    return "the URL has a user before its host";
  struct span host;
  struct span port;
  if (authority.data[0] == '[') {
    port = authority;
    host = cut_before(&port, "]", 1);
    if (port.len == 0)
      return "the URL has a bracket in its host that is not closed";
    host.len++;
    port = span_skip(port, 1);
    if (port.len > 0 && port.data[0] != ':')
      return "the URL has something else than a port behind its host";
  } else {
    host = cut_before(&authority, ":", 1);
    port = authority;
  }
  *ret_host = host;
  if (host.len == 0)
    return "the URL has no host";
  if (host.data[0] == '[' ? !is_ip_literal(host) : !is_text_of(host, ""))
    return "the host of the URL is none";
  return port_fault(span_skip(port, 1));
}

// Digits, or none at all (3.2.3); as many as a port has.
static const char *port_fault(struct span port) {
  unsigned number = 0;
  for (size_t i = 0; i < port.len; i++) {
    if (!ascii_is_digit(port.data[i]) || number > 6553)
      return "the port of the URL is none";
    number = 10 * number + (unsigned)(port.data[i] - '0');
  }
  return number > 65535 ? "the port of the URL is none" : NULL;
}

// Characters of a URL's parts: unreserved, percent-encoded, sub-delims, and `more`.
static bool is_text_of(struct span text, const char *more) {
  static const char marks[] = "-._~!$&'()*+,;=";
  for (size_t i = 0; i < text.len; i++) {
    char c = text.data[i];
    if (c == '%') {
      if (i + 2 >= text.len || !ascii_is_hex(text.data[i + 1]) || !ascii_is_hex(text.data[i + 2]))
        return false;
      i += 2;
    } else if (!ascii_is_letter(c) && !ascii_is_digit(c) && !memchr(marks, c, sizeof marks - 1) &&
               !memchr(more, c, strlen(more))) {
      return false;
    }
  }
  return true;
}

// ---- IP literals (3.2.2)

static bool is_ip_future(struct span text);
static bool is_ipv6(struct span text);

static bool is_ip_literal(struct span host) {
  struct span inner = span_of(host.data + 1, host.len - 2);
  return inner.len > 0 && ascii_lower(inner.data[0]) == 'v' ? is_ip_future(inner) : is_ipv6(inner);
}

// "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )
static bool is_ip_future(struct span text) {
  size_t at = 1;
  while (at < text.len && ascii_is_hex(text.data[at]))
    at++;
  struct span address = span_skip(text, at + 1);
  return at > 1 && at < text.len && text.data[at] == '.' && address.len > 0 &&
         !memchr(address.data, '%', address.len) && is_text_of(address, ":");
}

// Four numbers of 0 to 255 without leading zeros.
static bool is_ipv4(struct span text) {
  for (size_t octets = 1;; octets++) {
    struct span rest = text;
    struct span octet = cut_before(&rest, ".", 1);
    uint64_t number = 256;
    if (octet.len > 3 || !span_to_u64(octet, &number) || number > 255 || (octet.len > 1 && octet.data[0] == '0'))
      return false;
    if (rest.len == 0)
      return octets == 4;
    text = span_skip(rest, 1);
  }
}

static bool is_h16(struct span text) {
  for (size_t i = 0; i < text.len; i++)
    if (!ascii_is_hex(text.data[i]))
      return false;
  return text.len >= 1 && text.len <= 4;
}

// Groups of 16 bits with colons between them: how many, or -1. The last 32 bits of an address may be an IPv4 address.
static int groups_count(struct span text, bool last) {
  int count = 0;
  while (text.len > 0) {
    struct span rest = text;
    struct span group = cut_before(&rest, ":", 1);
    if (rest.len == 1)
      return -1; // a colon at the end
    if (last && rest.len == 0 && memchr(group.data, '.', group.len)) {
      if (!is_ipv4(group))
        return -1;
      count += 2;
    } else if (is_h16(group)) {
      count++;
    } else {
      return -1;
    }
    text = span_skip(rest, 1);
  }
  return count;
}

static bool is_ipv6(struct span text) {
  for (size_t i = 0; i + 1 < text.len; i++) {
    if (text.data[i] != ':' || text.data[i + 1] != ':')
      continue;
    int before = groups_count(span_of(text.data, i), false);
    int after = groups_count(span_skip(text, i + 2), true);
    return before >= 0 && after >= 0 && before + after <= 7;
  }
  return groups_count(text, true) == 8;
}
