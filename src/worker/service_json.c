// SPDX-License-Identifier: MIT
// ADR-32's answers, in the stricter form by which the `nats` CLI takes or drops them: last_error and both processing
// times are always there, metadata is never null, data is an object.
#include "service_json.h"

#include <jansson.h>
#include <stdio.h>

#define QUEUE_GROUP "lumin-user"
#define SUBJECT_MAX 160

static json_t *identity(const struct service_facts *facts, const char *type);
static json_t *endpoints_info(const struct service_facts *facts);
static json_t *endpoints_stats(const struct service_facts *facts, const struct service_numbers *numbers);
static char *text_of(json_t *root);

char *service_ping_json(const struct service_facts *facts) {
  return text_of(identity(facts, "io.nats.micro.v1.ping_response"));
}

char *service_info_json(const struct service_facts *facts) {
  json_t *root = identity(facts, "io.nats.micro.v1.info_response");
  if (json_object_set_new(root, "description", json_string("User management: commands, queries and events")) != 0 ||
      json_object_set_new(root, "endpoints", endpoints_info(facts)) != 0) {
    json_decref(root);
    return NULL;
  }
  return text_of(root);
}

char *service_stats_json(const struct service_facts *facts, const struct service_numbers *numbers) {
  json_t *root = identity(facts, "io.nats.micro.v1.stats_response");
  char started[CLOCK_RFC3339_MAX];
  (void)clock_format_rfc3339(facts->started_ns, started);
  if (json_object_set_new(root, "started", json_string(started)) != 0 ||
      json_object_set_new(root, "endpoints", endpoints_stats(facts, numbers)) != 0) {
    json_decref(root);
    return NULL;
  }
  return text_of(root);
}

static char *text_of(json_t *root) {
  char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
  json_decref(root);
  return text;
}

// A worker's name comes from outside and may be no UTF-8.
static json_t *text_or_empty(const char *text) {
  json_t *value = json_string(text);
  return value != NULL ? value : json_string("");
}

static json_t *identity(const struct service_facts *facts, const char *type) {
  return json_pack("{s:s, s:s, s:s, s:s, s:{s:o, s:s}}", "type", type, "name", facts->name, "id", facts->id, "version",
                   facts->version, "metadata", "worker", text_or_empty(facts->worker), "prefix", facts->prefix);
}

// ---- endpoints: one for each row of the catalog

static json_t *endpoint(const struct service_facts *facts, const struct method *method) {
  char subject[SUBJECT_MAX];
  (void)snprintf(subject, sizeof subject, "%s.rpc.%s", facts->prefix, method->name);
  return json_pack("{s:s, s:s, s:s}", "name", method->name, "subject", subject, "queue_group", QUEUE_GROUP);
}

static json_t *endpoint_metadata(const struct method *method) {
  return json_pack("{s:s, s:s, s:s, s:s, s:s}", "request", method->request->name, "response", method->reply->name,
                   "content-type", "application/protobuf", "kind", method->kind == METHOD_COMMAND ? "command" : "query",
                   "summary", method->summary);
}

static json_t *endpoints_info(const struct service_facts *facts) {
  json_t *all = json_array();
  for (size_t i = 0; i < METHOD_COUNT; i++) {
    json_t *one = endpoint(facts, &methods[i]);
    if (json_object_set_new(one, "metadata", endpoint_metadata(&methods[i])) != 0 || json_array_append(all, one) != 0) {
      json_decref(one);
      json_decref(all);
      return NULL;
    }
    json_decref(one);
  }
  return all;
}

static json_t *lane_data(const struct lane_counters *lane) {
  return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b}",
                   "batches", (json_int_t)lane->batches, "commands", (json_int_t)lane->commands, "events",
                   (json_int_t)lane->events, "conflicts", (json_int_t)lane->conflicts, "reattached",
                   (json_int_t)lane->reattached, "in_doubt", (json_int_t)lane->in_doubt, "fenced",
                   (json_int_t)lane->fenced, "dead", (json_int_t)lane->dead, "duplicates", (json_int_t)lane->duplicates,
                   "relay_conflicts", (json_int_t)lane->relay_conflicts, "relay_found", (json_int_t)lane->relay_found,
                   "foreign_writes", (json_int_t)lane->foreign_writes, "partitions", (json_int_t)lane->partitions,
                   "waiting", (json_int_t)lane->waiting, "unrelayed", (json_int_t)lane->unrelayed, "alarms",
                   (json_int_t)lane->alarms, "nats_up", lane->nats_up, "postgres_up", lane->postgres_up);
}

