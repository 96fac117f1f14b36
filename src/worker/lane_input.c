// SPDX-License-Identifier: MIT
// Between the reader and the wire: its actions as JetStream requests, and what arrives in the lane's inbox as its
// input. A message is delivered under its own subject; the consumer's name in its reply subject says whose it is. All
// else comes to "<inbox>.<letter>...", and the letter says what it answers. The queue grows no further than the reader
// may ask for (guarantee 11).
#include <stdlib.h>

#include "inbound.h"
#include "lane_internal.h"
#include "lane_parse.h"
#include "lumin/base/clock.h"

#define QUEUE_BYTES_MAX (64U << 20) // of a lane; beyond it pulls are denied for a while
#define PULL_BYTES_LEAST (1U << 20) // of one pull request; never less than the largest message
#define ATTACH_PAUSE_FIRST (50 * NS_PER_MS)
#define ATTACH_PAUSE_LONGEST (5 * NS_PER_SECOND)

// ---- the queue

struct taken *queue_at(const struct lane *lane, size_t index) {
  return &lane->queue[(lane->queue_head + index) % lane->queue_room];
}

static bool queue_grow(struct lane *lane) {
  struct taken *grown = calloc(2 * lane->queue_room, sizeof *grown);
  if (grown == NULL) {
    return false;
  }
  for (size_t i = 0; i < lane->queue_count; i++) {
    grown[i] = *queue_at(lane, i);
  }
  free(lane->queue);
  lane->queue = grown;
  lane->queue_head = 0;
  lane->queue_room *= 2;
  return true;
}

static void taken_free(struct lane *lane, struct taken *taken) {
  lane->queue_bytes -= taken->bytes;
  natsMsg_Destroy(taken->inbound.handle);
  taken->inbound.handle = NULL;
}

void queue_pop(struct lane *lane, size_t count) {
  for (size_t i = 0; i < count; i++) {
    taken_free(lane, queue_at(lane, 0));
    lane->queue_head = (lane->queue_head + 1) % lane->queue_room;
    lane->queue_count--;
  }
}

// The reader is told that what is dropped does not wait any more.
void queue_drop_partition(struct lane *lane, uint16_t number) {
  size_t kept = 0;
  for (size_t i = 0; i < lane->queue_count; i++) {
    struct taken *taken = queue_at(lane, i);
    if (taken->inbound.partition == number) {
      taken_free(lane, taken);
    } else {
      *queue_at(lane, kept++) = *taken;
    }
  }
  size_t dropped = lane->queue_count - kept;
  lane->queue_count = kept;
  reader_committed(lane, dropped, (struct stream_position){0});
}

bool queue_push(struct lane *lane, uint16_t number, const struct cursor_input *input) {
  natsMsg *message = lane->arriving;
  if (lane->queue_count == lane->queue_room && !queue_grow(lane)) {
    return false;
  }
  struct taken *taken = queue_at(lane, lane->queue_count++);
  *taken = (struct taken){.inbound = inbound_read(message, (struct inbound_place){number, input->seq, input->ts_ns})};
  taken->bytes = lane->arriving_bytes + 1024; // and nats.c's own cost, roughly
  lane->queue_bytes += taken->bytes;
  lane->arriving = NULL; // it is the queue's now
  return true;
}

// ---- actions

static struct span consumer_name(struct lane *lane, uint64_t generation) {
  return arena_printf(lane->turn, "%s_r_%llu", lane->consumer_prefix, (unsigned long long)generation);
}

static struct span reader_reply(struct lane *lane, const struct cursor_action *action, const char *tail) {
  return lane_inbox_subject(lane, lane->turn, "c.%llu.%s", (unsigned long long)action->generation, tail);
}

static void do_ask_stream(struct lane *lane, const struct cursor_action *action) {
  (void)!lane_ask(lane, js_stream_info_subject(lane->turn, STREAM_COMMANDS), SPAN_EMPTY,
                  reader_reply(lane, action, "i"));
}

static void do_ask_message(struct lane *lane, const struct cursor_action *action) {
  struct span tail = arena_printf(lane->turn, "m.%llu", (unsigned long long)action->seq);
  if (tail.data != NULL) {
    (void)!lane_ask(lane, js_message_get_subject(lane->turn, STREAM_COMMANDS),
                    js_message_get_by_seq(lane->turn, action->seq), reader_reply(lane, action, tail.data));
  }
}

