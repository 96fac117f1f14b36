// SPDX-License-Identifier: MIT
// Every query on real servers with two workers: right at once, never older than asked for, page by page while users are
// written, and with its documented answer to what nobody should ask.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import test, { after } from "node:test";
import { Random } from "../support/load.mjs";
import { Rig, eventually, publishCommand, request } from "../support/servers.mjs";

const rig = await Rig.start({ after }, { name: "queries" });
await rig.setup();
const workers = [await rig.worker(), await rig.worker()];
const gateway = await rig.connect("gateway");
const publisher = await rig.connect("command_publisher");

const replies = {
  get: "User",
  get_many: "Users",
  find_by_email: "User",
  find_by_phone: "User",
  get_profile: "Profile",
  get_history: "History",
  get_at: "User",
  list: "UserPage",
  list_profile_views: "ProfileViews",
};

async function done(method, message, options) {
  const answer = await request(gateway, method, message, options);
  assert.equal(answer.code, 0, `${method}: ${answer.reason}`);
  return answer.as("Outcome");
}

async function ask(method, message, headers) {
  const answer = await request(gateway, method, message, { headers });
  assert.equal(answer.code, 0, `${method}: ${answer.reason}`);
  return answer.as(replies[method]);
}

async function refused(method, message, reason, field = "", options = {}) {
  const answer = await request(gateway, method, message, options);
  assert.notEqual(answer.code, 0, `${method} was answered`);
  const error = answer.as("Error");
  assert.deepEqual([error.reason, error.field], [`REASON_${reason}`, field], `${method}: ${answer.reason}`);
  return error;
}

const documentOf = (answer) => JSON.parse(Buffer.from(answer.data).toString());

let numbers = 0;
const address = () => `queries-${numbers++}@example.com`;
const create = (fields = {}) => done("create", { firstName: "Ada", email: address(), ...fields });
const nobody = "00000000-0000-4000-8000-000000000000";
const status = (name) => `USER_STATUS_${name}`;
const nanoseconds = ({ seconds, nanos }) => BigInt(seconds) * 1_000_000_000n + BigInt(nanos);

/** All pages: the items of `field`, and how many pages there were. */
async function pages(method, message, field) {
  const items = [];
  let page = { nextPageToken: "" };
  let count = 0;
  do {
    page = await ask(method, { ...message, pageToken: page.nextPageToken });
    assert.ok(page[field].length <= (message.limit || 50));
    items.push(...page[field]);
    count++;
  } while (page.nextPageToken);
  return { items, count };
}

/** Rows past the service, for what only needs to be read. */
async function rows(count, { bio = "", from, until = 0, userStatus = 2, before = 0 }) {
  await rig.sql(
    `INSERT INTO lumin.users (user_id, version, status, first_name, last_name, email, email_key, phone, email_verified,
       phone_verified, bio, created_ns, updated_ns, status_before_block, blocked_until_ns)
     SELECT gen_random_uuid(), 1, $5, 'Row', '', '', '', '', false, false, $2, $3::bigint + i / 2, $3::bigint + i / 2, $6, $4
       FROM generate_series(0, $1 - 1) AS i`,
    [count, bio, from, until, userStatus, before],
  );
}

