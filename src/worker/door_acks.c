// SPDX-License-Identifier: MIT
// PubAcks of the commands that the door sends, and "no responders": no stream takes the command, so it is certainly
// nowhere. nats.c tells that one came, but not for which subject. So commands name an inbox of a generation; after the
// first 503 the next commands name another; and once a generation's every command has had its answer, those of them
// that have no PubAck are the ones that had a 503. Where an answer is lost that never happens, and the deadline
// decides.
#include <inttypes.h>

#include "door_internal.h"

static enum lumin_status inbox_open(struct door *door, struct ack_inbox *inbox);
static void inbox_receive(struct door *door, struct ack_inbox *inbox);
static void inbox_move_on(struct door *door);

enum lumin_status acks_listen(struct door *door) {
  for (size_t i = 0; i < ACK_INBOXES; i++) {
    door->acks[i] = (struct ack_inbox){0};
  }
  door->ack_inbox = 0;
  return inbox_open(door, &door->acks[0]);
}

// Before its link is closed.
void acks_forget(struct door *door) {
  for (size_t i = 0; i < ACK_INBOXES; i++) {
    natsSubscription_Destroy(door->acks[i].subscription);
    door->acks[i] = (struct ack_inbox){0};
  }
}

struct span acks_subject(struct door *door, const struct door_command *command) {
  return arena_printf(door->scratch, "%s.p.%" PRIu64 ".%.*s", door->own_subject, command->ack_generation,
                      RANDOM_TOKEN_LEN, command->pending.token);
}

uint64_t acks_generation(const struct door *door) { return door->acks[door->ack_inbox].generation; }

void acks_expect(struct door *door) { door->acks[door->ack_inbox].published++; }

void acks_receive(struct door *door) {
  for (size_t i = 0; i < ACK_INBOXES; i++) {
    if (door->acks[i].subscription != NULL) {
      inbox_receive(door, &door->acks[i]);
    }
  }
}

static enum lumin_status inbox_open(struct door *door, struct ack_inbox *inbox) {
  char subject[192];
  natsSubscription *subscription = NULL;
  uint64_t generation = door->ack_generations + 1;
  (void)snprintf(subject, sizeof subject, "%s.p.%" PRIu64 ".*", door->own_subject, generation);
  if (natsConnection_SubscribeSync(&subscription, link_connection(door->link), subject) != NATS_OK) {
    return LUMIN_CONNECTION_LOST;
  }
  natsSubscription_Destroy(inbox->subscription); // safe because this very thread takes messages from the socket
  door->ack_generations = generation;
  *inbox = (struct ack_inbox){.subscription = subscription, .generation = generation};
  return LUMIN_OK;
}

static void inbox_receive(struct door *door, struct ack_inbox *inbox) {
  uint64_t refused = inbox->refused;
  natsMsg *message = NULL;
  while ((message = link_next(inbox->subscription, &inbox->refused)) != NULL) {
    inbox->acked++;
    arena_reset(door->scratch);
    command_stored(door, message);
    link_discard(door->link, message);
  }
  if (inbox->refused > refused && inbox == &door->acks[door->ack_inbox]) {
    inbox_move_on(door);
  }
  if (inbox->refused > 0 && inbox->published == inbox->acked + inbox->refused) {
    commands_refuse(door, inbox->generation);
    inbox->published = inbox->acked = inbox->refused = 0;
  }
}

// To one in which every command has had its answer; else to a new one in place of the oldest, whose commands then only
// wait for their outcomes.
static void inbox_move_on(struct door *door) {
  size_t next = (door->ack_inbox + 1) % ACK_INBOXES;
  const struct ack_inbox *inbox = &door->acks[next];
  bool settled = inbox->subscription != NULL && inbox->published == inbox->acked + inbox->refused;
  if (settled || inbox_open(door, &door->acks[next]) == LUMIN_OK) {
    door->ack_inbox = next;
  }
}
