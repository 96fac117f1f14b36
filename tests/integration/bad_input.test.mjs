// SPDX-License-Identifier: MIT
// What nobody should send, through both doors, and servers that go away (guarantees 10 and 11): each gets its clear
// error, its batch companions their results, the dead ones a row and one message; memory is bounded, the log is not
// flooded, and no subject leaves the worker but its own.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import test, { after } from "node:test";
import {
  Rig,
  commandSubject,
  decode,
  encode,
  eventually,
  headersOf,
  messageName,
  prefix,
  request,
  rpcSubject,
  sleep,
  streams,
} from "../support/servers.mjs";
import { knownSubjects } from "../support/subjects.mjs";
import {
  Book,
  checkEventStream,
  countOf,
  logFrom,
  long,
  newUser,
  online,
  partitionOf,
  partitions,
  quick,
  readAll,
  relayed,
  streamState,
  times,
} from "../support/traps.mjs";

// Payloads beyond the contract's limit must be the worker's to refuse.
const rig = await Rig.start({ after }, { name: "bad-input", nats: { settings: { max_payload: "2MB" }, spy: true } });
await rig.setup();
const worker = await rig.worker({ env: quick });
const operator = await rig.connect("operator");
const publisher = await rig.connect("command_publisher");
const gateway = await rig.connect("gateway");
const seen = await spy();

/** Every subject that any client of the account publishes to, and how often. */
async function spy() {
  const connection = await rig.connect("spy");
  const subjects = new Map();
  connection.subscribe(">", {
    callback: (_error, { subject }) => subjects.set(subject, (subjects.get(subject) ?? 0) + 1),
  });
  await connection.flush();
  return subjects;
}

/**
 * A client of the bare protocol, for what a proper one would not let out. It waits for a PONG as proper ones do: what comes in one
 * read with CONNECT is not yet mapped by the server.
 */
async function bare(user) {
  const socket = net.connect(rig.nats.port, "127.0.0.1");
  const login = { user, pass: rig.nats.passwords[user], headers: true, verbose: false, pedantic: false };
  let received = "";
  socket.on("error", () => {});
  socket.setEncoding("latin1").on("data", (part) => (received += part));
  const send = (text) => socket.write(Buffer.from(text, "latin1"));
  const heard = (pattern) => eventually(() => pattern.exec(received), { timeout: 15_000, what: String(pattern) });
  send(`CONNECT ${JSON.stringify(login)}\r\nSUB _INBOX_lumin_${user}.> 1\r\nPING\r\n`);
  await heard(/^PONG\r$/m);
  const ended = () => eventually(() => socket.destroyed, { timeout: 5000, what: "the end of the connection" });
  return { send, heard, ended, end: () => socket.destroy() };
}

// ---- bytes

const varint = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))]);
const field = (number, bytes) => Buffer.from([...varint(number * 8 + 2), ...varint(bytes.length), ...bytes]);
const repeated = (bytes, total) => Buffer.alloc(total, Buffer.from(bytes));
const kib = 1024;

/** A payload of the method whose first name is these bytes. */
const json = (text) => Buffer.from(text, "latin1");
const named = (bytes) => field(2, Buffer.from(bytes, "latin1"));

/** An Outcome, in JSON where the command was. */
const outcomeOf = (data) => (data[0] === 0x7b ? JSON.parse(Buffer.from(data).toString()) : decode("Outcome", data));

// ---- what is wrong, and what must be said

const dead = (reason, at, more = {}) => ({ status: "DEAD", reason, at, ...more });
const refused = (reason, at, more = {}) => ({ status: "REJECTED", reason, at, ...more });
const invalid = "INVALID_ARGUMENT";
const evil = (tail) => `${prefix}.reply.evil${tail}`;

