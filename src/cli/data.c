// SPDX-License-Identifier: MIT
// Read here and not by the service, so that a mistake is told before anything is sent.
#include "data.h"

#include <errno.h>

enum { DATA_MAX = 1 << 20 }; // more than any service takes

static enum exit_code text_read(const char *data, struct arena *arena, struct span *ret_text);
static enum exit_code stream_read(FILE *in, struct arena *arena, struct span *ret_text);

enum exit_code data_read(const struct reply_reader *reader, const ProtobufCMessageDescriptor *type, const char *data,
                         ProtobufCMessage **ret_message) {
  struct encoded encoded = {.type = type, .json = true};
  const ProtobufCMessage *message = NULL;
  struct refusal refusal = {0};
  enum exit_code code = text_read(data, reader->arena, &encoded.bytes);
  if (code != EXIT_FINE) {
    return code;
  }
  enum lumin_status status = codec_decode(reader->codec, &encoded, reader->arena, &message, &refusal);
  if (status == LUMIN_OK) {
    *ret_message = (ProtobufCMessage *)(uintptr_t)message; // the arena's, and nobody else's
    return EXIT_FINE;
  }
  if (status != LUMIN_INVALID_ARGUMENT) {
    report("error", "out of memory");
    return EXIT_NO_ANSWER;
  }
  report("error", "--data is no %s: %.*s", type->short_name, SPAN_ARGS(refusal.message));
  report("field", "%.*s", SPAN_ARGS(refusal.field));
  report("allowed", "%.*s", SPAN_ARGS(refusal.allowed));
  return EXIT_USAGE;
}

static enum exit_code text_read(const char *data, struct arena *arena, struct span *ret_text) {
  if (data[0] != '@') {
    *ret_text = span_from_text(data);
    return EXIT_FINE;
  }
  const char *path = data + 1;
  bool standard = path[0] == '-' && path[1] == '\0';
  FILE *in = standard ? stdin : fopen(path, "rbe");
  if (in == NULL) {
    report("error", "--data: the file \"%s\" cannot be opened: %s", path, strerrordesc_np(errno));
    return EXIT_USAGE;
  }
  enum exit_code code = stream_read(in, arena, ret_text);
  if (!standard) {
    (void)fclose(in);
  }
  return code;
}

static enum exit_code stream_read(FILE *in, struct arena *arena, struct span *ret_text) {
  char *text = arena_alloc(arena, DATA_MAX + 1);
  if (text == NULL) {
    report("error", "out of memory");
    return EXIT_NO_ANSWER;
  }
  size_t len = fread(text, 1, DATA_MAX + 1, in);
  if (ferror(in)) {
    report("error", "--data: the file cannot be read");
    return EXIT_USAGE;
  }
  if (len > DATA_MAX) {
    report("error", "--data: the file is larger than any request");
    return EXIT_USAGE;
  }
  *ret_text = span_of(text, len);
  return EXIT_FINE;
}
