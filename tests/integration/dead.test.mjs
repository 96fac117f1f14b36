// SPDX-License-Identifier: MIT
// `luminctl dead` as the operator, against a real worker: commands die, are seen, are sent again with the id they had,
// and the later outcome takes the place of DEAD.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import net from "node:net";
import test, { after } from "node:test";
import { Rig, decode, encode, eventually, headersOf, jetstreamApi, prefix, request, streams } from "../support/servers.mjs";
import { newUser, partitionOf } from "../support/traps.mjs";

const rig = await Rig.start({ after }, { name: "dead" });
await rig.setup();
let worker = await rig.worker({ wait: false });
const gateway = await rig.connect("gateway");
const publisher = await rig.connect("command_publisher");
const operator = await rig.connect("operator");
await eventually(async () => (await request(gateway, "probe")).code === 0, { timeout: 20_000, what: "a probe" });

const luminctl = (...args) =>
  rig.run("luminctl", args, {
    role: "gateway",
    env: { NATS_OPERATOR_USER: "operator", NATS_OPERATOR_PASSWORD: rig.nats.passwords.operator },
  });
const documents = ({ stdout }) => stdout.trimEnd().split("\n").filter(Boolean).map(JSON.parse);
const listed = async (...args) => documents(await luminctl("dead", "list", "--json", ...args));
const outcomeOf = async (commandId) =>
  (await request(gateway, "command_outcome", { commandId, waitMs: 10_000 })).as("Outcome");
const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/** A command past the mapping: the partition is another user's. Returns its id once it is on the dead stream. */
async function misplace(method, user, message, headers = {}) {
  const id = crypto.randomUUID();
  const before = (await jetstreamApi(operator, `STREAM.INFO.${streams.dead}`)).state.messages;
  const subject = `${prefix}.command.${(partitionOf(user) + 1) % 32}.${method}.${user}`;
  await publisher.jetstream().publish(subject, message, { headers: headersOf({ "Lumin-Command-Id": id, ...headers }) });
  await eventually(
    async () => (await jetstreamApi(operator, `STREAM.INFO.${streams.dead}`)).state.messages > before,
    { timeout: 20_000, what: "a dead command" },
  );
  return id;
}

const ada = newUser();
let created, changed, garbled;

test("list: one line each, with time, method, user, reason and what was wrong", async () => {
  assert.deepEqual(await luminctl("dead", "list"), { code: 0, stdout: "", stderr: "" });
  created = await misplace("create", ada, encode("Create", { firstName: "Ada", email: "ada@example.com" }), {
    "Lumin-Actor": "ops",
    "Nats-Msg-Id": "create-ada",
    traceparent: trace,
    tracestate: "a=b",
  });
  changed = await misplace("change_bio", ada, JSON.stringify({ bio: "Counts\u001b[2J engines." }), {
    "Lumin-Expected-Version": 1,
    "Content-Type": "application/json",
  });
  garbled = crypto.randomUUID();
  await publisher
    .jetstream()
    .publish(`${prefix}.command.change_email.${ada}`, Buffer.from([0x0a, 0xff]), {
      headers: headersOf({ "Lumin-Command-Id": garbled }),
    });
  await eventually(async () => (await listed()).length === 3, { timeout: 20_000 });
  const { code, stdout, stderr } = await luminctl("dead", "list");
  assert.equal(code, 0, stderr);
  const time = String.raw`\d{4}-\d\d-\d\dT[\d:.]+Z`;
  const misplaced = "subject: the command is in a partition that is not its user's";
  assert.deepEqual(
    stdout.trimEnd().split("\n").map((line) => line.replace(new RegExp(time), "TIME")),
    [
      `1  TIME  create  ${ada}  INVALID_ARGUMENT  ${misplaced}`,
      `2  TIME  change_bio  ${ada}  INVALID_ARGUMENT  ${misplaced}`,
      `3  TIME  change_email  ${ada}  INVALID_ARGUMENT  payload: the payload is not a protobuf message of this method`,
    ],
  );
  const sequences = async (...args) => (await listed(...args)).map(({ sequence }) => Number(sequence));
  assert.deepEqual(await sequences("--method", "change-email"), [3]);
  assert.deepEqual(await sequences("--user-id", ada.toUpperCase()), [1, 2, 3]);
  assert.deepEqual(await sequences("--user-id", newUser()), []);
  assert.deepEqual(await sequences("--last", "1"), [3]);
  assert.deepEqual(await sequences("--since", "2", "--limit", "1"), [2]);
  assert.deepEqual(await sequences("--since", "1h"), [1, 2, 3]);
  assert.deepEqual((await listed())[1].commandId, changed);
});

