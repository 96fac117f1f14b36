// SPDX-License-Identifier: MIT
// Requests in, and the content hash that decides whether two commands are the same (guarantee 2).
#include "lumin/infrastructure/codec/codec.h"

#include <endian.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "json.h"
#include "unpack.h"
#include "wire.h"

struct codec {
  size_t payload_limit;
  EVP_MD *sha256;
  EVP_MD_CTX *digest;
};

struct codec *codec_create(size_t payload_limit) {
  struct codec *codec = calloc(1, sizeof *codec);
  if (codec == NULL) {
    return NULL;
  }
  codec->payload_limit = payload_limit;
  codec->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL); // once: a fetch for each message costs more than the hash
  codec->digest = EVP_MD_CTX_new();
  if (codec->sha256 == NULL || codec->digest == NULL) {
    codec_destroy(codec);
    return NULL;
  }
  return codec;
}

void codec_destroy(struct codec *codec) {
  if (codec != NULL) {
    EVP_MD_CTX_free(codec->digest);
    EVP_MD_free(codec->sha256);
    free(codec);
  }
}

// The members of a oneof share their place in memory.
static bool oneof_is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
  const char *which = (const char *)message + field->quantifier_offset;
  return !(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) || *(const uint32_t *)(const void *)which == field->id;
}

// They are ignored, so two commands that differ only in them are the same.
static void unknown_drop(ProtobufCMessage *message) {
  message->n_unknown_fields = 0;
  message->unknown_fields = NULL;
  for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
    if (field->type != PROTOBUF_C_TYPE_MESSAGE || !oneof_is_set(message, field)) {
      continue;
    }
    char *member = (char *)message + field->offset;
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
      ProtobufCMessage *inner = *(ProtobufCMessage **)(void *)member;
      if (inner != NULL) {
        unknown_drop(inner);
      }
      continue;
    }
    size_t count = *(size_t *)(void *)((char *)message + field->quantifier_offset);
    ProtobufCMessage **inner = *(ProtobufCMessage ***)(void *)member;
    for (size_t j = 0; j < count; j++) {
      unknown_drop(inner[j]);
    }
  }
}

// Bytes that a decoded message may take.
static size_t budget_of(const struct codec *codec) { return 16 * codec->payload_limit; }

static enum lumin_status message_decode(struct codec *codec, const struct encoded *encoded, struct arena *arena,
                                        ProtobufCMessage **ret_message, struct refusal *ret_refusal) {
  ProtobufCMessage *message = NULL;
  enum lumin_status status = message_unpack(encoded->type, encoded->bytes, budget_of(codec), arena, &message);
  if (status == LUMIN_INVALID_ARGUMENT) {
    return refuse_field(ret_refusal, "payload", "the request message in protobuf's binary format",
                        "the payload is not a protobuf message of this method");
  }
  if (status != LUMIN_OK) {
    return status; // the batch's arena is full: the message gets another chance in a smaller one
  }
  unknown_drop(message);
  *ret_message = message;
  return LUMIN_OK;
}

static enum lumin_status binary_decode(struct codec *codec, const struct encoded *encoded, struct arena *arena,
                                       ProtobufCMessage **ret_message, struct refusal *ret_refusal) {
  enum lumin_status status = wire_check(encoded->type, encoded->bytes, ret_refusal);
  return status == LUMIN_OK ? message_decode(codec, encoded, arena, ret_message, ret_refusal) : status;
}

enum lumin_status codec_decode_answer(struct codec *codec, const ProtobufCMessageDescriptor *type, struct span bytes,
                                      struct arena *arena, const ProtobufCMessage **ret_message) {
  struct encoded encoded = {.type = type, .bytes = bytes};
  struct refusal refusal = {0};
  ProtobufCMessage *message = NULL;
  if (bytes.len > codec->payload_limit) {
    return LUMIN_INVALID_ARGUMENT;
  }
  enum lumin_status status = wire_check_fields(type, bytes, (unsigned)codec->payload_limit, &refusal);
  if (status == LUMIN_OK) {
    status = message_decode(codec, &encoded, arena, &message, &refusal);
  }
  if (status == LUMIN_OK) {
    *ret_message = message;
  }
  return status;
}

