// SPDX-License-Identifier: MIT
// The relay under any sequence of pushes, answers, silences and losses. The checker knows the rules of relay.h and none
// of the code: one event of a user is under way at a time, and in version order; only a first, fresh publish goes
// without asking, and what was asked is what is expected; the prefix covers nothing that was not stored and never goes
// back; each entry is released once. At the end a server that answers brings everything to its end (guarantees 3 and
// 8).
#include "fuzz.h"

#include "lumin/worker/relay.h"

enum {
  PARTITIONS = 2,
  USERS = 4, // of which the even ones are in partition 0
  ENTRIES_MAX = 12,
  WINDOW = 5,
  BYTES_MAX = 2000,
  AHEAD_MAX = 64, // four times the entries, as a power of two
  MODEL_MAX = 160,
  STEPS_MAX = 300,
  CAREFUL_AFTER = 1000,
  TIMEOUT = 400,
  BACKOFF = 10,
};

enum under_way { IDLE, ASKING, PUBLISHING };

// An event as the checker sees it.
struct model_entry {
  uint16_t partition;
  unsigned user;
  uint64_t version, position;
  int64_t committed_ns;
  bool careful; // pushed so
  bool released, done;
  enum under_way under_way;
  uint64_t token;
  int64_t sent_ns;
  bool was_published;
  int64_t told; // by the last question since the last publish; -1: not asked
};

struct model_partition {
  bool open;
  uint64_t pushed, prefix, base; // base: where it was opened
  bool stored[MODEL_MAX];        // by position - base
};

struct checker {
  struct relay *relay;
  struct bytes feed;
  int64_t now_ns;
  struct model_entry entries[MODEL_MAX];
  size_t count;
  struct model_partition partitions[PARTITIONS];
  uint64_t versions[USERS];
  uint32_t under_way, held;
  size_t bytes;
  bool port_fails;
  uint64_t last_token;
};

// ---- the port

static struct model_entry *entry_of(const struct relay_entry *entry) { return entry->message; }

// No other event of the user is under way, and none before it still waits.
static void check_turn(const struct checker *checker, const struct model_entry *entry) {
  FUZZ_CHECK(!entry->released && entry->under_way == IDLE);
  for (size_t i = 0; i < checker->count; i++) {
    const struct model_entry *other = &checker->entries[i];
    if (other != entry && other->user == entry->user && !other->released) {
      FUZZ_CHECK(other->under_way == IDLE && other->version > entry->version);
    }
  }
}

static enum lumin_status port_send(struct checker *checker, const struct relay_entry *pushed, uint64_t token,
                                   enum under_way kind) {
  struct model_entry *entry = entry_of(pushed);
  check_turn(checker, entry);
  FUZZ_CHECK(checker->under_way < WINDOW && checker->partitions[entry->partition].open);
  FUZZ_CHECK(pushed->version == entry->version && pushed->position == entry->position);
  for (size_t i = 0; i < checker->count; i++) {
    FUZZ_CHECK(checker->entries[i].under_way == IDLE || checker->entries[i].token != token);
  }
  if (checker->port_fails) {
    return LUMIN_CONNECTION_LOST;
  }
  entry->under_way = kind;
  entry->token = token;
  entry->sent_ns = checker->now_ns;
  checker->last_token = token;
  checker->under_way++;
  return LUMIN_OK;
}

static enum lumin_status port_publish(void *self, const struct relay_entry *pushed, uint64_t token,
                                      int64_t expected_last) {
  struct checker *checker = self;
  struct model_entry *entry = entry_of(pushed);
  if (expected_last < 0) {
    FUZZ_CHECK(!entry->was_published && !entry->careful);
    FUZZ_CHECK(checker->now_ns - entry->committed_ns <= CAREFUL_AFTER);
  } else {
    FUZZ_CHECK(entry->told == expected_last);
  }
  entry->was_published = true;
  entry->told = -1;
  return port_send(checker, pushed, token, PUBLISHING);
}

