// SPDX-License-Identifier: MIT
// The end of the event stream is asked for first and the users are read after it: an event is published when its user's
// row is committed, so every event up to that end is in what is read, and every later one is still to come from the
// stream. A consumer that skips versions it has misses none and doubles none.
#include "export.h"

#include <inttypes.h>
#include <time.h>

#include "client.h"
#include "lumin/application/messages.h"
#include "lumin/base/clock.h"
#include "lumin/infrastructure/codec/codec.h"
#include "lumin/infrastructure/nats/js.h"
#include "settings.h"

#include "lumin/user/v1/export.pb-c.h"
#include "lumin/user/v1/queries.pb-c.h"

#define STREAM "LUMIN_USER_EVENTS"
enum { PAGE = 500, PAGE_BYTES = 8 << 20, PAGE_MEMORY = 128 << 20, TRIES = 5 };
#define PAUSE_NS (NS_PER_SECOND / 2)

typedef Lumin__User__V1__ExportRecord record_message;

struct export {
  const struct invocation *invocation;
  struct settings settings;
  struct client *client; // NULL: none
  struct codec *codec;
  struct arena *arena; // of one page
  bool protobuf;
  uint64_t users;
  char token[512]; // of the next page
};

static enum exit_code export_write(struct export *export);

enum exit_code export_run(const struct invocation *invocation, struct arena *arena) {
  struct export export = {.invocation = invocation,
                          .codec = codec_create(PAGE_BYTES),
                          .arena = arena_create(PAGE_MEMORY),
                          .protobuf = invocation->flags[OPTION_protobuf] != NULL};
  enum exit_code code = EXIT_NO_ANSWER;
  if (export.codec == NULL || export.arena == NULL) {
    report("error", "out of memory");
  } else if (export.protobuf && output_is_terminal()) {
    report("error", "protobuf is not for a terminal: send it to a file or another program");
    code = EXIT_USAGE;
  } else {
    code = settings_resolve(invocation, PURPOSE_DEAD, arena, &export.settings);
    code = code == EXIT_FINE ? export_write(&export) : code;
  }
  client_close(export.client);
  arena_destroy(export.arena);
  codec_destroy(export.codec);
  return code;
}

// ---- questions

static enum exit_code exit_code_of(enum answer answer) {
  return answer == ANSWER_NOBODY || answer == ANSWER_NOT_ALLOWED ? EXIT_NOT_DONE : EXIT_NO_ANSWER;
}

static enum exit_code export_connect(struct export *export) {
  natsStatus status = export->client == NULL ? client_open(&export->settings, &export->client) : NATS_OK;
  if (status == NATS_OK) {
    return EXIT_FINE;
  }
  export->client = NULL;
  client_report_open(status, &export->settings, export->arena);
  return EXIT_NOT_DONE;
}

static enum exit_code ask_once(struct export *export, const struct client_message *message, natsMsg **ret_answer) {
  enum exit_code code = export_connect(export);
  if (code != EXIT_FINE) {
    return code;
  }
  int64_t until = clock_monotonic_ns() + export->settings.timeout_ns;
  enum answer answer = client_request(export->client, message, until, ret_answer);
  if (answer == ANSWER_HERE) {
    return EXIT_FINE;
  }
  client_report(export->client, answer, message->subject, &export->settings);
  client_close(export->client);
  export->client = NULL;
  return exit_code_of(answer);
}

// All questions here only read: a lost one is asked again, on a fresh connection.
static enum exit_code ask(struct export *export, const struct client_message *message, natsMsg **ret_answer) {
  enum exit_code code = message->subject != NULL ? ask_once(export, message, ret_answer) : EXIT_NO_ANSWER;
  for (int i = 1; code != EXIT_FINE && message->subject != NULL && i < TRIES; i++) {
    (void)nanosleep(&(struct timespec){.tv_nsec = (long)PAUSE_NS}, NULL);
    code = ask_once(export, message, ret_answer);
  }
  return code;
}

// ---- records

static bool varint_write(uint64_t value) {
  while (value >= 0x80) {
    if (putchar((int)(value & 0x7f) | 0x80) == EOF) {
      return false;
    }
    value >>= 7;
  }
  return putchar((int)value) != EOF;
}

static enum exit_code record_write(struct export *export, const record_message *record) {
  struct span bytes = SPAN_EMPTY;
  enum lumin_status status = export->protobuf ? codec_pack(&record->base, export->arena, &bytes)
                                              : codec_encode_json(&record->base, export->arena, &bytes);
  bool written = status == LUMIN_OK && (!export->protobuf || varint_write(bytes.len)) &&
                 fwrite(bytes.data, 1, bytes.len, stdout) == bytes.len && (export->protobuf || putchar('\n') != EOF);
  if (!written) {
    report("error", status == LUMIN_OK ? "the output cannot be written" : "out of memory");
    return EXIT_NO_ANSWER;
  }
  return EXIT_FINE;
}

