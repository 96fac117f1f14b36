// SPDX-License-Identifier: MIT
// The scripted input: a generated stream of commands, the same for the same seed, in the form that lane_driver reads.
// A message carries what it means (`intent`) beside its bytes, so that the oracle needs no codec of the service.
import crypto from "node:crypto";
import { encode, messageName, prefix } from "../../support/wire.mjs";

/** mulberry32: small, and the same everywhere. */
export function randomOf(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit) => Math.floor(next() * limit);
  return {
    next,
    below,
    chance: (share) => next() < share,
    pick: (list) => list[below(list.length)],
    uuid: () => uuidText(Buffer.from(Array.from({ length: 16 }, () => below(256))), 4),
  };
}

function uuidText(bytes, version) {
  bytes[6] = (bytes[6] & 0x0f) | (version << 4);
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString("hex", 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** FNV-1a 32 of the user id's text, as nats-server's partition() has it. */
export function partitionOf(userId, partitions) {
  let hash = 2166136261;
  for (const byte of Buffer.from(userId)) hash = Math.imul(hash ^ byte, 16777619) >>> 0;
  return hash % partitions;
}

// RFC 9562, version 5, in the name space of command ids.
const commandNameSpace = Buffer.from("6b1f8d0e522c4f0b9a631c5ed7408821", "hex");

function uuidByName(...parts) {
  const hash = crypto.createHash("sha1").update(commandNameSpace);
  for (const part of parts) hash.update(part);
  return uuidText(hash.digest().subarray(0, 16), 5);
}

function commandIdOf(message) {
  const { headers, seq, ts, subject, payload } = message;
  if (headers.commandId && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(headers.commandId)) {
    return headers.commandId.toLowerCase();
  }
  if (headers.msgId && !headers.commandId) return uuidByName(headers.msgId);
  const place = Buffer.alloc(16);
  place.writeBigUInt64BE(BigInt(seq));
  place.writeBigInt64BE(ts, 8);
  return uuidByName(place, subject, payload);
}

const headerOrder = [
  "commandId", "msgId", "expectedVersion", "actor", "replyTo", "contentType", "traceparent", "tracestate",
];

function messageBytes(message) {
  const head = Buffer.alloc(18);
  head.writeBigUInt64BE(BigInt(message.seq));
  head.writeBigInt64BE(message.ts, 8);
  head.writeUInt16BE(message.partition, 16);
  const fields = [message.subject, message.payload, ...headerOrder.map((name) => message.headers[name] ?? "")];
  return Buffer.concat([head, ...fields.flatMap((field) => {
    const bytes = Buffer.from(field);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  })]);
}

/** The whole script as the file that lane_driver reads. */
export const scriptBytes = (messages) => Buffer.concat(messages.map(messageBytes));

/** A stream under construction. Sequences have gaps, and the broker's clock steps back now and then. */
export class Stream {
  constructor({ seed, partitions }) {
    this.random = randomOf(seed);
    this.partitions = partitions;
    this.messages = [];
    this.seq = 100;
    this.ts = 1_767_225_600_000_000_000n; // 2026-01-01
  }

  /** A user id that falls into a partition. */
  userIn(partition) {
    for (;;) {
      const id = this.random.uuid();
      if (partitionOf(id, this.partitions) === partition) return id;
    }
  }

  /**
   * Appends a command. `intent`: { method, userId, fields, expectedVersion?, fault?: { dead, reason } }; `raw` replaces
   * what follows from it: subject, payload, partition, headers.
   */
  add(intent, { headers = {}, ...raw } = {}) {
    const { random } = this;
    this.seq += random.chance(0.1) ? 1 + random.below(5) : 1;
    this.ts += random.chance(0.05) ? -BigInt(random.below(5_000_000)) : BigInt(random.below(2_000_000));
    const partition = raw.partition ?? partitionOf(intent.userId, this.partitions);
    const { method, userId, fields, expectedVersion } = intent;
    const expected = expectedVersion === undefined ? {} : { expectedVersion: `${expectedVersion}` };
    const message = {
      intent,
      seq: this.seq,
      ts: this.ts,
      partition,
      subject: raw.subject ?? subjectOf(partition, method, userId),
      payload: Buffer.from(raw.payload ?? encode(messageName(method), { userId, ...fields })),
      headers: { ...expected, ...headers },
    };
    message.commandId = commandIdOf(message);
    this.messages.push(message);
    return message;
  }

  /** The same message once more: a caller who repeats it. */
  repeat({ intent, headers, subject, payload, partition }) {
    return this.add(intent, { headers, subject, payload, partition });
  }
}

const firstNames = ["Ada", "Grace", "Edsger", "Barbara", "Tony", "Leslie", "Zoë", "Đorđe", "李"];
const lastNames = ["Lovelace", "Hopper", "Dijkstra", "Liskov", "Hoare", "Lamport", ""];

// ---- what a caller may send, each a function of the mix

function namesOf({ random }) {
  if (random.chance(0.05)) return { firstName: random.pick(["", "   ", "x".repeat(65)]), lastName: "Wrong" };
  return { firstName: random.pick(firstNames), lastName: random.pick(lastNames) };
}

function spelled(random, email) {
  return random.chance(0.2) ? email.toUpperCase() : email;
}

function emailOf({ random, space, emails }, user) {
  if (random.chance(0.03)) return random.pick(["no-at", "a@b", "@example.com"]);
  return spelled(random, `m${random.below(emails)}@${space(user)}.example.com`);
}

function phoneOf({ random, space, emails }, user) {
  if (random.chance(0.5)) return "";
  if (random.chance(0.05)) return "12345";
  return `+49${1000 + space(user).length}${space(user).replace(/\D/g, "") || 0}${100 + random.below(emails)}`;
}

const makers = {
  create: (mix, user) => ({
    ...namesOf(mix), email: mix.random.chance(0.1) ? "" : emailOf(mix, user), phone: phoneOf(mix, user),
  }),
  change_username: (mix) => namesOf(mix),
  change_email: (mix, user) => ({ email: mix.random.chance(0.1) ? "" : emailOf(mix, user) }),
  delete: () => ({}),
  probe: () => ({}),
};

const traces = { traceparent: `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01`, tracestate: "vendor=1" };

function headersOf({ random }) {
  const id = random.uuid();
  const ids = [{ commandId: id }, { commandId: id }, { commandId: id.toUpperCase() }, { msgId: `order ${id}` }, {}];
  return {
    ...random.pick(ids),
    ...(random.chance(0.3) ? { actor: "service:billing" } : {}),
    ...(random.chance(0.2) ? traces : {}),
  };
}

// What cannot be applied, and what the service is to make of it: the reason, and whether it ends dead or refused.
const dead = (reason) => ({ fault: { dead: true, reason } });
const refused = { fault: { dead: false, reason: "INVALID_ARGUMENT" } };
const subjectOf = (partition, method, user) => `${prefix}.command.${partition}.${method}.${user}`;

const faults = [
  (userId) => [{ method: "create", userId, ...dead("INVALID_ARGUMENT") }, { payload: Buffer.from("ffffff07", "hex") }],
  (userId, { random }) => [ // bad UTF-8
    { method: "change_username", userId, ...dead("INVALID_ARGUMENT") },
    { payload: Buffer.from("1202c328", "hex"), headers: { commandId: random.uuid() } },
  ],
  (userId, { random }) => [
    { method: "probe", userId, ...dead("INVALID_ARGUMENT") },
    { payload: '{"user_id":"', headers: { msgId: `json ${random.uuid()}` } },
  ],
  (userId, { partitions }) => {
    const partition = partitionOf(userId, partitions);
    return [
      { method: "fly", userId: null, ...dead("UNIMPLEMENTED") },
      { subject: subjectOf(partition, "fly", userId), partition, payload: "wings" },
    ];
  },
  (userId, { partitions }) => { // a partition that is not its user's
    const partition = (partitionOf(userId, partitions) + 1) % partitions;
    return [
      { method: "delete", userId, fields: {}, ...dead("INVALID_ARGUMENT") },
      { subject: subjectOf(partition, "delete", userId), partition, headers: { actor: "mallory" } },
    ];
  },
  (userId) => [{ method: "delete", userId, fields: {}, ...refused }, { headers: { commandId: "not-a-uuid" } }],
  (userId) => [
    { method: "delete", userId, fields: {}, refusedHeader: "expectedVersion", ...refused },
    { headers: { expectedVersion: "-1" } },
  ],
  (userId, { random }) => [ // the payload names somebody else
    { method: "delete", userId, fields: {}, ...refused },
    { payload: encode("Delete", { userId: random.uuid() }), headers: { commandId: random.uuid() } },
  ],
];

const addFault = ({ stream, random }, user) => stream.add(...random.pick(faults)(user, stream));

function addPlain(mix, user, method) {
  const { random, stream } = mix;
  const intent = { method, userId: user, fields: makers[method](mix, user) };
  if (random.chance(0.1)) intent.expectedVersion = random.below(5);
  return stream.add(intent, { headers: headersOf(mix) });
}

// An earlier command again: as it was, or another one under its id. Ids are used again within one partition only, where
// the order of the stream says what comes of it.
function addDuplicate(mix, user) {
  const { random, stream } = mix;
  const partition = partitionOf(user, stream.partitions);
  const earlier = mix.byPartition[partition];
  if (earlier.length === 0) return addPlain(mix, user, "create");
  const original = random.pick(random.chance(0.5) ? earlier.slice(-8) : earlier);
  if (random.chance(0.7)) return stream.repeat(original);
  const method = random.pick(["change_username", "change_email", "delete"]);
  const intent = { method, userId: user, fields: makers[method](mix, user) };
  return stream.add(intent, { headers: { commandId: original.commandId } });
}

// Two users of one partition change places through a third address.
function addSwap(mix, user) {
  const { random, stream } = mix;
  const partition = partitionOf(user, stream.partitions);
  const other = random.pick(mix.users.filter((id) => partitionOf(id, stream.partitions) === partition));
  const [a, b] = [emailOf(mix, user), emailOf(mix, user)];
  const third = `swap${random.below(3)}@${mix.space(user)}.example.com`;
  for (const [userId, email] of [[user, a], [other, b], [user, third], [other, a], [user, b]]) {
    stream.add({ method: "change_email", userId, fields: { email } }, { headers: headersOf(mix) });
  }
}

const kinds = [
  [0.16, (mix, user) => addPlain(mix, user, "create")],
  [0.26, (mix, user) => addPlain(mix, user, "change_username")],
  [0.26, (mix, user) => addPlain(mix, user, "change_email")],
  [0.06, (mix, user) => addPlain(mix, user, "delete")],
  [0.04, (mix, user) => addPlain(mix, user, "probe")],
  [0.12, addDuplicate],
  [0.06, addSwap],
  [0.04, addFault],
];

/**
 * A mixture of everything. Each partition has its own addresses, so that a serial replay is well defined; with
 * `shared` all users quarrel over the same ones.
 */
export function generate({ seed, partitions, users, count, shared = false, mixture = kinds }) {
  const stream = new Stream({ seed, partitions });
  const mix = { stream, random: stream.random, byPartition: Array.from({ length: partitions }, () => []) };
  mix.users = Array.from({ length: users }, (_, i) => stream.userIn(i % partitions));
  mix.space = (user) => (shared ? "all" : `p${partitionOf(user, partitions)}`);
  mix.emails = Math.max(3, Math.ceil((shared ? users : users / partitions) * 1.2));
  while (stream.messages.length < count) {
    let roll = mix.random.next();
    const [, add] = mixture.find(([share]) => (roll -= share) < 0) ?? mixture[0];
    const before = stream.messages.length;
    add(mix, mix.random.pick(mix.users));
    for (const message of stream.messages.slice(before)) mix.byPartition[message.partition].push(message);
  }
  return stream.messages;
}
