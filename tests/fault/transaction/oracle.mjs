// SPDX-License-Identifier: MIT
// What the tables must hold after a script: a serial replay, one command after the other, by a model of the domain that
// shares no code and no batch with the service.
import { decode } from "../../support/wire.mjs";

const trimmed = (text) => text.replace(/^\p{White_Space}+|\p{White_Space}+$/gu, "").normalize("NFC");
const refusal = (reason) => ({ reason });
const invalid = refusal("INVALID_ARGUMENT");

function nameOf(text, least) {
  const name = trimmed(text);
  const length = [...name].length;
  return length < least || length > 64 ? null : name;
}

function emailOf(text) {
  const found = /^([A-Za-z0-9.+_-]+)@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)$/.exec(text);
  if (!found) return null;
  const email = `${found[1]}@${found[2].toLowerCase()}`;
  return { email, emailKey: email.toLowerCase() };
}

/** What a created user is like in all that the scripts never say. */
const unsaid = {
  languageCode: "", bio: "", birthDate: "", avatarUrl: "",
  privacySettings: {
    email: "VISIBILITY_NOBODY", phone: "VISIBILITY_NOBODY", birthDate: "VISIBILITY_CONTACTS",
    bio: "VISIBILITY_EVERYONE", avatar: "VISIBILITY_EVERYONE", profileViews: "VISIBILITY_NOBODY",
  },
};

const noEmail = { email: "", emailKey: "" };
const phoneOf = (text) => (/^\+[1-9][0-9]{6,14}$/.test(text) ? text : null);
const states = { PENDING: 1, DELETED: 5 };

const nobody = (userId) => ({
  userId, version: 0, status: 0, firstName: "", lastName: "", ...noEmail, phone: "", created: 0n, updated: 0n,
});

/** The fold, of events as the table has them. */
export function fold(user, event) {
  const { type, body, time, version } = event;
  const changed = {
    user_created: () => ({ ...user, status: states.PENDING, ...body, ...keyed(body.email), created: time }),
    username_changed: () => ({ ...user, ...body }),
    email_changed: () => ({ ...user, ...keyed(body.email) }),
    user_deleted: () => ({ ...nobody(user.userId), status: states.DELETED, created: user.created }),
  }[type]();
  return { ...changed, version, updated: time };
}

const keyed = (email) => ({ email, emailKey: email.toLowerCase() });

// ---- the verbs: an event ({ type, body }), null for "unchanged", or a refusal

function living(user) {
  if (user.status === 0) return refusal("NOT_FOUND");
  return user.status === states.DELETED ? refusal("DELETED") : null;
}

const verbs = {
  create(user, { firstName = "", lastName = "", email = "", phone = "" }) {
    const first = nameOf(firstName, 1);
    const last = nameOf(lastName, 0);
    const address = email === "" ? noEmail : emailOf(email);
    const number = phone === "" ? "" : phoneOf(phone);
    if (first === null || last === null || address === null || number === null) return invalid;
    if (address.email === "" && number === "") return invalid;
    if (user.status === states.DELETED) return refusal("DELETED");
    if (user.status !== 0) return refusal("ALREADY_EXISTS");
    const body = { firstName: first, lastName: last, email: address.email, phone: number, ...unsaid };
    return { type: "user_created", body };
  },
  change_username(user, { firstName = "", lastName = "" }) {
    const first = nameOf(firstName, 1);
    const last = nameOf(lastName, 0);
    if (first === null || last === null) return invalid;
    if (living(user)) return living(user);
    if (user.firstName === first && user.lastName === last) return null;
    return { type: "username_changed", body: { firstName: first, lastName: last } };
  },
  change_email(user, { email = "" }) {
    const address = email === "" ? noEmail : emailOf(email);
    if (address === null) return invalid;
    if (living(user)) return living(user);
    if (user.email === address.email) return null;
    if (address.email === "" && user.phone === "") return invalid;
    return { type: "email_changed", body: { email: address.email } };
  },
  delete: (user) => living(user) ?? { type: "user_deleted", body: {} },
  probe: () => null,
};

const keysOf = (user) => [[1, user.emailKey], [2, user.phone]].filter(([, key]) => key !== "");
const uuidOrNil = (id) => id ?? "00000000-0000-0000-0000-000000000000";

