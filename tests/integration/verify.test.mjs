// SPDX-License-Identifier: MIT
// lumin-user verify: silent on a live system under load, and loud for each way in which a guarantee can be broken.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import test, { after } from "node:test";
import { headers as newHeaders } from "nats";
import { Rig, eventually, jetstreamApi, prefix, publishCommand, readStream, request, streams, updateStream } from "../support/servers.mjs";

const { events } = streams;

const rig = await Rig.start({ after }, { name: "verify" });
await rig.setup();
const worker = await rig.worker();
const [operator, publisher, gateway, asWorker] = [
  await rig.connect("operator"),
  await rig.connect("command_publisher"),
  await rig.connect("gateway"),
  await rig.connect("worker"),
];

const verify = () => rig.run("lumin-user", ["verify"], { role: "operator" });

/** The checks of a run: { "3 versions": { ok, line, named } }. */
function checksOf(done) {
  const checks = {};
  let last;
  for (const line of done.stdout.split("\n")) {
    const found = /^(ok  |FAIL) (\d [a-z ]*[a-z]) +(\d.*)$/.exec(line);
    if (found) last = checks[found[2]] = { ok: found[1] === "ok  ", line: found[3], named: [] };
    else if (line.startsWith("       ")) last.named.push(line.trim());
  }
  return checks;
}

async function passes() {
  const done = await verify();
  assert.equal(done.code, 0, done.stdout + done.stderr);
  assert.deepEqual(Object.entries(checksOf(done)).filter(([, check]) => !check.ok), []);
  return checksOf(done);
}

/** It fails, in these checks and no others; each with a named difference that matches. */
async function fails(expected) {
  const done = await verify();
  const checks = checksOf(done);
  assert.equal(done.code, 1, done.stdout + done.stderr);
  const failed = Object.keys(checks).filter((name) => !checks[name].ok);
  assert.deepEqual(failed.sort(), Object.keys(expected).sort(), done.stdout);
  for (const [name, pattern] of Object.entries(expected)) {
    assert.ok(checks[name].named.some((text) => pattern.test(text)), `${name}: ${pattern} in\n${done.stdout}`);
  }
  return checks;
}

const users = Array.from({ length: 150 }, () => crypto.randomUUID());

async function populate() {
  const sent = [];
  users.forEach((id, i) => {
    const email = i % 3 === 0 ? "" : `user${i}@example.com`;
    const phone = i % 3 === 1 ? "" : `+4930${String(1_000_000 + i)}`;
    sent.push(publishCommand(publisher, "create", id, { firstName: `U${i}`, email, phone }));
    for (let j = 0; j < i % 7; j++) sent.push(publishCommand(publisher, "change_username", id, { firstName: `V${j}` }));
    if (i % 3 !== 0) sent.push(publishCommand(publisher, "change_email", id, { email: `other${i}@example.com` }));
    if (i % 10 === 9) sent.push(publishCommand(publisher, "delete", id));
  });
  const [seen] = users;
  sent.push(publishCommand(publisher, "activate", seen));
  for (let i = 0; i < 3; i++) sent.push(publishCommand(publisher, "record_profile_view", seen, { viewerId: users[1] }));
  sent.push(publishCommand(publisher, "record_profile_view", seen, { viewerId: users[2] }));
  await Promise.all(sent);
  await rig.sqlUntil(
    "SELECT (SELECT count(*)::int FROM lumin.outcomes o WHERE status <> 3) AS done, (SELECT sum(event_position - relayed_position)::int FROM lumin.partitions) AS left",
    ({ done, left }) => done >= sent.length && left === 0,
  );
}

test("a live system passes, again and again under load", async () => {
  await populate();
  let running = true;
  const load = (async () => {
    for (let i = 0; running; i++) {
      const id = users[i % users.length];
      await request(gateway, "change_username", { userId: id, firstName: `W${i}` }).catch(() => {});
      await publishCommand(publisher, "change_username", id, { firstName: `X${i}` });
    }
  })();
  for (let i = 0; i < 5; i++) await passes();
  running = false;
  await load;
  await rig.sqlUntil("SELECT sum(event_position - relayed_position)::int AS left FROM lumin.partitions", ({ left }) => left === 0);
  const checks = await passes();
  const [{ count }] = await rig.sql("SELECT count(*)::int FROM lumin.events");
  assert.ok(count > 500);
  for (const name of ["3 versions", "4 order"]) assert.equal(checks[name].line, `${count} events`);
  assert.equal(checks["8 stream"].line, `${count} messages`);
  assert.equal(checks["8 relayed"].line, `${count} events`);
  assert.match(checks["6 users"].line, /^150 users/);
});

