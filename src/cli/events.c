// SPDX-License-Identifier: MIT
// From the command line to a reading of the event stream.
#include "events.h"

#include "event_line.h"

#define STREAM "LUMIN_USER_EVENTS"
enum { EVENT_LIMIT = 1 << 20, EVENT_MEMORY = 32 << 20 };

static enum exit_code filter_prepare(const struct invocation *invocation, const struct settings *settings,
                                     struct arena *arena, struct span *ret_filter);

static enum lumin_status event_take(void *self, const struct stream_item *item) { return event_write(self, item); }

static enum exit_code events_read(const struct invocation *invocation, struct stream_reading *reading,
                                  const struct settings *settings) {
  struct reply_reader lines = {.codec = codec_create(EVENT_LIMIT),
                               .arena = arena_create(EVENT_MEMORY),
                               .json = invocation->flags[OPTION_json] != NULL,
                               .terminal = output_is_terminal()};
  enum exit_code code = EXIT_NO_ANSWER;
  if (lines.codec != NULL && lines.arena != NULL) {
    if (lines.terminal && !lines.json) {
      event_heading_write();
    }
    reading->arena = lines.arena;
    reading->self = &lines;
    reading->take = event_take;
    code = stream_read(reading, settings);
  } else {
    report("error", "out of memory");
  }
  codec_destroy(lines.codec);
  arena_destroy(lines.arena);
  return code;
}

enum exit_code events_run(const struct invocation *invocation, struct arena *arena) {
  struct stream_reading reading = {.stream = STREAM};
  struct settings settings = {0};
  enum exit_code code = stream_reading_parse(invocation, &reading);
  if (code == EXIT_FINE) {
    code = settings_resolve(invocation, PURPOSE_EVENTS, arena, &settings);
  }
  if (code == EXIT_FINE) {
    code = filter_prepare(invocation, &settings, arena, &reading.filter);
  }
  return code == EXIT_FINE ? events_read(invocation, &reading, &settings) : code;
}

static enum exit_code filter_prepare(const struct invocation *invocation, const struct settings *settings,
                                     struct arena *arena, struct span *ret_filter) {
  const char *event = invocation->flags[OPTION_event], *user = NULL;
  const char *event_token = event == NULL ? "*" : event_name_find(span_from_text(event));
  if (event_token == NULL) {
    struct name_list names = event_names(arena);
    name_refuse("event", "", span_from_text(event), &names);
    return EXIT_USAGE;
  }
  enum exit_code code = user_token_prepare(invocation, arena, &user);
  if (code != EXIT_FINE) {
    return code;
  }
  *ret_filter = arena_printf(arena, "%s.event.%s.%s", settings->prefix, event_token, user);
  if (ret_filter->data == NULL) {
    report("error", "out of memory");
    return EXIT_NO_ANSWER;
  }
  return EXIT_FINE;
}