test("get_many: in order, with what was not found and what was deleted, each once", async () => {
  const users = [];
  for (let i = 0; i < 12; i++) users.push((await create({ lastName: `${i}` })).userId);
  await done("delete", { userId: users[3] });
  const unknown = crypto.randomUUID();
  const asked = [users[7], unknown, users[3], users[0], users[7], users[11], unknown];
  const { users: found, ...rest } = await ask("get_many", { userIds: asked });
  assert.deepEqual(found.map(({ lastName }) => lastName), ["7", "0", "11"]);
  assert.deepEqual(rest, { notFoundUserIds: [unknown], deletedUserIds: [users[3]], remainingUserIds: [] });
  assert.deepEqual(found[1], await ask("get", { userId: users[0] }));
  assert.deepEqual(await ask("get_many", { userIds: [users[0]] }, { "Lumin-Min-Version": 1 }), {
    users: [found[1]],
    notFoundUserIds: [],
    deletedUserIds: [],
    remainingUserIds: [],
  });
  await refused("get_many", { userIds: [] }, "INVALID_ARGUMENT", "user_ids");
  await refused("get_many", { userIds: Array(501).fill(users[0]) }, "INVALID_ARGUMENT", "user_ids");
  await refused("get_many", { userIds: [users[0], "7"] }, "INVALID_ARGUMENT", "user_ids[1]");
  const other = await request(gateway, "get_many", { userIds: [users[1]] }, { userId: users[0] });
  assert.equal(other.as("Error").field, "user_ids[0]");
});

test("answers are cut to what a message may carry, and nothing is lost", async () => {
  const from = 1_000_000_000_000_000_000n;
  await rows(500, { bio: "ö\n\u{1f600}".repeat(160), from });
  const ids = (await rig.sql(`SELECT user_id FROM lumin.users WHERE first_name = 'Row' ORDER BY random()`)).map((row) => row.user_id);
  for (const json of [false, true]) {
    let [left, rounds] = [ids, 0];
    const seen = [];
    while (left.length > 0) {
      const payload = json ? Buffer.from(JSON.stringify({ userIds: left })) : { userIds: left };
      const answer = await request(gateway, "get_many", payload);
      const reply = json ? documentOf(answer) : answer.as("Users");
      assert.ok(answer.data.length <= 1 << 20 && reply.users.length > 0);
      seen.push(...reply.users.map(({ userId }) => userId));
      left = reply.remainingUserIds;
      rounds++;
    }
    assert.deepEqual(seen, ids);
    assert.ok(rounds > 1, "it did not fit into one message");
  }
  const until = { createdUntil: { seconds: 1_000_000_001 } };
  const { items, count } = await pages("list", { ...until, limit: 500 }, "users");
  assert.ok(count > 1);
  assert.deepEqual(new Set(items.map(({ userId }) => userId)), new Set(ids));
  assert.equal(items.length, ids.length);
  await rig.sql("DELETE FROM lumin.users WHERE first_name = 'Row'");
});

test("find_by_email and find_by_phone are right at once, in every spelling", async () => {
  const { userId } = await create({ email: "Find.Me@Example.COM", phone: "+442079460958" });
  for (const email of ["find.me@example.com", "FIND.ME@EXAMPLE.com", '"Find.Me"@example.com']) {
    assert.equal((await ask("find_by_email", { email })).email, "Find.Me@example.com");
  }
  assert.equal((await ask("find_by_phone", { phone: "+44 (20) 7946-0958" })).userId, userId);
  let old = "find.me@example.com";
  for (let i = 0; i < 20; i++) {
    const email = `moved-${i}@bücher.example`;
    await done("change_email", { userId, email });
    const [found] = await Promise.all([ask("find_by_email", { email: email.toUpperCase() }), refused("find_by_email", { email: old }, "NOT_FOUND")]);
    assert.equal(found.email, `moved-${i}@xn--bcher-kva.example`);
    old = email;
  }
  await done("delete", { userId });
  await refused("find_by_email", { email: old }, "NOT_FOUND");
  await refused("find_by_phone", { phone: "+442079460958" }, "NOT_FOUND");
  await refused("find_by_email", { email: "nobody" }, "INVALID_ARGUMENT", "email");
  await refused("find_by_phone", { phone: "0207" }, "INVALID_ARGUMENT", "phone");
});

