// SPDX-License-Identifier: MIT
// Whom a lane's reader speaks for (guarantee 9): those partitions that were open when it was attached. One that opens
// while the reader still looks for its start is as late as one that opens afterwards: nothing was begun for it.
#include "../../../src/worker/lane_internal.h"

#include <criterion/criterion.h>

enum { SERVED = 3, LATE = 5, CLOSED = 7 };

struct scene {
  struct lane lane;
  struct partition partitions[8];
  struct partition_truth truths[8];
  uint16_t owned[3];
};

// The reader is to begin behind 100; the late one, at 40, has opened since.
static void scene_set(struct scene *scene) {
  *scene = (struct scene){.owned = {SERVED, LATE, CLOSED}};
  scene->truths[SERVED] = (struct partition_truth){.input_seq = 100, .input_ts_ns = 1};
  scene->truths[LATE] = scene->truths[CLOSED] = (struct partition_truth){.input_seq = 40, .input_ts_ns = 1};
  scene->partitions[SERVED].state = scene->partitions[LATE].state = PARTITION_OPEN;
  scene->partitions[CLOSED].state = PARTITION_SURVEYED;
  scene->partitions[LATE].attach = true;
  scene->lane.partitions = scene->partitions;
  scene->lane.truths = scene->truths;
  scene->lane.owned = scene->owned;
  scene->lane.owned_count = 3;
  scene->lane.partition_count = 8;
  scene->lane.attached = (struct stream_position){100, 1};
}

Test(lane_reader, a_partition_that_opened_since_is_not_vouched_for) {
  struct scene scene;
  scene_set(&scene);
  reader_starts(&scene.lane, 101);
  cr_expect(scene.partitions[SERVED].verified);
  cr_expect_not(scene.partitions[LATE].verified, "its messages from 41 to 100 are not read");
  cr_expect_not(scene.partitions[CLOSED].verified);
  cr_expect_eq(scene.lane.verify_next, UINT64_MAX, "and its position is not looked for");

  struct stream_position end = {200, 2};
  reader_advance(&scene.lane, &end);
  cr_expect_eq(scene.partitions[SERVED].advanced.seq, 200);
  cr_expect_eq(scene.partitions[LATE].advanced.seq, 0);
}

Test(lane_reader, nor_is_it_read_from_the_start_of_a_stream_made_anew) {
  struct scene scene;
  scene_set(&scene);
  reader_is_anew(&scene.lane);
  cr_expect(scene.partitions[SERVED].from_start);
  cr_expect_not(scene.partitions[LATE].from_start);
  cr_expect_not(scene.partitions[CLOSED].from_start);
}

Test(lane_reader, what_expired_is_told_of_those_that_it_serves) {
  struct scene scene;
  scene_set(&scene);
  scene.truths[SERVED].input_seq = 90;
  reader_lost(&scene.lane, 50, 99);
  cr_expect_eq(scene.partitions[SERVED].lost_count, 1);
  cr_expect_eq(scene.partitions[SERVED].lost[0].first, 91);
  cr_expect_eq(scene.partitions[LATE].lost_count, 0, "its own reader will see what it lacks");
}

// A link was lost and is there again; nothing is surveyed yet, so that nobody can be attached.
Test(lane_reader, what_was_read_vouches_for_nothing_once_its_queue_is_gone) {
  struct scene scene;
  scene_set(&scene);
  scene.lane.turn = arena_create(4096);
  scene.lane.link = (struct link *)&scene; // never looked at
  scene.lane.attach = scene.partitions[SERVED].verified = true;
  scene.lane.read = (struct stream_position){200, 2};
  scene.partitions[SERVED].state = scene.partitions[LATE].state = PARTITION_SURVEYED;
  lane_attach_reader(&scene.lane);
  cr_assert(scene.lane.attach, "it still wants to be");
  scene.partitions[SERVED].state = PARTITION_OPEN;
  reader_advance_now(&scene.lane, SERVED);
  cr_expect_eq(scene.partitions[SERVED].advanced.seq, 0, "up to 200 they were read, and thrown away");
  arena_destroy(scene.lane.turn);
}
