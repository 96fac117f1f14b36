// SPDX-License-Identifier: MIT
// schemas/asyncapi.yaml: it says what catalog, events.def and protos say, is valid AsyncAPI 3.0, and what the service
// sends is as it says.
import assert from "node:assert/strict";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import test, { after } from "node:test";
import Ajv from "ajv";
import addFormats from "ajv-formats";
import { parse } from "yaml";
import { document, documentText } from "../support/asyncapi.mjs";
import { repository } from "../support/processes.mjs";
import { Rig, eventually, headersOf, protos, prefix, readStream, rpcSubject, streams } from "../support/servers.mjs";

const rig = await Rig.start({ after }, { name: "contract-asyncapi" });
await rig.setup();
await rig.worker();
const gateway = await rig.connect("gateway");
const publisher = await rig.connect("command_publisher");
const operator = await rig.connect("operator");

const file = path.join(repository, "schemas/asyncapi.yaml");
const specification = createRequire(import.meta.url)("@asyncapi/specs/schemas/3.0.0-without-$id.json");

test("the file is what the sources say", () => {
  if (process.env.LUMIN_WRITE_DOCS) fs.writeFileSync(file, documentText());
  assert.equal(fs.readFileSync(file, "utf8"), documentText(), "LUMIN_WRITE_DOCS=1 writes it anew");
});

test("it is AsyncAPI 3.0, and every reference leads somewhere", () => {
  const written = parse(fs.readFileSync(file, "utf8"));
  const ajv = addFormats(new Ajv({ strict: false, inlineRefs: false, code: { optimize: false } })); // compiled once: quickly
  const valid = ajv.compile(specification);
  assert.ok(valid(written), ajv.errorsText(valid.errors?.slice(0, 5)));
  const find = (ref) => ref.slice(2).split("/").reduce((place, name) => place?.[name], written);
  const refs = [...JSON.stringify(written).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref]) => ref);
  assert.deepEqual(refs.filter((ref) => find(ref) === undefined), []);
  assert.ok(refs.length > 300, `${refs.length} references`);
});

// ---- what the service sends

const shapes = addFormats(new Ajv({ strict: false, allErrors: true, schemas: [{ $id: "doc", components: document.components }] }));

function conforms(name, value) {
  const valid = shapes.getSchema(`doc#/components/schemas/${name}`);
  assert.ok(valid(value), `${name}: ${shapes.errorsText(valid.errors)} in ${JSON.stringify(value)}`);
}

/** Headers as the document has them, and none that it does not name. */
function headersConform(name, headers) {
  const all = Object.fromEntries([...headers.keys()].map((key) => [key, headers.get(key)]));
  conforms(name, all);
  const { properties } = document.components.schemas[name];
  assert.deepEqual(Object.keys(all).filter((key) => !(key in properties)), [], name);
}

const replyOf = ({ reply }, refused) => {
  const names = reply.messages.map(({ $ref }) => document.components.messages[$ref.split("/").at(-1)].name);
  return refused && names.includes("Error") ? "Error" : names[0];
};

/** A request in JSON whose body and answer are as the document says; the answer. */
async function ask(method, body = {}) {
  const operation = document.operations[`rpc.${method}`];
  const [name] = Object.keys(document.channels[`rpc.${method}`].messages);
  conforms(name, body);
  const { address } = document.channels[`rpc.${method}`];
  assert.equal(address, rpcSubject(method));
  const reply = await gateway.request(address, JSON.stringify(body), { timeout: 10_000 });
  headersConform("ReplyHeaders", reply.headers);
  const refused = reply.headers.has("Nats-Service-Error-Code");
  conforms(replyOf(operation, refused), reply.json());
  return { ...reply.json(), refused };
}

test("each method's answer, and its refusal, have the shape that the document gives them", async () => {
  const { userId, commandId, version } = await ask("create", { firstName: "Ada", email: "ada@example.com", phone: "+15550100123" });
  assert.equal(version, "1");
  const values = { userId, viewerId: userId, email: "ada@example.com", phone: "+15550100123", userIds: [userId], commandId, version: "1" };
  const seen = new Set();
  for (const [name, { messages }] of Object.entries(document.channels)) {
    const [, method] = /^rpc\.(\w+)$/.exec(name) ?? [];
    if (!method || ["create", "delete"].includes(method)) continue;
    const fields = Object.keys(document.components.schemas[Object.keys(messages)[0]].properties);
    const fitting = method === "list_profile_views" || method === "get_profile" ? fields.filter((field) => field !== "viewerId") : fields;
    await ask(method, Object.fromEntries(fitting.filter((field) => field in values).map((field) => [field, values[field]])));
    const wrong = await ask(method, fields.includes("userId") ? { userId: "nobody" } : {});
    assert.equal(wrong.refused, method !== "list", method); // which asks for nothing
    seen.add(method);
  }
  assert.equal(seen.size, 27);
  await ask("delete", { userId });
});

test("the events, and the subjects that they come on", async () => {
  const messages = await readStream(operator, streams.events);
  assert.ok(messages.length >= 5, `${messages.length} events`);
  const channels = Object.entries(document.channels).filter(([name]) => name.startsWith("event."));
  for (const { subject, header: headers, data } of messages) {
    const found = channels.find(([, { address }]) => subject.startsWith(address.replace("{userId}", "")));
    assert.ok(found, subject);
    const [name] = Object.keys(found[1].messages);
    headersConform("EventHeaders", headers);
    conforms(name, protos.lookupType(`${prefix}.${name}`).decode(data).toJSON());
    assert.equal(headers.get("ce-type"), found[1].address.replace(".event.", ".").replace(".{userId}", ""));
  }
});

test("an outcome as it is told, and a dead command", async () => {
  const userId = "0b0e7a3c-2f65-4a7e-9a60-0c6c1f1f2a11";
  const outcomes = gateway.subscribe(document.channels.outcome.address.replace("{commandId}", "*"), { max: 2 });
  await gateway.flush();
  const subject = document.channels["command.create"].address.replace("{userId}", userId);
  const command = { userId, firstName: "Eve", email: "eve@example.com" };
  conforms("Create", command);
  await publisher.request(subject, JSON.stringify(command), { timeout: 10_000, headers: headersOf({ "Lumin-Actor": "tests" }) });
  await publisher.request(subject, '{"userId": 7', { timeout: 10_000 });
  for await (const { headers, data } of outcomes) {
    headersConform("OutcomeHeaders", headers);
    conforms("Outcome", JSON.parse(Buffer.from(data).toString()));
  }
  const dead = await eventually(async () => (await readStream(operator, streams.dead))[0], { what: "a dead command" });
  headersConform("DeadHeaders", dead.header);
  assert.equal(dead.subject, document.channels.dead.address.replace("{method}", "create").replace("{userId}", userId));
});