/** [name, payload of change_username, expected, headers] */
const bytesCases = [
  ["bytes that are no protobuf", () => Buffer.from([0xff, 0xff, 0xff]), dead(invalid, "payload")],
  ["a length beyond the end", () => Buffer.from([0x12, 0x7f, 0x41]), dead(invalid, "payload")],
  ["a group", () => Buffer.from([0x13, 0x14]), dead(invalid, "payload")],
  ["text of words", () => Buffer.from("hello, service"), dead(invalid, "payload")],
  ["nothing", () => Buffer.alloc(0), refused(invalid, "first_name")],
  ["no first name", () => encode("ChangeUsername", { lastName: "B" }), refused(invalid, "first_name")],
  ["65 characters", () => named("x".repeat(65)), refused(invalid, "first_name")],
  ["200 KiB of name", () => named("x".repeat(200 * kib)), refused(invalid, "first_name")],
  ["bad UTF-8", () => named("A\xc3\x28"), dead(invalid, "first_name")],
  ["a surrogate", () => named("A\xed\xa0\x80"), dead(invalid, "first_name")],
  ["a NUL byte", () => named("A\0B"), dead(invalid, "first_name")],
  ["a line feed", () => named("A\nB"), refused(invalid, "first_name")],
  ["JSON that is none", () => json('{"firstName":"Eve"'), dead(invalid, "payload")],
  ["JSON by its header only", () => named("Eve"), dead(invalid, "payload"), { "Content-Type": "application/json" }],
  ["JSON with a field that is none", () => json('{"firstName":"Eve","nothing":1}'), dead(invalid, "nothing")],
  ["JSON with a number for a name", () => json('{"firstName":7}'), dead(invalid, "first_name")],
  ["JSON with a NUL", () => json('{"firstName":"A\\u0000B"}'), dead(invalid, "first_name")],
  ["JSON in bad UTF-8", () => json('{"firstName":"A\xc3\x28"}'), dead(invalid, "first_name")],
  ["JSON with half a surrogate", () => json('{"firstName":"A\\ud800"}'), dead(invalid, "first_name")],
  ["JSON, 18,000 deep", () => json('{"firstName":'.repeat(18_000)), dead(invalid, "first_name")],
  ["JSON, 120,000 fields", () => json(`{"firstName":[${"1,".repeat(120_000)}1]}`), dead(invalid, "first_name")],
  ["256 KiB of empty fields", () => repeated([0x12, 0x00], 256 * kib), dead(invalid, "payload")],
  ["255 KiB of unknown fields", () => repeated([0xf8, 0x07, 0x01], 255 * kib), dead(invalid, "payload")],
  ["one byte too many", () => Buffer.alloc(256 * kib + 1), dead(invalid, "payload")],
  ["1 MiB", () => named("x".repeat(1024 * kib)), dead(invalid, "payload")],
];

const headerCases = [
  ["a command id that is none", refused(invalid, "Lumin-Command-Id"), { "Lumin-Command-Id": "7" }],
  ["a command id in braces", refused(invalid, "Lumin-Command-Id"), { "Lumin-Command-Id": `{${crypto.randomUUID()}}` }],
  ["a version in words", refused(invalid, "Lumin-Expected-Version"), { "Lumin-Expected-Version": "one" }],
  ["a negative version", refused(invalid, "Lumin-Expected-Version"), { "Lumin-Expected-Version": "-1" }],
  ["2^64", refused(invalid, "Lumin-Expected-Version"), { "Lumin-Expected-Version": "18446744073709551616" }],
  [
    "the highest version",
    refused("VERSION_MISMATCH", "Lumin-Expected-Version"),
    { "Lumin-Expected-Version": "18446744073709551615" },
  ],
  ["an actor of 257 characters", refused(invalid, "Lumin-Actor"), { "Lumin-Actor": "a".repeat(257) }],
  ["an actor with letters", refused(invalid, "Lumin-Actor"), { "Lumin-Actor": "Ånna" }],
];

const replyTos = [
  `$JS.API.STREAM.PURGE.${streams.events}`,
  "$SYS.evil",
  "evil",
  `${prefix}.command.delete.${newUser()}`,
  `${prefix}.command.3.delete.${newUser()}`,
  `${prefix}.event.user_deleted.${newUser()}`,
  `${prefix}.dead.evil.evil`,
  `${prefix}.outcome.evil`,
  `${prefix}.rpc.delete`,
  `${prefix}.replyevil.x`,
  `${prefix}.reply`,
  `${prefix}.reply.`,
  evil(".>"),
  evil(".*"),
  evil("..x"),
  evil(". x"),
  evil(`.${"r".repeat(4 * kib)}`),
  evil(".{x}"),
];