test("what follows is done to a system at rest", async () => {
  assert.equal(await worker.stop(), 0);
});

const keptTables = ["events", "users", "identifiers", "outcomes", "partitions", "profile_views"];

/** A change of the tables, seen by verify, and undone. */
async function damage(change, expected) {
  await rig.sql("CREATE SCHEMA kept");
  for (const table of keptTables) {
    await rig.sql(`CREATE TABLE kept.${table} AS TABLE lumin.${table}`);
  }
  await rig.sql(change);
  const checks = await fails(expected);
  for (const table of keptTables) {
    await rig.sql(`TRUNCATE lumin.${table}`);
    await rig.sql(`INSERT INTO lumin.${table} TABLE kept.${table}`);
  }
  await rig.sql("DROP SCHEMA kept CASCADE");
  return checks;
}

// Its second event is a name that a later one has replaced: without it the fold is the same.
const one = `(SELECT user_id FROM lumin.users u WHERE status <> 5 AND version > 3 AND email <> '' AND 2 = (SELECT count(*)
  FROM lumin.events e WHERE e.user_id = u.user_id AND e.version IN (2, 3) AND e.type = 2) ORDER BY user_id LIMIT 1)`;

test("an event that is gone from the middle of the table", async () => {
  await damage(`DELETE FROM lumin.events WHERE user_id = ${one} AND version = 2`, {
    "3 versions": /version 3 follows 1$/,
    "3 positions": /position \d+ follows \d+$/,
    "2 applied": /which is no event of it$/,
    "8 stream": /the table has no such event$/,
  });
});

test("a position that the table does not reach", async () => {
  await damage("UPDATE lumin.partitions SET event_position = event_position + 1 WHERE partition = 3", {
    "3 positions": /^partition 3: its events end at position \d+, event_position is \d+$/,
  });
});

test("a relayed position that no event has", async () => {
  await damage("UPDATE lumin.partitions SET relayed_position = event_position + 1 WHERE partition = 3", {
    "3 positions": /^partition 3: relayed_position \d+ is above event_position \d+$/,
  });
});

test("rows that differ from their events, each field", async () => {
  const fields = { first_name: "'Eve'", last_name: "'Eve'", status: "2", version: "version + 1", phone_verified: "NOT phone_verified", updated_ns: "updated_ns + 1", created_ns: "0" };
  for (const [field, value] of Object.entries(fields)) {
    await damage(`UPDATE lumin.users SET ${field} = ${value} WHERE user_id = ${one}`, {
      "6 users": new RegExp(`: ${field} of its row at version \\d+ is not that of its events`),
    });
  }
});

test("a user without row, a row without events, and events that cannot be read", async () => {
  await damage(`DELETE FROM lumin.users WHERE user_id = '${users[9]}'`, { "6 users": /has events, and no row$/ });
  await damage(
    `INSERT INTO lumin.users SELECT gen_random_uuid(), 1, 1, 'A', '', '', '', '', false, false, 1, 1`,
    { "6 users": /has a row, and no events$/ },
  );
  await damage(`UPDATE lumin.events SET body = '\\xff' WHERE user_id = ${one} AND version = 1`, {
    "6 users": /the event of version 1 cannot be read$/,
    "8 stream": /version 1: its body is not that of the table$/,
  });
});

test("events that say something else than what was published", async () => {
  const said = { time: "time_ns = time_ns - 1", actor: "actor = 'eve'", "trace context": "tracestate = 'a=b'" };
  for (const [what, change] of Object.entries(said)) {
    const where = `WHERE user_id = ${one} AND version = 2`;
    await damage(`UPDATE lumin.events SET ${change} ${where}`, {
      "8 stream": new RegExp(`^message \\d+: user [0-9a-f-]{36}, version 2: its ${what} is not that of the table$`),
    });
  }
});