test("many finds at once share their round trips, and each gets its own", async () => {
  const users = [];
  for (let i = 0; i < 10; i++) {
    const email = address();
    users.push({ email, ...(await create({ email })) });
  }
  const asked = Array.from({ length: 1500 }, async (_, i) => {
    const user = users[i % users.length];
    if (i % 3 === 0) return refused("find_by_email", { email: `none-${i}@example.com` }, "NOT_FOUND");
    if (i % 3 === 1) return assert.equal((await ask("find_by_email", { email: user.email })).userId, user.userId);
    const { users: found } = await ask("get_many", { userIds: [user.userId, users[0].userId] });
    return assert.equal(found[0].userId, user.userId);
  });
  await Promise.all(asked);
});

test("Lumin-Min-Version: waits for it, and in the end says how far the user is", async () => {
  const about = {
    get: ({ userId }) => ({ userId }),
    get_many: ({ userId }) => ({ userIds: [userId] }),
    find_by_email: ({ email }) => ({ email }),
    find_by_phone: ({ phone }) => ({ phone }),
    get_profile: ({ userId }) => ({ userId }),
    get_history: ({ userId }) => ({ userId }),
    get_at: ({ userId }) => ({ userId, version: 1 }),
    list_profile_views: ({ userId }) => ({ userId }),
  };
  const each = Object.entries(about).map(async ([method, messageOf], i) => {
    const [email, phone] = [address(), `+1555010070${i}`];
    const { userId } = await create({ email, phone });
    const message = messageOf({ userId, email, phone });
    const begun = Date.now();
    const headers = { "Lumin-Min-Version": 2, "Lumin-Timeout-Ms": 300 };
    const error = await refused(method, message, "DEADLINE_EXCEEDED", "", { headers });
    assert.deepEqual([error.currentVersion, error.currentStatus], [1, status("PENDING")], method);
    assert.ok(Date.now() - begun >= 290, method);
    const waiting = ask(method, message, { "Lumin-Min-Version": 2 });
    await publishCommand(publisher, "change_bio", userId, { bio: method });
    const reply = await waiting;
    const version = (reply.users?.[0] ?? reply).version;
    assert.equal(version, method === "get_at" ? 1 : 2, method);
  });
  await Promise.all(each);
  const userId = crypto.randomUUID();
  const headers = (values) => ({ headers: { "Lumin-Min-Version": 1, ...values } });
  await refused("list", {}, "INVALID_ARGUMENT", "Lumin-Min-Version", headers());
  await refused("get", { userId }, "INVALID_ARGUMENT", "Lumin-Timeout-Ms", headers({ "Lumin-Timeout-Ms": 30_001 }));
  await refused("get", { userId }, "INVALID_ARGUMENT", "Lumin-Timeout-Ms", headers({ "Lumin-Timeout-Ms": "1s" }));
  const error = await refused("get", { userId }, "DEADLINE_EXCEEDED", "", headers({ "Lumin-Timeout-Ms": 0 }));
  assert.equal(error.currentVersion, 0);
});

test("who passes the version of its outcome reads its own writes, whichever worker answers, through a kill", async () => {
  const random = new Random();
  const methods = ["get", "get_many", "find_by_email", "get_profile", "get_history", "get_at"];
  const messages = (user, version) => ({
    get: { userId: user.userId },
    get_many: { userIds: [user.userId] },
    find_by_email: { email: user.email },
    get_profile: { userId: user.userId, viewerId: user.userId },
    get_history: { userId: user.userId, fromVersion: version },
    get_at: { userId: user.userId, version },
  });
  let reads = 0;
  let over = false;
  // Asks again where a worker has died with the request; what is refused otherwise is a failure.
  const insist = async (method, message, headers) => {
    for (;;) {
      const answer = await request(gateway, method, message, { headers, timeout: 8000 }).catch(() => null);
      if (answer?.code === 0) return answer;
      assert.ok(answer === null || [503, 504].includes(answer.code), `${method}: ${answer?.reason}`);
    }
  };
  const writer = async () => {
    const user = { email: address(), userId: crypto.randomUUID() };
    await insist("create", { ...user, firstName: "Ada" }, { "Lumin-Command-Id": crypto.randomUUID() });
    while (!over) {
      const bio = `${random.below(1e9)}`;
      const command = await insist("change_bio", { userId: user.userId, bio }, { "Lumin-Command-Id": crypto.randomUUID() });
      const { version } = command.as("Outcome");
      const method = random.pick(methods);
      const answer = await insist(method, messages(user, version)[method], { "Lumin-Min-Version": version });
      const reply = answer.as(replies[method]);
      const read = reply.users?.[0] ?? reply;
      assert.equal(read.version, version, method);
      const { bio: told } = reply.events ? reply.events.at(-1).bioChanged : read;
      assert.equal(told, bio, `${method}, seed ${random.seed}`);
      reads++;
    }
  };
  const writers = Array.from({ length: 12 }, writer);
  await eventually(() => reads > 100, { timeout: 20_000, what: "a hundred reads" });
  await workers[0].kill();
  const before = reads;
  await eventually(() => reads > before + 200, { timeout: 30_000, what: "reads after the kill" });
  await workers[0].begin();
  over = true;
  await Promise.all(writers);
});

