// SPDX-License-Identifier: MIT
// One command in two formats: a life with every command of the catalog is lived in JSON and again in protobuf. The
// events have the same bytes, a retry in the other format gets the first outcome, and every document that comes back
// can be given to the service again.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import test, { after } from "node:test";
import {
  Rig,
  encode,
  headersOf,
  messageName,
  prefix,
  protos,
  rpcSubject,
  streams,
} from "../support/servers.mjs";
import { readAll, settle } from "../support/oracle.mjs";
import { jsonText } from "../support/model/messages.mjs";

const rig = await Rig.start({ after }, { name: "contract-formats" });
await rig.setup();
await rig.worker();
const gateway = await rig.connect("gateway");
const operator = await rig.connect("operator");

const [everyone, contacts, nobody] = ["EVERYONE", "CONTACTS", "NOBODY"].map((name) => `VISIBILITY_${name}`);
const settings = {
  email: everyone,
  phone: contacts,
  birthDate: nobody,
  bio: contacts,
  avatar: nobody,
  profileViews: everyone,
};
const profile = {
  ...{
    firstName: "Zo\u00eb \u{1f600}",
    lastName: 'L\u00f6"\\velace',
    email: "Ada@example.com",
    phone: "+44 20 7946 0958",
  },
  ...{ languageCode: "EN-gb", bio: "Counts\r\nengines.\u007e", birthDate: "1915-12-10" },
  ...{ avatarUrl: "HTTPS://Example.com/Ada.png", privacySettings: settings },
};
const viewerId = "0192f5c4-8d7e-7c3a-9b1f-2a6d4e8f0c11";

/** [method, message]; each applies, but the probe, and says something in every field that it has. */
const life = [
  ["create", profile],
  ["activate", {}],
  ["record_profile_view", { viewerId }],
  ["confirm_email", { email: "ada@example.com" }],
  ["confirm_phone", { phone: "+442079460958" }],
  ["change_username", { firstName: "Augusta", lastName: "" }],
  ["change_email", { email: "king@b\u00fccher.example" }],
  ["change_phone", { phone: "" }],
  ["change_language_code", { languageCode: "zh-hant-tw" }],
  ["change_bio", { bio: "e\u0301" }],
  ["change_birth_date", { birthDate: "1916-02-29" }],
  ["change_avatar_url", { avatarUrl: "" }],
  ["change_privacy_settings", { privacySettings: { bio: nobody } }],
  ["block", { reason: "spam", until: { seconds: 4102444800, nanos: 123456789 } }],
  ["activate", {}],
  ["update", { ...profile, updateMask: { paths: ["bio", "phone", "privacy_settings.bio", "email"] } }],
  ["upsert", { ...profile, firstName: "Ada" }],
  ["deactivate", {}],
  ["probe", {}],
  ["delete", {}],
];

const payloads = {
  json: (method, message) => jsonText(messageName(method), message),
  odd: (method, message) => jsonText(messageName(method), message, { snakes: true, numbers: true }),
  protobuf: (method, message) => encode(messageName(method), message),
};

/** The answer as a document, whatever the request's format. */
async function ask(method, payload, { userId, commandId } = {}) {
  const headers = headersOf({ Accept: "application/json", ...(commandId && { "Lumin-Command-Id": commandId }) });
  const reply = await gateway.request(rpcSubject(method, userId), payload, { timeout: 20_000, headers });
  assert.equal(reply.headers.get("Nats-Service-Error"), "", method);
  return reply.json();
}

/** Lives a life in one format, each command once more in the others; returns its events. */
async function live(format) {
  const userId = crypto.randomUUID();
  const { length } = await readAll(operator, streams.events);
  for (const [method, message] of life) {
    const commandId = crypto.randomUUID();
    const outcome = await ask(method, payloads[format](method, message), { userId, commandId });
    assert.equal(outcome.status, `OUTCOME_STATUS_${method === "probe" ? "UNCHANGED" : "APPLIED"}`);
    for (const other of Object.keys(payloads)) {
      const again = await ask(method, payloads[other](method, { userId, ...message }), { userId, commandId });
      assert.deepEqual(again, outcome, `${method} in ${other} after ${format}`);
    }
  }
  await settle(rig);
  const events = (await readAll(operator, streams.events)).slice(length);
  return events.map(({ subject, data }) => `${subject.split(".")[4]} ${Buffer.from(data).toString("hex")}`);
}

test("a life with every command, in each format: the same events to the byte, one outcome a command", async () => {
  const commands = protos
    .lookup(`${prefix}.CommandService`)
    .methodsArray.map(({ requestType }) => requestType.split(".").at(-1));
  assert.deepEqual([...new Set(life.map(([method]) => messageName(method)))].sort(), commands.sort());
  // The last life's end has made the addresses free for the next.
  const told = await live("protobuf");
  assert.ok(told.length > life.length);
  assert.deepEqual(await live("json"), told);
  assert.deepEqual(await live("odd"), told);
});

test("what comes back can be sent back", async () => {
  const created = await ask("create", payloads.json("create", profile));
  const asked = await ask("command_outcome", JSON.stringify({ commandId: created.commandId }));
  assert.deepEqual(asked, created);
  const user = await ask("get", JSON.stringify({ userId: created.userId }));
  const fields = Object.keys(protos.lookupType(`${prefix}.Upsert`).fields);
  const known = Object.fromEntries(Object.entries(user).filter(([name]) => fields.includes(name)));
  assert.deepEqual(Object.keys(known).sort(), fields.sort());
  const back = await ask("upsert", JSON.stringify(known));
  assert.equal(back.status, "OUTCOME_STATUS_UNCHANGED");
  assert.deepEqual(await ask("get", JSON.stringify({ userId: created.userId })), user);
});

test("luminctl: what it prints it takes", async () => {
  const luminctl = async (...args) => JSON.parse((await rig.must("luminctl", args, { role: "gateway" })).stdout);
  const first = await luminctl(
    "create",
    "--json",
    "--first-name",
    "Eve",
    "--email",
    "eve@example.com",
    "--bio",
    'a "bio"',
  );
  assert.deepEqual(
    await luminctl("command-outcome", "--json", "--data", JSON.stringify({ commandId: first.commandId })),
    first,
  );
  const { userId, firstName, bio, privacySettings } = await luminctl("get", "--json", "--user-id", first.userId);
  const again = await luminctl(
    "upsert",
    "--json",
    "--data",
    JSON.stringify({ userId, firstName, bio, privacySettings }),
  );
  assert.equal(again.status, "OUTCOME_STATUS_UNCHANGED");
});
