// SPDX-License-Identifier: MIT
// lumin-user setup: both sides made from nothing, checked where they exist, changed never; and the words around it.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test, { after } from "node:test";
import { Rig, jetstreamApi, prefix, streams, updateStream } from "../support/servers.mjs";

const { commands, events, dead } = streams;

const rig = await Rig.start({ after }, { name: "setup" });
const operator = await rig.connect("operator");

const setup = (options = {}) => rig.run("lumin-user", ["setup", ...(options.args ?? [])], { role: "setup", ...options });
const config = async (stream) => (await jetstreamApi(operator, `STREAM.INFO.${stream}`)).config;
const seconds = (count) => count * 1e9;

test("a database without schema is told so", async () => {
  const done = await rig.run("lumin-user", ["worker"], { role: "worker" });
  assert.equal(done.code, 1);
  assert.match(done.stderr, /schema_unfit .*migrations are applied: run lumin-user setup/);
});

test("from nothing: schema, settings, partitions and streams", async () => {
  const done = await setup();
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, /^applied migration 0001_initial$/m);
  assert.match(done.stdout, /^commands are mapped to 32 partitions$/m);
  for (const stream of [commands, events, dead]) assert.match(done.stdout, new RegExp(`^made stream ${stream} `, "m"));

  assert.deepEqual(await rig.sql("SELECT partitions, prefix FROM lumin.settings"), [{ partitions: 32, prefix }]);
  const [{ count, low, high }] = await rig.sql(
    "SELECT count(*)::int, min(partition) AS low, max(partition) AS high FROM lumin.partitions",
  );
  assert.deepEqual([count, low, high], [32, 0, 31]);
  const [row] = await rig.sql("SELECT number, name, length(checksum) AS length FROM lumin.migrations");
  assert.deepEqual(row, { number: 1, name: "0001_initial", length: 64 });
});

test("the streams have the limits of the design", async () => {
  const [of_commands, of_events, of_dead] = [await config(commands), await config(events), await config(dead)];
  assert.deepEqual(of_commands.subjects, [`${prefix}.command.*.*.*`]);
  assert.equal(of_commands.discard, "new");
  assert.equal(of_commands.max_msgs, 10_000_000);
  assert.equal(of_commands.max_bytes, -1);
  assert.equal(of_commands.max_age, seconds(7 * 86400));
  assert.ok(!of_commands.allow_direct);
  assert.deepEqual(of_events.subjects, [`${prefix}.event.*.*`]);
  assert.equal(of_events.discard, "old");
  assert.equal(of_events.max_age, 0);
  assert.equal(of_events.max_msgs, -1);
  assert.equal(of_events.duplicate_window, seconds(120));
  assert.ok(!of_events.allow_rollup_hdrs && !of_events.deny_delete && !of_events.deny_purge);
  assert.deepEqual(of_dead.subjects, [`${prefix}.dead.*.*`]);
  assert.equal(of_dead.max_age, seconds(30 * 86400));
  for (const each of [of_commands, of_events, of_dead]) {
    assert.deepEqual([each.retention, each.storage, each.num_replicas], ["limits", "file", 1]);
  }
});

test("the probes lie in the partitions of their users", async () => {
  const { state } = await jetstreamApi(operator, `STREAM.INFO.${commands}`);
  assert.equal(state.messages, 2);
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    const { message } = await jetstreamApi(operator, `STREAM.MSG.GET.${commands}`, { seq });
    assert.match(message.subject, /^lumin\.user\.v1\.command\.\d+\.probe\.[0-9a-f-]{36}$/);
  }
});

test("again: nothing is made or changed", async () => {
  const before = [await config(commands), await config(events), await config(dead)];
  const done = await setup();
  assert.equal(done.code, 0, done.stderr);
  assert.doesNotMatch(done.stdout, /^(made|applied|fixed)/m);
  assert.deepEqual([await config(commands), await config(events), await config(dead)], before);
});

test("several at once", async () => {
  await rig.sql("DROP SCHEMA lumin CASCADE");
  const all = await Promise.all([setup(), setup(), setup(), setup()]);
  assert.deepEqual(all.map((done) => [done.code, done.stderr]), all.map(() => [0, ""]));
  assert.equal(all.filter((done) => /^applied migration/m.test(done.stdout)).length, 1);
});

