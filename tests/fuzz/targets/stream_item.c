// SPDX-License-Identifier: MIT
// What luminctl writes of a message of the event stream or of the dead stream, where anybody with the right may have
// published anything: nothing that a terminal obeys, and JSON where JSON was asked for. The input is "e" or "d" and
// how, as in reply.c; the subject; lines of headers; an empty line; and the body.
#include "terminal.h"
#include "types.h"

#include <jansson.h>

#include "cli/dead_item.h"
#include "cli/event_line.h"

// A text of nats.c's; it ends at a NUL.
static const char *text_of(struct span text, struct arena *arena) { return arena_copy(arena, text).data; }

// Messages are made by a library that has been opened.
static void nats_begin(void) {
  static bool open;
  FUZZ_CHECK(open || nats_Open(-1) == NATS_OK);
  open = true;
}

static natsMsg *message_make(struct bytes *feed, struct arena *arena) {
  natsMsg *message = NULL;
  const char *subject = text_of(bytes_line(feed), arena);
  struct span headers = feed->rest;
  for (struct span line; (line = bytes_line(feed)).len > 0;) {
  }
  if (subject[0] == '\0' || natsMsg_Create(&message, subject, NULL, feed->rest.data, (int)feed->rest.len) != NATS_OK) {
    return NULL;
  }
  for (struct span line; (line = span_cut(&headers, '\n')).len > 0;) {
    const char *name = text_of(span_cut(&line, ':'), arena);
    FUZZ_CHECK(name[0] == '\0' || natsMsgHeader_Set(message, name, text_of(line, arena)) == NATS_OK);
  }
  return message;
}

static enum lumin_status item_write(const struct reply_reader *reader, char kind, const struct stream_item *item) {
  if (kind == 'e') {
    return event_write(reader, item);
  }
  struct dead_item dead = dead_item_of(item);
  enum lumin_status status = dead_line_write(reader, &dead);
  return status == LUMIN_OK ? dead_item_write(reader, item, NULL) : status;
}

static void check_json(struct span text) {
  while (text.len > 0) {
    json_error_t error;
    struct span line = span_cut(&text, '\n');
    json_t *tree = json_loadb(line.data, line.len, JSON_REJECT_DUPLICATES, &error);
    FUZZ_CHECK(json_is_object(tree));
    json_decref(tree);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct bytes feed = {span_of(data, size)};
  struct arena *arena = fuzz_arena();
  struct span how = bytes_line(&feed);
  struct terminal terminal;
  struct span out = SPAN_EMPTY, err = SPAN_EMPTY;
  if (how.len != 2 || (how.data[0] != 'e' && how.data[0] != 'd')) {
    return -1;
  }
  nats_begin();
  struct reply_reader reader = {
      .codec = fuzz_codec(), .arena = arena, .json = how.data[1] == '+', .terminal = how.data[1] == '!'};
  struct stream_item item = {message_make(&feed, arena), 7, INT64_C(1700000000000000000)};
  if (item.message == NULL) {
    return -1;
  }
  terminal_begin(&terminal);
  enum lumin_status status = item_write(&reader, how.data[0], &item);
  terminal_end(&terminal, arena, &out, &err);
  natsMsg_Destroy(item.message);
  FUZZ_CHECK(status == LUMIN_OK && out.len > 0 && out.data[out.len - 1] == '\n' && err.len == 0);
  if (reader.json) {
    check_json(out);
  }
  return 0;
}
