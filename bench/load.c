// SPDX-License-Identifier: MIT
// bench_load publish|request: commands onto the command stream, windowed by their PubAcks, or requests with so many
// outstanding: of a kind of work, or from a file. Server and role come from the environment, as for every program of
// the service.
#include "load.h"

#include <stdio.h>
#include <stdlib.h>

#include "lumin/base/clock.h"
#include "lumin/base/random.h"

#define ERRORS_SHOWN 3

static bool work_parse(const char *text, enum work_kind *ret_kind);
static bool load_open(struct load *load);

int main(int count, char **texts) {
  struct load load = {.prefix = SPAN_LITERAL("lumin.user.v1")};
  const char *mode = count > 1 ? texts[1] : "";
  const char *kind = argument_text(texts, count, "--work", "create");
  load.work.active = argument_number(texts, count, "--active", 1);
  load.work.next_user = argument_number(texts, count, "--next-user", 0);
  load.work.next_op = argument_number(texts, count, "--next-op", 0);
  load.work.read_from = argument_number(texts, count, "--read-from", 0);
  load.work.read_op = argument_number(texts, count, "--read-op", 0);
  bool publish = strcmp(mode, "publish") == 0;
  if ((!publish && strcmp(mode, "request") != 0) || !work_parse(kind, &load.work.kind) || load.work.active == 0) {
    (void)fprintf(stderr, "bench_load publish|request --work create|mixed|get|find|echo ...|--script FILE\n");
    return 2;
  }
  struct script script = {0};
  const char *path = argument_text(texts, count, "--script", "");
  if (*path != '\0' && !script_read(path, &script)) {
    return 2;
  }
  struct publish_plan publish_plan = {argument_number(texts, count, "--count", 1000),
                                      argument_number(texts, count, "--window", 512)};
  struct request_plan request_plan = {
      .outstanding = argument_number(texts, count, "--outstanding", 1),
      .warm_ns = (int64_t)argument_number(texts, count, "--warm-ms", 300) * NS_PER_MS,
      .run_ns = (int64_t)argument_number(texts, count, "--run-ms", 2000) * NS_PER_MS,
      .payload = argument_number(texts, count, "--payload", 64),
      .script = script.count > 0 ? &script : NULL,
  };
  bool fine = load_open(&load) && (publish ? publish_run(&load, &publish_plan) : request_run(&load, &request_plan));
  wire_close(load.wire);
  script_free(&script);
  return fine ? 0 : 1;
}

static bool work_parse(const char *text, enum work_kind *ret_kind) {
  static const char *const names[] = {"create", "mixed", "get", "find", "echo"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(text, names[i]) == 0) {
      *ret_kind = (enum work_kind)i;
      return true;
    }
  }
  return false;
}

static bool load_open(struct load *load) {
  char token[RANDOM_TOKEN_LEN + 1];
  const struct wire_login login = {environment_text("NATS_URL"), environment_text("NATS_USER"),
                                   environment_text("NATS_PASSWORD")};
  load->wire = wire_open(&login);
  if (load->wire == NULL || random_token(token) != LUMIN_OK) {
    return false;
  }
  int len = snprintf(load->inbox, sizeof load->inbox, "_INBOX_lumin_%s.%s.", environment_text("NATS_USER"), token);
  load->inbox_len = (size_t)len;
  char pattern[sizeof load->inbox + 1];
  len = snprintf(pattern, sizeof pattern, "%s*", load->inbox);
  wire_subscribe(load->wire, span_of(pattern, (size_t)len));
  return true;
}

void load_refused(struct load *load, const struct wire_message *message) {
  if (load->errors++ < ERRORS_SHOWN) {
    (void)fprintf(stderr, "bench: refused: %.*s%.*s\n", SPAN_ARGS(message->headers), SPAN_ARGS(message->payload));
  }
}