test("who looked at whom: a row too many, one too few, another count", async () => {
  const [row] = await rig.sql("SELECT user_id, viewer_id FROM lumin.profile_views ORDER BY view_count DESC LIMIT 1");
  const whose = `WHERE user_id = '${row.user_id}' AND viewer_id = '${row.viewer_id}'`;
  const named = `^user ${row.user_id}, viewer ${row.viewer_id}: `;
  const expected = { "6 views": new RegExp(`${named}3 views by the events, 4 by the row$`) };
  await damage(`UPDATE lumin.profile_views SET view_count = 4 ${whose}`, expected);
  expected["6 views"] = new RegExp(`${named}3 views by the events, 0 by the row$`);
  await damage(`DELETE FROM lumin.profile_views ${whose}`, expected);
  expected["6 views"] = new RegExp(`${named}.*, the last at another time$`);
  await damage(`UPDATE lumin.profile_views SET last_viewed_ns = 1 ${whose}`, expected);
  const stranger = `INSERT INTO lumin.profile_views VALUES ('${users[4]}', '${users[4]}', 1, 1)`;
  await damage(stranger, { "6 views": /: 0 views by the events, 1 by the row$/ });
});

test("dead commands: one that has no row", async () => {
  await damage(`UPDATE lumin.outcomes SET status = 4 WHERE status = 3 AND version > 0`, {
    "9 dead": /^command [0-9a-f-]{36}: its outcome is DEAD, and it is not among the dead commands$/,
  });
});

test("the differences are counted, and ten are named", async () => {
  const checks = await damage("UPDATE lumin.users SET last_name = 'Eve' WHERE status <> 5", {
    "6 users": /^user [0-9a-f-]{36}: last_name /,
  });
  assert.equal(checks["6 users"].line, "150 users, 135 differ, such as");
  assert.equal(checks["6 users"].named.length, 10);
});

test("an event in a partition or at a position that is not its own", async () => {
  await damage(
    `UPDATE lumin.events e SET position = position + 1000000 WHERE user_id = ${one} AND version = 1`,
    {
      "3 positions": /follows/,
      "4 order": /version 2: at position \d+, its predecessor at 100\d+$/,
      "8 stream": /the table has no such event$/,
    },
  );
});

test("identifiers: unclaimed, claimed by another, claimed by a deleted user", async () => {
  await damage(`DELETE FROM lumin.identifiers WHERE user_id = ${one} AND kind = 1`, {
    "7 identifiers": /its e-mail is not claimed by it$/,
  });
  const checks = await damage(`UPDATE lumin.identifiers SET user_id = '${users[1]}' WHERE user_id = ${one} AND kind = 1`, {
    "7 identifiers": /claims an e-mail that it does not have$/,
  });
  assert.equal(checks["7 identifiers"].named.length, 2);
  await damage(`INSERT INTO lumin.identifiers VALUES (2, '+4915100000000', '${users[9]}')`, {
    "7 identifiers": new RegExp(`^user ${users[9]}: claims a phone that it does not have$`),
  });
});

test("outcomes: gone, refused, of another user, of an event that is not there", async () => {
  const command = `(SELECT command_id FROM lumin.events WHERE user_id = ${one} AND version = 2)`;
  await damage(`DELETE FROM lumin.outcomes WHERE command_id = ${command}`, {
    "2 outcomes": /has no outcome$/,
    "9 commands": /^partition \d+, message \d+: command [0-9a-f-]{36} has no outcome$/,
  });
  await damage(`UPDATE lumin.outcomes SET status = 3 WHERE command_id = ${command}`, {
    "2 outcomes": /has an outcome of status 3,/,
  });
  await damage(`UPDATE lumin.outcomes SET user_id = '${users[0]}' WHERE command_id = ${command}`, {
    "2 outcomes": new RegExp(`user ${users[0]}$`),
    "2 applied": /which is no event of it$/,
  });
});

test("a lost range, until somebody acknowledges it", async () => {
  await rig.sql("INSERT INTO lumin.lost_ranges (partition, first_seq, last_seq) VALUES (4, 10, 20)");
  await fails({ "9 lost ranges": /^partition 4: commands 10 to 20 of the stream expired unread/ });
  await rig.sql("UPDATE lumin.lost_ranges SET acknowledged_at = now()");
  await passes();
});

// ---- the event stream

const headersOf = (stored) => {
  const copy = newHeaders();
  for (const key of stored.header.keys()) if (key !== "Nats-Msg-Id") copy.set(key, stored.header.get(key));
  return copy;
};
const publishAgain = (stored) =>
  asWorker.jetstream().publish(stored.subject, stored.data, { headers: headersOf(stored) });
const remove = (seq) => jetstreamApi(operator, `STREAM.MSG.DELETE.${events}`, { seq });

let stored;

test("the same event twice on the stream", async () => {
  stored = await readStream(operator, events);
  const message = stored.at(-1);
  const { seq } = await publishAgain(message);
  await fails({ "8 stream": new RegExp(`^message ${seq}: .* once more$`) });
  await remove(seq);
  await passes();
});

