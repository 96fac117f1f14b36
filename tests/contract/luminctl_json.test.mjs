// SPDX-License-Identifier: MIT
// luminctl with JSON on both sides, against a real worker: what it prints can be parsed, what it is given is checked
// before anything is sent.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import test, { after } from "node:test";
import { Rig, build, jetstreamApi, streams } from "../support/servers.mjs";

const rig = await Rig.start({ after }, { name: "contract-luminctl-json" });
await rig.setup();
await rig.worker();
const operator = await rig.connect("operator");

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "lumin-cli-"));
after(() => fs.rmSync(folder, { recursive: true }));

const environment = {
  NATS_COMMANDS_USER: "command_publisher",
  NATS_COMMANDS_PASSWORD: rig.nats.passwords.command_publisher,
};
const luminctl = (...args) => rig.run("luminctl", args, { role: "gateway", env: environment });

/** The one line of JSON that it prints. */
function document({ stdout, stderr }) {
  assert.match(stdout, /^\{.*\}\n$/, stderr);
  return JSON.parse(stdout);
}

let addresses = 0;
const address = () => `cli-${addresses++}@example.com`;

test("--data and --json: a request as JSON, its answer as JSON", async () => {
  const email = address();
  const made = await luminctl("create", "--json", "--data", JSON.stringify({ firstName: "Ada", email }));
  assert.equal(made.code, 0, made.stderr);
  assert.equal(made.stderr, "");
  const outcome = document(made);
  assert.equal(outcome.status, "OUTCOME_STATUS_APPLIED");
  assert.equal(outcome.version, "1");
  const got = await luminctl("get", "--json", "--user-id", outcome.userId);
  assert.equal(got.code, 0, got.stderr);
  const user = document(got);
  assert.equal(user.email, email);
  assert.equal(user.emailVerified, false);
  const asked = await luminctl("command-outcome", "--json", "--data", JSON.stringify({ commandId: outcome.commandId }));
  assert.deepEqual(document(asked), outcome);
});

test("--data alone prints rows, --json alone takes flags", async () => {
  const rows = await luminctl("create", "--data", JSON.stringify({ first_name: "Ada", email: address() }));
  assert.equal(rows.code, 0, rows.stderr);
  assert.match(rows.stdout, /^status +APPLIED$/m);
  const json = await luminctl("create", "--json", "--first-name", "Ada", "--email", address());
  assert.equal(document(json).status, "OUTCOME_STATUS_APPLIED");
});

test("--data @FILE and @-", async () => {
  const file = path.join(folder, "create.json");
  fs.writeFileSync(file, ` {\n  "firstName": "Ada",\n  "email": "${address()}"\n}\n`);
  const made = await luminctl("create", "--json", "--data", `@${file}`);
  assert.equal(made.code, 0, made.stderr);
  const { userId } = document(made);
  const env = { PATH: process.env.PATH, ...rig.environment("gateway") };
  const input = JSON.stringify({ userId });
  const got = spawnSync(path.join(build, "luminctl"), ["get", "--json", "--data", "@-"], { env, input });
  assert.equal(got.status, 0, got.stderr.toString());
  assert.equal(JSON.parse(got.stdout.toString()).userId, userId);
});

test("a refusal is a document too, and for a person on standard error", async () => {
  const rejected = await luminctl("create", "--json", "--data", "{}");
  assert.equal(rejected.code, 1);
  assert.equal(document(rejected).error.reason, "REASON_INVALID_ARGUMENT");
  assert.match(rejected.stderr, /^error: INVALID_ARGUMENT \(400\): /);
  const missing = await luminctl("get", "--json", "--user-id", crypto.randomUUID());
  assert.equal(missing.code, 1);
  assert.equal(document(missing).reason, "REASON_NOT_FOUND");
});

test("--async: what is known of the outcome; --wait: the outcome", async () => {
  const id = crypto.randomUUID();
  const data = JSON.stringify({ firstName: "Ada", email: address() });
  const sent = await luminctl("create", "--async", "--json", "--command-id", id, "--data", data);
  assert.equal(sent.code, 0, sent.stderr);
  const { userId, streamSequence, ...rest } = document(sent);
  assert.deepEqual(rest, { commandId: id, status: "OUTCOME_STATUS_UNSPECIFIED", version: "0" });
  assert.match(streamSequence, /^[1-9][0-9]*$/);
  const change = JSON.stringify({ userId, firstName: "Eve" });
  const waited = await luminctl("change-username", "--async", "--wait", "--json", "--data", change);
  assert.equal(waited.code, 0, waited.stderr);
  assert.equal(document(waited).version, "2");
});

test("a wrong document ends with 2, says where and what is allowed, and sends nothing", async () => {
  const before = (await jetstreamApi(operator, `STREAM.INFO.${streams.commands}`)).state.last_seq;
  const unreadable = path.join(folder, "nowhere.json");
  const large = path.join(folder, "large.json");
  fs.writeFileSync(large, " ".repeat((1 << 20) + 1));
  for (const [data, pattern] of [
    ['{"adress":"x"}', /^field: adress\nallowed: userId, firstName/m],
    ['{"firstName":7}', /^field: first_name\nallowed: a text$/m],
    ['{"email":"a","email":"b"}', /^field: email\nallowed: the field once$/m],
    ["{", /^error: --data is no Create: the payload is no JSON from byte 1 of 1 on$/m],
    ["", /^error: --data is no Create: the payload is empty$/m],
    [`@${unreadable}`, /cannot be opened: No such file or directory$/m],
    [`@${folder}`, /cannot be read$/m],
    [`@${large}`, /larger than any request$/m],
  ]) {
    const { code, stdout, stderr } = await luminctl("create", "--json", "--data", data);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, pattern);
  }
  const both = await luminctl("create", "--first-name", "Ada", "--data", "{}");
  assert.equal(both.code, 2);
  assert.match(both.stderr, /goes without the flags of its fields/);
  assert.equal((await jetstreamApi(operator, `STREAM.INFO.${streams.commands}`)).state.last_seq, before);
});
