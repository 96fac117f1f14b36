// SPDX-License-Identifier: MIT
// Workers at their most verbose see every command, refusal and failure with personal data in every place that a caller
// can fill; not a byte of it may be in any log, and what concerns a command names the command and its trace.
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
  jetstreamApi,
  messageName,
  prefix,
  protos,
  publishCommand,
  request,
  streams,
} from "../support/servers.mjs";
import { newUser, partitionOf } from "../support/traps.mjs";

// A mark in every value: whatever is logged of one can be found, in any case and whatever was done to it.
const mark = crypto.randomBytes(5).toString("hex").replaceAll(/\d/g, (digit) => "ghijklmnop"[digit]);
const phoneMark = `+1555${String(crypto.randomInt(1e6, 1e7 - 1))}`;
const canary = {
  firstName: `First${mark}`,
  lastName: `Last${mark}`,
  email: `Mail${mark}@Host${mark}.example.com`,
  phone: phoneMark,
  languageCode: "de-x-" + mark.slice(0, 8),
  bio: `Bio ${mark} of somebody`,
  birthDate: "1915-12-10",
  avatarUrl: `https://avatar${mark}.example.com/${mark}.png`,
};
const actor = `actor-${mark}`;
const said = {}; // by other programs
const reason = `reason ${mark}`;

const rig = await Rig.start({ after }, { name: "logs" });
await rig.setup();
const worker = await rig.worker({ env: { LUMIN_LOG_LEVEL: "debug" }, wait: false });
const gateway = await rig.connect("gateway");
const publisher = await rig.connect("command_publisher");
const operator = await rig.connect("operator");
await eventually(async () => (await request(gateway, "probe")).code === 0, { timeout: 20_000, what: "a probe" });

const traceId = () => crypto.randomBytes(16).toString("hex");
/** Headers with a command id and a trace, both kept, so that their lines can be looked for. */
const traced = [];
function headersWith(extra = {}) {
  const entry = { id: crypto.randomUUID(), trace: traceId() };
  traced.push(entry);
  return {
    "Lumin-Command-Id": entry.id,
    "Lumin-Actor": actor,
    traceparent: `00-${entry.trace}-b7ad6b7169203331-01`,
    tracestate: `vendor=${mark}`,
    ...extra,
  };
}
const ask = async (method, message, options = {}) =>
  request(gateway, method, message, { ...options, headers: headersWith(options.headers) });

/** Lines of the worker's log as { time, level, event, fields }. */
function lines() {
  const grammar = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (debug|info|warn|error) ([a-z_]+)((?: [a-z_]+=(?:"(?:[^"\\]|\\.)*"|[^ "=\\]+))*)$/;
  return worker
    .logText()
    .trimEnd()
    .split("\n")
    .map((line) => {
      const found = grammar.exec(line);
      assert.ok(found, `no line of the log's grammar: ${line}`);
      const fields = Object.fromEntries(
        [...found[4].matchAll(/ ([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ ]+)/g)].map(([, key, value]) => [key, value]),
      );
      return { level: found[2], event: found[3], fields };
    });
}

/** Every command of the catalog, as the protos have them, with a value in every field. */
function everyCommand(userId) {
  const service = protos.lookupService("lumin.user.v1.CommandService");
  const privacySettings = { email: "VISIBILITY_CONTACTS" };
  const fields = { ...canary, privacySettings, userId, reason, viewerId: newUser(), updateMask: { paths: ["bio"] } };
  return Object.values(service.methods).map(({ requestType }) => {
    const type = protos.lookupType(`lumin.user.v1.${requestType.split(".").at(-1)}`);
    const known = Object.fromEntries(Object.entries(fields).filter(([name]) => type.fields[name]));
    const method = type.name.replace(/[A-Z]/g, (letter, at) => (at > 0 ? "_" : "") + letter.toLowerCase());
    return [method, known];
  });
}

