// SPDX-License-Identifier: MIT
// Events that were published under an earlier layout: where they stand now, the table tells by their ids. Asked between
// two batches, since whoever waits for the database turns the loop.
#include <stdlib.h>

#include "lane_internal.h"
#include "lumin/base/clock.h"
#include "survey.h"

#define AGAIN (NS_PER_SECOND / 10)

// "<user id>:<version>"
static bool id_parse(struct span id, struct survey_id *ret_id) {
  struct span user = span_cut(&id, ':');
  return uuid_parse(user, &ret_id->user_id) == LUMIN_OK && span_to_u64(id, &ret_id->version) &&
         ret_id->version <= INT64_MAX;
}

bool survey_id_add(struct lane *lane, struct span id) {
  struct survey *survey = &lane->survey;
  struct survey_id parsed;
  struct span rest = id;
  uint32_t number = partition_of(span_cut(&rest, ':'), lane->partition_count);
  if (lane->partitions[number].survey.state != SURVEY_READING || !id_parse(id, &parsed)) {
    return true; // nobody's, or not this survey's
  }
  if (survey->ids == NULL) {
    survey->ids = calloc(SURVEY_PULL, sizeof *survey->ids);
  }
  if (survey->ids == NULL || survey->id_count == SURVEY_PULL) {
    return false;
  }
  survey->ids[survey->id_count++] = parsed;
  return true;
}

static void place_note(struct lane *lane, const struct stored_place *place) {
  if (place->partition >= lane->partition_count) {
    return;
  }
  struct survey_part *part = &lane->partitions[place->partition].survey;
  survey_position_add(part, place->position);
  if (part->state == SURVEY_READING && place->position > part->earlier) {
    part->earlier = place->position;
  }
}

static enum lumin_status places_ask(struct lane *lane, struct stored_places *ret_places) {
  const struct survey *survey = &lane->survey;
  struct event_keys keys = {.count = survey->id_count};
  arena_reset(lane->scratch);
  keys.users = ARENA_ARRAY(lane->scratch, keys.count, struct uuid);
  keys.versions = ARENA_ARRAY(lane->scratch, keys.count, uint64_t);
  if (keys.users == NULL || keys.versions == NULL) {
    return LUMIN_NO_MEMORY;
  }
  for (size_t i = 0; i < keys.count; i++) {
    keys.users[i] = survey->ids[i].user_id;
    keys.versions[i] = survey->ids[i].version;
  }
  return store_event_places(&lane->store, &keys, lane->scratch, ret_places);
}

void survey_place(struct lane *lane) {
  struct survey *survey = &lane->survey;
  uint64_t generation = survey->generation;
  struct stored_places places = {0};
  if (survey->step != SURVEY_PLACING || lane->store.session == NULL || clock_monotonic_ns() < survey->place_at_ns) {
    return;
  }
  enum lumin_status status = places_ask(lane, &places);
  if (survey->step != SURVEY_PLACING || survey->generation != generation) {
    return; // begun anew while the database was waited for
  }
  if (status != LUMIN_OK) {
    survey->place_at_ns = clock_monotonic_ns() + AGAIN;
    return;
  }
  for (size_t i = 0; i < places.count; i++) {
    place_note(lane, &places.rows[i]);
  }
  survey->id_count = 0;
  arena_reset(lane->turn);
  survey_go_on(lane);
}
