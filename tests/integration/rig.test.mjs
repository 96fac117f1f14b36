// SPDX-License-Identifier: MIT
// What the other tests here rest on: servers that keep what they acknowledged through kill -9, that can be stopped and
// continued, and that die with the test that started them.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import test, { after } from "node:test";
import { Rig, ended, eventually, jetstreamApi, prefix, repository, streams } from "../support/servers.mjs";

const rig = await Rig.start({ after }, { name: "rig" });

test("PostgreSQL keeps its rows through kill -9 and restart, on the same port", async () => {
  const { url } = rig.postgres;
  await rig.sql("CREATE TABLE kept (value int)");
  await rig.sql("INSERT INTO kept VALUES (7)");
  await rig.postgres.restart({ hard: true });
  assert.equal(rig.postgres.url, url);
  assert.deepEqual(await rig.sql("SELECT value FROM kept"), [{ value: 7 }]);
});

test("the service's role is no superuser and needs its password", async () => {
  const client = await rig.postgres.client();
  const { rows } = await client.query("SELECT current_user, usesuper FROM pg_user WHERE usename = current_user");
  await client.end();
  assert.deepEqual(rows, [{ current_user: "lumin", usesuper: false }]);
  const wrong = { connectionString: rig.postgres.url.replace(/:[^:@]+@/, ":wrong@") };
  await assert.rejects(rig.postgres.client(wrong), { code: "28P01" });
});

test("nats-server keeps its messages through kill -9 and restart; a client comes back by itself", async () => {
  const operator = await rig.connect("operator");
  const config = { name: streams.events, subjects: [`${prefix}.event.*.*`], storage: "file", retention: "limits" };
  await jetstreamApi(operator, `STREAM.CREATE.${streams.events}`, { ...config, num_replicas: 1 });
  const worker = await rig.connect("worker");
  await worker.jetstream().publish(`${prefix}.event.user_created.a`, "kept");
  await rig.nats.restart({ hard: true });
  const info = () => jetstreamApi(operator, `STREAM.INFO.${streams.events}`, undefined, { timeout: 500 });
  const { state } = await eventually(info, { what: "the operator's connection" });
  assert.equal(state.messages, 1);
});

test("settings override the deployed configuration", async () => {
  await rig.nats.restart({ settings: { max_payload: "1KB" } });
  const gateway = await rig.connect("gateway");
  assert.equal(gateway.info.max_payload, 1024);
  await rig.nats.restart({ settings: {} });
});

test("a stopped server answers nobody until it is continued", async () => {
  const gateway = await rig.connect("gateway");
  await rig.nats.pause();
  const answer = gateway.flush().then(() => "answered");
  const first = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 300, "silence"))]);
  assert.equal(first, "silence");
  rig.nats.resume();
  assert.equal(await answer, "answered");
});

test("what a test starts dies with it, even by kill -9", async (t) => {
  const script = `
    import { Rig } from "${repository}/tests/support/servers.mjs";
    const rig = await Rig.start({ after() {} }, { name: "rig-orphans" });
    console.log(rig.nats.pid, rig.postgres.pid, ...rig.postgres.children());`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const [line] = await once(child.stdout.setEncoding("utf8"), "data");
  const pids = line.trim().split(" ").map(Number);
  assert.ok(pids.length > 2);
  const servers = pids.slice(0, 2); // PostgreSQL's children come and go
  assert.ok(!servers.some(ended));
  child.kill("SIGKILL");
  await eventually(() => pids.every(ended), { what: "the end of the servers" });
});