const subjectCases = [
  ["an unknown method", "frobnicate", (user) => user, dead("UNIMPLEMENTED", "subject")],
  ["a query", "get", (user) => user, dead("UNIMPLEMENTED", "subject")],
  ["a method in capitals", "Create", (user) => user, dead("UNIMPLEMENTED", "subject")],
  ["a user id in capitals", "probe", (user) => user.toUpperCase(), dead(invalid, "subject")],
  ["a user id in braces", "probe", (user) => `{${user}}`, dead(invalid, "subject")],
  ["a user id without dashes", "probe", (user) => user.replaceAll("-", ""), dead(invalid, "subject")],
  ["the nil id", "probe", () => "00000000-0000-0000-0000-000000000000", dead(invalid, "subject")],
  ["a word for a user id", "probe", () => "me", dead(invalid, "subject")],
  ["3,500 letters for a user id", "probe", () => "u".repeat(3500), dead(invalid, "subject")],
];

// ---- the command stream's door

/** Puts bytes on the stream; returns their sequence. */
async function publish(subject, payload, headers = {}) {
  const answer = (await publisher.request(subject, payload, { timeout: 5000, headers: headersOf(headers) })).json();
  assert.equal(answer.error, undefined);
  return answer.seq;
}

const partitionSubject = (partition, method, user) => `${prefix}.command.${partition}.${method}.${user}`;

/** Every case of the tables as [name, seq, expected, payload], for that user. */
async function publishBad(user) {
  const subject = commandSubject("change_username", user);
  const good = () => encode("ChangeUsername", { firstName: `Never${crypto.randomInt(1e9)}` });
  const sends = [
    ...bytesCases.map(([name, payload, expected, headers = {}]) => [name, subject, payload(), headers, expected]),
    ...headerCases.map(([name, expected, headers]) => [name, subject, good(), headers, expected]),
    ...replyTos.map((to) => [to, subject, good(), { "Lumin-Reply-To": to }, refused(invalid, "Lumin-Reply-To")]),
    ...subjectCases.map(([name, method, token, expected]) => [
      name,
      commandSubject(method, token(newUser())),
      encode("Probe"),
      {},
      expected,
    ]),
    ...["me", newUser()].map((userId) => [
      `the payload of ${userId}`,
      subject,
      encode("ChangeUsername", { userId, firstName: "X" }),
      {},
      refused(invalid, "user_id"),
    ]),
    ...["", `${"a".repeat(290)}@example.com`].map((email) => [
      `an address of ${email.length} bytes`,
      commandSubject("create", newUser()),
      encode("Create", { firstName: "A", email }),
      {},
      refused(invalid, "email"),
    ]),
  ];
  return Promise.all(
    sends.map(async ([name, to, payload, headers, expected]) => {
      const id = "Lumin-Command-Id" in headers ? {} : { "Lumin-Command-Id": crypto.randomUUID() };
      const seq = await publish(to, payload, { ...id, ...headers });
      return { name, seq, expected, payload, id: id["Lumin-Command-Id"] };
    }),
  );
}

/** What became of the messages of the stream, by sequence. */
async function outcomesOf(seqs) {
  const text = "SELECT stream_seq::int AS seq, status, error FROM lumin.outcomes WHERE stream_seq = ANY($1)";
  const rows = await eventually(
    async () => {
      const found = await rig.sql(text, [seqs]);
      return found.length === seqs.length && found;
    },
    { timeout: 30_000, what: `outcomes of ${seqs.length} commands` },
  );
  return new Map(rows.map((row) => [row.seq, row]));
}

const statusNames = ["NONE", "APPLIED", "UNCHANGED", "REJECTED", "DEAD"];