test("get_profile goes by the settings, the viewer and the status", async () => {
  const { userId } = await create({ phone: "+15550100800", bio: "Counts.", privacySettings: { phone: "VISIBILITY_CONTACTS" } });
  const viewerId = crypto.randomUUID();
  const mine = await ask("get_profile", { userId, viewerId: userId });
  assert.deepEqual([mine.hiddenFields, mine.phone], [[], "+15550100800"]);
  const theirs = await ask("get_profile", { userId, viewerId, isContact: true });
  assert.deepEqual([theirs.phone, theirs.email, theirs.bio, theirs.firstName], ["+15550100800", "", "Counts.", "Ada"]);
  const strange = await ask("get_profile", { userId });
  assert.deepEqual(strange.hiddenFields.sort(), ["birth_date", "email", "email_verified", "phone", "phone_verified", "profile_views"]);
  const asOf = ({ version }) => ({ "Lumin-Min-Version": version }); // the other worker hears of it a little later
  const blocking = asOf(await done("block", { userId, reason: "spam" }));
  const blocked = await ask("get_profile", { userId, viewerId, isContact: true }, blocking);
  assert.deepEqual([blocked.status, blocked.firstName, blocked.bio, blocked.phone], [status("BLOCKED"), "Ada", "", ""]);
  assert.equal((await ask("get_profile", { userId, viewerId: userId }, blocking)).bio, "Counts.");
  await done("activate", { userId });
  const leaving = asOf(await done("deactivate", { userId }));
  const away = await ask("get_profile", { userId, viewerId, isContact: true }, leaving);
  assert.deepEqual([away.status, away.firstName, away.userId], [status("DEACTIVATED"), "", userId]);
  const headers = asOf(await done("delete", { userId }));
  await refused("get_profile", { userId, viewerId: userId }, "DELETED", "", { headers });
  await refused("get_profile", { userId, viewerId: "Eve" }, "INVALID_ARGUMENT", "viewer_id");
  await refused("get_profile", { userId, isContact: true }, "INVALID_ARGUMENT", "is_contact");
});

