// SPDX-License-Identifier: MIT
// Over jansson. A member that could not be made for want of memory is missing; the line that lacks it is not written.
#include "document.h"

#include <openssl/evp.h>
#include <stdlib.h>

json_t *document_text(struct span text) {
  json_t *made = json_stringn(text.data != NULL ? text.data : "", text.len);
  if (made != NULL) {
    return made;
  }
  char *escaped = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&escaped, &len);
  if (out == NULL) {
    return NULL;
  }
  text_write(out, text);
  made = fclose(out) == 0 ? json_stringn(escaped, len) : NULL;
  free(escaped);
  return made;
}

json_t *document_bytes(struct span bytes) {
  size_t room = (bytes.len + 2) / 3 * 4 + 1;
  unsigned char *text = malloc(room);
  if (text == NULL) {
    return NULL;
  }
  int len = EVP_EncodeBlock(text, (const unsigned char *)bytes.data, (int)bytes.len);
  json_t *made = json_stringn((const char *)text, (size_t)len);
  free(text);
  return made;
}

json_t *document_message(const ProtobufCMessage *message, struct arena *arena) {
  struct span text = SPAN_EMPTY;
  return codec_encode_json(message, arena, &text) == LUMIN_OK ? json_loadb(text.data, text.len, 0, NULL) : NULL;
}

void document_set_text(json_t *object, const char *name, struct span text) {
  if (text.len > 0) {
    (void)json_object_set_new(object, name, document_text(text));
  }
}

// jansson takes U+007F for plain. It stands in strings only, and so never last.
static void line_write(struct span line) {
  const char *between = "";
  while (line.len > 0) {
    struct span plain = span_cut(&line, '\x7f');
    (void)fputs(between, stdout);
    (void)fwrite(plain.data, 1, plain.len, stdout);
    between = "\\u007f";
  }
  (void)fputc('\n', stdout);
}

enum lumin_status document_write(json_t *object) {
  char *line = object != NULL ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
  json_decref(object);
  if (line == NULL) {
    return LUMIN_NO_MEMORY;
  }
  line_write(span_from_text(line));
  free(line);
  return LUMIN_OK;
}