/** All cases got what they should: status, reason, field, and a word on what is allowed. */
async function checkOutcomes(sent) {
  const outcomes = await outcomesOf(sent.map(({ seq }) => seq));
  const got = sent.map(({ name, seq }) => {
    const { status, error } = outcomes.get(seq);
    const said = error ? decode("Error", error) : {};
    assert.ok(said.message?.length > 0 && said.message.length < 300, `${name}: ${said.message}`);
    assert.ok(said.reason !== "REASON_INVALID_ARGUMENT" || said.allowed.length > 0, `${name}: what is allowed`);
    return `${name.slice(0, 60)}: ${statusNames[status]} ${said.reason} ${said.field}`;
  });
  const wanted = sent.map(
    ({ name, expected }) => `${name.slice(0, 60)}: ${expected.status} REASON_${expected.reason} ${expected.at}`,
  );
  assert.deepEqual(got, wanted);
}

/** The dead of the table and the messages of the dead stream are the same, each once, with the bytes that came. */
async function checkDead(sent) {
  const seqs = sent.filter(({ expected }) => expected.status === "DEAD").map(({ seq }) => seq);
  const left = "SELECT count(*)::int AS count FROM lumin.partitions WHERE dead_relayed <> dead_position";
  await rig.sqlUntil(left, ({ count }) => count === 0, { timeout: 20_000 });
  const rows = await rig.sql(
    `SELECT partition, dead_position::int, stream_seq::int, command_id, method, user_token, reason, payload
       FROM lumin.dead_commands`,
  );
  const messages = (await readAll(operator, streams.dead)).map((message) => [
    `${message.header.get("Lumin-Dead-Partition")}:${message.header.get("Lumin-Dead-Position")}`,
    message,
  ]);
  assert.equal(messages.length, rows.length, "as many messages as rows");
  const byPlace = new Map(messages);
  assert.equal(byPlace.size, rows.length, "each once");
  for (const row of rows) {
    const message = byPlace.get(`${row.partition}:${row.dead_position}`);
    assert.equal(message.subject, `${prefix}.dead.${row.method}.${row.user_token}`);
    assert.match(message.subject, /^lumin\.user\.v1\.dead\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]{1,64}$/);
    assert.equal(message.header.get("Lumin-Command-Id"), row.command_id);
    assert.equal(message.header.get("Lumin-Dead-Reason"), row.reason);
    assert.ok(message.data.equals(row.payload), "the bytes that came");
  }
  const rowsOf = (seq) => rows.filter((row) => row.stream_seq === seq);
  for (const { name, seq, payload } of sent) {
    assert.equal(rowsOf(seq).length, seqs.includes(seq) ? 1 : 0, `${name}: rows of the dead`);
    if (seqs.includes(seq)) assert.ok(rowsOf(seq)[0].payload.equals(payload), `${name}: its payload`);
  }
}

test("the stream's door: in one batch with companions, each gets its error and they their results", async () => {
  const book = new Book(rig, publisher);
  const user = newUser();
  await book.send(user);
  const log = logFrom(worker);
  await worker.stop();
  const companions = times(6, () => newUser());
  const before = book.fill(30, companions);
  const bad = publishBad(user);
  const between = book.fill(30, [user, ...companions]);
  const [sent] = await Promise.all([bad, before, between]);
  await worker.begin();
  await checkOutcomes(sent);
  await book.check();
  await checkDead(sent);
  const lines = countOf(log(), "commands_dead");
  const client = gateway.services.client({ strategy: "count", maxMessages: 1, maxWait: 10_000 });
  for await (const { endpoints } of await client.stats("lumin-user")) {
    const { lanes } = endpoints.find(({ name }) => name === "probe").data;
    const batches = lanes.reduce((sum, lane) => sum + lane.batches, 0); // of the process that has just begun
    assert.ok(lines > 0 && lines <= batches, `${lines} lines for ${batches} batches`);
  }
});