test("get_history and get_at tell what was, page by page and state by state", async () => {
  const { userId } = await create({ lastName: "0" });
  const states = [undefined, await ask("get", { userId })];
  const change = async (method, fields = {}) => {
    const headers = { "Lumin-Actor": "support/7", "Lumin-Command-Id": crypto.randomUUID() };
    await done(method, { userId, ...fields }, { headers });
    const state = await ask("get", { userId }, { "Lumin-Min-Version": states.length });
    states.push({ ...state, commandId: headers["Lumin-Command-Id"] });
  };
  await change("activate");
  for (let i = 1; i < 20; i++) await change("change_username", { firstName: "Ada", lastName: `${i}` });
  await change("block", { reason: "spam", until: { seconds: 4_000_000_000 } });
  await change("activate");
  const last = states.length - 1;

  for (const limit of [1, 7, 50]) {
    const { items, count } = await pages("get_history", { userId, limit }, "events");
    assert.equal(count, Math.ceil(last / limit));
    assert.deepEqual(items.map(({ version }) => version), states.slice(1).map(({ version }) => version));
  }
  const { events, version } = await ask("get_history", { userId, fromVersion: last - 1 });
  assert.deepEqual([version, events.map(({ event }) => event)], [last, ["user_blocked", "user_activated"]]);
  assert.deepEqual(events[0].userBlocked, { reason: "spam", until: { seconds: 4_000_000_000, nanos: 0 } });
  assert.deepEqual([events[1].actor, events[1].commandId], ["support/7", states[last].commandId]);
  assert.deepEqual(events[1].time, states[last].updatedAt);

  for (const { commandId: _id, ...state } of states.slice(1)) {
    assert.deepEqual(await ask("get_at", { userId, version: state.version }), state);
    assert.deepEqual(await ask("get_at", { userId, time: state.updatedAt }), state);
  }
  await done("delete", { userId });
  assert.equal((await ask("get_at", { userId, version: last })).lastName, "19");
  assert.equal((await ask("get_history", { userId, fromVersion: last })).events.at(-1).event, "user_deleted");
  const gone = await refused("get_at", { userId, version: last + 1 }, "DELETED");
  assert.equal(gone.currentVersion, last + 1);
  const early = await refused("get_at", { userId, version: last + 2 }, "NOT_FOUND");
  assert.equal(early.currentVersion, last + 1);
  await refused("get_at", { userId, time: { seconds: 1 } }, "NOT_FOUND");
  await refused("get_at", { userId, time: { seconds: 4_000_000_000 } }, "INVALID_ARGUMENT", "time");
  await refused("get_at", { userId }, "INVALID_ARGUMENT", "version");
  await refused("get_at", { userId, version: 1, time: { seconds: 1 } }, "INVALID_ARGUMENT", "version");
  assert.deepEqual((await ask("get_history", { userId, fromVersion: 10_000 })).events, []);
  for (const method of ["get_history", "get_at", "list_profile_views"]) {
    await refused(method, { userId: nobody, ...(method === "get_at" && { version: 1 }) }, "NOT_FOUND");
  }
});

/** A user whose profile was viewed so often that it is at that version. */
async function viewed(version) {
  const { userId } = await create();
  await done("activate", { userId });
  const [{ partition, position }] = await rig.sql(`SELECT partition, position FROM lumin.events WHERE user_id = '${userId}' ORDER BY version LIMIT 1`);
  await rig.sql(
    `INSERT INTO lumin.events (user_id, version, partition, position, type, time_ns, command_id, body)
     SELECT user_id, i, ${partition}, ${position} + 1000000 + i, 16, time_ns + i, gen_random_uuid(), convert_to(chr(10) || chr(36) || gen_random_uuid(), 'UTF8')
       FROM lumin.events, generate_series(3, ${version}) AS i WHERE user_id = '${userId}' AND version = 2`,
  );
  await rig.sql(`UPDATE lumin.users SET version = ${version}, profile_views = ${version - 2} WHERE user_id = '${userId}'`);
  return userId;
}

test("get_at folds a user with more events than one piece holds", async () => {
  const userId = await viewed(5000);
  const found = await Promise.all([2, 3, 1000, 1001, 4999].map((version) => ask("get_at", { userId, version })));
  assert.deepEqual(found.map(({ profileViews }) => profileViews), [0, 1, 998, 999, 4997]);
});