// Equal for messages that a caller may call the same command.
function contentOf({ intent, payload }) {
  const { method, userId, expectedVersion = null, refusedHeader = null, fields } = intent;
  const content = fields ? Object.entries(fields).filter(([, value]) => value !== "").sort() : payload.toString("hex");
  return JSON.stringify([method, userId, expectedVersion, refusedHeader, content]);
}

const headerNames = {
  commandId: "Lumin-Command-Id", msgId: "Nats-Msg-Id", expectedVersion: "Lumin-Expected-Version", actor: "Lumin-Actor",
  contentType: "Content-Type", traceparent: "traceparent", tracestate: "tracestate",
};

/** Claims by a serial replay: the identifiers as a map. */
class OwnClaims {
  constructor() {
    this.holders = new Map();
  }

  /** The reason for a refusal, or null. */
  refusal(after) {
    const holder = ([kind, key]) => this.holders.get(`${kind} ${key}`) ?? after.userId;
    const taken = keysOf(after).find((key) => holder(key) !== after.userId);
    if (!taken) return null;
    return taken[0] === 1 ? "EMAIL_TAKEN" : "PHONE_TAKEN";
  }

  move(before, after) {
    for (const [kind, key] of keysOf(before)) this.holders.delete(`${kind} ${key}`);
    for (const [kind, key] of keysOf(after)) this.holders.set(`${kind} ${key}`, after.userId);
  }
}

/**
 * The replay. `dislikes(event)` is a database that refuses an event; `observed`, for scripts whose partitions meet at
 * identifiers or command ids, has by sequence what the service said where only the order of commits can tell:
 * { taken: reason or null, again: outcome or null }.
 */
export class Replay {
  constructor({ partitions, dislikes = () => false, observed = null }) {
    Object.assign(this, { dislikes, observed });
    this.users = new Map();
    this.claims = new OwnClaims();
    this.outcomes = new Map(); // by command id
    this.said = new Map(); // by sequence: what is published
    this.events = [];
    this.dead = [];
    this.partitions = Array.from({ length: partitions }, () => ({ seq: 0, ts: 0n, events: 0, dead: 0 }));
  }

  run(messages) {
    for (const message of messages) this.apply(message);
    return this;
  }

  apply(message) {
    const partition = this.partitions[message.partition];
    partition.seq = message.seq;
    partition.ts = message.ts;
    const standing = this.standing(message);
    if (standing) {
      const reused = { commandId: message.commandId, status: 3, version: 0, reason: "COMMAND_ID_REUSED" };
      this.said.set(message.seq, standing.content === contentOf(message) ? standing : reused);
      return;
    }
    const { fault } = message.intent;
    if (fault) return this.conclude(message, fault.dead ? 4 : 3, 0, fault.reason);
    this.decide(message);
  }

  standing(message) {
    const own = this.outcomes.get(message.commandId);
    if (own && own.status !== 4) return own;
    return this.observed?.(message).again ?? null;
  }

  decide(message) {
    const { method, userId, fields, expectedVersion } = message.intent;
    const user = (method !== "probe" && this.users.get(userId)) || nobody(userId); // a probe is about no user
    const { version } = user;
    if ((expectedVersion ?? version) !== version) return this.conclude(message, 3, version, "VERSION_MISMATCH");
    const result = verbs[method](user, fields);
    if (result === null) return this.conclude(message, 2, version);
    if (result.reason) return this.conclude(message, 3, version, result.reason);
    const time = message.ts > user.updated ? message.ts : user.updated;
    const event = { ...result, userId, version: version + 1, time, partition: message.partition, message };
    const after = fold(user, event);
    const taken = this.observed ? this.observed(message).taken : this.claims.refusal(after);
    if (taken) return this.conclude(message, 3, version, taken);
    if (this.dislikes(event)) return this.conclude(message, 4, version, "INTERNAL");
    this.claims.move(user, after);
    event.position = ++this.partitions[message.partition].events;
    this.events.push(event);
    this.users.set(userId, after);
    this.conclude(message, 1, event.version);
  }

  conclude(message, status, version, reason = "OK") {
    const { commandId, intent, seq, ts } = message;
    const userId = uuidOrNil(intent.userId);
    const outcome = { commandId, userId, status, version, reason, seq, ts, content: contentOf(message) };
    this.outcomes.set(commandId, outcome);
    this.said.set(seq, outcome);
    if (status === 4) {
      const { partition } = message;
      this.dead.push({ ...outcome, partition, position: ++this.partitions[partition].dead, message });
    }
  }