test("one after another, with an outcome for whoever waits", async () => {
  const book = new Book(rig, publisher);
  const user = newUser();
  await book.send(user);
  const heard = new Map();
  const subscription = publisher.subscribe(`${prefix}.outcome.*`, {
    callback: (_error, message) => heard.set(message.subject, [...(heard.get(message.subject) ?? []), message]),
  });
  await publisher.flush();
  const sent = await publishBad(user);
  await book.send(user);
  await checkOutcomes(sent);
  await book.check();
  await checkDead(sent);
  for (const { name, id, expected } of sent.filter((each) => each.id)) {
    const subject = `${prefix}.outcome.${id}`;
    const [message, ...more] = await eventually(() => heard.get(subject), { what: `${name}: its outcome` });
    assert.equal(more.length, 0);
    const { status, error, commandId } = outcomeOf(message.data);
    assert.deepEqual([commandId, status, error.field], [id, `OUTCOME_STATUS_${expected.status}`, expected.at], name);
    assert.ok(Number(message.headers.get("Nats-Service-Error-Code")) >= 400, name);
    assert.match(message.headers.get("Nats-Service-Error"), /^[A-Z_]+: [^\r\n]+$/);
  }
  subscription.unsubscribe();
});

test("a good Lumin-Reply-To gets the outcome, once", async () => {
  const subject = `${prefix}.reply.test-1.${crypto.randomUUID()}`;
  const heard = [];
  const subscription = publisher.subscribe(subject, { callback: (_error, message) => heard.push(message) });
  const id = crypto.randomUUID();
  const headers = { "Lumin-Reply-To": subject, "Lumin-Command-Id": id };
  await publish(commandSubject("probe", newUser()), encode("Probe"), headers);
  await eventually(() => heard.length > 0, { what: "the outcome" });
  await sleep(100);
  assert.equal(heard.length, 1);
  assert.equal(decode("Outcome", heard[0].data).commandId, id);
  subscription.unsubscribe();
});

test("past the mapping: the wrong partition, and partitions that are none", async () => {
  const book = new Book(rig, publisher);
  const user = newUser();
  await book.send(user);
  await book.check();
  const log = logFrom(worker);
  const payload = encode("ChangeUsername", { userId: user, firstName: "Eve" });
  const right = partitionOf(user);
  const wrong = (right + 1) % partitions;
  const tokens = [wrong, 32, 99, 2 ** 32 + right, "abc", "-1", "x".repeat(3000), `${right}x`];
  const sent = await Promise.all(
    tokens.map(async (token) => {
      const seq = await publish(partitionSubject(token, "change_username", user), payload);
      return { name: `partition ${token}`, seq, expected: dead(invalid, "subject"), payload };
    }),
  );
  await book.send(user);
  await checkOutcomes(sent);
  await book.check(); // and nobody is called Eve
  await checkDead(sent);
  assert.ok(countOf(log(), "error wrong_partition") > 0, "the alarm");
});

test("a dead command comes again under its id, mended: its outcome is replaced", async () => {
  const user = newUser();
  const id = crypto.randomUUID();
  const headers = { "Lumin-Command-Id": id };
  const asked = () => request(gateway, "command_outcome", { commandId: id, waitMs: 5000 });
  const outcome = async () => (await asked()).as("Outcome");
  const bad = await publish(commandSubject("create", user), Buffer.from([0xff]), headers);
  await outcomesOf([bad]);
  assert.equal((await outcome()).status, "OUTCOME_STATUS_DEAD");
  const again = await publish(commandSubject("create", user), Buffer.from([0xff, 0xff]), headers); // dead once more
  await outcomesOf([again]);
  const payload = encode("Create", { firstName: "Ada", email: `${user}@example.com` });
  const good = await publish(commandSubject("create", user), payload, headers);
  await outcomesOf([good]);
  const final = await outcome();
  assert.deepEqual([final.status, final.version, final.streamSequence], ["OUTCOME_STATUS_APPLIED", 1, good]);
  await publish(commandSubject("create", user), Buffer.from([0xff]), headers); // too late: the decision stands
  await publish(commandSubject("create", user), payload, headers);
  await request(gateway, "probe", {}, { userId: user });
  assert.deepEqual(await outcome(), final);
  const text = "SELECT stream_seq::int AS seq FROM lumin.dead_commands WHERE command_id = $1 ORDER BY 1";
  const rows = await rig.sql(text, [id]);
  assert.deepEqual(rows.map(({ seq }) => seq), [bad, again]);
  await checkDead([]);
});