test("every command through both doors, applied and refused, in protobuf and JSON", async () => {
  const ada = newUser();
  assert.equal((await ask("create", { ...canary, userId: ada })).code, 0);
  const commands = everyCommand(ada).filter(([method]) => method !== "create" && method !== "delete");
  assert.ok(commands.length >= 16, String(commands.length));
  for (const [method, message] of commands) {
    await ask(method, message);
    await publishCommand(publisher, method, ada, message, headersWith());
    await ask(method, Buffer.from(JSON.stringify(protos.lookupType(`${prefix}.${messageName(method)}`).fromObject(message))), {
      headers: { "Content-Type": "application/json" },
    });
  }
  // Refusals: nobody's id, values out of bounds, another's address, versions, ids used again.
  const bo = newUser();
  assert.match((await ask("create", { userId: bo, firstName: "Bo", email: canary.email })).reason, /^EMAIL_TAKEN/);
  assert.match((await ask("create", { userId: bo, firstName: "Bo", phone: canary.phone })).reason, /^PHONE_TAKEN/);
  for (const [method, message] of commands) {
    await ask(method, { ...message, userId: bo });
    await ask(method, { ...message, userId: `no id ${mark}` });
    await ask(method, message, { headers: { "Lumin-Expected-Version": `99${mark}` } });
    await ask(method, message, { headers: { "Lumin-Expected-Version": 99 } });
  }
  for (const wrong of [
    { firstName: `${mark}\u0000` },
    { firstName: mark.repeat(20) },
    { email: `${mark}@@${mark}` },
    { phone: `${phoneMark}-${mark}` },
    { languageCode: `${mark}_${mark}` },
    { birthDate: mark },
    { avatarUrl: `http://${mark}` },
    { bio: `${mark}\u0007` },
  ])
    assert.equal((await ask("update", { userId: ada, ...wrong, updateMask: { paths: [Object.keys(wrong)[0].replace(/[A-Z]/g, (l) => `_${l.toLowerCase()}`)] } })).code, 400, Object.keys(wrong)[0]);
  await ask("update", { userId: ada, updateMask: { paths: [mark] } });
  const used = headersWith();
  await request(gateway, "change_bio", { userId: ada, bio: `one ${mark}` }, { headers: used });
  const reused = await request(gateway, "change_bio", { userId: ada, bio: `two ${mark}` }, { headers: used });
  assert.match(reused.reason, /^COMMAND_ID_REUSED/);
  await ask("delete", { userId: ada });
  assert.equal((await ask("change_bio", { userId: ada, bio: mark })).code, 410);
});

test("queries, answered and refused", async () => {
  const user = newUser();
  await ask("create", { userId: user, firstName: `Query${mark}`, email: `query${mark}@example.com` });
  const service = protos.lookupService("lumin.user.v1.QueryService");
  for (const { requestType } of Object.values(service.methods)) {
    const type = protos.lookupType(`lumin.user.v1.${requestType.split(".").at(-1)}`);
    const method = type.name.replace(/[A-Z]/g, (letter, at) => (at > 0 ? "_" : "") + letter.toLowerCase());
    for (const fields of [
      { userId: user, email: `query${mark}@example.com`, phone: phoneMark, viewerId: newUser(), commandId: crypto.randomUUID() },
      { userId: mark, email: mark, phone: mark, viewerId: mark, commandId: mark },
    ]) {
      const known = Object.fromEntries(Object.entries(fields).filter(([name]) => type.fields[name]));
      await ask(method, known);
      await ask(method, Buffer.from(JSON.stringify({ ...known, [mark]: mark })));
    }
  }
  await ask("get", { userId: user }, { headers: { "Lumin-Min-Version": `x${mark}` } });
  await ask(`get_${mark}`, encode("Get", { userId: user }));
});

