// SPDX-License-Identifier: MIT
// The door while what stands behind it does not answer, is gone, or goes: every request gets an answer that is true, and
// commands never wait for the database that queries read.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import test, { after } from "node:test";
import { Rig, eventually, request, sleep } from "../support/servers.mjs";
import { newUser, partitionOf } from "../support/traps.mjs";

const rig = await Rig.start({ after }, { name: "door" });
await rig.setup();
const env = { LUMIN_RPC_TIMEOUT: "1s", LUMIN_RPC_WAITING_PER_PARTITION: "4" };
const worker = await rig.worker({ wait: false, env });
const gateway = await rig.connect("gateway");
const works = () =>
  eventually(async () => (await request(gateway, "probe", {}, { timeout: 2000 })).code === 0, {
    timeout: 30_000,
    what: "a probe",
  });
await works();

let addresses = 0;
const draft = () => ({ firstName: "Ada", email: `fault-${addresses++}@example.com` });

async function timed(promise) {
  const started = Date.now();
  return [await promise, Date.now() - started];
}

test("while PostgreSQL stands still", async (t) => {
  const known = (await request(gateway, "create", draft())).as("Outcome");
  rig.postgres.children().forEach((pid) => process.kill(pid, "SIGSTOP"));
  rig.postgres.pause();
  const id = crypto.randomUUID();
  const message = draft();

  await t.test("a command is DEADLINE_EXCEEDED after rpc.timeout, and the answer names it", async () => {
    const headers = { "Lumin-Command-Id": id };
    const [answer, ms] = await timed(request(gateway, "create", message, { headers }));
    assert.equal(answer.code, 504);
    assert.ok(ms >= 950 && ms < 2900, `${ms} ms`); // before postgres.connect_timeout);
    assert.equal(answer.as("Outcome").commandId, id);
    assert.equal(answer.as("Outcome").error.reason, "REASON_DEADLINE_EXCEEDED");
    assert.ok(answer.reason.includes(id) && answer.reason.includes("command_outcome"), answer.reason);
  });

  await t.test("more commands of a partition than may wait are shed at once, others are not", async () => {
    const userId = newUser((partitionOf(known.userId) + 1) % 32);
    const order = [];
    const probe = async (user) => {
      const { code } = await request(gateway, "probe", {}, { userId: user });
      order.push(code);
      return code;
    };
    const codes = await Promise.all([...Array.from({ length: 10 }, () => probe(userId)), probe(known.userId)]);
    assert.equal(codes.filter((code) => code === 429).length, 6);
    assert.equal(codes.filter((code) => code === 504).length, 5);
    assert.ok(order.lastIndexOf(429) < order.indexOf(504), `${order}`);
    assert.notEqual(codes.at(-1), 429);
  });

  await t.test("a query is UNAVAILABLE within rpc.timeout, and keeps no command waiting", async () => {
    const order = [];
    const asked = (name, answer) => timed(answer).then((found) => (order.push(name), found));
    const query = asked("query", request(gateway, "get", { userId: known.userId }));
    const [refused] = await asked("command", request(gateway, "delete", {}));
    assert.equal(refused.code, 400);
    const [answer, took] = await query;
    assert.equal(answer.code, 503);
    assert.deepEqual(order, ["command", "query"]);
    assert.ok(took < 2900, `${took} ms`); // before postgres.connect_timeout
  });

  rig.postgres.children().forEach((pid) => process.kill(pid, "SIGCONT"));
  rig.postgres.resume();

  await t.test("and then the command is applied once, whoever asks for it", async () => {
    const asked = await eventually(async () => {
      const answer = await request(gateway, "command_outcome", { commandId: id, waitMs: 10_000 }, { timeout: 15_000 });
      return answer.code !== 503 && answer; // the door's session is opened anew
    }, { timeout: 20_000 });
    assert.equal(asked.as("Outcome").status, "OUTCOME_STATUS_APPLIED");
    const again = await request(gateway, "create", message, { headers: { "Lumin-Command-Id": id } });
    assert.deepEqual(again.as("Outcome"), asked.as("Outcome"));
  });
});

test("without PostgreSQL queries are UNAVAILABLE at once, and come back by themselves", async () => {
  const known = (await request(gateway, "create", draft())).as("Outcome");
  const get = () => timed(request(gateway, "get", { userId: known.userId }));
  await rig.postgres.kill();
  const answers = await Promise.all([get(), get(), get()]);
  for (const [answer, ms] of answers) {
    assert.equal(answer.code, 503);
    assert.equal(answer.as("Error").reason, "REASON_UNAVAILABLE");
    assert.ok(ms < 950, `${ms} ms`); // before rpc.timeout
  }
  assert.equal((await request(gateway, "change_email", {})).code, 400); // the door is open
  await rig.postgres.restart({ hard: true });
  await eventually(async () => (await get())[0].code === 0, { timeout: 20_000, what: "a query" });
  await works();
  const lines = (event) => worker.logText().match(new RegExp(`${event} thread=door`, "g")).length;
  assert.ok(lines("postgres_lost") >= 2);
  assert.equal(lines("postgres_lost"), lines("postgres_connected") - 1, "one line for each loss");
});

test("after a restart of the NATS server requests are answered again", async () => {
  const waiting = request(gateway, "command_outcome", { commandId: crypto.randomUUID(), waitMs: 9000 });
  waiting.catch(() => {}); // nobody answers it: its connection is gone
  assert.equal((await request(gateway, "probe")).code, 0); // behind it, so that it is there
  await rig.nats.restart({ hard: true });
  await works();
  assert.equal(worker.logText().match(/nats_lost thread=door/g)?.length, 1);
  assert.match(worker.logText(), /nats_lost thread=door requests=1/);
});

test("a worker that stops loses no request, though they never pause", async () => {
  const workers = [worker];
  let [answered, going] = [0, true];
  const client = async (n) => {
    const nc = await rig.connect("gateway");
    for (let i = 0; going; i++) {
      const query = (n + i) % 4 === 0;
      const asked = query
        ? request(nc, "get", { userId: crypto.randomUUID() }, { timeout: 15_000 })
        : request(nc, "probe", {}, { timeout: 15_000 });
      const { code, reason } = await asked; // throws where nobody answers
      const fine = query ? code === 404 : code === 0 || code === 504; // a partition may change its owner for a while
      assert.ok(fine, `${code} ${reason}`);
      answered++;
    }
  };
  const clients = Promise.all(Array.from({ length: 8 }, (_, n) => client(n)));
  for (let round = 0; round < 4; round++) {
    const successor = await rig.worker({ wait: false, env: { ...env, LUMIN_RPC_TIMEOUT: "8s" } });
    await eventually(() => /nats_connected thread=door/.test(successor.logText()), { timeout: 20_000 });
    workers.push(successor);
    await sleep(300);
    assert.equal(await workers.shift().stop(), 0);
    await sleep(300);
  }
  going = false;
  await clients;
  assert.ok(answered > 500, `${answered} answers`);
});

test("who waits for an outcome at a worker that stops waits on as long as for a reply, and is told to ask again", async () => {
  await rig.workers.at(-1).stop();
  const leaving = await rig.worker({ env }); // rpc.timeout 1 s
  const asked = timed(request(gateway, "command_outcome", { commandId: crypto.randomUUID(), waitMs: 9000 }));
  assert.equal((await request(gateway, "probe")).code, 0); // behind it, so that it is there
  await leaving.stop();
  const [answer, ms] = await asked;
  assert.equal(answer.code, 503);
  assert.ok(ms > 1000 && ms < 6000, `${ms} ms`);
});
