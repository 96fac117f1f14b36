// SPDX-License-Identifier: MIT
// JSON as its callers see it: in by either door, out in replies, refusals and outcomes, and the same as protobuf in all
// that follows.
import assert from "node:assert/strict";
import crypto from "node:crypto";
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
  protos,
  readStream,
  request,
  rpcSubject,
  streams,
} from "../support/servers.mjs";

const rig = await Rig.start({ after }, { name: "contract-json" });
await rig.setup();
await rig.worker();
const gateway = await rig.connect("gateway");
const publisher = await rig.connect("command_publisher");
const operator = await rig.connect("operator");

const json = "application/json";
let addresses = 0;
const address = () => `json-${addresses++}@example.com`;

/**
 * A request with this payload, bytes or text as they are; the answer's body parsed where its Content-Type says JSON. An
 * answer without headers is protobuf.
 */
async function ask(method, payload, headers = {}) {
  const raw = typeof payload === "string" || payload instanceof Uint8Array;
  const options = { timeout: 10_000, headers: headersOf(headers) };
  const reply = await gateway.request(rpcSubject(method), raw ? payload : JSON.stringify(payload), options);
  const header = (name) => reply.headers?.get(name);
  const type = header("Content-Type");
  return {
    code: Number(header("Nats-Service-Error-Code") || 0),
    line: header("Nats-Service-Error"),
    type,
    headers: reply.headers,
    data: reply.data,
    body: type === json ? reply.json() : undefined,
  };
}

async function create(fields = {}) {
  const answer = await ask("create", { firstName: "Ada", email: address(), ...fields });
  assert.equal(answer.code, 0, answer.line);
  return answer.body;
}