// ---- bytes that no client lets out

const headerBlock = (...lines) => `NATS/1.0\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;
const hpub = (subject, reply, block, payload) =>
  `HPUB ${subject} ${reply} ${block.length} ${block.length + payload.length}\r\n${block}${payload}\r\n`;

test("headers with line ends inside, twice, folded, or unreadable: nothing is applied past them", async () => {
  const book = new Book(rig, publisher);
  const user = newUser();
  await book.send(user);
  await book.check();
  const payload = encode("ChangeUsername", { firstName: "Eve" });
  const text = Buffer.from(payload).toString("latin1");
  const inbox = "_INBOX_lumin_command_publisher.raw";
  const id = () => `Lumin-Command-Id: ${crypto.randomUUID()}`;
  const blocks = [
    ["a line feed in a reply-to", headerBlock(id(), `Lumin-Reply-To: ${evil(".a")}\nNats-Msg-Id: x`)],
    ["a command behind a line feed", headerBlock(id(), `Lumin-Reply-To: ${evil(".b")}\nPUB evil 0`)],
    ["a carriage return in a reply-to", headerBlock(id(), `Lumin-Reply-To: ${evil(".c")}\rPUB evil 0`)],
    ["an actor with a line feed", headerBlock(id(), "Lumin-Actor: a\nb: c")],
    ["a version on a folded line", headerBlock(id(), "Lumin-Expected-Version:", " 99")],
    ["a line without a colon", headerBlock(id(), "Lumin-Expected-Version: 99", "no colon at all")],
    ["a line without a colon before the version", headerBlock(id(), "no colon", "Lumin-Expected-Version: 99")],
    ["a first line without a colon", headerBlock("no colon", "Lumin-Expected-Version: 99", id())],
    ["a line without a colon behind others", headerBlock("a: b", "no colon", "Lumin-Expected-Version: 99", id())],
    ["a name with a blank", headerBlock(id(), "Lumin Expected: 1", "Lumin-Expected-Version: 99")],
    ["no end", `NATS/1.0\r\n${id()}\r\nLumin-Expected-Version: 99\r\n`],
    ["another protocol's first line", `HTTP/1.1\r\n${id()}\r\nLumin-Expected-Version: 99\r\n\r\n`],
    ["no first line", `${id()}\r\nLumin-Expected-Version: 99\r\n\r\n`],
  ];
  const client = await bare("command_publisher");
  const { last_seq: last } = await streamState(operator, streams.commands);
  const subject = commandSubject("change_username", user);
  for (const [index, [, block]] of blocks.entries()) {
    client.send(hpub(subject, `${inbox}.${index}`, block, text));
    await client.heard(new RegExp(`MSG ${inbox.replaceAll(".", "\\.")}\\.${index} `));
  }
  client.end();
  const { last_seq: end } = await streamState(operator, streams.commands);
  assert.equal(end - last, blocks.length);
  const outcomes = await outcomesOf(blocks.map((_none, index) => last + 1 + index));
  const got = blocks.map(([name], index) => `${name}: ${statusNames[outcomes.get(last + 1 + index).status]}`);
  assert.deepEqual(got.filter((line) => !/: (REJECTED|DEAD)$/.test(line)), []);
  await book.send(user);
  await book.check(); // nobody is called Eve
});

test("a subject with line ends is another command of the protocol, and only that", async () => {
  const client = await bare("command_publisher");
  client.send(`PUB ${prefix}.command.probe.\r\nPUB evil.x 0\r\n\r\n`);
  await client.ended();
  assert.equal((await request(gateway, "probe")).code, 0);
});

// ---- the request/reply door

test("the request door: each its error, nothing on the stream, and the others their answers", async () => {
  const created = await request(gateway, "create", { firstName: "Ada", email: `${newUser()}@example.com` });
  const { userId } = created.as("Outcome");
  const good = encode("ChangeUsername", { firstName: "Eve" });
  const other = encode("ChangeUsername", { userId: newUser(), firstName: "X" });
  const change = (payload, headers = {}, suffix = userId) =>
    request(gateway, "change_username", payload, { userId: suffix, headers });
  const unnamed = (fields) => request(gateway, "change_username", { firstName: "X", ...fields });
  const cases = [
    ...bytesCases.map(([name, payload, expected, headers]) => [name, () => change(payload(), headers), expected]),
    ...headerCases.map(([name, expected, headers]) => [name, () => change(good, headers), expected]),
    ["another user's id", () => change(other), refused(invalid, "user_id")],
    ["no user's id", () => unnamed({ userId: "me" }), refused(invalid, "user_id")],
    ["no user", () => unnamed({}), refused(invalid, "user_id")],
    ["capitals", () => change(good, {}, userId.toUpperCase()), refused(invalid, "subject")],
    ["braces", () => change(good, {}, `{${userId}}`), refused(invalid, "subject")],
    ["3,500 letters", () => change(good, {}, "u".repeat(3500)), refused(invalid, "subject")],
    ["no address", () => request(gateway, "create", { firstName: "A" }), refused(invalid, "email")],
    ["an unknown method", () => request(gateway, "frobnicate", good), refused("UNIMPLEMENTED", "subject")],
    ["a wildcard for a method", () => request(gateway, "*", good), refused("UNIMPLEMENTED", "subject")],
  ];
  const { last_seq: last } = await streamState(operator, streams.commands);
  const companions = times(20, () => request(gateway, "probe", {}, { userId }));
  const answers = await Promise.all(cases.map(([, send]) => send()));
  const got = answers.map((answer, index) => {
    const [name, , expected] = cases[index];
    const error = expected.reason === "UNIMPLEMENTED" ? answer.as("Error") : outcomeOf(answer.data).error;
    assert.ok(answer.data.length > 0 && error?.message.length > 0, name);
    assert.ok(error.reason !== "REASON_INVALID_ARGUMENT" || error.allowed.length > 0, `${name}: what is allowed`);
    assert.match(answer.reason, /^[A-Z_]+: [^\r\n]+$/);
    return `${name}: ${answer.code} ${error.reason} ${error.field}`;
  });
  const codes = { [invalid]: 400, UNIMPLEMENTED: 501, VERSION_MISMATCH: 409 };
  const wanted = cases.map(([name, , { reason, at }]) => `${name}: ${codes[reason]} REASON_${reason} ${at}`);
  assert.deepEqual(got, wanted);
  for (const answer of await Promise.all(companions)) assert.equal(answer.code, 0);
  // On the stream are only the companions, and what a lane has decided: the rest was refused before.
  const { last_seq: end } = await streamState(operator, streams.commands);
  const decided = answers.filter((answer) => answer.headers.get("Lumin-Outcome") !== "").length;
  assert.ok(decided > 0 && decided <= 10, `${decided} were decided by a lane`);
  assert.equal(end - last, companions.length + decided);
  const user = (await request(gateway, "get", { userId })).as("User");
  assert.deepEqual([user.version, user.firstName], [1, "Ada"]);
});

test("replies that are asked for elsewhere are not sent", async () => {
  const client = await bare("gateway");
  const replies = replyTos.filter((to) => !to.startsWith(`${prefix}.reply.`) && !to.includes(" "));
  for (const to of [...replies, "a.*.evil", "evil.>", "evil..x"]) {
    client.send(`PUB ${rpcSubject("get")} ${to} 0\r\n\r\n`);
    client.send(hpub(rpcSubject("probe"), to, headerBlock("Lumin-Reply-To: evil.x"), ""));
  }
  client.send(`PUB ${rpcSubject("get")} _INBOX_lumin_gateway.${"r".repeat(4 * kib)} 0\r\n\r\n`);
  await client.heard(/-ERR 'Maximum Control Line/i);
  client.end();
  const last = await bare("gateway");
  last.send(`PUB ${rpcSubject("probe")} _INBOX_lumin_gateway.last 0\r\n\r\n`);
  await last.heard(/MSG _INBOX_lumin_gateway\.last /);
  last.end();
});

// ---- memory

const memory = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${worker.pid}/status`, "utf8"))[1]) / kib;

