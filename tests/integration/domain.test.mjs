// SPDX-License-Identifier: MIT
// The whole domain on real servers: each command from its caller to row, event and reply; blocks that end; views at
// rate; and that what is stored is what the events say (lumin-user verify).
import assert from "node:assert/strict";
import crypto from "node:crypto";
import test, { after } from "node:test";
import { Rig, decode, messageName, publishCommand, readStream, request, sleep, streams } from "../support/servers.mjs";

const rig = await Rig.start({ after }, { name: "domain" });
await rig.setup();
await rig.worker();
const [gateway, publisher, operator] = [
  await rig.connect("gateway"),
  await rig.connect("command_publisher"),
  await rig.connect("operator"),
];

async function done(method, message, status = "APPLIED") {
  const answer = await request(gateway, method, message);
  const outcome = answer.as("Outcome");
  assert.equal(outcome.status, `OUTCOME_STATUS_${status}`, `${method}: ${answer.reason}`);
  return outcome;
}

async function refused(method, message, reason, field = "") {
  const answer = await request(gateway, method, message);
  const { error } = answer.as("Outcome");
  assert.deepEqual([error?.reason, error?.field], [`REASON_${reason}`, field], `${method}: ${answer.reason}`);
  return error;
}

async function get(userId) {
  const answer = await request(gateway, "get", { userId });
  assert.equal(answer.code, 0, answer.reason);
  return answer.as("User");
}

async function verified() {
  const run = await rig.run("lumin-user", ["verify"], { role: "operator" });
  assert.equal(run.code, 0, run.stdout + run.stderr);
}

const everyone = "VISIBILITY_EVERYONE";
const contacts = "VISIBILITY_CONTACTS";
const nobody = "VISIBILITY_NOBODY";
const defaults = { email: nobody, phone: nobody, birthDate: contacts, bio: everyone, avatar: everyone, profileViews: nobody };

test("a whole life, read back after every step", async () => {
  const created = await done("create", {
    firstName: "Ada",
    lastName: "Lovelace",
    email: "ada@example.com",
    phone: "+44 20 7946 0958",
    languageCode: "EN-gb",
    bio: "Counts\r\nengines.",
    birthDate: "1915-12-10",
    avatarUrl: "HTTPS://Example.com/Ada.png",
    privacySettings: { email: contacts },
  });
  const { userId } = created;
  const first = await get(userId);
  const { createdAt, updatedAt, ...rest } = first;
  assert.deepEqual(createdAt, updatedAt);
  assert.deepEqual(rest, {
    userId,
    version: 1,
    status: "USER_STATUS_PENDING",
    firstName: "Ada",
    lastName: "Lovelace",
    email: "ada@example.com",
    emailVerified: false,
    phone: "+442079460958",
    phoneVerified: false,
    languageCode: "en-GB",
    bio: "Counts\nengines.",
    birthDate: "1915-12-10",
    avatarUrl: "https://example.com/Ada.png",
    privacySettings: { ...defaults, email: contacts },
    profileViews: 0,
    blockReason: "",
    blockedUntil: null,
  });

  const viewerId = crypto.randomUUID();
  const steps = [
    ["record_profile_view", { viewerId }, "INVALID_STATE"],
    ["activate", {}, { status: "USER_STATUS_ACTIVE" }],
    ["activate", {}, "INVALID_STATE"],
    ["record_profile_view", { viewerId }, { profileViews: 1 }],
    ["confirm_email", { email: "ada@example.com" }, { emailVerified: true }],
    ["confirm_phone", { phone: "+442079460958" }, { phoneVerified: true }],
    ["change_email", { email: "king@example.com" }, { email: "king@example.com", emailVerified: false }],
    ["change_phone", { phone: "" }, { phone: "", phoneVerified: false }],
    ["change_username", { firstName: "Augusta", lastName: "King" }, { firstName: "Augusta", lastName: "King" }],
    ["change_bio", { bio: "" }, { bio: "" }],
    ["change_birth_date", { birthDate: "1916-02-29" }, { birthDate: "1916-02-29" }],
    ["change_avatar_url", { avatarUrl: "" }, { avatarUrl: "" }],
    ["change_language_code", { languageCode: "zh-hant-tw" }, { languageCode: "zh-Hant-TW" }],
    ["change_privacy_settings", { privacySettings: { bio: nobody } }, { privacySettings: { ...defaults, email: contacts, bio: nobody } }],
    ["deactivate", {}, { status: "USER_STATUS_DEACTIVATED" }],
    ["block", { reason: "spam" }, { status: "USER_STATUS_BLOCKED", blockReason: "spam" }],
    ["block", { reason: "spam" }, "INVALID_STATE"],
    ["activate", {}, { status: "USER_STATUS_ACTIVE", blockReason: "" }],
    [
      "update",
      { updateMask: { paths: ["bio", "phone", "privacy_settings.bio"] }, bio: "Sings.", phone: "+442079460959", privacySettings: { bio: everyone } },
      { bio: "Sings.", phone: "+442079460959", privacySettings: { ...defaults, email: contacts } },
    ],
    ["upsert", { firstName: "Ada", lastName: "King" }, { firstName: "Ada" }],
  ];
  for (const [method, fields, expected] of steps) {
    const before = await get(userId);
    if (typeof expected === "string") {
      const error = await refused(method, { userId, ...fields }, expected);
      assert.equal(error.currentStatus, before.status);
      continue;
    }
    const { version } = await done(method, { userId, ...fields });
    const { updatedAt: _then, version: _old, ...known } = before;
    const { updatedAt: _now, version: now, ...read } = await get(userId);
    assert.equal(now, version);
    assert.deepEqual(read, { ...known, ...expected }, method);
    if (method !== "record_profile_view") {
      if (!["activate", "block", "deactivate"].includes(method)) await done(method, { userId, ...fields }, "UNCHANGED");
    }
  }
  await verified();
  const { version } = await done("delete", { userId });
  assert.equal((await request(gateway, "get", { userId })).code, 410);
  const [row] = await rig.sql(`SELECT * FROM lumin.users WHERE user_id = '${userId}'`);
  assert.equal(Number(row.version), version);
  for (const name of ["first_name", "bio", "birth_date", "language_code", "avatar_url", "block_reason"]) assert.equal(row[name], "");
  assert.deepEqual([Number(row.privacy), Number(row.profile_views)], [0, 0]);
  assert.deepEqual(await rig.sql(`SELECT * FROM lumin.profile_views WHERE user_id = '${userId}'`), []);

  await rig.sqlUntil("SELECT sum(event_position - relayed_position)::int AS left FROM lumin.partitions", ({ left }) => left === 0);
  const events = (await readStream(operator, streams.events)).filter(({ subject }) => subject.endsWith(userId));
  assert.equal(events.length, version);
  for (const event of events) {
    const name = event.subject.split(".")[4];
    decode(messageName(name), event.data); // each is what its name says
  }
  await verified();
});

