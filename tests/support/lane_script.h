// SPDX-License-Identifier: MIT
// The script of lane_driver: what a command stream would hold, in a file. Numbers are big-endian; a message is
//   u64 sequence, i64 timestamp, u16 partition, then ten fields, each as u32 length and bytes: subject, payload, and
//   the headers in the order of struct metadata.
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "lumin/application/message.h"

struct script {
  char *bytes;
  struct inbound *messages;
  size_t *following; // index of the next message of the same partition; `count` where there is none
  size_t *first;     // by partition
  size_t count;
};

struct script_reader {
  struct span rest;
  bool sound;
};

static inline uint64_t script_number(struct script_reader *reader, size_t size) {
  uint64_t value = 0;
  reader->sound = reader->sound && reader->rest.len >= size;
  for (size_t i = 0; reader->sound && i < size; i++) {
    value = value << 8 | (uint8_t)reader->rest.data[i];
  }
  reader->rest = span_skip(reader->rest, size);
  return value;
}

static inline struct span script_field(struct script_reader *reader) {
  size_t len = script_number(reader, 4);
  reader->sound = reader->sound && reader->rest.len >= len;
  struct span field = span_of(reader->rest.data, reader->sound ? len : 0);
  reader->rest = span_skip(reader->rest, len);
  return field;
}

static inline struct inbound script_message(struct script_reader *reader) {
  struct inbound message = {.seq = script_number(reader, 8)};
  message.ts_ns = (int64_t)script_number(reader, 8);
  message.partition = (uint16_t)script_number(reader, 2);
  message.subject = script_field(reader);
  message.payload = script_field(reader);
  struct span *const headers[] = {&message.headers.command_id,       &message.headers.msg_id,
                                  &message.headers.expected_version, &message.headers.actor,
                                  &message.headers.reply_to,         &message.headers.content_type,
                                  &message.headers.traceparent,      &message.headers.tracestate};
  for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
    *headers[i] = script_field(reader);
  }
  return message;
}

static inline bool script_load(const char *path, struct span *ret_bytes) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    return false;
  }
  char *bytes = NULL;
  long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
  if (size >= 0 && fseek(file, 0, SEEK_SET) == 0) {
    bytes = malloc((size_t)size + 1);
  }
  bool read = bytes != NULL && fread(bytes, 1, (size_t)size, file) == (size_t)size;
  (void)fclose(file);
  if (!read) {
    free(bytes);
    return false;
  }
  *ret_bytes = span_of(bytes, (size_t)size);
  return true;
}

static inline void script_free(struct script *script) {
  free(script->bytes);
  free(script->messages);
  free(script->following);
  free(script->first);
  *script = (struct script){0};
}

// From the end, so that each message knows its successor.
static inline bool script_chain(struct script *script, uint32_t partitions) {
  script->following = calloc(script->count + 1, sizeof *script->following);
  script->first = calloc(partitions, sizeof *script->first);
  if (script->following == NULL || script->first == NULL) {
    return false;
  }
  for (uint32_t i = 0; i < partitions; i++) {
    script->first[i] = script->count;
  }
  for (size_t i = script->count; i-- > 0;) {
    uint16_t partition = script->messages[i].partition;
    if (partition >= partitions) {
      return false;
    }
    script->following[i] = script->first[partition];
    script->first[partition] = i;
  }
  return true;
}

// What is read is freed by script_free, after a failure too.
static inline bool script_read(const char *path, uint32_t partitions, struct script *script) {
  struct script_reader reader = {.sound = true};
  size_t room = 0;
  if (!script_load(path, &reader.rest)) {
    return false;
  }
  script->bytes = (char *)(uintptr_t)reader.rest.data;
  while (reader.sound && reader.rest.len > 0) {
    if (script->count == room) {
      room = room == 0 ? 256 : 2 * room;
      struct inbound *grown = realloc(script->messages, room * sizeof *grown);
      if (grown == NULL) {
        return false;
      }
      script->messages = grown;
    }
    script->messages[script->count++] = script_message(&reader);
  }
  return reader.sound && script_chain(script, partitions);
}

// The first message of the partition above a sequence.
static inline size_t script_after(const struct script *script, uint16_t partition, uint64_t seq) {
  size_t index = script->first[partition];
  while (index < script->count && script->messages[index].seq <= seq) {
    index = script->following[index];
  }
  return index;
}
