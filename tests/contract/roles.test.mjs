// SPDX-License-Identifier: MIT
// The rights of the NATS roles in deploy/nats/accounts.conf, each right and each refusal, on a running server; and what
// the account does for the contract: the partition mapping, answers to private inboxes, the limits.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import test, { after } from "node:test";
import { AckPolicy, connect } from "nats";
import { Rig, commandSubject, jetstreamApi, prefix, roles, sleep, streams } from "../support/servers.mjs";

const { commands, events, dead } = streams;
const user = "0b0e7a3c-2f65-4a7e-9a60-0c6c1f1f2a11";

const rig = await Rig.start({ after }, { name: "contract-roles", postgres: false });

const everyone = (...but) => roles.filter((role) => !but.includes(role));

// Who may publish what. The streams do not exist while this is checked, so that nothing comes of a right.
const publishing = [
  [["gateway", "operator"], `${prefix}.rpc.create`, `${prefix}.rpc.change_email.${user}`],
  [["gateway", "setup", "operator"], `${prefix}.rpc.probe`, `${prefix}.rpc.probe.${user}`],
  [["command_publisher", "worker", "operator"], `${prefix}.command.create.${user}`],
  [["command_publisher", "worker", "operator"], `${prefix}.command.7.create.${user}`],
  [["command_publisher", "worker", "setup", "operator"], `${prefix}.command.probe.${user}`],
  [["command_publisher", "worker", "setup", "operator"], `${prefix}.command.7.probe.${user}`],
  [["operator"], `${prefix}.command.7.create.${user}.more`],
  [["worker"], `${prefix}.event.user_created.${user}`, `${prefix}.dead.create.${user}`],
  [["worker"], `${prefix}.outcome.${user}`, `${prefix}.reply.orders.1`, `${prefix}.door.1.2`],
  [["gateway", "setup", "operator"], "$SRV.PING", "$SRV.INFO.lumin-user", "$SRV.STATS.lumin-user.1"],
  [[], "_INBOX.a", ...["command_publisher", "event_consumer", "worker"].map((role) => `_INBOX_lumin_${role}.a`)],
  [["worker"], ...["gateway", "setup", "operator"].map((role) => `_INBOX_lumin_${role}.a`)],
  [[], "lumin.user.v2.rpc.create", "other", "$SYS.REQ.SERVER.PING"],

  [["event_consumer", "worker", "setup", "operator"], "$JS.API.INFO"],
  [["worker", "setup", "operator"], `$JS.API.STREAM.INFO.${commands}`, `$JS.API.STREAM.INFO.${dead}`],
  [["event_consumer", "worker", "setup", "operator"], `$JS.API.STREAM.INFO.${events}`],
  [["worker", "setup", "operator"], `$JS.API.STREAM.MSG.GET.${commands}`],
  [["event_consumer", "worker", "operator"], `$JS.API.STREAM.MSG.GET.${events}`],
  [["operator"], `$JS.API.STREAM.MSG.GET.${dead}`],
  [["event_consumer", "operator"], `$JS.API.DIRECT.GET.${events}.${prefix}.event.user_created.${user}`],
  [["setup", "operator"], ...[commands, events, dead].map((stream) => `$JS.API.STREAM.CREATE.${stream}`)],
  [["setup", "operator"], ...[commands, events, dead].map((stream) => `$JS.API.STREAM.UPDATE.${stream}`)],
  [["operator"], ...[commands, events, dead].map((stream) => `$JS.API.STREAM.DELETE.${stream}`)],
  [["operator"], ...[commands, events, dead].map((stream) => `$JS.API.STREAM.MSG.DELETE.${stream}`)],
  [["operator"], `$JS.API.STREAM.SNAPSHOT.${events}`, `$JS.API.STREAM.RESTORE.${events}`],
  [["worker", "operator"], `$JS.API.STREAM.PURGE.${commands}`],
  [["operator"], `$JS.API.STREAM.PURGE.${events}`, `$JS.API.STREAM.PURGE.${dead}`],
  [[], "$JS.API.STREAM.CREATE.OTHER", "$JS.API.STREAM.DELETE.OTHER", "$JS.API.STREAM.PURGE.OTHER"],
  [[], "$JS.API.ACCOUNT.PURGE.LUMIN", "$JS.API.SERVER.REMOVE", "$JS.API.META.LEADER.STEPDOWN"],

  [["worker", "operator"], `$JS.API.CONSUMER.CREATE.${commands}`, `$JS.API.CONSUMER.CREATE.${commands}.c.f`],
  [["worker", "operator"], `$JS.API.CONSUMER.MSG.NEXT.${commands}.c`, `$JS.API.CONSUMER.DELETE.${commands}.c`],
  [["event_consumer", "worker", "operator"], `$JS.API.CONSUMER.CREATE.${events}`, `$JS.API.CONSUMER.INFO.${events}.c`],
  [["event_consumer", "worker", "operator"], `$JS.API.CONSUMER.MSG.NEXT.${events}.c`],
  [["event_consumer", "operator"], `$JS.API.CONSUMER.DURABLE.CREATE.${events}.c`, `$JS.ACK.${events}.c.1.1.1.1.1`],
  [["operator"], `$JS.API.CONSUMER.DURABLE.CREATE.${commands}.c`, `$JS.ACK.${commands}.c.1.1.1.1.1`],
  [["operator"], `$JS.API.CONSUMER.CREATE.${dead}`, `$JS.API.CONSUMER.MSG.NEXT.${dead}.c`],
  [["operator"], `$JS.API.CONSUMER.DELETE.${dead}.c`, `$JS.API.CONSUMER.CREATE.${dead}.c.${prefix}.dead.*.*`],
];