  /** The tables as lines, in the form of `readTables`. */
  tables() {
    return {
      partitions: this.partitions.map((row, i) => line(i, row.seq, row.ts, row.events, row.dead)),
      users: [...this.users.values()].map(userLine),
      events: this.events.map(({ userId, version, partition, position, type, time, message, body }) => line(
        userId, version, partition, position, type, time, message.commandId, message.headers.actor ?? null,
        message.headers.traceparent ?? null, message.headers.tracestate ?? null, JSON.stringify(body))),
      identifiers: [...this.users.values()].flatMap((user) => keysOf(user).map((key) => line(...key, user.userId))),
      outcomes: [...this.outcomes.values()].map(outcomeLine),
      dead_commands: this.dead.map(({ partition, position, seq, ts, commandId, reason, message }) => line(
        partition, position, seq, ts, commandId, message.intent.method, message.subject.split(".").at(-1), reason,
        headerText(message.headers), message.payload.toString("hex"))),
    };
  }
}

const line = (...values) => values.map((value) => (value === null ? "NULL" : `${value}`)).join(" | ");
const userLine = (user) => line(user.userId, user.version, user.status, user.firstName, user.lastName, user.email,
  user.emailKey, user.phone, user.created, user.updated);
const outcomeLine = (row) => line(row.commandId, row.userId, row.status, row.version, row.seq, row.ts, row.reason);
const headerText = (headers) => Object.entries(headerNames).filter(([key]) => headers[key])
  .map(([key, name]) => `${name}: ${headers[key]}\r\n`).join("");

const types = { 1: "user_created", 2: "username_changed", 3: "email_changed", 4: "user_deleted" };
const messageNames = { 1: "UserCreated", 2: "UsernameChanged", 3: "EmailChanged", 4: "UserDeleted" };

export const eventOf = (row) => ({
  userId: row.user_id,
  version: Number(row.version),
  type: types[row.type],
  time: BigInt(row.time_ns),
  body: decode(messageNames[row.type], row.body),
});

export const reasonOf = (row) => (row.error === null ? "OK" : decode("Error", row.error).reason.replace("REASON_", ""));

/** The tables of a database as lines; `rows(table)` reads one. */
export async function readTables(rows) {
  const read = async (table, map) => (await rows(table)).map(map);
  return {
    partitions: await read("partitions", (r) => line(
      r.partition, r.input_seq, r.input_ts, r.event_position, r.dead_position)),
    users: await read("users", (r) => line(
      r.user_id, r.version, r.status, r.first_name, r.last_name, r.email, r.email_key, r.phone, r.created_ns,
      r.updated_ns)),
    events: await read("events", (r) => line(
      r.user_id, r.version, r.partition, r.position, types[r.type], r.time_ns, r.command_id, r.actor, r.traceparent,
      r.tracestate, JSON.stringify(eventOf(r).body))),
    identifiers: await read("identifiers", (r) => line(r.kind, r.key, r.user_id)),
    outcomes: await read("outcomes", (r) => line(
      r.command_id, r.user_id, r.status, r.version, r.stream_seq, r.stream_ts, reasonOf(r))),
    dead_commands: await read("dead_commands", (r) => line(
      r.partition, r.dead_position, r.stream_seq, r.stream_ts, r.command_id, r.method, r.user_token, r.reason,
      r.headers.toString(), r.payload.toString("hex"))),
  };
}

/** Every difference between tables as they are and as they must be, the first few of each spelled out. */
export function differences(actual, expected) {
  const found = [];
  for (const [table, lines] of Object.entries(expected)) {
    const [has, wants] = [new Set(actual[table]), new Set(lines)];
    const missing = lines.filter((text) => !has.has(text));
    const surplus = actual[table].filter((text) => !wants.has(text));
    const count = actual[table].length;
    if (count !== lines.length) found.push(`${table}: ${count} rows, not ${lines.length}`);
    found.push(...missing.slice(0, 4).map((text) => `${table}: missing ${text}`));
    found.push(...surplus.slice(0, 4).map((text) => `${table}: surplus ${text}`));
  }
  return found;
}