static enum exit_code start_write(struct export *export, const struct js_stream_info *info) {
  record_message record = LUMIN__USER__V1__EXPORT_RECORD__INIT;
  Lumin__User__V1__ExportStart start = LUMIN__USER__V1__EXPORT_START__INIT;
  Google__Protobuf__Timestamp created = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
  start.event_sequence = info->last_seq;
  start.event_stream_created = timestamp_message(info->created_ns, &created);
  record.start = &start;
  return record_write(export, &record);
}

static enum exit_code stream_ask(struct export *export) {
  natsMsg *answered = NULL;
  struct js_stream_info info;
  struct js_error error = {0};
  struct client_message message = {.subject = js_stream_info_subject(export->arena, STREAM).data};
  enum exit_code code = ask(export, &message, &answered);
  if (code != EXIT_FINE) {
    return code;
  }
  enum lumin_status status = js_stream_info_parse(client_payload(answered), export->arena, &info, &error);
  natsMsg_Destroy(answered);
  if (status == LUMIN_OK && error.code == 0) {
    return start_write(export, &info);
  }
  report("error", "the event stream does not say how it stands: %.*s", SPAN_ARGS(error.description));
  return EXIT_NO_ANSWER;
}

// ---- pages

static enum exit_code users_write(struct export *export, const Lumin__User__V1__UserPage *page) {
  enum exit_code code = EXIT_FINE;
  for (size_t i = 0; i < page->n_users && code == EXIT_FINE; i++) {
    record_message record = LUMIN__USER__V1__EXPORT_RECORD__INIT;
    record.user = page->users[i];
    code = record_write(export, &record);
    export->users++;
  }
  return code;
}

static enum exit_code page_read(struct export *export, natsMsg *answered) {
  const ProtobufCMessage *message = NULL;
  struct span refusal = link_header_get(answered, "Nats-Service-Error");
  if (link_header_get(answered, "Nats-Service-Error-Code").len > 0) {
    report("refused", "%.*s", SPAN_ARGS(refusal));
    return EXIT_REFUSED;
  }
  if (codec_decode_answer(export->codec, &lumin__user__v1__user_page__descriptor, client_payload(answered),
                          export->arena, &message) != LUMIN_OK) {
    report("error", "a page of users cannot be read");
    return EXIT_NO_ANSWER;
  }
  const Lumin__User__V1__UserPage *page = (const Lumin__User__V1__UserPage *)(const void *)message;
  int len = snprintf(export->token, sizeof export->token, "%s", page->next_page_token);
  if (len >= (int)sizeof export->token) {
    report("error", "a page token is too long");
    return EXIT_NO_ANSWER;
  }
  return users_write(export, page);
}

static enum exit_code page_export(struct export *export) {
  static Lumin__User__V1__UserStatus all[] = {
      LUMIN__USER__V1__USER_STATUS__USER_STATUS_PENDING, LUMIN__USER__V1__USER_STATUS__USER_STATUS_ACTIVE,
      LUMIN__USER__V1__USER_STATUS__USER_STATUS_DEACTIVATED, LUMIN__USER__V1__USER_STATUS__USER_STATUS_BLOCKED,
      LUMIN__USER__V1__USER_STATUS__USER_STATUS_DELETED};
  Lumin__User__V1__List list = LUMIN__USER__V1__LIST__INIT;
  list.statuses = all;
  list.n_statuses = sizeof all / sizeof all[0];
  list.limit = PAGE;
  list.page_token = export->token;
  natsMsg *answered = NULL;
  struct client_message message = {.subject = arena_printf(export->arena, "%s.rpc.list", export->settings.prefix).data};
  if (codec_pack(&list.base, export->arena, &message.payload) != LUMIN_OK) {
    report("error", "out of memory");
    return EXIT_NO_ANSWER;
  }
  enum exit_code code = ask(export, &message, &answered);
  if (code == EXIT_FINE) {
    code = page_read(export, answered);
    natsMsg_Destroy(answered);
  }
  return code;
}

static enum exit_code end_write(struct export *export) {
  record_message record = LUMIN__USER__V1__EXPORT_RECORD__INIT;
  Lumin__User__V1__ExportEnd end = LUMIN__USER__V1__EXPORT_END__INIT;
  end.users = export->users;
  record.end = &end;
  return record_write(export, &record);
}

static enum exit_code export_write(struct export *export) {
  enum exit_code code = stream_ask(export);
  do {
    arena_reset(export->arena);
    code = code == EXIT_FINE ? page_export(export) : code;
  } while (code == EXIT_FINE && export->token[0] != '\0');
  arena_reset(export->arena);
  if (code == EXIT_FINE) {
    code = end_write(export);
  }
  if (code != EXIT_FINE) {
    report("error", "the export is not whole: it has no end");
  }
  return code;
}