test("what is wrong is told with its field", async () => {
  const { userId } = await done("create", { firstName: "Eve", email: "eve@example.com" });
  await refused("change_birth_date", { userId, birthDate: "2023-02-29" }, "INVALID_ARGUMENT", "birth_date");
  await refused("change_language_code", { userId, languageCode: "de_DE" }, "INVALID_ARGUMENT", "language_code");
  await refused("change_avatar_url", { userId, avatarUrl: "http://example.com" }, "INVALID_ARGUMENT", "avatar_url");
  await refused("confirm_email", { userId, email: "ada@example.com" }, "INVALID_ARGUMENT", "email");
  await refused("update", { userId, updateMask: { paths: ["nickname"] } }, "INVALID_ARGUMENT", "update_mask.nickname");
  await refused("block", { userId, reason: "x", until: { seconds: 1 } }, "INVALID_ARGUMENT", "until");
  await refused("change_phone", { userId: crypto.randomUUID(), phone: "+442079460958" }, "NOT_FOUND");
  assert.equal((await get(userId)).version, 1);
});

test("a block with an end is over when the time has come, for readers and for commands", async () => {
  const { userId } = await done("create", { firstName: "Bob", email: "bob@example.com" });
  await done("activate", { userId });
  const until = Math.floor(Date.now() / 1000) + 3;
  await done("block", { userId, reason: "cool down", until: { seconds: until } });
  const blocked = await get(userId);
  assert.equal(blocked.status, "USER_STATUS_BLOCKED");
  assert.equal(blocked.blockedUntil.seconds, until);
  await refused("record_profile_view", { userId, viewerId: crypto.randomUUID() }, "INVALID_STATE");
  await sleep(until * 1000 - Date.now() + 50);
  const free = await get(userId);
  assert.equal(free.status, "USER_STATUS_ACTIVE");
  assert.deepEqual([free.blockReason, free.blockedUntil, free.version], ["", null, blocked.version]);
  await done("record_profile_view", { userId, viewerId: crypto.randomUUID() });
  assert.equal((await get(userId)).status, "USER_STATUS_ACTIVE");
  await verified();
});

test("thousands of views of one profile: the count exact, each viewer's last view kept", async () => {
  const { userId } = await done("create", { firstName: "Cleo", email: "cleo@example.com" });
  await done("activate", { userId });
  const viewers = Array.from({ length: 20 }, () => crypto.randomUUID());
  const total = 4000;
  const view = (i) => publishCommand(publisher, "record_profile_view", userId, { viewerId: viewers[(i * i) % 20] });
  for (let sent = 0; sent < total; sent += 400) await Promise.all(Array.from({ length: 400 }, (_, i) => view(sent + i)));
  await rig.sqlUntil(`SELECT version::int AS version FROM lumin.users WHERE user_id = '${userId}'`, ({ version }) => version === total + 2, { timeout: 60_000 });
  assert.equal((await get(userId)).profileViews, total);
  const stored = await rig.sql(
    `SELECT viewer_id, view_count::int AS count, last_viewed_ns::text AS last FROM lumin.profile_views WHERE user_id = '${userId}' ORDER BY viewer_id`,
  );
  const told = await rig.sql(
    `SELECT substring(convert_from(body, 'UTF8') FROM 3)::uuid AS viewer_id, count(*)::int AS count, max(time_ns)::text AS last
       FROM lumin.events WHERE user_id = '${userId}' AND type = 16 GROUP BY 1 ORDER BY 1`,
  );
  assert.deepEqual(stored, told);
  await verified();
});