test("another number of partitions or another prefix is refused, by setup and by a worker", async () => {
  for (const word of ["setup", "worker"]) {
    const run = (args) => rig.run("lumin-user", [word, ...args], { role: word });
    const partitions = await run(["--set", "partitions=16"]);
    assert.equal(partitions.code, 78);
    assert.match(partitions.stderr, /partitions is 16 here, and 32 in the database: set it to 32, or see lumin-user repartition 16/);
    const other = await run(["--set", "service.prefix=other.v1"]);
    assert.equal(other.code, 78);
    assert.match(other.stderr, /service.prefix is other.v1 here, and lumin.user.v1 was fixed/);
  }
});

test("a stream that differs is named with what is expected, and left alone", async () => {
  const good = await config(commands);
  await updateStream(operator, commands, { max_age: seconds(3600), max_msgs: 5000, discard: "old" });
  await updateStream(operator, events, { duplicate_window: seconds(10) });
  const bad = await config(commands);
  const done = await setup();
  assert.equal(done.code, 1);
  const lines = done.stderr.split("\n");
  for (const line of [
    `${commands}: max_age is 3600s, expected 604800s`,
    `${commands}: max_msgs is 5000, expected 10000000`,
    `${commands}: discard is old, expected new`,
    `${events}: duplicate_window is 10s, expected at least 120s`,
  ]) {
    assert.ok(lines.includes(`lumin-user setup: stream ${line}`), `${line} in\n${done.stderr}`);
  }
  assert.deepEqual(await config(commands), bad);
  await jetstreamApi(operator, `STREAM.UPDATE.${commands}`, good);
  await updateStream(operator, events, { duplicate_window: seconds(120) });
});

test("the operator may limit the events as he likes", async () => {
  await updateStream(operator, events, { max_age: seconds(86400), max_bytes: 1 << 30, duplicate_window: seconds(300) });
  assert.equal((await setup()).code, 0);
});

test("a worker without its streams ends and says what to do", async () => {
  await jetstreamApi(operator, `STREAM.DELETE.${dead}`);
  const done = await rig.run("lumin-user", ["worker"], { role: "worker" });
  assert.equal(done.code, 1);
  assert.match(done.stderr, /stream_missing stream=LUMIN_USER_DEAD advice="run lumin-user setup"/);
  assert.equal((await setup()).code, 0);
});

test("a migration that was changed, or that only a newer program knows, stops setup and worker", async () => {
  const [{ checksum }] = await rig.sql("SELECT checksum FROM lumin.migrations WHERE number = 1");
  await rig.sql("UPDATE lumin.migrations SET checksum = repeat('0', 64) WHERE number = 1");
  const changed = await setup();
  assert.equal(changed.code, 1);
  assert.match(changed.stderr, /migration 0001_initial is applied in another text/);
  await rig.sql("UPDATE lumin.migrations SET checksum = $1 WHERE number = 1", [checksum]);

  await rig.sql("INSERT INTO lumin.migrations (number, name, checksum) VALUES (9999, '9999_later', 'x')");
  for (const word of ["setup", "worker"]) {
    const unknown = await rig.run("lumin-user", [word], { role: word });
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /migration 9999_later is applied, which this program does not know/);
  }
  await rig.sql("DELETE FROM lumin.migrations WHERE number = 9999");
  assert.equal((await setup()).code, 0);
});

test("wrong usage and wrong configuration end at once, with one line", async () => {
  const expected = [
    [[], 2, /no word/],
    [["serve"], 2, /no such word: serve/],
    [["setup", "worker"], 2, /one word too many: worker/],
    [["setup", "--force"], 2, /no such option: --force/],
    [["setup", "--local"], 2, /--local belongs to health/],
    [["worker", "--set", "worker.lanes"], 2, /--set needs key=value/],
    [["worker", "--set", "worker.lanes=0"], 78, /worker\.lanes/],
    [["worker", "--set", "worker.lines=2"], 78, /unknown key/],
    [["worker", "--config", "/nonexistent.yaml"], 78, /nonexistent\.yaml/],
  ];
  for (const [args, code, text] of expected) {
    const begun = Date.now();
    const done = await rig.run("lumin-user", args, { role: "worker" });
    assert.equal(done.code, code, `${args.join(" ")}: ${done.stderr}`);
    assert.match(done.stderr, text);
    assert.equal(done.stderr.trimEnd().split("\n").length, 1);
    assert.ok(Date.now() - begun < 4000); // nothing is waited for
  }
});