test("bytes, subjects and headers that are none", async () => {
  const user = newUser();
  const bytes = Buffer.from(mark);
  const junk = [bytes, Buffer.from(`{"firstName":"${mark}`), Buffer.from(`{"${mark}":"${mark}"}`), Buffer.from([0x12, 0xff, ...bytes])];
  const stream = (subject, payload, headers) =>
    publisher.jetstream().publish(subject, payload, { headers: headersOf(headersWith(headers)) });
  for (const payload of junk) {
    await ask("create", payload);
    await stream(commandSubject("create", user), payload);
  }
  const fine = encode("Create", { firstName: mark, email: `x${mark}@example.com` });
  await stream(`${prefix}.command.create.${mark}`, fine);
  await stream(`${prefix}.command.${mark}.${user}`, fine);
  await stream(`${prefix}.command.${(partitionOf(user) + 1) % 32}.create.${user}`, fine);
  await stream(`${prefix}.command.${mark}.create.${user}`, fine);
  for (const headers of [
    { "Lumin-Command-Id": mark },
    { "Nats-Msg-Id": mark, "Lumin-Command-Id": "" },
    { "Lumin-Actor": `${mark} Ä` },
    { "Lumin-Reply-To": `elsewhere.${mark}` },
    { "Lumin-Reply-To": `${prefix}.reply.${mark}` },
    { "Content-Type": `text/${mark}`, Accept: `text/${mark}` },
    { traceparent: mark, tracestate: mark },
    { [`X-${mark}`]: mark },
  ]) {
    await stream(commandSubject("create", newUser()), fine, headers);
    await ask("create", fine, { headers });
  }
  // A reply subject that the worker may not use: nats-server complains to the worker of it.
  gateway.publish(`${prefix}.rpc.get`, encode("Get", { userId: user }), { reply: `inbox.${mark}.x` });
  gateway.publish(`${prefix}.rpc.get`, encode("Get", { userId: user }), { reply: `_INBOX_lumin_stranger.${mark}` });
  await eventually(() => lines().some(({ event }) => event === "nats_complains"), { timeout: 20_000 });
  const { fields } = lines().find(({ event }) => event === "nats_complains");
  assert.match(fields.what, /^"Permissions Violation for Publish to \\"(inbox|_INBOX_lumin_stranger)\.>\\""$/);
});

test("failures inside: a unique violation whose DETAIL holds an e-mail, and a value that the database refuses", async () => {
  // A trigger of somebody else's: the second user of it meets a unique index, and libpq's DETAIL says with which value.
  await rig.sql("CREATE TABLE lumin.foreign_index (email text PRIMARY KEY)");
  await rig.sql(`CREATE FUNCTION lumin.foreign_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
      RAISE WARNING 'seen: %', NEW.email;
      INSERT INTO lumin.foreign_index VALUES (regexp_replace(NEW.email, '^.*@', ''));
      RETURN NEW;
    END $$`);
  await rig.sql("CREATE TRIGGER foreign_row AFTER INSERT ON lumin.users FOR EACH ROW EXECUTE FUNCTION lumin.foreign_row()");
  const made = (name) => ({ firstName: "Cy", email: `${name}${mark}@detail${mark}.example.com` });
  assert.equal((await ask("create", made("one"))).code, 0);
  const dead = await ask("create", made("two"));
  assert.match(dead.reason, /^INTERNAL/);
  const { id, trace } = traced.at(-1);
  const poisoned = lines().find(({ event }) => event === "command_poisoned");
  assert.deepEqual(
    [poisoned.level, poisoned.fields.command_id, poisoned.fields.trace_id, poisoned.fields.sqlstate],
    ["error", id, trace, "23505"],
  );
  await rig.sql("DROP TRIGGER foreign_row ON lumin.users");
  // An error that is nobody's fault is waited out, and its message is logged.
  await rig.sql(`CREATE OR REPLACE FUNCTION lumin.foreign_row() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'no room for %', NEW.email USING ERRCODE = '53100', DETAIL = NEW.email, HINT = NEW.email; END $$`);
  await rig.sql("CREATE TRIGGER foreign_row AFTER INSERT ON lumin.users FOR EACH ROW EXECUTE FUNCTION lumin.foreign_row()");
  const waiting = ask("create", { firstName: "Di", email: `wait${mark}@example.com` });
  const waits = await eventually(() => lines().find(({ event }) => event === "batch_waits"), { timeout: 20_000 });
  assert.deepEqual([waits.fields.sqlstate, waits.fields.reason], ["53100", undefined]);
  await rig.sql("DROP TRIGGER foreign_row ON lumin.users");
  assert.ok([0, 504].includes((await waiting).code));
});