static enum lumin_status port_ask_last(void *self, const struct relay_entry *pushed, uint64_t token) {
  struct model_entry *entry = entry_of(pushed);
  struct checker *checker = self;
  FUZZ_CHECK(entry->told < 0);
  entry->was_published = entry->was_published || checker->port_fails; // doubt makes it careful
  return port_send(checker, pushed, token, ASKING);
}

static void port_release(void *self, struct relay_entry *pushed) {
  struct checker *checker = self;
  struct model_entry *entry = entry_of(pushed);
  FUZZ_CHECK(!entry->released);
  entry->released = true;
  checker->under_way -= entry->under_way != IDLE;
  entry->under_way = IDLE;
  checker->held--;
  checker->bytes -= pushed->bytes;
}

// ---- what must hold after each step

static void check_state(struct checker *checker) {
  FUZZ_CHECK(relay_held(checker->relay) == checker->held && checker->held <= ENTRIES_MAX);
  FUZZ_CHECK(checker->bytes <= BYTES_MAX && checker->under_way <= WINDOW);
  for (uint16_t i = 0; i < PARTITIONS; i++) {
    struct model_partition *partition = &checker->partitions[i];
    uint64_t prefix = relay_prefix(checker->relay, i);
    if (!partition->open) {
      continue;
    }
    FUZZ_CHECK(relay_pushed(checker->relay, i) == partition->pushed);
    FUZZ_CHECK(prefix >= partition->prefix && prefix <= partition->pushed);
    for (uint64_t at = partition->prefix + 1; at <= prefix; at++) {
      FUZZ_CHECK(partition->stored[at - partition->base]);
    }
    FUZZ_CHECK(prefix == partition->pushed || !partition->stored[prefix + 1 - partition->base]);
    partition->prefix = prefix;
  }
}

static void stored(struct checker *checker, struct model_entry *entry) {
  struct model_partition *partition = &checker->partitions[entry->partition];
  entry->done = true;
  partition->stored[entry->position - partition->base] = true;
}

// ---- steps

static void step_open(struct checker *checker, uint16_t number) {
  struct model_partition *partition = &checker->partitions[number];
  uint64_t base = partition->open ? partition->prefix : partition->base;
  relay_open(checker->relay, number, base);
  *partition = (struct model_partition){.open = true, .pushed = base, .prefix = base, .base = base};
}

static void step_close(struct checker *checker, uint16_t number) {
  relay_close(checker->relay, number);
  if (checker->partitions[number].open) {
    checker->partitions[number].base = checker->partitions[number].prefix;
  }
  checker->partitions[number].open = false;
  for (size_t i = 0; i < checker->count; i++) {
    FUZZ_CHECK(checker->entries[i].partition != number || checker->entries[i].released);
  }
}

static bool is_held(const struct checker *checker, unsigned user) {
  for (size_t i = 0; i < checker->count; i++) {
    if (checker->entries[i].user == user && !checker->entries[i].released) {
      return true;
    }
  }
  return false;
}

