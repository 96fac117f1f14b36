// SPDX-License-Identifier: MIT
// Page tokens: 24 bytes of place and 8 of hash in base64url (RFC 4648). The hash is no secret: a token opens nothing
// that its bearer could not ask for anyway. Keeps part of guarantee 10.
#include "page.h"

#include <endian.h>

#define PLACE_BYTES 24
#define CHECK_BYTES 8
#define TOKEN_BYTES (PLACE_BYTES + CHECK_BYTES)
#define TOKEN_LEN 43 // 4 characters for 3 bytes, without padding

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// Of version 4, made for this.
static const struct uuid name_space = {
    {0x5c, 0x0e, 0x6d, 0x8a, 0x31, 0x7f, 0x4b, 0x52, 0x9d, 0x06, 0xe4, 0x1b, 0xa7, 0x3c, 0x90, 0x2d}};

static enum lumin_status binding_make(const struct query *query, const ProtobufCMessage *message,
                                      struct uuid *ret_binding);
static bool token_read(const struct uuid *binding, struct span token, struct page_place *ret_place);

static void *member_of(const ProtobufCMessage *message, const char *name) {
  const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
  return field != NULL ? (char *)(uintptr_t)message + field->offset : NULL;
}

enum lumin_status page_plan(struct query *query, const ProtobufCMessage *message, struct page_place first,
                            struct refusal *ret_refusal) {
  uint32_t limit = *(const uint32_t *)member_of(message, "limit");
  struct span token = span_from_text(*(const char *const *)member_of(message, "page_token"));
  limit = limit == 0 ? PAGE_LIMIT_DEFAULT : limit;
  query->page.most = (limit > PAGE_LIMIT_MAX ? PAGE_LIMIT_MAX : limit) + 1;
  query->page.after = first;
  if (binding_make(query, message, &query->page_binding) != LUMIN_OK) {
    return refuse(ret_refusal, LUMIN_UNAVAILABLE, "the worker is short of memory");
  }
  if (token.len > 0 && !token_read(&query->page_binding, token, &query->page.after)) {
    return refuse_field(ret_refusal, "page_token", "empty, or the next_page_token of the same request",
                        "the page token is not of this request");
  }
  return LUMIN_OK;
}

size_t page_items(const struct query *query, const struct query_rows *rows) {
  size_t items = query->page.most - 1;
  items = rows->page.count < items ? rows->page.count : items;
  return rows->most < items ? rows->most : items;
}

// ---- tokens

// The request without what differs from page to page. The user id may stand in the subject alone.
static enum lumin_status binding_make(const struct query *query, const ProtobufCMessage *message,
                                      struct uuid *ret_binding) {
  size_t size = message->descriptor->sizeof_message;
  ProtobufCMessage *copy = arena_alloc(query->arena, size);
  if (copy == NULL) {
    return LUMIN_NO_MEMORY;
  }
  memcpy(copy, message, size);
  *(uint32_t *)member_of(copy, "limit") = 0;
  *(const char **)member_of(copy, "page_token") = "";
  const char **user_id = member_of(copy, "user_id");
  if (user_id != NULL) {
    *user_id = "";
  }
  size_t len = protobuf_c_message_get_packed_size(copy);
  uint8_t *bytes = arena_alloc(query->arena, len);
  if (bytes == NULL) {
    return LUMIN_NO_MEMORY;
  }
  (void)protobuf_c_message_pack(copy, bytes);
  const struct span parts[] = {
      span_of(query->user_id.bytes, sizeof query->user_id.bytes),
      span_from_text(message->descriptor->name),
      span_of(bytes, len),
  };
  return uuid_v5(&name_space, parts, sizeof parts / sizeof parts[0], ret_binding);
}

static bool token_bytes(const struct uuid *binding, struct page_place place, uint8_t bytes[TOKEN_BYTES]) {
  uint64_t number = htobe64((uint64_t)place.number);
  struct uuid check = {{0}};
  memcpy(bytes, &number, sizeof number);
  memcpy(bytes + sizeof number, place.id.bytes, sizeof place.id.bytes);
  bool done = uuid_v5(binding, &(struct span){(const char *)bytes, PLACE_BYTES}, 1, &check) == LUMIN_OK;
  memcpy(bytes + PLACE_BYTES, check.bytes, CHECK_BYTES);
  return done;
}

static void base64_write(const uint8_t *bytes, size_t len, char *text) {
  for (size_t at = 0; at < len; at += 3) {
    uint32_t word = (uint32_t)bytes[at] << 16;
    word |= at + 1 < len ? (uint32_t)bytes[at + 1] << 8 : 0;
    word |= at + 2 < len ? bytes[at + 2] : 0;
    for (size_t i = 0; i < 4 && at + i < len + 1; i++) {
      *text++ = alphabet[word >> (18 - 6 * i) & 63];
    }
  }
}

char *page_token(const struct query *query, const struct query_rows *rows, struct page_place last) {
  uint8_t bytes[TOKEN_BYTES];
  char *token = arena_alloc(rows->arena, TOKEN_LEN + 1);
  bool more = page_items(query, rows) < rows->page.count;
  if (token == NULL || (more && !token_bytes(&query->page_binding, last, bytes))) {
    return NULL;
  }
  if (more) {
    base64_write(bytes, sizeof bytes, token);
  }
  return token;
}

static bool base64_read(struct span text, uint8_t *bytes) {
  uint32_t word = 0;
  unsigned bits = 0;
  for (size_t i = 0; i < text.len; i++) {
    const char *letter = text.data[i] != '\0' ? strchr(alphabet, text.data[i]) : NULL;
    if (letter == NULL) {
      return false;
    }
    word = word << 6 | (uint32_t)(letter - alphabet);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      *bytes++ = (uint8_t)(word >> bits);
    }
  }
  return (word & ((1U << bits) - 1)) == 0; // one spelling for each token
}

static bool token_read(const struct uuid *binding, struct span token, struct page_place *ret_place) {
  uint8_t bytes[TOKEN_BYTES], right[TOKEN_BYTES];
  uint64_t number = 0;
  struct page_place place = {0};
  if (token.len != TOKEN_LEN || !base64_read(token, bytes)) {
    return false;
  }
  memcpy(&number, bytes, sizeof number);
  memcpy(place.id.bytes, bytes + sizeof number, sizeof place.id.bytes);
  place.number = (int64_t)be64toh(number);
  if (!token_bytes(binding, place, right) || memcmp(bytes, right, TOKEN_BYTES) != 0) {
    return false;
  }
  *ret_place = place;
  return true;
}
