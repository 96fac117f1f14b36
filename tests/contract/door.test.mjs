// SPDX-License-Identifier: MIT
// The request/reply door as its callers see it: what it takes, what it refuses and with which words, and what it does
// with what no caller should send.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import net from "node:net";
import test, { after } from "node:test";
import {
  Rig,
  commandSubject,
  encode,
  eventually,
  jetstreamApi,
  prefix,
  publishCommand,
  readStream,
  request,
  rpcSubject,
  sleep,
  streams,
} from "../support/servers.mjs";

const rig = await Rig.start({ after }, { name: "contract-door" });
await rig.setup();
await rig.worker({ env: { LUMIN_JANITOR_INTERVAL: "1h" } }); // or it may purge a full stream before a test sees it
const gateway = await rig.connect("gateway");
const operator = await rig.connect("operator");

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
let addresses = 0;
const address = () => `door-${addresses++}@example.com`;

async function create(options) {
  const answer = await request(gateway, "create", { firstName: "Ada", email: address() }, options);
  assert.equal(answer.code, 0, answer.reason);
  return answer.as("Outcome");
}

function refusalOf(answer, error, [code, reason, field]) {
  assert.equal(answer.code, code, answer.reason);
  assert.ok(answer.reason.startsWith(`${reason}: `), answer.reason);
  assert.equal(error?.reason, `REASON_${reason}`);
  if (field !== undefined) assert.equal(error.field, field);
  return error;
}

/** Refused with that code, by an Outcome or an Error that says why and, where given, names the field; returns the Error. */
const refusedCommand = (answer, ...why) => refusalOf(answer, answer.as("Outcome").error, why);
const refused = (answer, ...why) => refusalOf(answer, answer.as("Error"), why);

/** The Services API's counters of the one worker, with the door's own. */
async function statistics() {
  const client = gateway.services.client({ strategy: "count", maxMessages: 1, maxWait: 2000 });
  for await (const stats of await client.stats("lumin-user")) {
    return stats.endpoints.find(({ name }) => name === "probe");
  }
  throw new Error("no statistics");
}

// ---- commands: ids

test("create makes the user's id from the command id, so that a retry names the same user", async () => {
  const id = crypto.randomUUID();
  const message = { firstName: "Ada", email: address() };
  const first = await request(gateway, "create", message, { headers: { "Lumin-Command-Id": id } });
  const again = await request(gateway, "create", message, { headers: { "Lumin-Command-Id": id.toUpperCase() } });
  assert.equal(first.as("Outcome").commandId, id);
  assert.match(first.as("Outcome").userId, uuid);
  assert.deepEqual(again.as("Outcome"), first.as("Outcome"));
  assert.equal(first.headers.get("Lumin-Outcome"), "APPLIED");
  assert.equal(first.headers.get("Lumin-Command-Id"), id);
  assert.equal(first.headers.get("Content-Type"), "application/protobuf");
  const other = { ...message, firstName: "Eve" };
  const reused = await request(gateway, "create", other, { headers: { "Lumin-Command-Id": id } });
  refusedCommand(reused, 409, "COMMAND_ID_REUSED");
});

test("a Nats-Msg-Id of any form is the command's id too, and does not keep a retry from its outcome", async () => {
  const message = { firstName: "Ada", email: address() };
  const headers = { "Nats-Msg-Id": `order 7/${crypto.randomUUID()}` };
  const first = (await request(gateway, "create", message, { headers })).as("Outcome");
  const again = (await request(gateway, "create", message, { headers })).as("Outcome");
  assert.match(first.commandId, /^[0-9a-f]{8}-[0-9a-f]{4}-5/);
  assert.deepEqual(again, first);
  // The same id as the command stream's other door finds.
  const publisher = await rig.connect("command_publisher");
  await publishCommand(publisher, "create", first.userId, message, headers);
  const asked = await request(gateway, "command_outcome", { commandId: first.commandId, waitMs: 2000 });
  assert.deepEqual(asked.as("Outcome"), first);
});