test("events in another order than their versions; and those of others are no reason", async () => {
  // Not the stream's first message: without that one it looks as if limits had taken it.
  const hasSecond = (user) => stored.some((message) => message.header.get("ce-id") === `${user}:2`);
  const first = stored.find(
    ({ seq, header }) => seq > 1 && header.get("ce-sequence") === "1" && hasSecond(header.get("ce-subject")),
  );
  const user = first.header.get("ce-subject");
  const target = stored.filter((message) => message.header.get("ce-subject") === user);
  assert.ok(target.length > 1);
  await remove(first.seq);
  await fails({ "8 relayed": new RegExp(`^user ${user}, version 1: position \\d+ of partition \\d+ is not on the stream$`) });
  const { seq } = await publishAgain(first);
  await fails({ "8 stream order": new RegExp(`^message ${seq}: user ${user}, version 1 comes after version 2$`) });
  // All of this user's events anew, in their order, behind those of others with higher positions: nothing is wrong.
  await remove(seq);
  for (const message of target) {
    if (message.seq !== first.seq) await remove(message.seq);
    await publishAgain(message);
  }
  await passes();
});

test("an event that no table knows, and a message that is no event", async () => {
  const strange = newHeaders();
  const id = crypto.randomUUID();
  for (const [key, value] of [["ce-id", `${id}:1`], ["ce-type", `${prefix}.user_created`], ["ce-sequence", 1], ["ce-partition", 1], ["ce-position", 1]]) {
    strange.set(key, String(value));
  }
  const subject = `${prefix}.event.user_created.${id}`;
  const foreign = await asWorker.jetstream().publish(subject, "x", { headers: strange });
  const bare = await asWorker.jetstream().publish(subject, "x");
  const checks = await fails({ "8 stream": new RegExp(`^message ${bare.seq}: its headers name no event$`) });
  assert.ok(checks["8 stream"].named.some((text) => text.startsWith(`message ${foreign.seq}: user ${id}, version 1`)));
  await remove(foreign.seq);
  await remove(bare.seq);
  await passes();
});

test("what the stream's own limits removed is not missed, what is newer is", async () => {
  const { config } = await jetstreamApi(operator, `STREAM.INFO.${events}`);
  await updateStream(operator, events, { max_msgs: 100 });
  await eventually(async () => (await jetstreamApi(operator, `STREAM.INFO.${events}`)).state.messages === 100);
  await passes();
  const left = await readStream(operator, events);
  const gone = stored.find((message) => !left.some((other) => other.header.get("ce-id") === message.header.get("ce-id")));
  const [user, version] = gone.header.get("ce-id").split(":");
  const later = `UPDATE lumin.events SET time_ns = time_ns + 3600::int8 * 1000000000 WHERE user_id = '${user}' AND version = ${version}`;
  await rig.sql("CREATE TABLE public.kept AS TABLE lumin.events");
  await rig.sql(later);
  const done = await verify();
  assert.equal(done.code, 1);
  const { named } = checksOf(done)["8 relayed"];
  assert.deepEqual(named.map((text) => text.replace(/:.*/, "")), [`user ${user}, version ${version}`]);
  await rig.sql("TRUNCATE lumin.events");
  await rig.sql("INSERT INTO lumin.events TABLE public.kept");
  await rig.sql("DROP TABLE public.kept");
  await jetstreamApi(operator, `STREAM.UPDATE.${events}`, config);
});

test("a stream that was purged holds nothing, and misses nothing old", async () => {
  await jetstreamApi(operator, `STREAM.PURGE.${events}`, {});
  const checks = await passes();
  assert.equal(checks["8 stream"].line, "0 messages");
});

test("a stream that was made anew misses everything", async () => {
  const { config } = await jetstreamApi(operator, `STREAM.INFO.${events}`);
  await jetstreamApi(operator, `STREAM.DELETE.${events}`);
  const absent = await verify();
  assert.equal(absent.code, 69);
  assert.match(absent.stderr, /stream LUMIN_USER_EVENTS: stream not found/);
  await jetstreamApi(operator, `STREAM.CREATE.${events}`, config);
  const checks = await fails({ "8 relayed": /is not on the stream$/ });
  const [{ count }] = await rig.sql("SELECT count(*)::int FROM lumin.events");
  assert.equal(checks["8 relayed"].line, `${count} events, ${count} differ, such as`);
});
