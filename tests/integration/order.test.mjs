// SPDX-License-Identifier: MIT
// A thousand asynchronous commands for one user take effect in exactly the order they were published in, though the
// worker is killed in the middle, twice (guarantees 3 and 4). LUMIN_TEST_LONG=1: for more users, one after another.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import test from "node:test";
import { History, call, commandOf, long, publish } from "../support/load.mjs";
import { audit, readAll, settle } from "../support/oracle.mjs";
import { Rig, decode, eventually, sleep, streams } from "../support/servers.mjs";

const count = 1000;
const kills = [0.25, 0.6]; // when so much of it has taken effect

/** What the i-th command sets, as the event says it. */
const wanted = (i) => (i % 2 ? { email: `at${i}@example.com` } : { firstName: `At ${i}`, lastName: "" });

async function eventsOf(rig, user) {
  const rows = await rig.sql("SELECT type, body FROM lumin.events WHERE user_id = $1 ORDER BY version", [user]);
  return rows.slice(1); // without its creation
}

const bodyOf = ({ type, body }) => decode(type === 3 ? "EmailChanged" : "UsernameChanged", body);

/** Publishes all in order, over one connection, in groups, so that it lasts longer than until the last kill. */
async function publishAll(history, publisher, user, progress) {
  const answers = [];
  for (let i = 0; i < count; i++) {
    const method = i % 2 ? "change_email" : "change_username";
    const command = commandOf(crypto.randomUUID(), method, user, wanted(i));
    answers.push(publish(history, publisher, command, { timeout: 10_000 }));
    progress.published = i + 1;
    // Not ahead of the worker by more than a third, so that the kills fall into the middle.
    while (progress.published > progress.applied + count / 3 && !progress.over) await sleep(2);
  }
  return (await Promise.all(answers)).map(({ answer }) => answer.seq);
}

async function watch(rig, user, progress, reached) {
  const look = async () => {
    const [{ applied }] = await rig.sql(
      "SELECT count(*)::int - 1 AS applied FROM lumin.events WHERE user_id = $1",
      [user],
    );
    progress.applied = applied;
    return applied >= reached;
  };
  await eventually(look, { timeout: 60_000, every: 2, what: `${reached} commands applied` });
}

async function scenario({ rig, worker, gateway, publisher, history }) {
  const user = crypto.randomUUID();
  const create = commandOf(crypto.randomUUID(), "create", user, { firstName: "First", email: `${user}@example.com` });
  assert.equal((await call(history, gateway, create)).answer.status, "APPLIED");

  const progress = { published: 0, applied: 0, over: false };
  const published = publishAll(history, publisher, user, progress);
  try {
    for (const part of kills) {
      await watch(rig, user, progress, count * part);
      await worker.kill();
      const applied = (await eventsOf(rig, user)).length;
      assert.ok(applied > 0 && applied < count, `it was killed when ${applied} of ${count} were applied`);
      worker.spawn();
    }
    await watch(rig, user, progress, count);
  } finally {
    progress.over = true;
  }

  const seqs = await published;
  assert.deepEqual(seqs, [...seqs].sort((a, b) => a - b), "the stream took them in another order");
  const events = (await eventsOf(rig, user)).map(bodyOf);
  assert.deepEqual(events, Array.from({ length: count }, (_, i) => wanted(i)));
  return user;
}

test("a thousand commands for one user, through two kills", async (t) => {
  const rig = await Rig.start(t, { name: "order" });
  await rig.setup();
  // Small batches: it is killed between and within many of them.
  const worker = await rig.worker({ env: { LUMIN_WORKER_LEASE: "500ms", LUMIN_LANE_BATCH: "16" } });
  const [gateway, publisher] = [await rig.connect("gateway"), await rig.connect("command_publisher")];
  const history = new History();
  const users = [];
  for (let round = 0; round < (long ? 20 : 1); round++) {
    users.push(await scenario({ rig, worker, gateway, publisher, history }));
  }
  await settle(rig);
  t.diagnostic(await audit(rig, history));

  // The stream tells the same story.
  const stream = await readAll(await rig.connect("operator"), streams.events);
  for (const user of users) {
    const told = stream.filter(({ subject }) => subject.endsWith(user)).slice(1);
    const bodies = told.map(({ subject, data }) => bodyOf({ type: subject.includes(".email_") ? 3 : 2, body: data }));
    assert.deepEqual(bodies, Array.from({ length: count }, (_, i) => wanted(i)));
  }
});