// Without a filter: with one, nats-server 2.9 walks over every message that does not match, for each consumer, and
// counts all that wait when one is made.
static void do_create_consumer(struct lane *lane, const struct cursor_action *action) {
  struct js_consumer consumer = {
      .stream = STREAM_COMMANDS,
      .name = consumer_name(lane, action->generation),
      .start_seq = action->seq,
      .inactive_threshold_ns = 60 * NS_PER_SECOND, // well above a stall of PostgreSQL
  };
  reader_starts(lane, action->seq);
  (void)!lane_ask(lane, js_consumer_create_subject(lane->turn, &consumer),
                  js_consumer_create_body(lane->turn, &consumer), reader_reply(lane, action, "n"));
}

static void do_delete_consumer(struct lane *lane, const struct cursor_action *action) {
  (void)!lane_ask(lane,
                  js_consumer_delete_subject(lane->turn, STREAM_COMMANDS, consumer_name(lane, action->generation)),
                  SPAN_EMPTY, reader_reply(lane, action, "d"));
}

static void do_ask_consumer(struct lane *lane, const struct cursor_action *action) {
  (void)!lane_ask(lane, js_consumer_info_subject(lane->turn, STREAM_COMMANDS, consumer_name(lane, action->generation)),
                  SPAN_EMPTY, reader_reply(lane, action, "f"));
}

static void do_pull(struct lane *lane, const struct cursor_action *action) {
  if (lane->queue_bytes > QUEUE_BYTES_MAX) {
    lane->denied_pull = action->pull_id;
    return;
  }
  const struct cursor_limits *limits = &lane->reader.limits;
  uint64_t largest = (uint64_t)link_max_payload(lane->link) + (64U << 10);
  struct js_pull pull = {action->count, limits->expires_ns, limits->heartbeat_ns,
                         largest > PULL_BYTES_LEAST ? largest : PULL_BYTES_LEAST};
  struct span tail = arena_printf(lane->turn, "p.%llu", (unsigned long long)action->pull_id);
  if (tail.data != NULL) {
    (void)!lane_ask(lane, js_pull_subject(lane->turn, STREAM_COMMANDS, consumer_name(lane, action->generation)),
                    js_pull_body(lane->turn, &pull), reader_reply(lane, action, tail.data));
  }
}

static void do_advance(struct lane *lane, const struct cursor_action *action) {
  reader_advance(lane, &action->position);
}

static void do_report_anew(struct lane *lane, const struct cursor_action *action) {
  log_error("command_stream_anew", log_number("lane", lane->number), log_string("what", action->text),
            log_number("position", (int64_t)lane->attached.seq), log_number("reading_from", (int64_t)action->seq));
  reader_is_anew(lane);
}

static void do_report_lost(struct lane *lane, const struct cursor_action *action) {
  reader_lost(lane, action->seq, action->last_seq);
}

static void do_report_disturbed(struct lane *lane, const struct cursor_action *action) {
  lane->counters.reattached++;
  lane->attach = true;
  lane->attach_at_ns = clock_monotonic_ns() + lane->attach_pause_ns;
  int64_t pause = lane->attach_pause_ns == 0 ? ATTACH_PAUSE_FIRST : 2 * lane->attach_pause_ns;
  lane->attach_pause_ns = pause > ATTACH_PAUSE_LONGEST ? ATTACH_PAUSE_LONGEST : pause;
  // Once, and then quietly until it reads again.
  enum log_level level = pause == ATTACH_PAUSE_FIRST ? LOG_WARN : LOG_DEBUG;
  LOG_EVENT(level, "cursor_disturbed", log_number("lane", lane->number), log_string("reason", action->text));
}

typedef void (*action_doer)(struct lane *lane, const struct cursor_action *action);

static const action_doer doers[] = {
    [CURSOR_DO_ASK_STREAM_INFO] = do_ask_stream,
    [CURSOR_DO_ASK_MESSAGE] = do_ask_message,
    [CURSOR_DO_CREATE_CONSUMER] = do_create_consumer,
    [CURSOR_DO_DELETE_CONSUMER] = do_delete_consumer,
    [CURSOR_DO_ASK_CONSUMER_INFO] = do_ask_consumer,
    [CURSOR_DO_PULL] = do_pull,
    [CURSOR_DO_ADVANCE] = do_advance,
    [CURSOR_DO_REPORT_ANEW] = do_report_anew,
    [CURSOR_DO_REPORT_LOST] = do_report_lost,
    [CURSOR_DO_REPORT_DISTURBED] = do_report_disturbed,
};