test("get_at of users with very many events: one after another to its end, with others' answers in between", async () => {
  const userId = await viewed(12_000);
  const email = `${crypto.randomUUID()}@example.com`;
  await create({ email });
  const order = [];
  const all = Array.from({ length: 16 }, async (_none, i) => {
    const found = await request(gateway, "get_at", { userId, version: 11_999 }, { timeout: 60_000, headers: { "Lumin-Timeout-Ms": 30_000 } });
    order.push(i);
    assert.equal(found.as("User").profileViews, 11_997);
  });
  let over = false;
  const ended = Promise.all(all).then(() => (over = true));
  const find = async () => {
    while (!over) {
      await ask("find_by_email", { email });
      order.push("find");
    }
  };
  await Promise.all([ended, find(), find(), find(), find()]);
  // One piece of each by turns would bring them all to their ends together.
  const [first, last] = [order.findIndex((who) => who !== "find"), order.findLastIndex((who) => who !== "find")];
  const between = order.slice(first, last).filter((who) => who === "find").length;
  assert.ok(between >= 16, `${between} others in between: ${order.join(" ")}`);
  // Whose time is over while others have their turns is told so.
  const late = Array.from({ length: 16 }, () =>
    request(gateway, "get_at", { userId, version: 11_999 }, { headers: { "Lumin-Timeout-Ms": 1 } }),
  );
  for (const { reason } of await Promise.all(late)) assert.match(reason, /^DEADLINE_EXCEEDED: the user has too many events/);
});

test("list: each user exactly once in the order of creation, while users are written", async () => {
  const created = [];
  const begun = { seconds: Math.floor(Date.now() / 1000) - 1 };
  for (let i = 0; i < 60; i++) created.push((await create()).userId);
  let over = false;
  const writing = (async () => {
    for (let i = 0; !over; i++) {
      const userId = created[i % created.length];
      const { version } = await ask("get", { userId });
      const method = ["activate", "deactivate", "change_bio"][i % 3];
      await request(gateway, method, { userId, ...(method === "change_bio" && { bio: `${version}` }) });
      await create();
    }
  })();
  for (const limit of [7, 25]) {
    const { items } = await pages("list", { createdFrom: begun, limit }, "users");
    const order = items.map(({ createdAt }) => nanoseconds(createdAt));
    assert.ok(order.every((time, i) => i === 0 || order[i - 1] <= time));
    const ids = items.map(({ userId }) => userId);
    assert.equal(new Set(ids).size, ids.length);
    assert.deepEqual(ids.filter((id) => created.includes(id)), created);
  }
  over = true;
  await writing;
});

test("list: by status, with blocks that have ended taken away, and by time of creation", async () => {
  const from = 1_100_000_000_000_000_000n;
  const range = { createdFrom: { seconds: 1_100_000_000 }, createdUntil: { seconds: 1_100_000_100 } };
  const hour = 3600n * 1_000_000_000n;
  const now = BigInt(Date.now()) * 1_000_000n;
  const kinds = [
    { userStatus: 1, means: "PENDING" },
    { userStatus: 2, means: "ACTIVE" },
    { userStatus: 3, means: "DEACTIVATED" },
    { userStatus: 4, before: 2, means: "BLOCKED" },
    { userStatus: 5, means: "DELETED" },
    { userStatus: 4, before: 1, until: now - hour, means: "PENDING" },
    { userStatus: 4, before: 2, until: now - hour, means: "ACTIVE" },
    { userStatus: 4, before: 3, until: now - hour, means: "DEACTIVATED" },
    { userStatus: 4, before: 1, until: now + hour, means: "BLOCKED" },
    { userStatus: 4, before: 2, until: now + hour, means: "BLOCKED" },
    { userStatus: 4, before: 3, until: now + hour, means: "BLOCKED" },
  ];
  for (const { means: _means, ...kind } of kinds) await rows(9, { ...kind, from });
  const expected = (statuses) => 9 * kinds.filter(({ means }) => statuses.includes(means)).length;
  const filters = [["PENDING"], ["ACTIVE"], ["DEACTIVATED"], ["BLOCKED"], ["DELETED"], ["ACTIVE", "BLOCKED"], ["PENDING", "DEACTIVATED", "DELETED"]];
  const living = ["PENDING", "ACTIVE", "DEACTIVATED", "BLOCKED"];
  for (const statuses of [[], ...filters]) {
    const { items } = await pages("list", { statuses: statuses.map(status), limit: 4, ...range }, "users");
    const wanted = statuses.length > 0 ? statuses : living;
    assert.equal(new Set(items.map(({ userId }) => userId)).size, expected(wanted), `${statuses}`);
    assert.equal(items.length, expected(wanted), `${statuses}`);
    assert.ok(items.every((user) => wanted.map(status).includes(user.status)));
    const keys = items.map(({ createdAt, userId }) => `${nanoseconds(createdAt)} ${userId}`);
    assert.deepEqual(keys, [...keys].sort());
  }
  const within = async (createdFrom, createdUntil) => (await pages("list", { createdFrom, createdUntil }, "users")).items.length;
  const at = (nanos) => ({ seconds: 1_100_000_000, nanos });
  const perNanosecond = (expected(living) * 2) / 9;
  assert.equal(await within(at(0), at(1)), perNanosecond);
  assert.equal(await within(at(1), at(3)), 2 * perNanosecond);
  assert.equal(await within(at(3), at(3)), 0);
  assert.equal(await within({ seconds: 4_000_000_000 }, undefined), 0);
  await rig.sql("DELETE FROM lumin.users WHERE first_name = 'Row'");
});

