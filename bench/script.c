// SPDX-License-Identifier: MIT
// Requests from a file, read and decoded before the clock starts.
#include "script.h"

#include <stdio.h>
#include <stdlib.h>

#define METHOD_MAX 32 // characters

static int digit_value(char digit) {
  static const char digits[] = "0123456789abcdef";
  const char *found = digit != '\0' ? strchr(digits, digit) : NULL;
  return found != NULL ? (int)(found - digits) : -1;
}

// In place: a byte never lies behind its digits.
static bool payload_read(struct span hex, char *bytes, struct span *ret_payload) {
  for (size_t i = 0; i + 1 < hex.len; i += 2) {
    int high = digit_value(hex.data[i]), low = digit_value(hex.data[i + 1]);
    if (high < 0 || low < 0) {
      return false;
    }
    bytes[i / 2] = (char)(high << 4 | low);
  }
  *ret_payload = span_of(bytes, hex.len / 2);
  return hex.len % 2 == 0;
}

static bool line_read(struct script *script, struct span line) {
  struct span method = span_cut(&line, ' '), payload = {0};
  char *bytes = script->bytes + (line.data - script->bytes);
  if (method.len == 0 || method.len > METHOD_MAX || !payload_read(line, bytes, &payload)) {
    return false;
  }
  script->requests[script->count++] = (struct script_request){method, payload};
  return true;
}

static bool lines_read(struct script *script, size_t len) {
  struct span rest = span_of(script->bytes, len);
  size_t lines = 0;
  for (size_t i = 0; i < len; i++) {
    lines += script->bytes[i] == '\n';
  }
  script->requests = calloc(lines + 1, sizeof *script->requests);
  bool fine = script->requests != NULL;
  while (fine && rest.len > 0) {
    fine = line_read(script, span_cut(&rest, '\n'));
  }
  return fine && script->count > 0;
}

static char *file_read(const char *path, size_t *ret_len) {
  FILE *file = fopen(path, "rb");
  long len = file != NULL && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
  char *bytes = len >= 0 && fseek(file, 0, SEEK_SET) == 0 ? malloc((size_t)len + 1) : NULL;
  if (bytes != NULL && fread(bytes, 1, (size_t)len, file) != (size_t)len) {
    free(bytes);
    bytes = NULL;
  }
  if (file != NULL) {
    (void)fclose(file);
  }
  *ret_len = bytes != NULL ? (size_t)len : 0;
  return bytes;
}

bool script_read(const char *path, struct script *ret_script) {
  size_t len = 0;
  struct script script = {.bytes = file_read(path, &len)};
  if (script.bytes == NULL || !lines_read(&script, len)) {
    (void)fprintf(stderr, "bench: %s: no requests, or a line that is none: METHOD HEX\n", path);
    script_free(&script);
    return false;
  }
  *ret_script = script;
  return true;
}

void script_free(struct script *script) {
  free(script->requests);
  free(script->bytes);
}

const struct script_request *script_next(struct script *script) {
  const struct script_request *request = &script->requests[script->next];
  script->next = (script->next + 1) % script->count;
  return request;
}