void reader_feed(struct lane *lane, const struct cursor_input *input) {
  struct cursor_actions actions;
  cursor_step(&lane->reader, input, &actions);
  for (size_t i = 0; i < actions.count; i++) {
    const struct cursor_action *action = &actions.items[i];
    if (action->kind == CURSOR_DO_TAKE) {
      lane->attach_pause_ns = 0;
      reader_take(lane, input);
    } else if (lane->link != NULL || action->kind >= CURSOR_DO_ADVANCE) {
      doers[action->kind](lane, action);
    }
  }
}

// ---- timers, detach

void reader_tick(struct lane *lane, int64_t now_ns) {
  arena_reset(lane->turn);
  if (lane->denied_pull != 0) {
    struct cursor_input ended = {.kind = CURSOR_IN_PULL_ENDED,
                                 .now_ns = now_ns,
                                 .generation = lane->reader.generation,
                                 .pull_id = lane->denied_pull};
    lane->denied_pull = 0;
    reader_feed(lane, &ended);
  }
  if (cursor_deadline_ns(&lane->reader) <= now_ns) {
    struct cursor_input timer = {.kind = CURSOR_IN_TIMER, .now_ns = now_ns};
    reader_feed(lane, &timer);
  }
}

void reader_detach(struct lane *lane) {
  arena_reset(lane->turn);
  struct cursor_input detach = {.kind = CURSOR_IN_DETACH, .now_ns = clock_monotonic_ns()};
  reader_feed(lane, &detach);
}

// ---- what arrives

struct arrival {
  struct span rest; // of the subject, behind what has been looked at
  struct span payload;
  int status; // of a status message, else 0
  natsMsg *message;
};

static bool token_number(struct span *rest, uint64_t *ret_number) {
  return span_to_u64(span_cut(rest, '.'), ret_number);
}

static bool pull_status(const struct arrival *arrival, struct cursor_input *input) {
  const struct pull_status status = {.code = arrival->status,
                                     .description = link_header_get(arrival->message, "Description"),
                                     .last_consumer = link_header_get(arrival->message, "Nats-Last-Consumer"),
                                     .last_stream = link_header_get(arrival->message, "Nats-Last-Stream")};
  return pull_status_parse(&status, input);
}

static bool answer_stream_info(struct lane *lane, const struct arrival *arrival, struct cursor_input *input) {
  struct js_stream_info info;
  struct js_error error = {0};
  bool parsed = js_stream_info_parse(arrival->payload, lane->turn, &info, &error) == LUMIN_OK && error.code == 0;
  input->kind = parsed ? CURSOR_IN_STREAM_INFO : CURSOR_IN_API_ERROR;
  if (parsed) {
    input->first_seq = info.first_seq;
    input->last_seq = info.last_seq;
  }
  return true;
}

static bool answer_message(struct lane *lane, struct arrival *arrival, struct cursor_input *input) {
  struct js_message message;
  struct js_error error = {0};
  uint64_t asked = 0;
  bool parsed = token_number(&arrival->rest, &asked) &&
                js_message_parse(arrival->payload, lane->turn, &message, &error) == LUMIN_OK;
  input->seq = asked;
  if (parsed && error.code == 404 && error.err_code != JS_ERR_STREAM_NOT_FOUND) {
    input->kind = CURSOR_IN_NO_MESSAGE;
  } else if (parsed && error.code == 0 && message.seq == asked) {
    input->kind = CURSOR_IN_STREAM_MESSAGE;
    input->ts_ns = message.ts_ns;
  } else {
    input->kind = CURSOR_IN_API_ERROR;
  }
  return true;
}

static bool answer_consumer(struct lane *lane, const struct arrival *arrival, struct cursor_input *input,
                            bool created) {
  struct js_consumer_info info;
  struct js_error error = {0};
  bool parsed = js_consumer_info_parse(arrival->payload, lane->turn, &info, &error) == LUMIN_OK && error.code == 0;
  if (parsed) {
    input->consumer_seq = info.delivered_consumer_seq;
  }
  input->kind = !parsed ? CURSOR_IN_API_ERROR : created ? CURSOR_IN_CONSUMER_CREATED : CURSOR_IN_CONSUMER_INFO;
  return true;
}