test("list_profile_views: the last one first, each viewer once", async () => {
  const { userId } = await create();
  await done("activate", { userId });
  const viewers = Array.from({ length: 23 }, () => crypto.randomUUID());
  for (const viewerId of [...viewers, viewers[4]]) await done("record_profile_view", { userId, viewerId });
  const { items } = await pages("list_profile_views", { userId, limit: 5 }, "views");
  const order = viewers.filter((_id, i) => i !== 4).reverse();
  assert.deepEqual(items.map(({ viewerId }) => viewerId), [viewers[4], ...order]);
  assert.deepEqual(items.map(({ viewCount }) => viewCount), [2, ...order.map(() => 1)]);
  assert.equal((await ask("list_profile_views", { userId })).profileViews, 24);
  await done("delete", { userId });
  await refused("list_profile_views", { userId }, "DELETED");
});

// The user is read, and then its viewers, who are locked until somebody has looked in between.
test("list_profile_views: the user and its viewers are of one moment", async () => {
  const { userId } = await create();
  const client = await rig.postgres.client({ connectionString: rig.postgres.superuserUrl });
  try {
    await client.query("BEGIN; LOCK lumin.profile_views");
    const asked = ask("list_profile_views", { userId });
    const waits = "SELECT count(*)::int AS count FROM pg_locks WHERE NOT granted AND relation = 'lumin.profile_views'::regclass";
    await rig.sqlUntil(waits, ({ count }) => count === 1);
    const view = "INSERT INTO lumin.profile_views (user_id, viewer_id, last_viewed_ns, view_count) VALUES ($1, $2, 1, 1)";
    await client.query(view, [userId, crypto.randomUUID()]);
    await client.query("COMMIT");
    assert.deepEqual((await asked).views, []);
    assert.equal((await ask("list_profile_views", { userId })).views.length, 1);
  } finally {
    await client.query("DELETE FROM lumin.profile_views WHERE user_id = $1", [userId]);
    await client.end();
  }
});