test("a command in JSON is answered by an Outcome in JSON, with every field shown", async () => {
  const id = crypto.randomUUID();
  const answer = await ask("create", { firstName: "Ada", email: address() }, { "Lumin-Command-Id": id });
  assert.equal(answer.type, json);
  assert.equal(answer.headers.get("Lumin-Outcome"), "APPLIED");
  const { userId, streamSequence, time, ...rest } = answer.body;
  assert.deepEqual(rest, { commandId: id, status: "OUTCOME_STATUS_APPLIED", version: "1" });
  assert.match(userId, /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  assert.match(streamSequence, /^[1-9][0-9]*$/);
  assert.equal(new Date(time).getUTCFullYear(), new Date().getUTCFullYear());
});

test("a query in JSON is answered by its message in JSON, which says what the protobuf says", async () => {
  const { userId } = await create({ lastName: 'L\u00f6velace "\\" \u{1f600}', phone: "+15550100188" });
  const { body, type } = await ask("get", { userId });
  assert.equal(type, json);
  const plain = (await request(gateway, "get", { userId })).as("User");
  assert.equal(plain.lastName, 'L\u00f6velace "\\" \u{1f600}');
  for (const field of protos.lookupType(`${prefix}.User`).resolveAll().fieldsArray) {
    const [shown, said] = [body[field.name], plain[field.name]];
    if (field.resolvedType?.name === "Timestamp") {
      if (said) assert.equal(Math.floor(Date.parse(shown) / 1000), said.seconds, field.name);
    } else if (field.type === "uint64") {
      assert.equal(shown, String(said), field.name);
    } else if (said !== null) {
      assert.deepEqual(shown, said, field.name);
    }
  }
});

test("Accept chooses the answer's format, whatever the request's is", async () => {
  const { userId } = await create();
  const cases = [
    [encode("Get", { userId }), { Accept: json }, json],
    [encode("Get", { userId }), { Accept: "application/protobuf" }, "application/protobuf"],
    [encode("Get", { userId }), {}, undefined],
    [{ userId }, {}, json],
    [{ userId }, { Accept: "application/protobuf" }, "application/protobuf"],
    [{ userId }, { Accept: "text/html, application/json;q=0.5" }, json],
    [{ userId }, { Accept: "*/*" }, json],
    [{ userId }, { "Content-Type": "application/protobuf" }, json],
    [` \n${JSON.stringify({ user_id: userId })}`, { "Content-Type": "application/json; charset=utf-8" }, json],
  ];
  for (const [payload, headers, type] of cases) {
    const answer = await ask("get", payload, headers);
    assert.equal(answer.code, 0, answer.line);
    assert.equal(answer.type, type, JSON.stringify(headers));
    const user = type === json ? answer.body : decode("User", answer.data);
    assert.equal(user.userId, userId);
  }
  // A command's too, whose outcome comes from a lane.
  const binary = encode("ChangeUsername", { userId, firstName: "Eve" });
  assert.equal((await ask("change_username", binary, { Accept: json })).body.version, "2");
  const back = await ask("change_username", { userId, firstName: "Ada" }, { Accept: "application/protobuf" });
  assert.equal(decode("Outcome", back.data).version, 3);
});

test("refusals are JSON: by the door, by the lane, of a query, of a method that there is not", async () => {
  const { userId } = await create();
  const taken = address();
  await create({ email: taken });
  const refused = async (method, payload, headers, [code, reason, field]) => {
    const answer = await ask(method, payload, headers);
    assert.equal(answer.type, json, method);
    assert.equal(answer.code, code, answer.line);
    const error = "commandId" in answer.body ? answer.body.error : answer.body;
    assert.equal(error.reason, `REASON_${reason}`);
    assert.equal(error.field, field ?? "");
    assert.ok(answer.line.startsWith(`${reason}: `), answer.line);
    return error;
  };
  const id = { "Lumin-Command-Id": crypto.randomUUID() };
  const unknown = await refused("create", { firstName: "Ada", adress: "x" }, id, [400, "INVALID_ARGUMENT", "adress"]);
  assert.match(unknown.allowed, /^userId, firstName, lastName, email, phone/);
  await refused("create", '{"email":"a@example.com","email":"b@example.com"}', {}, [400, "INVALID_ARGUMENT", "email"]);
  await refused("create", '{"firstName":7}', {}, [400, "INVALID_ARGUMENT", "first_name"]);
  await refused("create", "{", {}, [400, "INVALID_ARGUMENT", "payload"]);
  await refused("create", "", { "Content-Type": json }, [400, "INVALID_ARGUMENT", "payload"]);
  await refused("create", "[]", { "Content-Type": json }, [400, "INVALID_ARGUMENT", "payload"]);
  await refused("create", '{"firstName":"\\u0000"}', {}, [400, "INVALID_ARGUMENT", "first_name"]);
  await refused("create", { firstName: "Ada" }, { "Lumin-Command-Id": "7" }, [400, "INVALID_ARGUMENT", "Lumin-Command-Id"]);
  await refused("create", { firstName: "Ada" }, { Accept: "text/html" }, [400, "INVALID_ARGUMENT", "Accept"]);
  await refused("change_email", { userId, email: taken }, {}, [409, "EMAIL_TAKEN", "email"]);
  await refused("get", { userId: crypto.randomUUID() }, {}, [404, "NOT_FOUND"]);
  await refused("get", encode("Get", { userId: crypto.randomUUID() }), { Accept: json }, [404, "NOT_FOUND"]);
  await refused("get", encode("Get", { userId: "x" }), { Accept: json }, [400, "INVALID_ARGUMENT", "user_id"]);
  await refused("nonsense", {}, {}, [501, "UNIMPLEMENTED", "subject"]);
});

test("nothing of a payload comes back in a refusal of it", async () => {
  const canary = "c4n4ry c4n4ry";
  for (const payload of [
    `{"${canary}":1}`,
    `{"firstName":"${canary}`,
    `{"firstName":"${canary}\\u0000"}`,
    `{"firstName":"Ada","email":{"${canary}":"${canary}"}}`,
    `{"firstName":"Ada"} ${canary}`,
  ]) {
    const answer = await ask("create", payload);
    assert.equal(answer.code, 400);
    assert.ok(!Buffer.from(answer.data).includes("c4n4ry"), payload);
    assert.ok(!answer.headers.toString().includes("c4n4ry"));
  }
});

test("a command is the same in both formats: one outcome by its id", async () => {
  const headers = { "Lumin-Command-Id": crypto.randomUUID() };
  const fields = { firstName: "Ada", email: address() };
  const first = await ask("create", fields, headers);
  const again = await ask("create", encode("Create", fields), { ...headers, Accept: json });
  assert.deepEqual(again.body, first.body);
  const snake = await ask("create", { first_name: "Ada", email: fields.email, lastName: null }, headers);
  assert.deepEqual(snake.body, first.body);
  const other = await ask("create", { ...fields, firstName: "Eve" }, headers);
  assert.equal(other.body.error.reason, "REASON_COMMAND_ID_REUSED");
});

test("the events of a command in JSON have the bytes of the same in protobuf", async () => {
  const made = {};
  const names = { firstName: "Zo\u00eb", lastName: "\u{1f600}" };
  for (const format of ["json", "protobuf"]) {
    const fields = { ...names, email: `${format === "json" ? "a" : "b"}-event@example.com` };
    const payload = format === "json" ? fields : encode("Create", fields);
    const created = await ask("create", payload, { Accept: json });
    const userId = created.body.userId;
    const change = { userId, firstName: "Ada", lastName: "" };
    const changed = await ask("change_username", format === "json" ? change : encode("ChangeUsername", change));
    assert.equal(changed.code, 0, changed.line);
    made[format] = userId;
  }
  const bodies = async (userId) => {
    const events = (await readStream(operator, streams.events)).filter(({ subject }) => subject.endsWith(userId));
    return events.map(({ subject, data }) => [subject.split(".")[4], Buffer.from(data).toString("latin1")]);
  };
  const all = () => Promise.all(Object.values(made).map(bodies));
  await eventually(async () => (await all()).every(({ length }) => length === 2), { what: "the events" });
  const [one, other] = [await bodies(made.json), await bodies(made.protobuf)];
  assert.equal(one.length, 2);
  assert.deepEqual(one[1], other[1]);
  assert.deepEqual(one[0][1].replace("a-event", "b-event"), other[0][1]);
});

/** Resolves, once the server knows of it, to a function that waits for the next message to a subject. */
async function listen(nc, subject) {
  const subscription = nc.subscribe(subject, { max: 1, timeout: 10_000 });
  await nc.flush();
  return async () => {
    for await (const message of subscription) return message;
  };
}

test("an asynchronous command in JSON gets its outcome as JSON, where it asked for it and by its id", async () => {
  const userId = crypto.randomUUID();
  const cases = [
    ["create", JSON.stringify({ firstName: "Ada", email: address() }), {}, json, "APPLIED"],
    ["change_username", JSON.stringify({ firstName: "" }), {}, json, "REJECTED"],
    ["change_username", '{"adress":1}', {}, json, "DEAD"],
    ["change_username", encode("ChangeUsername", { firstName: "Eve" }), {}, "application/protobuf", "APPLIED"],
    ["change_username", encode("ChangeUsername", { firstName: "Eve" }), { Accept: json }, json, "UNCHANGED"],
    ["probe", "{}", { Accept: "application/protobuf" }, "application/protobuf", "UNCHANGED"],
    ["probe", "", { "Content-Type": json }, json, "DEAD"],
  ];
  for (const [method, payload, extra, type, status] of cases) {
    const id = crypto.randomUUID();
    const replyTo = `${prefix}.reply.test.${id}`;
    const heard = [await listen(publisher, `${prefix}.outcome.${id}`), await listen(publisher, replyTo)];
    const headers = headersOf({ "Lumin-Command-Id": id, "Lumin-Reply-To": replyTo, ...extra });
    await publisher.jetstream().publish(commandSubject(method, userId), Buffer.from(payload), { headers, timeout: 5000 });
    for (const next of heard) {
      const message = await next();
      assert.equal(message.headers.get("Content-Type"), type, `${method} ${payload}`);
      assert.equal(message.headers.get("Lumin-Outcome"), status);
      const outcome = type === json ? message.json() : decode("Outcome", message.data);
      assert.equal(outcome.commandId, id);
      assert.equal(outcome.status, `OUTCOME_STATUS_${status}`);
      assert.equal(outcome.userId, userId);
    }
  }
});

test("every method takes its message in JSON", async () => {
  const methods = Object.values(protos.lookup(prefix).nested).filter((type) => type.methodsArray);
  let count = 0;
  for (const service of methods) {
    for (const { name, requestType } of service.methodsArray) {
      const method = name.replace(/(?!^)([A-Z])/g, "_$1").toLowerCase();
      assert.equal(messageName(method), requestType.split(".").at(-1));
      const answer = await ask(method, {});
      assert.equal(answer.type, json, method);
      const error = "commandId" in answer.body ? answer.body.error : answer.body;
      // Whatever it lacks, its format is fine.
      if (answer.code !== 0) assert.notEqual(error.field, "payload", method);
      count++;
    }
  }
  assert.ok(count > 0);
});
