// SPDX-License-Identifier: MIT
// The contract on the wire, spoken by a client that shares no code with the service: protobufs, subjects, requests.
import fs from "node:fs";
import path from "node:path";
import { headers as newHeaders } from "nats";
import protobuf from "protobufjs";
import { repository } from "./processes.mjs";

export const prefix = "lumin.user.v1";
export const streams = { commands: "LUMIN_USER_COMMANDS", events: "LUMIN_USER_EVENTS", dead: "LUMIN_USER_DEAD" };

const protoRoot = path.join(repository, "schemas/proto");
const folder = "lumin/user/v1";

function load() {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => (path.isAbsolute(target) ? target : path.join(protoRoot, target));
  const files = fs.readdirSync(path.join(protoRoot, folder)).filter((file) => file.endsWith(".proto"));
  return root.loadSync(files.map((file) => path.join(protoRoot, folder, file)), { alternateCommentMode: true });
}

export const protos = load();

/** change_email: ChangeEmail. */
export const messageName = (method) => method.replace(/(^|_)([a-z])/g, (_all, _bar, letter) => letter.toUpperCase());

const camelCase = (name) => name.replace(/_([a-z])/g, (_all, letter) => letter.toUpperCase());

const typeOf = (name) => protos.lookupType(`${prefix}.${name}`);

/** Bytes of a message by its short name; a field that the proto lacks is a mistake of the test. */
export function encode(name, fields = {}) {
  const type = typeOf(name);
  const known = new Set(type.fieldsArray.map((field) => field.name));
  const camel = Object.entries(fields).map(([key, value]) => [camelCase(key), value]);
  for (const [key] of camel) if (!known.has(key)) throw new Error(`${name} has no field ${key}`);
  return type.encode(type.fromObject(Object.fromEntries(camel))).finish();
}

/** A message as a plain object: camel-case fields, all present, enums by name, 64-bit numbers as Number. */
export function decode(name, bytes) {
  const type = typeOf(name);
  return type.toObject(type.decode(bytes), { longs: Number, enums: String, defaults: true, bytes: Buffer });
}

/** NATS headers from a plain object. */
export function headersOf(values = {}) {
  const result = newHeaders();
  for (const [key, value] of Object.entries(values)) result.set(key, String(value));
  return result;
}

export const rpcSubject = (method, userId) => [prefix, "rpc", method, userId].filter(Boolean).join(".");
export const commandSubject = (method, userId) => `${prefix}.command.${method}.${userId}`;

function answerOf(reply) {
  const code = Number(reply.headers?.get("Nats-Service-Error-Code") || 0);
  return {
    code, // 0 where the request was not refused
    reason: reply.headers?.get("Nats-Service-Error") ?? "",
    headers: reply.headers,
    data: reply.data,
    as: (name) => decode(name, reply.data),
  };
}

/** Request/reply. `message` is an object (encoded by the method's name) or bytes as they are. */
export async function request(nc, method, message = {}, { userId, headers = {}, timeout = 10_000 } = {}) {
  const payload = message instanceof Uint8Array ? message : encode(messageName(method), message);
  return answerOf(await nc.request(rpcSubject(method, userId), payload, { timeout, headers: headersOf(headers) }));
}

/** An asynchronous command; returns the PubAck. */
export async function publishCommand(nc, method, userId, message = {}, headers = {}) {
  const payload = message instanceof Uint8Array ? message : encode(messageName(method), { userId, ...message });
  const options = { headers: headersOf(headers), timeout: 5000 };
  return nc.jetstream().publish(commandSubject(method, userId), payload, options);
}

/** A request to JetStream's API, raw, so that no client's idea of a configuration gets between; throws its error. */
export async function jetstreamApi(nc, subject, body, { timeout = 5000 } = {}) {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const answer = (await nc.request(`$JS.API.${subject}`, payload, { timeout })).json();
  if (answer.error) throw Object.assign(new Error(`${subject}: ${answer.error.description}`), answer.error);
  return answer;
}

/** Changes a stream's configuration and leaves the rest as it is. */
export async function updateStream(nc, stream, changes) {
  const { config } = await jetstreamApi(nc, `STREAM.INFO.${stream}`);
  return jetstreamApi(nc, `STREAM.UPDATE.${stream}`, { ...config, ...changes });
}

/** Every message that a stream holds, oldest first, each read on its own: an independent reader. */
export async function readStream(nc, stream) {
  const { state } = await jetstreamApi(nc, `STREAM.INFO.${stream}`);
  const jsm = await nc.jetstreamManager({ checkAPI: false });
  const messages = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    const stored = await jsm.streams.getMessage(stream, { seq }).catch(() => null); // deleted in between
    if (stored) messages.push(stored);
  }
  return messages;
}