// One byte: the user, whether it is read back, its age, and sometimes a wrong position or version.
static void step_push(struct checker *checker) {
  uint8_t byte = bytes_u8(&checker->feed);
  unsigned user = byte % USERS;
  uint16_t number = user % PARTITIONS;
  struct model_partition *partition = &checker->partitions[number];
  if (checker->count == MODEL_MAX || partition->pushed - partition->base >= MODEL_MAX - 1) {
    return;
  }
  struct model_entry *entry = &checker->entries[checker->count];
  *entry = (struct model_entry){.partition = number,
                                .user = user,
                                .version = checker->versions[user] + 1,
                                .position = partition->pushed + 1 + ((byte & 0x80) != 0),
                                .committed_ns = checker->now_ns - ((byte & 0x10) != 0 ? CAREFUL_AFTER + 1 : 0),
                                .careful = (byte & 0x20) != 0,
                                .told = -1};
  bool repeats = (byte & 0x40) != 0 && checker->versions[user] > 0;
  entry->version -= repeats;
  struct relay_entry pushed = {.user_id = {{(uint8_t)(user + 1)}},
                               .version = entry->version,
                               .position = entry->position,
                               .partition = number,
                               .careful = entry->careful,
                               .committed_ns = entry->committed_ns,
                               .bytes = 1 + 100 * (byte / 4 % 4),
                               .message = entry};
  enum lumin_status status = relay_push(checker->relay, &pushed);
  bool wrong = !partition->open || (byte & 0x80) != 0;
  bool full = checker->held == ENTRIES_MAX || checker->bytes + pushed.bytes > BYTES_MAX ||
              partition->pushed - partition->prefix >= AHEAD_MAX;
  FUZZ_CHECK(!wrong || status == LUMIN_INTERNAL);
  FUZZ_CHECK(wrong || !full || status == LUMIN_RESOURCE_EXHAUSTED);
  FUZZ_CHECK(wrong || full || !repeats || !is_held(checker, user) || status == LUMIN_INTERNAL);
  if (status == LUMIN_OK) {
    checker->count++;
    checker->held++;
    checker->bytes += pushed.bytes;
    checker->versions[user] = entry->version;
    partition->pushed++;
  }
}

static void step_skip(struct checker *checker) {
  uint16_t number = bytes_u8(&checker->feed) % PARTITIONS;
  struct model_partition *partition = &checker->partitions[number];
  if (partition->pushed - partition->base >= MODEL_MAX - 1) {
    return;
  }
  enum lumin_status status = relay_skip(checker->relay, number, partition->pushed + 1);
  FUZZ_CHECK(partition->open || status == LUMIN_INTERNAL);
  if (status == LUMIN_OK) {
    partition->pushed++;
    partition->stored[partition->pushed - partition->base] = true;
  }
}

static void step_run(struct checker *checker) {
  // What has waited too long goes back; it can be sent again from within.
  for (size_t i = 0; i < checker->count; i++) {
    struct model_entry *entry = &checker->entries[i];
    if (entry->under_way != IDLE && checker->now_ns - entry->sent_ns >= TIMEOUT) {
      checker->under_way--;
      entry->under_way = IDLE;
    }
  }
  relay_run(checker->relay, checker->now_ns);
  FUZZ_CHECK(relay_deadline_ns(checker->relay) > checker->now_ns);
}

static struct model_entry *entry_under_way(struct checker *checker, uint8_t number) {
  for (size_t i = 0; checker->under_way > 0 && i < 2 * checker->count; i++) {
    struct model_entry *entry = &checker->entries[i % checker->count];
    if (entry->under_way != IDLE && number-- % checker->under_way == 0) {
      return entry;
    }
  }
  return NULL;
}

static void entry_returns(struct checker *checker, struct model_entry *entry) {
  checker->under_way--;
  entry->under_way = IDLE;
}

// kind: 0 stored, 1 duplicate, 2 refused, 3 wrong last, 4 found older, 5 found itself, 6 missing
static void answer(struct checker *checker, struct model_entry *entry, unsigned kind, uint64_t seq) {
  struct relay *relay = checker->relay;
  bool publishing = entry->under_way == PUBLISHING, taken = false;
  bool fits = kind < 2 ? publishing : kind < 4 ? true : !publishing;
  uint64_t token = entry->token;
  if (fits && kind != 0 && kind != 5) {
    entry_returns(checker, entry);
  }
  if (fits && (kind == 0 || kind == 5)) {
    stored(checker, entry);
  }
  if (fits && (kind == 4 || kind == 6)) {
    entry->told = kind == 6 ? 0 : (int64_t)seq;
  }
  if (kind < 2) {
    taken = relay_acknowledged(relay, token, seq, kind == 1, checker->now_ns);
  } else if (kind < 4) {
    taken = relay_refused(relay, token, kind == 3, checker->now_ns);
  } else if (kind < 6) {
    taken = relay_last_found(relay, token, seq, entry->version - (kind == 4), checker->now_ns);
  } else {
    taken = relay_last_missing(relay, token, checker->now_ns);
  }
  FUZZ_CHECK(taken == fits);
  FUZZ_CHECK(!fits || entry->released == (kind == 0 || kind == 5));
  FUZZ_CHECK(!relay_acknowledged(relay, token, 1, false, checker->now_ns) || (!fits && publishing));
}

