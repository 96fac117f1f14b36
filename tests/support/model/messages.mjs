// SPDX-License-Identifier: MIT
// Between a sequence's steps and the wire: gaps filled, payloads in protobuf and in JSON, answers of both formats as
// one line of text each, so that they are compared and shown alike.
import { messageName, prefix, protos } from "../wire.mjs";

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const camel = (name) => name.replace(/_([a-z])/g, (_all, letter) => letter.toUpperCase());
const dayOf = (ms) => new Date(ms).toISOString().slice(0, 10);

// Looked up once: there are hundreds of thousands of messages.
const types = new Map();
function typeOf(name) {
  if (!types.has(name)) types.set(name, protos.lookupType(`${prefix}.${name}`).resolveAll());
  return types.get(name);
}

function encode(name, fields) {
  const type = typeOf(name);
  return type.encode(type.fromObject(fields)).finish();
}

function decode(name, bytes) {
  const type = typeOf(name);
  return type.toObject(type.decode(bytes), { longs: Number, enums: String, defaults: true });
}

// ---- steps

const gaps = {
  n: (place) => place.n,
  today: (_place, now) => dayOf(now),
  tomorrow: (_place, now) => dayOf(now + 86_400_000),
};
for (const i of [0, 1, 2, 3]) gaps[`user${i}`] = (place) => place.users[i];
for (const i of [0, 1, 2]) gaps[`viewer${i}`] = (place) => place.viewers[i];
gaps.VIEWER0 = (place) => place.viewers[0].toUpperCase();

/** A text with its gaps filled for a place, { n, users, viewers, ids }, at a time in milliseconds. */
function filled(text, place, now) {
  if (typeof text !== "string" || !text.includes("{")) return text;
  return text.replace(/\{(?:(\w+)|([^}*]+)\*(\d+))\}/g, (_all, gap, part, times) =>
    gap ? gaps[gap](place, now) : part.repeat(times),
  );
}

function filledFields(fields, place, now) {
  const result = {};
  for (const name of Object.keys(fields)) result[name] = filled(fields[name], place, now);
  if (fields.until?.in !== undefined) {
    const ms = now + fields.until.in;
    result.until = { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 };
  }
  return result;
}

/** The command that a step is in a place, as the model takes it but for its sequence, its time and the id it may lack. */
export function commandOf(step, place, now) {
  const { method, user, expected, fault, actor } = step;
  const id = step.id === undefined || fault?.header === "Lumin-Command-Id" ? undefined : place.ids[step.id];
  const command = {
    method,
    user: place.users[user],
    id,
    fields: filledFields(step.fields, place, now),
    expected,
    actor,
  };
  if (fault?.bytes) command.fault = { dead: true, field: fault.field };
  else if (fault) command.fault = { dead: false, field: fault.header ?? "user_id" };
  if (fault?.header === "Lumin-Expected-Version") command.expected = undefined;
  return command;
}

export function payloadOf(step, command) {
  if (step.fault?.bytes) return Buffer.from(step.fault.bytes, "base64");
  const name = messageName(step.method);
  return step.format === "json" ? Buffer.from(jsonText(name, command.fields, step)) : encode(name, command.fields);
}

// ---- JSON, in all the ways that ProtoJSON leaves open

/** `snakes`: names as in the proto; `numbers`: enums and 64-bit numbers as numbers. */
export function jsonText(name, fields, { snakes = false, numbers = false } = {}) {
  return JSON.stringify(jsonOf(typeOf(name), fields, { snakes, numbers }));
}

function jsonOf(type, fields, style) {
  if (type.fullName === ".google.protobuf.Timestamp") return timeText(fields);
  if (type.fullName === ".google.protobuf.FieldMask") return fields.paths.map(camel).join(",");
  const names = Object.keys(fields).map((name) => [style.snakes ? snake(name) : name, type.fields[name], fields[name]]);
  return Object.fromEntries(names.map(([name, field, value]) => [name, jsonValue(field.resolvedType, value, style)]));
}