// Who may listen to what; the last column is the queue group.
const listening = [
  ...roles.map((role) => [[role], `_INBOX_lumin_${role}.>`]),
  [[], "_INBOX.>"],
  [[], ">"],
  [[], "lumin.>"],
  [[], "$JS.API.>"],
  [[], "$SYS.>"],
  [["worker"], `${prefix}.rpc.>`, "lumin-user"],
  [["worker"], `${prefix}.rpc.create`, "lumin-user"],
  [[], `${prefix}.rpc.>`],
  [[], `${prefix}.rpc.>`, "other"],
  [[], `${prefix}.command.>`],
  [[], `${prefix}.event.>`],
  [[], `${prefix}.dead.>`],
  [["worker"], `${prefix}.door.>`],
  [["worker"], "$SRV.PING"],
  [["worker"], "$SRV.INFO.lumin-user"],
  [["worker"], "$SRV.STATS.lumin-user.1"],
  [[], "$SRV.PING.other"],
  [everyone("event_consumer"), `${prefix}.outcome.*`],
  [everyone("event_consumer", "worker"), `${prefix}.reply.>`],
];

/** A client that gathers what the server refuses; the server answers in order, so a flush has seen it. */
async function watched(role) {
  const nc = await rig.connect(role);
  const refused = [];
  (async () => {
    for await (const { type, data, permissionContext } of nc.status()) {
      if (type === "error") refused.push(permissionContext?.subject ?? data);
    }
  })();
  return {
    nc,
    refuses: async (act) => {
      refused.length = 0;
      act();
      await nc.flush();
      await sleep(1); // the status iterator hands over in a later turn
      return refused.length > 0;
    },
  };
}

for (const role of roles) {
  test(`${role} publishes what it needs and no more`, async () => {
    const client = await watched(role);
    for (const [allowed, ...subjects] of publishing) {
      for (const subject of subjects) {
        const refused = await client.refuses(() => client.nc.publish(subject));
        assert.equal(refused, !allowed.includes(role), `${role} publishes ${subject}`);
      }
    }
  });

  test(`${role} listens to what it needs and no more`, async () => {
    const client = await watched(role);
    for (const [allowed, subject, queue] of listening) {
      const refused = await client.refuses(() => client.nc.subscribe(subject, { queue, callback: () => {} }));
      assert.equal(refused, !allowed.includes(role), `${role} listens to ${subject} ${queue ?? ""}`);
    }
    await client.nc.close(); // as a member of the queue group it would take requests of the tests below
  });
}