enum lumin_status codec_decode(struct codec *codec, const struct encoded *encoded, struct arena *arena,
                               const ProtobufCMessage **ret_message, struct refusal *ret_refusal) {
  if (encoded->bytes.len > codec->payload_limit) {
    return refuse_field(ret_refusal, "payload", "as many bytes as rpc.max_payload, 256 KiB if not set",
                        "the payload is too large");
  }
  ProtobufCMessage *message = NULL;
  struct json_input input = {encoded->bytes, arena, budget_of(codec)};
  enum lumin_status status = encoded->json ? json_read(encoded->type, &input, &message, ret_refusal)
                                           : binary_decode(codec, encoded, arena, &message, ret_refusal);
  if (status == LUMIN_OK) {
    *ret_message = message;
  }
  return status;
}

enum lumin_status codec_encode_json(const ProtobufCMessage *message, struct arena *arena, struct span *ret_text) {
  return json_write(message, arena, ret_text);
}

enum lumin_status codec_convert_json(const ProtobufCMessageDescriptor *type, struct span bytes, struct arena *arena,
                                     struct span *ret_text) {
  ProtobufCMessage *message = NULL;
  enum lumin_status status = message_unpack(type, bytes, SIZE_MAX, arena, &message);
  return status == LUMIN_OK ? json_write(message, arena, ret_text) : status;
}

static enum lumin_status port_decode(void *self, const struct encoded *encoded, struct arena *arena,
                                     const ProtobufCMessage **ret_message, struct refusal *ret_refusal) {
  return codec_decode(self, encoded, arena, ret_message, ret_refusal);
}

enum lumin_status codec_pack(const ProtobufCMessage *message, struct arena *arena, struct span *ret_bytes) {
  size_t len = protobuf_c_message_get_packed_size(message);
  uint8_t *bytes = arena_alloc(arena, len);
  if (bytes == NULL) {
    return LUMIN_NO_MEMORY;
  }
  (void)protobuf_c_message_pack(message, bytes);
  *ret_bytes = span_of(bytes, len);
  return LUMIN_OK;
}

// The decoded message's bytes without its user id, which the subject names whether or not the payload repeats it.
static enum lumin_status content_canonical(const struct command *command, struct arena *arena,
                                           struct span *ret_content) {
  if (command->message == NULL) {
    *ret_content = command->inbound->payload;
    return LUMIN_OK;
  }
  const ProtobufCMessageDescriptor *type = command->message->descriptor;
  ProtobufCMessage *copy = arena_alloc(arena, type->sizeof_message);
  if (copy == NULL) {
    return LUMIN_NO_MEMORY;
  }
  memcpy(copy, command->message, type->sizeof_message);
  const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(type, "user_id");
  if (field != NULL && field->type == PROTOBUF_C_TYPE_STRING) {
    *(const char **)(void *)((char *)copy + field->offset) = "";
  }
  return codec_pack(copy, arena, ret_content);
}

static enum lumin_status port_hash(void *self, const struct command *command, struct arena *arena,
                                   uint8_t ret_hash[CONTENT_HASH_LEN]) {
  struct codec *codec = self;
  struct span content = SPAN_EMPTY;
  enum lumin_status status = content_canonical(command, arena, &content);
  if (status != LUMIN_OK) {
    return status;
  }
  uint8_t fixed[1 + sizeof command->user_id.bytes + 9] = {(uint8_t)command->method_token.len};
  memcpy(fixed + 1, command->user_id.bytes, sizeof command->user_id.bytes);
  fixed[17] = (uint8_t)(command->has_expected_version | command->refused_headers << 1);
  uint64_t expected_version = htole64(command->expected_version); // hashes are stored: any machine makes the same
  memcpy(fixed + 18, &expected_version, sizeof expected_version);
  uint8_t hash[EVP_MAX_MD_SIZE];
  bool done = EVP_DigestInit_ex2(codec->digest, codec->sha256, NULL) == 1 &&
              EVP_DigestUpdate(codec->digest, fixed, sizeof fixed) == 1 &&
              EVP_DigestUpdate(codec->digest, command->method_token.data, command->method_token.len) == 1 &&
              EVP_DigestUpdate(codec->digest, content.data, content.len) == 1 &&
              EVP_DigestFinal_ex(codec->digest, hash, NULL) == 1;
  if (!done) {
    return LUMIN_NO_MEMORY;
  }
  memcpy(ret_hash, hash, CONTENT_HASH_LEN);
  return LUMIN_OK;
}

static enum lumin_status port_encode_event(void *self, const struct event *event, struct arena *arena,
                                           struct span *ret_body) {
  (void)self;
  return codec_encode_event(event, arena, ret_body);
}

struct codec_port codec_port(struct codec *codec) {
  return (struct codec_port){
      .self = codec, .decode = port_decode, .hash_content = port_hash, .encode_event = port_encode_event};
}