static json_t *time_of(int64_t ns) {
  char text[CLOCK_RFC3339_MAX];
  (void)clock_format_rfc3339(ns, text);
  return ns != 0 ? json_string(text) : json_null();
}

static json_t *partition_data(const struct lane_partition *partition) {
  static const char *const states[] = {[LANE_PARTITION_SURVEYED] = "surveyed",
                                       [LANE_PARTITION_OPEN] = "open",
                                       [LANE_PARTITION_LEAVING] = "leaving",
                                       [LANE_PARTITION_AHEAD] = "ahead"};
  return json_pack("{s:i, s:i, s:s, s:I, s:o, s:I, s:o, s:I, s:i, s:I, s:I}", "partition", (int)partition->number,
                   "lane", partition->lane, "state", states[partition->state], "epoch", (json_int_t)partition->epoch,
                   "since", time_of(partition->owned_since_ns), "position", (json_int_t)partition->position, "time",
                   time_of(partition->position_ts_ns), "passed", (json_int_t)partition->passed, "waiting",
                   (int)partition->waiting, "event_position", (json_int_t)partition->event_position, "unrelayed",
                   (json_int_t)partition->unrelayed);
}

static json_t *cache_data(const struct service_numbers *numbers) {
  const struct cache_counters *cache = numbers->cache;
  return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b}", "hits", (json_int_t)cache->hits, "misses",
                   (json_int_t)cache->misses, "changes", (json_int_t)cache->changes, "outrun",
                   (json_int_t)cache->outrun, "evictions", (json_int_t)cache->evictions, "suspicions",
                   (json_int_t)cache->suspicions, "entries", (json_int_t)cache->entries, "bytes",
                   (json_int_t)cache->bytes, "max_bytes", (json_int_t)numbers->cache_max_bytes, "trusted",
                   cache->trusted, "resting", cache->resting);
}

// What belongs to no method stands with the one that goes the whole way.
static json_t *worker_data(const struct service_numbers *numbers) {
  json_t *lanes = json_array();
  for (size_t i = 0; i < numbers->lane_count; i++) {
    (void)json_array_append_new(lanes, lane_data(&numbers->lanes[i]));
  }
  json_t *owned = json_array();
  for (size_t i = 0; i < numbers->owned_count; i++) {
    (void)json_array_append_new(owned, partition_data(&numbers->owned[i]));
  }
  const struct door_totals *door = &numbers->door;
  json_t *data =
      json_pack("{s:o, s:{s:I, s:I, s:I, s:I}, s:I, s:o}", "lanes", lanes, "door", "dropped", (json_int_t)door->dropped,
                "lost", (json_int_t)door->lost, "shed", (json_int_t)door->shed, "late", (json_int_t)door->late,
                "partition_count", (json_int_t)numbers->partition_count, "partitions", owned);
  if (numbers->cache != NULL && json_object_set_new(data, "cache", cache_data(numbers)) != 0) {
    json_decref(data);
    return NULL;
  }
  return data;
}

static json_t *endpoint_stats(const struct service_facts *facts, const struct service_numbers *numbers, size_t index) {
  const struct door_counters *counted = &numbers->methods[index];
  uint64_t average = counted->requests > 0 ? counted->processing_ns / counted->requests : 0;
  json_t *one = endpoint(facts, &methods[index]);
  json_t *figures =
      json_pack("{s:I, s:I, s:o, s:I, s:I}", "num_requests", (json_int_t)counted->requests, "num_errors",
                (json_int_t)counted->errors, "last_error", text_or_empty(counted->last_error), "processing_time",
                (json_int_t)counted->processing_ns, "average_processing_time", (json_int_t)average);
  bool fine = one != NULL && figures != NULL && json_object_update(one, figures) == 0;
  if (fine && methods[index].id == METHOD_probe) {
    fine = json_object_set_new(one, "data", worker_data(numbers)) == 0;
  }
  json_decref(figures);
  if (!fine) {
    json_decref(one);
    return NULL;
  }
  return one;
}

static json_t *endpoints_stats(const struct service_facts *facts, const struct service_numbers *numbers) {
  json_t *all = json_array();
  for (size_t i = 0; i < METHOD_COUNT; i++) {
    if (json_array_append_new(all, endpoint_stats(facts, numbers, i)) != 0) {
      json_decref(all);
      return NULL;
    }
  }
  return all;
}
