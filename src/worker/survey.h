// SPDX-License-Identifier: MIT
// At attach: what is on the event stream already (guarantee 8). For each partition the message at its stored
// event-stream position is read from the leader and its timestamp compared. Where it matches, only the tail behind it
// can hold events beyond the relayed position; where it does not, the stream was lost, made anew or shortened, and the
// whole stream is read. One headers-only reader serves all partitions that attach together. What it finds beyond the
// table's last position means that the table was restored to an earlier point: such a partition stays closed.
//
// What was published under an earlier layout carries another partition and position than it has now: such events are
// gathered, a pull's at most, and looked up by their ids between two pulls (survey_places.c).
#pragma once

#include "lumin/base/uuid.h"
#include "lumin/infrastructure/nats/js.h"

// Positions of a partition seen on the stream, as disjoint ascending ranges.
struct survey_range {
  uint64_t first, last;
};
struct survey_part {
  enum { SURVEY_NONE, SURVEY_COMPARING, SURVEY_READING, SURVEY_DONE } state;
  bool matches;       // the stored position is on the stream
  uint64_t start_seq; // read from here
  uint64_t above;     // positions up to here are of no interest
  uint64_t highest;   // highest position seen
  uint64_t earlier;   // ... of an event that was published under an earlier layout
  uint64_t seen_seq;  // the stream was read up to there
  struct survey_range *ranges;
  size_t range_count, range_room;
  bool overflown;      // there was no room for some
  bool whole;          // the whole stream was read, and not only what is behind a position
  bool missing;        // the message at the stored position is not there
  int64_t found_ts_ns; // ... or this is its timestamp
};

// The headers that say which event a message is.
struct survey_headers {
  struct span id, partition, position;
};

// An event of an earlier layout.
struct survey_id {
  struct uuid user_id;
  uint64_t version;
};

struct survey {
  enum { SURVEY_IDLE, SURVEY_ASKING, SURVEY_CREATING, SURVEY_PULLING, SURVEY_PLACING } step;
  uint64_t generation;
  struct js_stream_info info;
  bool have_info;
  uint64_t consumer_seq; // last seen
  uint64_t stream_seq;   // of the same message
  uint64_t left;         // of the pull request
  int64_t deadline_ns;   // of the open question, or of silence
  bool ended;            // the whole stretch is read
  struct survey_id *ids; // to be looked up; room for a pull's
  size_t id_count;
  int64_t place_at_ns; // not before
};

struct lane;

// Starts, or starts anew, for every partition in state PARTITION_SURVEYED.
void survey_start(struct lane *lane);
void survey_stop(struct lane *lane); // the link is gone
void survey_tick(struct lane *lane, int64_t now_ns);
int64_t survey_deadline_ns(const struct lane *lane);

// Answers, by the kind token of their inbox subject; and a delivered message.
void survey_answer(struct lane *lane, struct span kind, struct span payload, int status);
void survey_message(struct lane *lane, uint64_t generation, const struct js_delivery *delivery,
                    const struct survey_headers *headers);
// Between two batches, where the database may be asked: looks up what waits for it.
void survey_place(struct lane *lane);

// Between survey.c and survey_places.c.
#define SURVEY_PULL 1024
// False where there is no room, and the survey has to begin anew.
LUMIN_MUST_USE bool survey_id_add(struct lane *lane, struct span id);
void survey_position_add(struct survey_part *part, uint64_t position);
void survey_go_on(struct lane *lane); // the next pull, or the end

bool survey_has(const struct survey_part *part, uint64_t position);
// Whether it is sure that the position is not on the stream, and that later ones are.
bool survey_lacks(const struct survey_part *part, uint64_t position);
// Whether such gaps are still to be filled by a relay that has come up to that prefix.
bool survey_has_gaps(const struct survey_part *part, uint64_t prefix);
void survey_part_clear(struct survey_part *part);