static void step_answer(struct checker *checker, uint8_t byte) {
  struct model_entry *entry = entry_under_way(checker, bytes_u8(&checker->feed));
  if (entry != NULL) {
    unsigned kind = byte / 16 % 7;
    bool publishing = entry->under_way == PUBLISHING;
    // An answer to another kind of question than was asked is not tried on a publish: nothing would be left to check.
    if (kind < 4 || !publishing) {
      answer(checker, entry, kind < 2 && !publishing ? 2 : kind, 1 + bytes_u8(&checker->feed));
    }
  }
}

static void step_disconnected(struct checker *checker) {
  for (size_t i = 0; i < checker->count; i++) {
    if (checker->entries[i].under_way != IDLE) {
      entry_returns(checker, &checker->entries[i]);
    }
  }
  relay_disconnected(checker->relay);
}

static void step(struct checker *checker, uint8_t byte) {
  switch (byte % 8) {
  case 0:
  case 1:
    step_push(checker);
    break;
  case 2:
    step_answer(checker, byte);
    break;
  case 3:
    checker->now_ns += bytes_u8(&checker->feed) * (byte / 16 < 14 ? 1 : 100);
    step_run(checker);
    break;
  case 4:
    step_skip(checker);
    break;
  case 5:
    checker->port_fails = byte / 16 == 1;
    break;
  case 6:
    if (byte / 16 < 2) {
      step_close(checker, byte / 16 % PARTITIONS);
    } else if (byte / 16 < 6) {
      step_open(checker, byte / 16 % PARTITIONS);
    }
    break;
  default:
    if (byte / 16 == 0) {
      step_disconnected(checker);
    } else {
      (void)relay_refused(checker->relay, checker->last_token + ((uint64_t)byte << 32), false, checker->now_ns);
    }
    break;
  }
  check_state(checker);
}

// From here on all is answered, and truly.
static void settle(struct checker *checker) {
  checker->port_fails = false;
  for (size_t turns = 0; checker->held > 0; turns++) {
    FUZZ_CHECK(turns < 4000); // by then something is stuck
    int64_t deadline = relay_deadline_ns(checker->relay);
    FUZZ_CHECK(checker->under_way > 0 || deadline < INT64_MAX);
    struct model_entry *entry = entry_under_way(checker, 0);
    if (entry != NULL) {
      answer(checker, entry, entry->under_way == PUBLISHING ? 0 : 6, 1);
    } else {
      checker->now_ns = deadline > checker->now_ns ? deadline : checker->now_ns;
      step_run(checker);
    }
    check_state(checker);
  }
  for (uint16_t i = 0; i < PARTITIONS; i++) {
    FUZZ_CHECK(!checker->partitions[i].open || relay_prefix(checker->relay, i) == relay_pushed(checker->relay, i));
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct relay_limits limits = {.partitions = PARTITIONS,
                                             .window = WINDOW,
                                             .entries = ENTRIES_MAX,
                                             .bytes = BYTES_MAX,
                                             .ack_timeout_ns = TIMEOUT,
                                             .careful_after_ns = CAREFUL_AFTER,
                                             .backoff_ns = BACKOFF};
  static struct checker checker;
  checker = (struct checker){.feed = {span_of(data, size)}, .now_ns = 10000};
  checker.relay = relay_create(
      &limits, &(struct relay_port){
                   .self = &checker, .publish = port_publish, .ask_last = port_ask_last, .release = port_release});
  FUZZ_CHECK(checker.relay != NULL);
  step_open(&checker, 0);
  step_open(&checker, 1);
  for (size_t i = 0; i < STEPS_MAX && checker.feed.rest.len > 0; i++) {
    step(&checker, bytes_u8(&checker.feed));
  }
  settle(&checker);
  relay_destroy(checker.relay);
  return 0;
}