test("libpq's own variables are honoured, and shown", async () => {
  const url = new URL(rig.postgres.url);
  const env = {
    DATABASE_URL: "",
    PGHOST: url.hostname,
    PGPORT: url.port,
    PGUSER: url.username,
    PGPASSWORD: url.password,
    PGDATABASE: url.pathname.slice(1),
    LUMIN_INBOX_PREFIX: "_INBOX_lumin_gateway", // luminctl's
  };
  const done = await rig.run("lumin-user", ["setup"], { role: "setup", env });
  assert.equal(done.code, 0, done.stderr);
  const { stdout } = await rig.must("lumin-user", ["config"], { role: "setup", env });
  assert.match(stdout, new RegExp(`^ {2}# port: "${url.port}" # environment PGPORT$`, "m"));
  assert.match(stdout, /^ {2}# password: \*\*\* # environment PGPASSWORD$/m);
  assert.ok(!stdout.includes(url.password));
  const wrong = await rig.run("lumin-user", ["setup"], { role: "setup", env: { ...env, PGDATABASE: "nowhere" } });
  assert.equal(wrong.code, 69, wrong.stderr);
});

test("config shows what holds, where it comes from, and no password", async () => {
  const done = await rig.must("lumin-user", ["config", "--set", "worker.lanes=7"], { role: "worker" });
  assert.match(done.stdout, /lanes: 7/);
  assert.ok(!done.stdout.includes(rig.nats.passwords.worker) && !done.stdout.includes("lumin-test"));
  const help = await rig.must("lumin-user", ["--help"]);
  assert.match(help.stdout, /lumin-user worker --config/);
});

// The server's configuration with its mapping changed; `from` and `to` as in accounts.conf.
async function remap(from, to) {
  const file = path.join(rig.nats.folder, "accounts.conf");
  await rig.nats.stop();
  rig.nats.configure({});
  const text = fs.readFileSync(file, "utf8");
  assert.ok(text.includes(from));
  fs.writeFileSync(file, text.replace(from, to));
  await rig.nats.begin();
}

test("without the mapping, or with another number of partitions: the words to add", async () => {
  const advice = `"${prefix}.command.*.*": "${prefix}.command.{{partition(32,2)}}.{{wildcard(1)}}.{{wildcard(2)}}"`;
  for (const other of [16, 31, 33, 64]) {
    await remap("partition(32,2)", `partition(${other},2)`);
    const wrong = await setup();
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /the server counts other partitions/);
    assert.ok(wrong.stderr.includes(advice));
  }
  await remap(`"${prefix}.command.*.*":`, `"${prefix}.other.*.*":`);
  const missing = await setup();
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /no stream takes commands: the server does not map them/);
  assert.ok(missing.stderr.includes(advice));
  await rig.nats.restart({ settings: {} });
  assert.equal((await setup()).code, 0);
});

test("a stream whose files a power cut has left unreadable is made anew, and stays", async () => {
  await rig.nats.stop();
  fs.writeFileSync(path.join(rig.nats.folder, "store/jetstream/LUMIN/streams", events, "meta.sum"), "");
  await rig.nats.begin();
  const done = await setup();
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, new RegExp(`^made stream ${events} `, "m"));
  await rig.nats.restart({ hard: true });
  const again = await setup();
  assert.equal(again.code, 0, again.stderr);
  assert.doesNotMatch(again.stdout, /made stream/);
});

test("servers that are away", async () => {
  const away = { NATS_URL: "nats://127.0.0.1:1", DATABASE_URL: "postgresql://lumin@127.0.0.1:1/lumin" };
  for (const [key, text] of [["NATS_URL", /cannot connect to NATS/], ["DATABASE_URL", /cannot connect to PostgreSQL/]]) {
    const done = await setup({ env: { [key]: away[key] } });
    assert.equal(done.code, 69);
    assert.match(done.stderr, text);
  }
});