test("floods of bombs cost a bounded amount of memory, once", async () => {
  const user = newUser();
  const bombs = [
    repeated([0x12, 0x00], 256 * kib),
    repeated([0xf8, 0x07, 0x01], 255 * kib),
    named("x".repeat(255 * kib)),
    Buffer.alloc(1024 * kib, "x"),
  ];
  const flood = async () => {
    for (let round = 0; round < (long ? 100 : 12); round++) {
      const asked = bombs.map((bomb) => request(gateway, "change_username", bomb, { userId: user }));
      const put = bombs.map((bomb) => publish(commandSubject("change_username", user), bomb));
      for (const answer of await Promise.all(asked)) assert.notEqual(answer.code, 0);
      await Promise.all(put);
    }
    const { last_seq: last } = await streamState(operator, streams.commands);
    await outcomesOf([last]);
    await checkDeadRelayed();
  };
  const idle = memory();
  await flood();
  const once = memory();
  await flood();
  await flood();
  const thrice = memory();
  assert.ok(once - idle < 160, `${idle.toFixed()} MiB before, ${once.toFixed()} after`);
  assert.ok(thrice - once < 12, `${once.toFixed()} MiB after the first, ${thrice.toFixed()} after the third`);
});

async function checkDeadRelayed() {
  const left = "SELECT count(*)::int AS count FROM lumin.partitions WHERE dead_relayed <> dead_position";
  await rig.sqlUntil(left, ({ count }) => count === 0, { timeout: 30_000 });
}