// "c.<generation>.<kind>[...]"
static void arrive_cursor(struct lane *lane, struct arrival *arrival) {
  uint64_t generation = 0;
  if (!token_number(&arrival->rest, &generation)) {
    return;
  }
  struct cursor_input input = {.now_ns = clock_monotonic_ns(), .generation = generation};
  struct span kind = span_cut(&arrival->rest, '.');
  bool known = false;
  if (kind.len == 1 && kind.data[0] == 'p') {
    known = token_number(&arrival->rest, &input.pull_id) && pull_status(arrival, &input);
  } else if (arrival->status == 503) {
    input.kind = CURSOR_IN_API_ERROR;
    known = kind.len == 1 && kind.data[0] != 'd';
  } else if (kind.len == 1) {
    switch (kind.data[0]) {
    case 'i':
      known = answer_stream_info(lane, arrival, &input);
      break;
    case 'm':
      known = answer_message(lane, arrival, &input);
      break;
    case 'n':
      known = answer_consumer(lane, arrival, &input, true);
      break;
    case 'f':
      known = answer_consumer(lane, arrival, &input, false);
      break;
    default: // 'd': a consumer was thrown away, and nobody waits for that
      break;
    }
  }
  if (known && input.kind == CURSOR_IN_HEARTBEAT) {
    reader_heartbeat(lane, &input);
  } else if (known) {
    reader_feed(lane, &input);
  }
}

static void arrive_pub_ack(struct lane *lane, struct arrival *arrival) {
  lane_pub_ack(lane, arrival->rest, arrival->payload, arrival->status);
}

static void arrive_last(struct lane *lane, struct arrival *arrival) {
  lane_last_message(lane, arrival->rest, arrival->payload, arrival->status);
}

static void arrive_dead(struct lane *lane, struct arrival *arrival) {
  lane_dead_ack(lane, arrival->rest, arrival->payload, arrival->status);
}

static void arrive_survey(struct lane *lane, struct arrival *arrival) {
  survey_answer(lane, arrival->rest, arrival->payload, arrival->status);
}

static void arrive_mark(struct lane *lane, struct arrival *arrival) {
  lane_mark_answer(lane, arrival->rest, arrival->payload);
}

static const struct route {
  char letter;
  void (*arrive)(struct lane *lane, struct arrival *arrival);
} routes[] = {{'r', arrive_pub_ack}, {'c', arrive_cursor}, {'l', arrive_last},
              {'d', arrive_dead},    {'s', arrive_survey}, {'k', arrive_mark}};

static void arrive_delivery(struct lane *lane, natsMsg *message, struct span reply) {
  struct js_delivery delivery;
  struct consumer_name name;
  if (js_delivery_parse(reply, &delivery) != LUMIN_OK ||
      !consumer_name_parse(span_from_text(lane->consumer_prefix), delivery.consumer, &name)) {
    return;
  }
  if (span_equal(name.kind, SPAN_LITERAL("s"))) {
    struct survey_headers headers = {link_header_get(message, "ce-id"), link_header_get(message, "ce-partition"),
                                     link_header_get(message, "ce-position")};
    survey_message(lane, name.generation, &delivery, &headers);
    return;
  }
  struct cursor_input input = {.kind = CURSOR_IN_MESSAGE,
                               .now_ns = clock_monotonic_ns(),
                               .generation = name.generation,
                               .seq = delivery.stream_seq,
                               .ts_ns = delivery.ts_ns,
                               .consumer_seq = delivery.consumer_seq};
  if (name.generation == lane->reader.generation) {
    backlog_message(&lane->backlog, delivery.pending);
  }
  reader_feed(lane, &input);
}

static void lane_arrive(struct lane *lane, natsMsg *message) {
  struct span subject = span_from_text(natsMsg_GetSubject(message));
  struct span reply = span_from_text(natsMsg_GetReply(message));
  if (span_starts_with(reply, SPAN_LITERAL("$JS.ACK."))) {
    arrive_delivery(lane, message, reply);
    return;
  }
  struct arrival arrival = {
      .rest = span_skip(subject, link_inbox(lane->link).len + 1),
      .payload = span_of(natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message)),
      .message = message,
  };
  arrival.status = arrival.payload.len == 0 ? link_status_get(message) : 0;
  struct span letter = span_cut(&arrival.rest, '.');
  for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
    if (letter.len == 1 && letter.data[0] == routes[i].letter) {
      routes[i].arrive(lane, &arrival);
      return;
    }
  }
}

void lane_receive(struct lane *lane) {
  size_t waiting = link_waiting_bytes(lane->inbox);
  while ((lane->arriving = link_next(lane->inbox, NULL)) != NULL) {
    size_t left = link_waiting_bytes(lane->inbox);
    lane->arriving_bytes = waiting > left ? waiting - left : 0;
    waiting = left;
    arena_reset(lane->turn);
    lane_arrive(lane, lane->arriving);
    if (lane->arriving != NULL) { // else it was taken
      link_discard(lane->link, lane->arriving);
    }
  }
}