test("show: everything, with the payload as JSON where it can be decoded, and the outcome of now", async () => {
  const { code, stdout, stderr } = await luminctl("dead", "show", "1");
  assert.equal(code, 0, stderr);
  for (const line of [
    /^sequence +1$/m,
    new RegExp(`^command_id +${created}$`, "m"),
    /^header\.Lumin-Actor +ops$/m,
    new RegExp(`^header\\.traceparent +${trace}$`, "m"),
    /^header\.tracestate +a=b$/m,
    /^payload +\{"userId":"","firstName":"Ada".*"email":"ada@example\.com"/m,
    /^outcome\.status +DEAD$/m,
    /^outcome\.error\.reason +INVALID_ARGUMENT$/m,
    /^outcome\.error\.allowed +the unmapped subject/m,
  ])
    assert.match(stdout, line);
  const [json, bad] = documents(await luminctl("dead", "show", "2", "3", "--json"));
  assert.equal(json.payload.bio, "Counts\u001b[2J engines.");
  assert.equal(json.headers["Lumin-Expected-Version"], "1");
  assert.equal(json.headers["Content-Type"], "application/json");
  assert.equal(json.outcome.status, "OUTCOME_STATUS_DEAD");
  assert.equal(json.outcome.streamSequence, json.streamSequence);
  assert.deepEqual([bad.payloadBase64, bad.payload], ["Cv8=", undefined]);
  assert.match(bad.payloadFault, /^the payload is not a protobuf message/);
  const none = await luminctl("dead", "show", "9");
  assert.equal(none.code, 1);
  assert.match(none.stderr, /^error: there is no 9 on LUMIN_USER_DEAD\n/);
});

test("drop: not before something else has come of it", async () => {
  const kept = await luminctl("dead", "drop", "1");
  assert.equal(kept.code, 1);
  assert.match(kept.stderr, /^error: 1 is not dropped: .*\nadvice: replay it first/);
  assert.equal((await listed()).length, 3);
});

test("replay: the same command, by the unmapped subject, with its id and headers; its outcome replaces DEAD", async () => {
  const done = await luminctl("dead", "replay", "1");
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, new RegExp(`^command_id +${created}$`, "m"));
  assert.match(done.stdout, /^status +APPLIED$/m);
  const outcome = await outcomeOf(created);
  assert.deepEqual([outcome.status, outcome.version, outcome.userId], ["OUTCOME_STATUS_APPLIED", 1, ada]);
  const [event] = await rig.sql("SELECT actor, traceparent, tracestate, command_id FROM lumin.events");
  assert.deepEqual(event, { actor: "ops", traceparent: trace, tracestate: "a=b", command_id: created });

  // JSON by its Content-Type, and the expected version: now it fits.
  const second = await luminctl("dead", "replay", "2", "--json");
  assert.equal(second.code, 1, second.stdout);
  assert.match(second.stderr, /^error: INVALID_ARGUMENT \(400\): the bio holds a control character\nfield: bio\n/);
  assert.equal(documents(second)[0].status, "OUTCOME_STATUS_REJECTED");

  // Once more changes nothing: the stored outcome comes again, though the first attempt's id is on it.
  const again = await luminctl("dead", "replay", "1");
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stdout, /^version +1$/m);
  assert.equal((await rig.sql("SELECT count(*)::int AS n FROM lumin.events"))[0].n, 1);
});

test("replay: an expected version goes with it, and several go one after the other", async () => {
  const late = await misplace("change_bio", ada, encode("ChangeBio", { bio: "x" }), { "Lumin-Expected-Version": 7 });
  const fine = await misplace("change_bio", ada, encode("ChangeBio", { bio: "y" }), { "Lumin-Expected-Version": 1 });
  const [first, second] = (await listed("--last", "2")).map(({ sequence }) => sequence);
  const done = await luminctl("dead", "replay", first, second);
  assert.equal(done.code, 1, "as the first that did not go well");
  assert.match(done.stderr, /^error: VERSION_MISMATCH \(409\)[^]*current version: 1\n/);
  assert.equal((await outcomeOf(late)).error.reason, "REASON_VERSION_MISMATCH");
  assert.equal((await outcomeOf(fine)).status, "OUTCOME_STATUS_APPLIED");
});