// ---- what the spy has seen

test("no message went where none may go", async () => {
  const own = /^lumin\.user\.v1\.rpc\..*$/; // what the test itself has sent
  const expected = [own, ...knownSubjects];
  assert.ok(seen.size > 100, `${seen.size} subjects`);
  const strange = [...seen.keys()].filter((subject) => !expected.some((pattern) => pattern.test(subject)));
  assert.deepEqual(strange.map((subject) => subject.slice(0, 200)), []);
  const sent = [...seen.keys()].filter((subject) => subject.includes("evil"));
  assert.deepEqual(sent, []);
});

// ---- bad days

/** Warnings and errors of a log as [line without time and numbers, how often]. */
function complaints(text) {
  const counts = new Map();
  for (const line of text.split("\n")) {
    const [, level, rest] = /^\S+ (warn|error) (.*)$/.exec(line) ?? [];
    if (level) counts.set(rest.replace(/\d+/g, "0"), (counts.get(rest.replace(/\d+/g, "0")) ?? 0) + 1);
  }
  return counts;
}

const total = (counts) => [...counts.values()].reduce((sum, count) => sum + count, 0);

for (const server of ["postgres", "nats"]) {
  test(`${server} goes away for a while: a line each, nothing lost, on by itself`, async () => {
    const book = new Book(rig, publisher);
    const users = times(8, () => newUser());
    await book.fill(32, users);
    await book.check();
    const log = logFrom(worker);
    await rig[server].stop();
    if (server === "postgres") await book.fill(32, users); // the stream takes them
    await sleep(3000);
    const early = complaints(log());
    await sleep(long ? 20_000 : 3000);
    const late = complaints(log());
    assert.ok(worker.alive);
    await rig[server].begin();
    if (server === "nats") await online(publisher, gateway, operator);
    await book.fill(32, users);
    await book.check();
    await relayed(rig);
    await checkEventStream(rig, operator, { users });
    const works = async () => (await request(gateway, "probe")).code === 0; // the door comes back by itself
    await eventually(works, { timeout: 20_000, what: "a probe" });
    assert.ok(total(early) > 0, "it said so");
    assert.deepEqual([...late], [...early], "and then kept quiet");
    const words = [...early].map(([line, count]) => `${count}x ${line}`);
    assert.ok(total(early) <= 12 && Math.max(...early.values()) <= 2, words.join("\n"));
  });
}