test("servers that go away under load, and a worker that stops", async () => {
  const load = () =>
    Promise.allSettled(
      Array.from({ length: 20 }, (_none, i) =>
        publishCommand(publisher, "create", newUser(), { firstName: mark, email: `load${i}${mark}@example.com` }, headersWith()),
      ),
    );
  await load();
  await rig.postgres.restart({ hard: true });
  await load();
  await rig.nats.restart({ hard: true });
  await eventually(async () => (await request(gateway, "probe", {}, { timeout: 1000 })).code === 0, { timeout: 60_000 });
  for (const [word, role] of [["setup", "setup"], ["health", "setup"], ["verify", "operator"]]) {
    const done = await rig.run("lumin-user", [word], { role, env: { LUMIN_LOG_LEVEL: "debug" } });
    assert.ok([0, 1].includes(done.code), `${word}: ${done.stderr}`); // a foreign table is in the schema
    said[word] = done.stdout + done.stderr;
  }
  await worker.stop();
});

test("each line has the grammar; what concerns a command names it and its trace; levels are used", () => {
  const all = lines();
  const count = (wanted) => all.filter(({ event }) => event === wanted).length;
  assert.ok(count("command_decided") > 50 && count("request_answered") > 50);
  assert.deepEqual([...new Set(all.map(({ level }) => level))].sort(), ["debug", "error", "info", "warn"]);
  const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
  for (const { event, fields } of all)
    if (["command_decided", "commands_dead", "command_poisoned", "wrong_partition"].includes(event))
      assert.match(fields.command_id ?? "", uuid, event);
  // Those that were decided: one line at least where the lane decided it, with the trace that came with it.
  const decided = new Map(all.filter(({ event }) => event === "command_decided").map(({ fields }) => [fields.command_id, fields]));
  const known = traced.filter(({ id }) => decided.has(id));
  assert.ok(known.length > 100, String(known.length));
  const untraced = known.filter(({ id, trace }) => decided.get(id).trace_id !== trace);
  assert.ok(untraced.length <= 2, "only those whose traceparent was none");
  const answered = all.filter(({ event, fields }) => event === "request_answered" && fields.command_id);
  assert.ok(answered.some(({ fields }) => fields.reason === "EMAIL_TAKEN" && fields.code === "409" && fields.trace_id));
});

test("no log holds any of it", async () => {
  const { code, stdout, stderr } = await rig.run("lumin-user", ["config"], { role: "worker" });
  assert.equal(code, 0, stderr);
  const texts = { worker: worker.logText(), config: stdout, ...said };
  assert.ok(Object.values(texts).every((text) => text.length > 20));
  assert.ok(texts.worker.length > 20_000);
  for (const [name, text] of Object.entries(texts)) {
    const lower = text.toLowerCase();
    const found = [mark, phoneMark.slice(1), "1915-12-10"].filter((secret) => lower.includes(secret.toLowerCase()));
    const line = found.length > 0 && text.split("\n").find((each) => each.toLowerCase().includes(found[0].toLowerCase()));
    assert.deepEqual(found, [], `${name}: ${line}`);
    assert.ok(!text.includes(rig.nats.passwords.worker), `${name}: a password`);
  }
});
