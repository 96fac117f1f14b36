// SPDX-License-Identifier: MIT
// The map against a model that is too simple to be wrong: an array with one place for each key there can be.
#include "lumin/base/map.h"

#include <criterion/criterion.h>

enum { KEYS = 3000, STEPS = 300000 };

static struct uuid keys[KEYS];
static void *model[KEYS];

static uint64_t next_number(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void make_keys(uint64_t *state) {
  for (size_t i = 0; i < KEYS; i++) {
    uint64_t halves[2] = {next_number(state), i}; // different in any case
    memcpy(keys[i].bytes, halves, sizeof halves);
  }
}

static size_t model_count(void) {
  size_t count = 0;
  for (size_t i = 0; i < KEYS; i++)
    count += model[i] != NULL;
  return count;
}

struct visits {
  unsigned char seen[KEYS];
  size_t count;
};

static void note_visit(void *context, const struct uuid *key, void *value) {
  struct visits *visits = context;
  uint64_t halves[2];
  memcpy(halves, key->bytes, sizeof halves);
  cr_assert_eq(value, model[halves[1]]);
  visits->seen[halves[1]]++;
  visits->count++;
}

static void assert_like_model(const struct uuid_map *map) {
  struct visits visits = {{0}, 0};
  uuid_map_each(map, note_visit, &visits);
  cr_assert_eq(visits.count, model_count());
  cr_assert_eq(uuid_map_count(map), model_count());
  for (size_t i = 0; i < KEYS; i++) {
    cr_assert_eq(uuid_map_get(map, &keys[i]), model[i], "key %zu", i);
    cr_assert_eq(visits.seen[i], model[i] != NULL, "key %zu", i);
  }
}

// Puts with chance `puts` of 8, so that the table fills up, empties, and stays full by turns.
static void take_step(struct uuid_map *map, uint64_t *state, unsigned puts) {
  size_t i = next_number(state) % KEYS;
  if (next_number(state) % 8 < puts) {
    void *value = &model[next_number(state) % KEYS], *old = &old;
    cr_assert_eq(uuid_map_put(map, &keys[i], value, &old), LUMIN_OK);
    cr_assert_eq(old, model[i]);
    model[i] = value;
  } else {
    cr_assert_eq(uuid_map_remove(map, &keys[i]), model[i]);
    model[i] = NULL;
  }
}

Test(uuid_map, does_what_the_model_does) {
  static const unsigned puts[] = {7, 4, 1, 6, 2, 8, 0, 5};
  uint64_t state = 0x2545f4914f6cdd1d;
  make_keys(&state);
  struct uuid_map *map = uuid_map_create();
  for (size_t step = 0; step < STEPS; step++) {
    take_step(map, &state, puts[step * 8 / STEPS]);
    if (step % 5000 == 0)
      assert_like_model(map);
  }
  assert_like_model(map);
  cr_assert_gt(uuid_map_count(map), 1000, "the end of the walk must not be trivial");
  uuid_map_destroy(map);
}

Test(uuid_map, a_table_near_its_limit_survives_removals_at_every_place) {
  // 11 of 16 slots, before it grows: runs that go round the end of the table come often.
  for (uint64_t round = 1; round <= 2000; round++) {
    uint64_t state = round;
    memset(model, 0, sizeof model);
    make_keys(&state);
    struct uuid_map *map = uuid_map_create();
    for (size_t i = 0; i < 11; i++) {
      model[i] = &keys[i];
      cr_assert_eq(uuid_map_put(map, &keys[i], model[i], NULL), LUMIN_OK);
    }
    for (size_t i = 0; i < 11; i++) {
      cr_assert_eq(uuid_map_remove(map, &keys[i]), model[i]);
      model[i] = NULL;
      for (size_t j = 0; j < 11; j++)
        cr_assert_eq(uuid_map_get(map, &keys[j]), model[j]);
    }
    cr_assert_eq(uuid_map_count(map), 0);
    uuid_map_destroy(map);
  }
}

Test(uuid_map, an_empty_map_has_nothing) {
  struct uuid_map *map = uuid_map_create();
  struct uuid nil = {{0}};
  cr_assert_null(uuid_map_get(map, &nil));
  cr_assert_null(uuid_map_remove(map, &nil));
  cr_assert_eq(uuid_map_count(map), 0);
  uuid_map_destroy(map);
  uuid_map_destroy(NULL);
}

Test(uuid_map, the_nil_uuid_is_a_key_like_any_other) {
  struct uuid_map *map = uuid_map_create();
  struct uuid nil = {{0}};
  int value;
  cr_assert_eq(uuid_map_put(map, &nil, &value, NULL), LUMIN_OK);
  cr_assert_eq(uuid_map_get(map, &nil), &value);
  cr_assert_eq(uuid_map_remove(map, &nil), &value);
  cr_assert_null(uuid_map_get(map, &nil));
  uuid_map_destroy(map);
}

Test(uuid_map, a_null_value_is_refused_and_changes_nothing) {
  struct uuid_map *map = uuid_map_create();
  struct uuid key = {{1}};
  int value;
  void *old = &old;
  cr_assert_eq(uuid_map_put(map, &key, &value, NULL), LUMIN_OK);
  cr_assert_eq(uuid_map_put(map, &key, NULL, &old), LUMIN_INVALID_ARGUMENT);
  cr_assert_eq(old, (void *)&old);
  cr_assert_eq(uuid_map_get(map, &key), &value);
  uuid_map_destroy(map);
}

Test(uuid_map, clear_empties_and_the_map_goes_on) {
  struct uuid_map *map = uuid_map_create();
  uint64_t state = 99;
  make_keys(&state);
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; i < KEYS; i++) {
      void *old = &old;
      cr_assert_eq(uuid_map_put(map, &keys[i], &keys[i], &old), LUMIN_OK);
      cr_assert_null(old);
    }
    cr_assert_eq(uuid_map_count(map), KEYS);
    uuid_map_clear(map);
    cr_assert_eq(uuid_map_count(map), 0);
    cr_assert_null(uuid_map_get(map, &keys[KEYS / 2]));
  }
  uuid_map_destroy(map);
}
