// SPDX-License-Identifier: MIT
// The read tables made anew from the events: what differs is named and mended, while the service runs.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import test, { after } from "node:test";
import { Rig, eventually, request } from "../support/servers.mjs";
import { Book, newUser, quick, times } from "../support/traps.mjs";

const rig = await Rig.start({ after }, { name: "rebuild" });
await rig.setup();
const publisher = await rig.connect("command_publisher");
const gateway = await rig.connect("gateway");
let worker = await rig.worker({ env: quick });

const rebuild = (...args) => rig.run("lumin-user", ["rebuild", ...args], { role: "operator", timeout: 60_000 });
const verify = () => rig.run("lumin-user", ["verify"], { role: "operator", timeout: 60_000 });
const row = async (id) => (await rig.sql("SELECT * FROM lumin.users WHERE user_id = $1", [id]))[0];
const quoted = (id) => new RegExp(`user ${id}`);

async function fine() {
  const { code, stdout, stderr } = await verify();
  assert.equal(code, 0, stdout + stderr);
}

async function changeBio(userId, bio) {
  const answer = await request(gateway, "change_bio", { userId, bio });
  assert.equal(answer.code, 0);
}

const users = times(30, () => newUser());

test("of a sound system nothing differs, and what takes its place is the same", async () => {
  const book = new Book(rig, publisher);
  await book.fill(300, users);
  await book.check();
  const before = await rig.sql("SELECT * FROM lumin.users ORDER BY user_id");
  const { code, stdout, stderr } = await rebuild("--check");
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /ok +6 users +\d+ users/);
  const exchange = await rebuild();
  assert.equal(exchange.code, 0, exchange.stdout + exchange.stderr);
  assert.match(exchange.stdout, /exchanged: \d+ users, 0 of them written meanwhile/);
  assert.match(exchange.stderr, /\d+ of \d+ events/);
  assert.deepEqual(await rig.sql("SELECT * FROM lumin.users ORDER BY user_id"), before);
  await fine();
});

test("every kind of difference is named before it is mended", async () => {
  const held = "SELECT user_id FROM lumin.users u JOIN lumin.identifiers i USING (user_id) WHERE u.status <> 5 LIMIT 3";
  const [wrong, gone, unclaimed] = (await rig.sql(held)).map(({ user_id: id }) => id);
  const stranger = crypto.randomUUID();
  const truth = await row(wrong);
  await rig.sql("UPDATE lumin.users SET first_name = 'Wrong' WHERE user_id = $1", [wrong]);
  await rig.sql(
    `INSERT INTO lumin.users (user_id, version, status, first_name, last_name, email, email_key, phone, email_verified,
                              phone_verified, created_ns, updated_ns)
     VALUES ($1, 1, 1, 'No', '', '', '', '', false, false, 1, 1)`,
    [stranger],
  );
  await rig.sql("DELETE FROM lumin.users WHERE user_id = $1", [gone]);
  await rig.sql("DELETE FROM lumin.identifiers WHERE user_id = $1", [unclaimed]);
  await rig.sql("INSERT INTO lumin.identifiers VALUES (1, 'nobody@example.com', $1)", [wrong]);
  // What a lane now remembers of `wrong` comes from the wrong row.
  await worker.stop();
  worker = await rig.worker({ env: quick });
  await changeBio(wrong, "one");

  const check = await rebuild("--check");
  assert.equal(check.code, 1);
  for (const id of [wrong, gone, unclaimed, stranger]) assert.match(check.stdout, quoted(id));
  assert.match(check.stdout, new RegExp(`user ${wrong}: first_name of its row is not that of its events`));
  assert.ok(!/Wrong|nobody@/.test(check.stdout + check.stderr), "no personal data");
  assert.equal((await row(wrong)).first_name, "Wrong", "--check changes nothing");

  const mend = await rebuild();
  assert.equal(mend.code, 0, mend.stdout + mend.stderr);
  for (const id of [wrong, gone, unclaimed, stranger]) assert.match(mend.stdout, quoted(id));
  await fine();
  await changeBio(wrong, "two");
  assert.equal((await row(wrong)).first_name, truth.first_name, "no lane writes back what it remembers");
  assert.equal(await row(stranger), undefined);
  await fine();
});

test("under load: nothing is lost, and what an operator added is still there", async () => {
  await rig.sql("CREATE INDEX by_first_name ON lumin.users (first_name) WHERE status = 2");
  await rig.sql("GRANT SELECT ON lumin.users TO PUBLIC");
  const book = new Book(rig, publisher);
  let loading = true;
  const load = (async () => {
    while (loading) await book.fill(60);
  })();
  const written = [];
  for (let i = 0; i < 3; i++) {
    const { code, stdout, stderr } = await rebuild();
    assert.equal(code, 0, stdout + stderr);
    written.push(Number(/, (\d+) of them/.exec(stdout)[1]));
  }
  loading = false;
  await load;
  await book.check();
  await fine();
  assert.ok(written.some((count) => count > 0), `written meanwhile: ${written}`);
  const names = async (table) =>
    (await rig.sql("SELECT indexname FROM pg_indexes WHERE tablename = $1 ORDER BY 1", [table])).map(
      ({ indexname }) => indexname,
    );
  assert.deepEqual((await names("users")).filter((name) => /rebuilt/.test(name)), []);
  assert.ok((await names("users")).includes("users_pkey") && (await names("users")).includes("by_first_name"));
  assert.deepEqual(await names("identifiers"), ["identifiers_pkey"]);
  const [{ acl, options }] = await rig.sql(
    "SELECT relacl::text AS acl, reloptions::text AS options FROM pg_class WHERE oid = 'lumin.users'::regclass",
  );
  assert.match(acl, /=r\//);
  assert.match(options, /fillfactor=80/);
  const left = await rig.sql("SELECT FROM pg_class WHERE relname LIKE '%_rebuilt'");
  assert.equal(left.length, 0);
});

test("where something depends on a live table nothing is replaced, and it says what", async () => {
  await rig.sql("CREATE VIEW lumin.names AS SELECT first_name FROM lumin.users");
  const { code, stderr } = await rebuild();
  assert.equal(code, 1);
  assert.match(stderr, /other objects depend on (it|them); nothing was replaced/);
  assert.equal((await rig.sql("SELECT FROM pg_class WHERE relname LIKE '%_rebuilt'")).length, 0);
  await rig.sql("DROP VIEW lumin.names");
  assert.equal((await rebuild()).code, 0);
});

test("one at a time, and an event that cannot be read stops it", async () => {
  const client = await rig.postgres.client();
  await client.query("SELECT pg_advisory_lock(hashtext('lumin.rebuild'))");
  const second = await rebuild();
  assert.equal(second.code, 1);
  assert.match(second.stderr, /another rebuild is running/);
  await client.query("SELECT pg_advisory_unlock(hashtext('lumin.rebuild'))");
  await client.end();
  const [{ user_id: id, body }] = await rig.sql("SELECT user_id, body FROM lumin.events WHERE version = 1 LIMIT 1");
  const set = (bytes) => rig.sql("UPDATE lumin.events SET body = $1 WHERE user_id = $2 AND version = 1", [bytes, id]);
  await set(Buffer.from([0xff]));
  const { code, stderr } = await rebuild();
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`user ${id}: the event of version 1 cannot be read`));
  await set(body);
  await eventually(async () => (await rebuild("--check")).code === 0, { what: "a sound system" });
});