test("nobody comes in without a password, or with another's", async () => {
  const wrong = [{}, { user: "worker", pass: rig.nats.passwords.gateway }, { user: "root", pass: "" }];
  for (const credentials of wrong) {
    const attempt = connect({ servers: rig.nats.url, maxReconnectAttempts: 0, ...credentials });
    await assert.rejects(attempt, { code: "AUTHORIZATION_VIOLATION" });
  }
});

test("the server announces the payload limit of the contract, with room for headers", async () => {
  const gateway = await rig.connect("gateway");
  assert.equal(gateway.info.max_payload, 320 * 1024);
});

test("a command that no stream captures is refused at once", async () => {
  const publisher = await rig.connect("command_publisher");
  const attempt = publisher.request(commandSubject("create", user), undefined, { timeout: 2000 });
  await assert.rejects(attempt, { code: "503" });
});

test("a worker answers into the callers' private inboxes, and into no others", async () => {
  const gateway = await rig.connect("gateway");
  const worker = await watched("worker");
  let request;
  worker.nc.subscribe(`${prefix}.rpc.>`, {
    queue: "lumin-user",
    callback: (_error, message) => {
      request = message;
      message.respond("first");
    },
  });
  await worker.nc.flush();
  const reply = await gateway.request(`${prefix}.rpc.get`, undefined, { timeout: 2000 });
  assert.equal(reply.string(), "first");
  assert.ok(request.reply.startsWith("_INBOX_lumin_gateway."));
  for (const role of ["command_publisher", "event_consumer"]) {
    const subject = `_INBOX_lumin_${role}.a.b`;
    assert.ok(await worker.refuses(() => worker.nc.publish(subject, "no caller")), subject);
  }
  assert.ok(await worker.refuses(() => worker.nc.publish("_INBOX.a.b", "somebody's")), "an inbox without a prefix of its own");
});

async function makeStreams() {
  const setup = await rig.connect("setup");
  const made = [
    { name: commands, subjects: [`${prefix}.command.*.*.*`], discard: "new" },
    { name: events, subjects: [`${prefix}.event.*.*`], discard: "old" },
    { name: dead, subjects: [`${prefix}.dead.*.*`], discard: "old" },
  ];
  for (const config of made) {
    const rest = { retention: "limits", storage: "file", num_replicas: 1 };
    await jetstreamApi(setup, `STREAM.CREATE.${config.name}`, { ...config, ...rest });
  }
}

function fnv1a(text) {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

test("with the streams that setup makes", async (t) => {
  await makeStreams();

  await t.test("a command lands in the partition of its user, FNV-1a of the id modulo 32", async () => {
    const publisher = await rig.connect("command_publisher");
    const operator = await rig.connect("operator");
    for (let i = 0; i < 64; i++) {
      const id = crypto.randomUUID();
      const ack = await publisher.jetstream().publish(commandSubject("create", id), "x");
      const { message } = await jetstreamApi(operator, `STREAM.MSG.GET.${commands}`, { seq: ack.seq });
      assert.equal(message.subject, `${prefix}.command.${fnv1a(id) % 32}.create.${id}`);
    }
  });

  await t.test("an event consumer reads and acknowledges what the worker published", async () => {
    const worker = await rig.connect("worker");
    await worker.jetstream().publish(`${prefix}.event.user_created.${user}`, "created");
    const reader = await rig.connect("event_consumer");
    const manager = await reader.jetstreamManager();
    await manager.consumers.add(events, { durable_name: "reader", ack_policy: AckPolicy.Explicit });
    const consumer = await reader.jetstream().consumers.get(events, "reader");
    const message = await consumer.next({ expires: 2000 });
    assert.equal(message.string(), "created");
    assert.ok(await message.ackAck());
  });

  await t.test("an operator replays a dead command through the unmapped subject", async () => {
    const operator = await rig.connect("operator");
    const ack = await operator.jetstream().publish(commandSubject("create", user), "again");
    assert.equal(ack.stream, commands);
  });
});