test("replay: what dies again says so, and is a new one on the list", async () => {
  const before = (await listed()).length;
  const done = await luminctl("dead", "replay", "3");
  assert.equal(done.code, 5);
  assert.match(done.stderr, /^error: INVALID_ARGUMENT[^]*outcome: DEAD: kept for an operator/);
  const [last] = await eventually(async () => {
    const all = await listed("--last", "1");
    return (await listed()).length === before + 1 && all;
  });
  assert.equal(last.commandId, garbled);
});

test("replay: not where the command cannot be sent as it was", async () => {
  // With the operator's own rights, as a later worker or another tool could: the stream's subjects are its own.
  const user = newUser();
  const headers = { "Lumin-Command-Id": crypto.randomUUID() };
  const nc = await rig.connect("worker");
  const dead = async (extra) =>
    (
      await nc.jetstream().publish(`${prefix}.dead.create.${user}`, encode("Create", { email: "b@example.com" }), {
        headers: headersOf({ ...headers, ...extra }),
      })
    ).seq;
  for (const [extra, why] of [
    [{ "Lumin-Dead-Payload": "omitted" }, /its payload was too large/],
    [{ "Lumin-Dead-Headers": "incomplete" }, /some of its headers could not be carried/],
    [{ "Lumin-Command-Id": "x" }, /its subject or its command id is none/],
  ]) {
    const seq = await dead(extra);
    const done = await luminctl("dead", "replay", String(seq));
    assert.equal(done.code, 1);
    assert.match(done.stderr, why);
    assert.match(done.stderr, /check: its row in lumin\.dead_commands/);
  }
});

test("headers that cannot be read are not passed over: their command is not replayed without them", async () => {
  const user = newUser();
  const before = (await listed()).length;
  const block = "NATS/1.0\r\na: b\r\nno colon here\r\nLumin-Expected-Version: 99\r\n\r\n";
  await publishRaw(`${prefix}.command.create.${user}`, block, encode("Create", { email: "c@example.com" }));
  await eventually(async () => (await listed()).length === before + 1, { timeout: 20_000 });
  const [{ sequence, field }] = await listed("--last", "1");
  assert.equal(field, "headers");
  const done = await luminctl("dead", "replay", sequence);
  assert.equal(done.code, 1);
  assert.match(done.stderr, /some of its headers could not be carried/);
});

test("drop: after a replay, or with --yes; and it is gone", async () => {
  const done = await luminctl("dead", "drop", "1", "2");
  assert.equal(done.code, 0, done.stderr);
  assert.equal(done.stdout, "dropped 1\ndropped 2\n");
  assert.equal((await luminctl("dead", "drop", "3", "--yes")).code, 0);
  const gone = await luminctl("dead", "drop", "3", "--yes");
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, /there is no 3 on LUMIN_USER_DEAD/);
  assert.deepEqual((await listed()).slice(0, 1).map(({ sequence }) => sequence), ["4"]);
});

test("without a worker: shown and listed all the same; a drop wants --yes, a replay waits in vain", async () => {
  await worker.stop();
  const shown = await luminctl("dead", "show", "4");
  assert.equal(shown.code, 0);
  assert.match(shown.stderr, /nobody listens to[^]*note: the service was not heard/);
  assert.equal((await luminctl("dead", "drop", "4")).code, 1);
  const done = await luminctl("dead", "replay", "4", "--timeout", "500ms");
  assert.equal(done.code, 3);
  assert.match(done.stderr, /in doubt: the command is on the stream and will be decided/);
});

/** Publishes with headers that no client makes, and waits for the PubAck. */
async function publishRaw(subject, headers, payload) {
  const login = { user: "command_publisher", pass: rig.nats.passwords.command_publisher, headers: true, verbose: false };
  const inbox = "_INBOX_lumin_command_publisher.raw";
  const sizes = `${Buffer.byteLength(headers)} ${Buffer.byteLength(headers) + payload.length}`;
  const socket = net.connect(rig.nats.port, "127.0.0.1");
  let heard = "";
  socket.setEncoding("latin1").on("data", (part) => (heard += part));
  socket.write(`CONNECT ${JSON.stringify(login)}\r\nSUB ${inbox} 1\r\nPING\r\n`);
  await eventually(() => heard.includes("PONG"));
  socket.write(Buffer.concat([Buffer.from(`HPUB ${subject} ${inbox} ${sizes}\r\n${headers}`), payload, Buffer.from("\r\n")]));
  await eventually(() => heard.includes(`MSG ${inbox} `), { what: `a PubAck; ${heard}` });
  socket.destroy();
}