test("without an id a command gets a fresh UUIDv7", async () => {
  const [one, two] = [await create(), await create()];
  assert.match(one.commandId, /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  assert.notEqual(one.commandId, two.commandId);
  assert.notEqual(one.userId, two.userId);
});

test("a probe needs no user; other commands do, by suffix or payload", async () => {
  assert.equal((await request(gateway, "probe")).as("Outcome").status, "OUTCOME_STATUS_UNCHANGED");
  refusedCommand(await request(gateway, "change_username", { firstName: "Eve" }), 400, "INVALID_ARGUMENT", "user_id");
  const { userId } = await create();
  const bySuffix = await request(gateway, "change_username", { firstName: "Eve" }, { userId });
  assert.equal(bySuffix.as("Outcome").version, 2);
  const byBoth = await request(gateway, "change_username", { userId, firstName: "Ada" }, { userId });
  assert.equal(byBoth.as("Outcome").version, 3);
});

test("the suffix is a lower-case UUID and the payload's user, or the request is refused", async () => {
  const { userId } = await create();
  const message = { userId, firstName: "Eve" };
  const with_ = (suffix) => request(gateway, "change_username", message, { userId: suffix });
  refusedCommand(await with_(crypto.randomUUID()), 400, "INVALID_ARGUMENT", "user_id");
  refusedCommand(await with_(userId.toUpperCase()), 400, "INVALID_ARGUMENT", "subject");
  refusedCommand(await with_(`${userId}.more`), 400, "INVALID_ARGUMENT", "subject");
  const upper = await request(gateway, "change_username", { userId: userId.toUpperCase(), firstName: "Eve" });
  refusedCommand(upper, 400, "INVALID_ARGUMENT", "user_id");
  assert.equal((await request(gateway, "get", { userId })).as("User").version, 1);
});

// ---- commands: what is refused before it is on the stream

test("bad headers and payloads are refused at once, and nothing is on the stream", async () => {
  const { userId } = await create();
  const info = () => jetstreamApi(operator, `STREAM.INFO.${streams.commands}`);
  const { state: before } = await info();
  const cases = [
    [{ "Lumin-Command-Id": "7" }, "Lumin-Command-Id"],
    [{ "Lumin-Command-Id": `{${crypto.randomUUID()}}` }, "Lumin-Command-Id"],
    [{ "Lumin-Expected-Version": "one" }, "Lumin-Expected-Version"],
    [{ "Lumin-Expected-Version": "-1" }, "Lumin-Expected-Version"],
    [{ "Lumin-Expected-Version": "99999999999999999999" }, "Lumin-Expected-Version"],
    [{ "Lumin-Actor": "Ånna" }, "Lumin-Actor"],
    [{ "Lumin-Actor": "a".repeat(257) }, "Lumin-Actor"],
    [{ Accept: "text/html, image/*;q=0.5" }, "Accept"],
  ];
  for (const [headers, field] of cases) {
    const answer = await request(gateway, "change_username", { userId, firstName: "Eve" }, { headers });
    refusedCommand(answer, 400, "INVALID_ARGUMENT", field);
  }
  refusedCommand(await request(gateway, "change_username", Buffer.from("ff", "hex")), 400, "INVALID_ARGUMENT", "payload");
  refusedCommand(await request(gateway, "change_username", Buffer.alloc(257 * 1024)), 400, "INVALID_ARGUMENT", "payload");
  assert.equal((await info()).state.last_seq, before.last_seq);
});

test("a refusal names the command by the id that it came with", async () => {
  const id = crypto.randomUUID();
  const answer = await request(gateway, "delete", {}, { headers: { "Lumin-Command-Id": id } });
  refusedCommand(answer, 400, "INVALID_ARGUMENT", "user_id");
  assert.equal(answer.headers.get("Lumin-Command-Id"), id);
  assert.equal(answer.as("Outcome").commandId, id);
  assert.equal(answer.as("Outcome").status, "OUTCOME_STATUS_UNSPECIFIED");
});

test("an Accept that protobuf satisfies is as good as none", async () => {
  for (const Accept of ["application/protobuf", "text/html, application/*;q=0.9", "*/*"]) {
    assert.equal((await request(gateway, "probe", {}, { headers: { Accept } })).code, 0);
  }
});

test("a large payload is taken as far as the contract goes", async () => {
  const padding = Buffer.alloc(255 * 1024 - 64, "x"); // a field that Probe does not know
  const unknown = Buffer.concat([Buffer.from([0xfa, 0x07]), varint(padding.length), padding]);
  assert.equal((await request(gateway, "probe", unknown)).code, 0);
});

function varint(value) {
  const bytes = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return Buffer.from([...bytes, value]);
}

test("unknown methods are unimplemented, whatever they are called", async () => {
  for (const method of ["nothing", "Create", "*", "_", "x".repeat(2000)]) {
    const answer = await request(gateway, method, Buffer.from("x"));
    refused(answer, 501, "UNIMPLEMENTED");
  }
});

test("only what is on the list goes to the stream", async () => {
  const { userId } = await create();
  const headers = {
    "Lumin-Actor": "support 7",
    "Lumin-Expected-Version": "1",
    traceparent,
    tracestate: "a=1",
    "Nats-Msg-Id": "m-1",
    "Nats-Rollup": "all",
    "Nats-Expected-Stream": "OTHER",
    "Nats-TTL": "1s",
    "Lumin-Reply-To": `${prefix}.reply.elsewhere`,
    Other: "x",
  };
  const answer = await request(gateway, "change_username", { firstName: "Eve" }, { userId, headers });
  assert.equal(answer.as("Outcome").status, "OUTCOME_STATUS_APPLIED");
  assert.equal(answer.headers.get("traceparent"), traceparent);
  const stored = (await readStream(operator, streams.commands)).at(-1);
  const names = [...stored.header.keys()].sort();
  const known = ["Content-Type", "Lumin-Actor", "Lumin-Command-Id", "Lumin-Expected-Version", "Lumin-Reply-To"];
  assert.deepEqual(names, [...known, "traceparent", "tracestate"].sort());
  assert.match(stored.header.get("Lumin-Reply-To"), /^lumin\.user\.v1\.door\.[0-9A-Za-z]{22}\.o\.[0-9A-Za-z]{22}$/);
  const bad = { traceparent: "00-zz", tracestate: "a=1" };
  assert.equal((await request(gateway, "probe", {}, { headers: bad })).headers.get("traceparent"), "");
  const untraced = (await readStream(operator, streams.commands)).at(-1);
  assert.ok(!untraced.header.has("traceparent") && !untraced.header.has("tracestate"));
});

test("a lane's refusal comes through with its words", async () => {
  const { userId } = await create();
  const headers = { "Lumin-Expected-Version": "7" };
  const answer = await request(gateway, "change_username", { userId, firstName: "Eve" }, { headers });
  assert.equal(refusedCommand(answer, 409, "VERSION_MISMATCH").currentVersion, 1);
  assert.equal(answer.headers.get("Lumin-Outcome"), "REJECTED");
  assert.equal(answer.as("Outcome").status, "OUTCOME_STATUS_REJECTED");
});

// ---- queries

test("get: a user, an unknown one, a deleted one, none", async () => {
  const { userId } = await create();
  const user = (await request(gateway, "get", { userId })).as("User");
  assert.deepEqual([user.userId, user.version, user.firstName], [userId, 1, "Ada"]);
  assert.deepEqual((await request(gateway, "get", {}, { userId })).as("User"), user);
  refused(await request(gateway, "get", { userId: crypto.randomUUID() }), 404, "NOT_FOUND");
  refused(await request(gateway, "get", {}), 400, "INVALID_ARGUMENT", "user_id");
  refused(await request(gateway, "get", { userId: "7" }), 400, "INVALID_ARGUMENT", "user_id");
  refused(await request(gateway, "get", { userId }, { userId: crypto.randomUUID() }), 400, "INVALID_ARGUMENT", "user_id");
  await request(gateway, "delete", { userId });
  const gone = refused(await request(gateway, "get", { userId }), 410, "DELETED");
  assert.deepEqual([gone.currentStatus, gone.currentVersion], ["USER_STATUS_DELETED", 2]);
});

test("get waits for Lumin-Min-Version, and says how far the user is where it does not come", async () => {
  const { userId } = await create();
  const asked = request(gateway, "get", { userId }, { headers: { "Lumin-Min-Version": "2" } });
  await sleep(200);
  await request(gateway, "change_username", { userId, firstName: "Eve" });
  assert.equal((await asked).as("User").firstName, "Eve");
  const started = Date.now();
  const late = await request(gateway, "get", { userId }, { headers: { "Lumin-Min-Version": "9" } });
  assert.equal(refused(late, 504, "DEADLINE_EXCEEDED").currentVersion, 2);
  assert.ok(Date.now() - started >= 4900, "it waited for rpc.timeout");
  const bad = await request(gateway, "get", { userId }, { headers: { "Lumin-Min-Version": "new" } });
  refused(bad, 400, "INVALID_ARGUMENT", "Lumin-Min-Version");
});

test("get waits for a user that is not there yet", async () => {
  const userId = crypto.randomUUID();
  const asked = request(gateway, "get", { userId }, { headers: { "Lumin-Min-Version": "1" } });
  await sleep(100);
  await request(gateway, "create", { userId, firstName: "Ada", email: address() });
  assert.equal((await asked).as("User").version, 1);
});

test("many queries at once each get their own answer", async () => {
  const users = [];
  for (let i = 0; i < 20; i++) users.push((await create()).userId);
  const asked = Array.from({ length: 3000 }, (_, i) => {
    const userId = i % 3 === 0 ? crypto.randomUUID() : users[i % users.length];
    return request(gateway, "get", { userId }).then((answer) => [i, userId, answer]);
  });
  for (const [i, userId, answer] of await Promise.all(asked)) {
    if (i % 3 === 0) assert.equal(answer.code, 404);
    else assert.equal(answer.as("User").userId, userId);
  }
});

test("command_outcome waits for a command that comes later, and hears of it at once", async () => {
  // It is read again every 250 ms too: heard of is what comes well before the next time.
  for (let tries = 1, heard = false; !heard; tries++) {
    assert.ok(tries <= 20, "outcomes are only read again, not heard of");
    const [id, begun] = [crypto.randomUUID(), Date.now()];
    const asking = request(gateway, "command_outcome", { commandId: id, waitMs: 8000 }, { timeout: 9000 });
    const asked = asking.then((answer) => [answer, Date.now()]);
    await sleep(290);
    const headers = { "Lumin-Command-Id": id };
    const done = await request(gateway, "create", { firstName: "Ada", email: address() }, { headers });
    const ended = Date.now();
    const [answer, told] = await asked;
    assert.deepEqual(answer.as("Outcome"), done.as("Outcome"));
    assert.equal(answer.headers.get("Lumin-Outcome"), "APPLIED");
    heard = ended - begun < 400 && told - ended < 80;
  }
});

test("command_outcome: an unknown command, now and after a wait; bad requests; another user's command", async () => {
  const commandId = crypto.randomUUID();
  const started = Date.now();
  refused(await request(gateway, "command_outcome", { commandId }), 404, "NOT_FOUND");
  assert.ok(Date.now() - started < 4900); // not rpc.timeout
  refused(await request(gateway, "command_outcome", { commandId, waitMs: 500 }), 404, "NOT_FOUND");
  assert.ok(Date.now() - started >= 500);
  refused(await request(gateway, "command_outcome", { commandId, waitMs: 30_001 }), 400, "INVALID_ARGUMENT", "wait_ms");
  refused(await request(gateway, "command_outcome", { commandId: "7" }), 400, "INVALID_ARGUMENT", "command_id");
  const done = await create();
  const mine = await request(gateway, "command_outcome", { commandId: done.commandId }, { userId: done.userId });
  assert.deepEqual(mine.as("Outcome"), done);
  const other = { userId: crypto.randomUUID() };
  refused(await request(gateway, "command_outcome", { commandId: done.commandId }, other), 404, "NOT_FOUND");
});

test("no more than 1,024 queries wait; those that do are answered, and then others may", async () => {
  const ask = (waitMs) => request(gateway, "command_outcome", { commandId: crypto.randomUUID(), waitMs });
  const answers = await Promise.all(Array.from({ length: 1100 }, () => ask(4000)));
  const codes = answers.map(({ code }) => code);
  assert.equal(codes.filter((code) => code === 404).length, 1024);
  assert.equal(codes.filter((code) => code === 429).length, 76);
  const more = await Promise.all(Array.from({ length: 1024 }, () => ask(10)));
  assert.ok(more.every(({ code }) => code === 404));
});

// ---- what no caller should send

/** A client of the bare protocol, for what a proper one would not let out. */
async function bare() {
  const socket = net.connect(rig.nats.port, "127.0.0.1");
  const login = { user: "gateway", pass: rig.nats.passwords.gateway, headers: true, verbose: false, pedantic: false };
  let received = "";
  socket.setEncoding("latin1").on("data", (part) => (received += part));
  socket.write(`CONNECT ${JSON.stringify(login)}\r\nSUB _INBOX_lumin_gateway.> 1\r\n`);
  return {
    send: (text) => socket.write(Buffer.from(text, "latin1")),
    heard: (pattern) => eventually(() => pattern.exec(received), { timeout: 15_000, what: String(pattern) }),
    received: () => received,
    end: () => socket.destroy(),
  };
}

const hpub = (subject, reply, block, payload) =>
  `HPUB ${subject} ${reply} ${block.length} ${block.length + payload.length}\r\n${block}${payload}\r\n`;

test("headers that cannot be read are refused, and a line within a value comes to nothing", async () => {
  const client = await bare();
  const ask = async (block, answer) => {
    const inbox = `_INBOX_lumin_gateway.${crypto.randomUUID()}`;
    client.send(hpub(rpcSubject("probe"), inbox, block, ""));
    await client.heard(new RegExp(`MSG ${inbox} [^]*?${answer}`));
  };
  await ask("garbage", "Nats-Service-Error: ?INVALID_ARGUMENT: the headers cannot be read");
  await ask("NATS/1.0\r\nLumin-Actor: a\nNats-Rollup: all\r\n\r\n", "Nats-Service-Error-Code: ?400");
  await ask("NATS/1.0\r\nA: \0\r\nLumin-Command-Id: 7\r\n\r\n", "Nats-Service-Error-Code: ?400");
  await ask("NATS/1.0\r\n\r\n", "Lumin-Outcome: ?UNCHANGED");
  const lines = (...all) => `NATS/1.0\r\n${all.map((line) => `${line}\r\n`).join("")}\r\n`;
  await ask(lines("Twice: 1", "Twice:2 ", "Nats-Msg-Id:  a  ", "Folded: 1", "\t2"), "Lumin-Outcome: ?UNCHANGED");
  client.end();
});

test("a request in the guise of the server's 503 keeps nobody else from an answer", async () => {
  const client = await bare();
  const fake = hpub(rpcSubject("probe"), "_INBOX_lumin_gateway.fake", "NATS/1.0 503\r\n\r\n", "");
  const real = (i) => `PUB ${rpcSubject("get")} _INBOX_lumin_gateway.real.${i} 0\r\n\r\n`;
  client.send(Array.from({ length: 50 }, (_, i) => fake + real(i)).join("")); // in one piece
  for (let i = 0; i < 50; i++) await client.heard(new RegExp(`MSG _INBOX_lumin_gateway\\.real\\.${i} `));
  client.end();
});

test("a reply subject of nearly 4 KiB is answered", async () => {
  const client = await bare();
  const reply = `_INBOX_lumin_gateway.${"r".repeat(3900)}`;
  client.send(`PUB ${rpcSubject("get")} ${reply} 0\r\n\r\n`);
  await client.heard(new RegExp(`MSG ${reply} `));
  client.send(`PUB ${rpcSubject("probe")} ${reply} 0\r\n\r\n`);
  await client.heard(new RegExp(`MSG ${reply} [^]*MSG ${reply} [^]*UNCHANGED`));
  client.end();
});

test("no caller makes the worker publish into its own subjects or the server's", async () => {
  const before = (await statistics()).data.door.dropped;
  const { state } = await jetstreamApi(operator, `STREAM.INFO.${streams.commands}`);
  const id = crypto.randomUUID();
  const replies = [
    commandSubject("delete", id),
    `${prefix}.command.3.delete.${id}`,
    `${prefix}.event.user_deleted.${id}`,
    `${prefix}.dead.delete.${id}`,
    `${prefix}.door.x.o.y`,
    `${prefix}.outcome.${id}`,
    `$JS.API.STREAM.PURGE.${streams.commands}`,
    "$SYS.x",
    "_INBOX_lumin_worker.x.y",
    "a.*.b",
    "a..b",
  ];
  const client = await bare();
  for (const reply of replies) client.send(`PUB ${rpcSubject("get")} ${reply} 0\r\n\r\n`);
  client.send(`PUB ${rpcSubject("get")} _INBOX_lumin_gateway.last 0\r\n\r\n`);
  await client.heard(/MSG _INBOX_lumin_gateway\.last /);
  client.end();
  const after_ = (await jetstreamApi(operator, `STREAM.INFO.${streams.commands}`)).state;
  assert.deepEqual([after_.last_seq, after_.messages], [state.last_seq, state.messages]);
  // The server itself keeps some from the worker: the door drops all that reach it.
  const dropped = (await statistics()).data.door.dropped - before;
  assert.ok(dropped >= 8 && dropped <= replies.length, `${dropped} dropped`);
});

test("an answer goes to a subject under reply", async () => {
  const subject = `${prefix}.reply.door-test`;
  const inbox = gateway.subscribe(subject, { max: 1 });
  gateway.publish(rpcSubject("probe"), encode("Probe"), { reply: subject });
  for await (const message of inbox) assert.equal(message.headers.get("Lumin-Outcome"), "UNCHANGED");
});

test("a flood that nobody waits for is dropped and counted, and others are answered meanwhile", async () => {
  const before = (await statistics()).data.door.dropped;
  const payload = Buffer.alloc(512);
  for (let i = 0; i < 20_000; i++) gateway.publish(rpcSubject("create"), payload);
  assert.equal((await request(gateway, "probe")).code, 0);
  await gateway.flush();
  await eventually(async () => (await statistics()).data.door.dropped - before === 20_000);
});

test("a flood with replies is answered or shed, each request once", async () => {
  const asked = Array.from({ length: 4000 }, () => request(gateway, "probe", {}, { userId: "0b0e7a3c-2f65-4a7e-9a60-0c6c1f1f2a11" }));
  const codes = (await Promise.all(asked)).map(({ code }) => code);
  assert.ok(codes.every((code) => code === 0 || code === 429), [...new Set(codes)].join());
  assert.ok(codes.includes(0));
});

// ---- the stream says no; last, since it harms the rig

test("a full command stream is RESOURCE_EXHAUSTED, and nothing of the command is on it", async () => {
  const { state, config } = await jetstreamApi(operator, `STREAM.INFO.${streams.commands}`);
  await jetstreamApi(operator, `STREAM.UPDATE.${streams.commands}`, { ...config, max_msgs: state.messages });
  const id = crypto.randomUUID();
  const answer = await request(gateway, "probe", {}, { headers: { "Lumin-Command-Id": id } });
  refusedCommand(answer, 429, "RESOURCE_EXHAUSTED");
  await jetstreamApi(operator, `STREAM.UPDATE.${streams.commands}`, config);
  refused(await request(gateway, "command_outcome", { commandId: id }), 404, "NOT_FOUND");
  assert.equal((await request(gateway, "probe", {}, { headers: { "Lumin-Command-Id": id } })).code, 0);
});

test("without a command stream a command is UNAVAILABLE at once", async () => {
  await jetstreamApi(operator, `STREAM.DELETE.${streams.commands}`);
  const started = Date.now();
  refusedCommand(await request(gateway, "probe"), 503, "UNAVAILABLE");
  assert.ok(Date.now() - started < 4900); // not rpc.timeout
  refused(await request(gateway, "get", { userId: crypto.randomUUID() }), 404, "NOT_FOUND"); // queries go on
});