test("page tokens that were changed, or come from elsewhere, and limits beyond all bounds", async () => {
  const [ada, eve] = [await create(), await create()];
  await done("activate", { userId: ada.userId });
  const { nextPageToken: ofList } = await ask("list", { limit: 1 });
  const { nextPageToken: ofHistory } = await ask("get_history", { userId: ada.userId, limit: 1 });
  assert.ok(ofList && ofHistory);
  const foreign = [
    ["list", { pageToken: ofHistory }],
    ["list", { pageToken: ofList, statuses: [status("ACTIVE")] }],
    ["list", { pageToken: `${ofList.slice(0, -1)}${ofList.endsWith("A") ? "E" : "A"}` }],
    ["list", { pageToken: "1" }],
    ["get_history", { userId: eve.userId, pageToken: ofHistory }],
    ["get_history", { userId: ada.userId, pageToken: ofList }],
    ["list_profile_views", { userId: ada.userId, pageToken: ofHistory }],
  ];
  for (const [method, message] of foreign) await refused(method, message, "INVALID_ARGUMENT", "page_token");
  assert.equal((await ask("get_history", { userId: ada.userId, pageToken: ofHistory, limit: 1_000_000_000 })).events[0].version, 2);
  await rows(600, { from: 1_200_000_000_000_000_000n });
  const range = { createdFrom: { seconds: 1_200_000_000 }, createdUntil: { seconds: 1_200_000_001 } };
  assert.equal((await ask("list", range)).users.length, 50);
  assert.equal((await ask("list", { ...range, limit: 1_000_000_000 })).users.length, 500);
  await rig.sql("DELETE FROM lumin.users WHERE first_name = 'Row'");
  await refused("list", { statuses: [9] }, "INVALID_ARGUMENT", "statuses[0]");
  await refused("list", { createdFrom: { nanos: -1 } }, "INVALID_ARGUMENT", "created_from");
});

test("JSON says the same as protobuf", async () => {
  const { userId } = await create({ email: "json@example.com", phone: "+15550100900", bio: "Zählt." });
  await done("activate", { userId });
  const asked = {
    get_many: { userIds: [userId, nobody] },
    find_by_email: { email: "JSON@example.com" },
    find_by_phone: { phone: "+15550100900" },
    get_profile: { userId, viewerId: userId },
    get_history: { userId, limit: 1 },
    get_at: { userId, version: 1 },
    list_profile_views: { userId },
  };
  for (const [method, message] of Object.entries(asked)) {
    const answer = await request(gateway, method, Buffer.from(JSON.stringify(message)));
    assert.equal(answer.code, 0, answer.reason);
    assert.equal(answer.headers.get("Content-Type"), "application/json");
    const told = JSON.stringify(documentOf(answer)).replace(/"(\d+)"/g, "$1");
    const plain = JSON.stringify(await ask(method, message));
    for (const part of [userId, "Zählt.", "+15550100900"]) assert.equal(told.includes(part), plain.includes(part), `${method}: ${part}`);
    assert.deepEqual(Object.keys(JSON.parse(told)).sort(), Object.keys(JSON.parse(plain)).filter((key) => key !== "blockedUntil").sort(), method);
  }
});

test("luminctl: repeated fields, pages, versions", async () => {
  const [ada, eve] = [await create(), await create({ lastName: "Last" })];
  const luminctl = (args) => rig.run("luminctl", args, { role: "gateway" });
  const many = await luminctl(["get-many", "--user-ids", eve.userId, "--user-ids", ada.userId, "--json"]);
  assert.deepEqual(JSON.parse(many.stdout).users.map(({ userId }) => userId), [eve.userId, ada.userId]);
  const page = await luminctl(["list", "--statuses", "pending", "--statuses", "blocked", "--limit", "1"]);
  const [, token] = /^next_page_token +(\S+)$/m.exec(page.stdout);
  assert.match(page.stdout, /^users\[0\]\.status +(PENDING|BLOCKED)$/m);
  const next = await luminctl(["list", "--statuses", "pending", "--statuses", "blocked", "--page-token", token]);
  assert.equal(next.code, 0, next.stderr);
  const late = await luminctl(["get", "--user-id", ada.userId, "--min-version", "9", "--timeout", "8s"]);
  assert.deepEqual([late.code, /current version: 1/.test(late.stderr)], [3, true], late.stderr);
});