function jsonValue(type, value, style) {
  if (type?.fieldsArray) return jsonOf(type, value, style);
  return type?.values && style.numbers ? (type.values[value] ?? value) : value;
}

const timeText = ({ seconds = 0, nanos = 0 }) =>
  new Date(seconds * 1000).toISOString().replace(/\.000Z$/, `.${String(nanos).padStart(9, "0")}Z`);

/** RFC 3339 as nanoseconds. */
export function nsOfText(text) {
  const [, whole, part = ""] = /^([^.]+?)(?:\.(\d+))?Z$/.exec(text);
  return BigInt(Date.parse(`${whole}Z`)) * 1_000_000n + BigInt(part.padEnd(9, "0"));
}

const nsOf = (time) =>
  typeof time === "string" ? nsOfText(time) : BigInt(time.seconds) * 1_000_000_000n + BigInt(time.nanos);

// ---- answers as lines

/** A message that came in either format, told by its header. */
function read(name, { data, headers }) {
  return isJson({ headers }) ? JSON.parse(Buffer.from(data).toString()) : decode(name, data);
}

export const isJson = ({ headers }) => headers?.get("Content-Type") === "application/json";
const bare = (name) => (name ?? "").replace(/^(OUTCOME_STATUS|REASON|USER_STATUS)_/, "").replace("UNSPECIFIED", "");

export function outcomeLine({ status, reason, field, version, currentStatus, currentVersion, id, user, seq, ns }) {
  const stands = [currentStatus === "NONE" ? "" : currentStatus, currentVersion || ""].filter(Boolean).join(" ");
  const what = [status, reason, field, stands && `(${stands})`].filter(Boolean).join(" ");
  return `${what} at version ${version}, ${id} of ${user} #${seq} ${ns}`;
}

export function outcomeOf(answer) {
  const { status, version, commandId, userId, error, streamSequence, time } = read("Outcome", answer);
  return outcomeLine({
    status: bare(status),
    reason: bare(error?.reason),
    field: error?.field,
    currentStatus: bare(error?.currentStatus),
    currentVersion: Number(error?.currentVersion ?? 0),
    version,
    id: commandId,
    user: userId,
    seq: streamSequence,
    ns: time && nsOf(time),
  });
}

/** A request that was refused at the door, before it was a command. */
export function errorOf(answer) {
  const { error } = read("Outcome", answer);
  return `${bare(error?.reason)} ${error?.field}`;
}

const userFields = [
  ...["userId", "version", "status", "created", "updated", "firstName", "lastName", "email", "emailVerified", "phone"],
  ...["phoneVerified", "languageCode", "bio", "birthDate", "avatarUrl", "profileViews", "blockReason", "blockedUntil"],
];

/** A user of the model, or one that was read, as a line; or the reason why there is none. */
export function userLine(user) {
  const fields = userFields.map((name) => `${name} ${user[name]}`);
  const settings = Object.entries(user.privacySettings ?? {}).sort();
  return `${fields.join(", ")}, settings ${settings.join(" ")}`;
}

export function userOf(answer) {
  const refused = answer.headers?.get("Nats-Service-Error");
  if (refused) return refused.split(":")[0];
  const user = read("User", answer);
  return userLine({
    ...user,
    status: bare(user.status),
    created: nsOf(user.createdAt),
    updated: nsOf(user.updatedAt),
    blockedUntil: user.blockedUntil ? nsOf(user.blockedUntil) : null,
  });
}

/** The bytes that an event of the model has: fields in the order of their numbers, none that says nothing. */
export function eventBytes({ type, body }) {
  const fields = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== ""));
  if (body.until)
    fields.until = { seconds: Number(body.until / 1_000_000_000n), nanos: Number(body.until % 1_000_000_000n) };
  if (fields.until?.nanos === 0) delete fields.until.nanos;
  return encode(messageName(type), fields);
}

export const eventLine = ({ version, type, ns, command, actor = "", data }) =>
  `${version} ${type} ${ns} of ${command} by ${actor}: ${JSON.stringify(Buffer.from(data).toString("latin1"))}`;
