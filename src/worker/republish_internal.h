// SPDX-License-Identifier: MIT
// Between the files of republish:
//   republish.c        what is missing, partition by partition
//   republish_relay.c  the worker's relay in the hands of a program
#pragma once

#include "lumin/infrastructure/postgres/staging.h"
#include "lumin/worker/republish.h"
#include "tenure.h"

// Publishes events of one partition after the other, with the care of a relay that has read them back from the table.
struct publisher;

struct publisher *publisher_create(struct program *program); // NULL: no memory, or no connection
void publisher_destroy(struct publisher *publisher);         // NULL is fine

// The first event of a partition must be taken next; what stands in front of it counts as published.
void publisher_begin(struct publisher *publisher, uint16_t partition, uint64_t position);
// Takes the partition's next event, waiting for room; what lies between it and the last one counts as published.
// UNAVAILABLE: the stream takes none, said already. CONNECTION_LOST.
LUMIN_MUST_USE enum lumin_status publisher_take(struct publisher *publisher, const struct missing_event *missing);
// Waits until all are on the stream. *ret_seq is the highest sequence seen there; 0: none.
LUMIN_MUST_USE enum lumin_status publisher_end(struct publisher *publisher, uint64_t *ret_seq);
uint64_t publisher_published(const struct publisher *publisher); // events, since it was made
