// SPDX-License-Identifier: MIT
// The contract as an AsyncAPI 3.0 document, made of what the service is made of: catalog.def, events.def, and the protos
// with their comments. It describes bodies in their JSON form (ProtoJSON, canonical spelling).
import fs from "node:fs";
import path from "node:path";
import { Document } from "yaml";
import { repository } from "./processes.mjs";
import { messageName, prefix, protos, streams } from "./wire.mjs";

const read = (file) => fs.readFileSync(path.join(repository, file), "utf8");
const rows = (file, pattern) => [...read(file).matchAll(pattern)].map((match) => match.slice(1));

const commands = rows("include/lumin/application/catalog.def", /^COMMAND\((\w+), (\w+), (\w+), "(.*)"\)$/gm);
const queries = rows("include/lumin/application/catalog.def", /^QUERY\((\w+), (\w+), (\w+), "(.*)"\)$/gm);
const events = rows("include/lumin/domain/events.def", /^EVENT\(\w+, \d+, (\w+)\)$/gm).flat();

// ---- schemas

const uuid = { type: "string", format: "uuid" };
const unsigned = { type: "string", pattern: "^[0-9]+$", description: "A 64-bit number." };
const scalars = {
  string: { type: "string" },
  bool: { type: "boolean" },
  bytes: { type: "string", contentEncoding: "base64" },
  int32: { type: "integer" },
  uint32: { type: "integer", minimum: 0 },
  uint64: { type: "string", pattern: "^[0-9]+$" },
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.FieldMask": { type: "string", description: "Field names separated by commas." },
};

const describe = (schema, comment) => (comment ? { ...schema, description: comment.replace(/\s+/g, " ").trim() } : schema);

function fieldSchema(field) {
  field.resolve();
  const named = field.resolvedType && { $ref: `#/components/schemas/${field.resolvedType.name}` };
  const one = scalars[field.type] ?? named;
  if (!one) throw new Error(`${field.fullName}: no schema for ${field.type}`);
  if (field.repeated) return describe({ type: "array", items: one }, field.comment);
  return describe(one.$ref && field.comment ? { allOf: [one] } : one, field.comment);
}

function typeSchema(type) {
  if (type.values) return describe({ type: "string", enum: Object.keys(type.values) }, type.comment);
  const properties = type.fieldsArray.map((field) => [field.name, fieldSchema(field)]);
  return describe(
    { type: "object", additionalProperties: false, properties: Object.fromEntries(properties), "x-protobuf": `${prefix}.${type.name}` },
    type.comment,
  );
}

const types = protos
  .lookup(prefix)
  .nestedArray.filter((one) => one.fields || one.values)
  .flatMap((one) => [one, ...(one.nestedArray ?? [])]);

// ---- headers

const text = (description, more) => ({ type: "string", ...more, description });
const header = {
  commandId: text("A UUID; the same for a retry, a new one for each new command. Absent: derived from Nats-Msg-Id, else made.", {
    format: "uuid",
  }),
  expected: text("Apply only if the user is at this version.", { pattern: "^[0-9]+$" }),
  actor: text("Who asks; recorded with the events.", { maxLength: 256 }),
  type: text("application/protobuf where absent; a payload that begins with { is JSON anyway.", {
    enum: ["application/protobuf", "application/json"],
  }),
  accept: text("In which of both to answer; the payload's where absent."),
  traceparent: text("W3C trace context, carried to outcome and events."),
  tracestate: text("W3C trace context, carried to outcome and events."),
  code: text("Only of a refusal: an HTTP-like number.", { pattern: "^[45][0-9][0-9]$" }),
  line: text("Only of a refusal: its reason and one line for a person."),
};
const trace = { traceparent: header.traceparent, tracestate: header.tracestate };
const asked = { "Content-Type": header.type, Accept: header.accept, ...trace };
const of = { "Lumin-Command-Id": header.commandId, "Lumin-Expected-Version": header.expected, "Lumin-Actor": header.actor };
const headers = {
  RequestHeaders: { ...of, ...asked },
  CommandHeaders: {
    ...of,
    "Nats-Msg-Id": text("JetStream's own de-duplication; without Lumin-Command-Id the command id derives from it."),
    "Lumin-Reply-To": text("Where to send the outcome.", { pattern: `^${prefix.replaceAll(".", "\\.")}\\.reply\\.` }),
    ...asked,
  },
  QueryHeaders: {
    "Lumin-Min-Version": text("Answer from a state of the user at least this new, and wait for it.", { pattern: "^[0-9]+$" }),
    "Lumin-Timeout-Ms": text("How long to wait for that, 0 to 30000.", { pattern: "^[0-9]+$" }),
    ...asked,
  },
  ReplyHeaders: {
    "Content-Type": text("Absent: application/protobuf."),
    "Lumin-Command-Id": text("Of a command.", { format: "uuid" }),
    "Lumin-Outcome": text("Of a command.", { enum: ["APPLIED", "UNCHANGED", "REJECTED", "DEAD"] }),
    "Nats-Service-Error-Code": header.code,
    "Nats-Service-Error": header.line,
    traceparent: header.traceparent,
  },
  OutcomeHeaders: {
    "Content-Type": header.type,
    "Lumin-Outcome": text("How it ended.", { enum: ["APPLIED", "UNCHANGED", "REJECTED", "DEAD"] }),
    "Nats-Service-Error-Code": header.code,
    "Nats-Service-Error": header.line,
    ...trace,
  },
  EventHeaders: {
    "Nats-Msg-Id": text("The same as ce-id."),
    "ce-specversion": { type: "string", const: "1.0" },
    "ce-id": text("<user_id>:<version>: the same for ever, also where the event is published again."),
    "ce-source": { type: "string", const: "/lumin/user" },
    "ce-type": text(`${prefix}.<event>`),
    "ce-subject": { ...uuid, description: "The user id." },
    "ce-time": text("Of the command, never before the user's event before.", { format: "date-time" }),
    "ce-datacontenttype": { type: "string", const: "application/protobuf" },
    "ce-sequence": text("The user's version: dense, so that a gap is seen.", { pattern: "^[0-9]+$" }),
    "ce-partition": text("The partition that the event was published under.", { pattern: "^[0-9]+$" }),
    "ce-position": text("Its position there.", { pattern: "^[0-9]+$" }),
    "Lumin-Command-Id": { ...uuid, description: "The command that it comes from." },
    "Nats-Expected-Last-Subject-Sequence": text("Of an event that was published with care; for nats-server alone."),
    "Lumin-Actor": header.actor,
    ...trace,
  },
  DeadHeaders: {
    "Nats-Msg-Id": text("dead:<partition>:<position>:<command id>; the message may come twice under it."),
    "Lumin-Command-Id": { ...uuid, description: "Of the command, for a replay." },
    "Lumin-Dead-Reason": text("A name of Reason."),
    "Lumin-Dead-Message": text("What is wrong, for a person."),
    "Lumin-Dead-Field": text("The field at fault."),
    "Lumin-Dead-Partition": text("Where it was decided.", { pattern: "^[0-9]+$" }),
    "Lumin-Dead-Position": text("The how manieth of its partition.", { pattern: "^[0-9]+$" }),
    "Lumin-Stream-Sequence": text("Of the command.", { pattern: "^[0-9]+$" }),
    "Lumin-Dead-Payload": { type: "string", const: "omitted", description: "The row in PostgreSQL has what did not fit." },
    "Lumin-Dead-Headers": { type: "string", const: "incomplete", description: "Some could not be carried." },
    "Lumin-Expected-Version": header.expected,
    "Lumin-Actor": header.actor,
    "Content-Type": header.type,
    ...trace,
  },
};
const required = { EventHeaders: ["Nats-Msg-Id", "Lumin-Command-Id", ...Object.keys(headers.EventHeaders).filter((name) => /^ce-/.test(name))] };

// ---- messages, channels, operations

const schemaRef = (name) => ({ $ref: `#/components/schemas/${name}` });
const message = (name, headerName, more) => ({ name, headers: schemaRef(headerName), payload: schemaRef(name), ...more });
const userParameter = { userId: { description: "The user id, a lower-case UUID; the same as in the body." } };
const queueGroup = { nats: { queue: "lumin-user", bindingVersion: "0.1.0" } };
const replies = [...new Set(["Outcome", "Error", ...queries.map(([, , reply]) => reply)])];

const messages = Object.fromEntries([
  ...commands.map(([, type]) => [type, message(type, "RequestHeaders")]),
  ...commands.map(([, type]) => [`${type}Command`, message(type, "CommandHeaders")]),
  ...queries.map(([, type]) => [type, message(type, "QueryHeaders")]),
  ...replies.map((type) => [`${type}Reply`, message(type, "ReplyHeaders")]),
  ["OutcomeNotice", message("Outcome", "OutcomeHeaders")],
  ...events.map((name) => [
    messageName(name),
    message(messageName(name), "EventHeaders", { contentType: "application/protobuf", bindings: { nats: { bindingVersion: "0.1.0" } } }),
  ]),
  [
    "DeadCommand",
    {
      name: "DeadCommand",
      headers: schemaRef("DeadHeaders"),
      payload: { description: "The command's payload as it came, whatever it is." },
    },
  ],
]);

const channel = (address, names, more = {}) => ({
  address,
  messages: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}` }])),
  ...more,
});
const ofUser = (address, names) => channel(`${address}.{userId}`, names, { parameters: userParameter });

const channels = Object.fromEntries([
  ...[...commands, ...queries].flatMap(([name, type]) => [
    [`rpc.${name}`, channel(`${prefix}.rpc.${name}`, [type])],
    [`rpc.${name}.user`, ofUser(`${prefix}.rpc.${name}`, [type])],
  ]),
  ["replies", channel(null, replies.map((type) => `${type}Reply`), { description: "The inbox of the request." })],
  ...commands.map(([name, type]) => [`command.${name}`, ofUser(`${prefix}.command.${name}`, [`${type}Command`])]),
  [
    "outcome",
    channel(`${prefix}.outcome.{commandId}`, ["OutcomeNotice"], {
      parameters: { commandId: { description: "The command id, a lower-case UUID." } },
      description: "Best effort; the durable answer is command_outcome.",
    }),
  ],
  ...events.map((name) => [`event.${name}`, ofUser(`${prefix}.event.${name}`, [messageName(name)])]),
  [
    "dead",
    channel(`${prefix}.dead.{method}.{userId}`, ["DeadCommand"], {
      parameters: { method: { description: "As in the command's subject." }, userId: { description: "As in the command's subject." } },
      description: `Commands that could not be applied, in the stream ${streams.dead}.`,
    }),
  ],
]);

const channelRef = (name) => ({ $ref: `#/channels/${name}` });
const messageRefs = (name, types_) => types_.map((type) => ({ $ref: `#/channels/${name}/messages/${type}` }));

function asking(name, summary, types_, suffix = "") {
  return {
    action: "receive",
    channel: channelRef(`rpc.${name}${suffix}`),
    summary,
    bindings: queueGroup,
    reply: { channel: channelRef("replies"), messages: messageRefs("replies", types_) },
  };
}

const requests = [
  ...commands.map(([name, , , summary]) => [name, summary, ["OutcomeReply"]]),
  ...queries.map(([name, , reply, summary]) => [name, summary, [...new Set([`${reply}Reply`, "ErrorReply"])]]),
];

const operations = Object.fromEntries([
  ...requests.flatMap(([name, summary, types_]) => [
    [`rpc.${name}`, asking(name, summary, types_)],
    [`rpc.${name}.user`, asking(name, `${summary}; the subject by which a caller can be granted one user`, types_, ".user")],
  ]),
  ...commands.map(([name, , , summary]) => [
    `command.${name}`,
    { action: "receive", channel: channelRef(`command.${name}`), summary: `${summary}; decided from the stream ${streams.commands}` },
  ]),
  ["outcome", { action: "send", channel: channelRef("outcome"), summary: "how a command ended" }],
  ...events.map((name) => [
    `event.${name}`,
    { action: "send", channel: channelRef(`event.${name}`), summary: `${name}, in the stream ${streams.events}` },
  ]),
  ["dead", { action: "send", channel: channelRef("dead"), summary: "a command that could not be applied" }],
]);

const description = `Users, by request/reply, by commands on a JetStream stream, and by the domain events that come of both.

Bodies are protobuf (schemas/proto; each schema names its message as x-protobuf) or JSON, which is what the schemas here describe:
ProtoJSON in the spelling that the service prints. It reads names in snake_case, 64-bit numbers as numbers, enums by number and
null too. Events are protobuf always. What is left out has its default. A refusal has Nats-Service-Error-Code; to a command it is an
Outcome with its error, to a query an Error. README.md, docs/methods.md and docs/errors.md have the rules behind the shapes.`;

/** The whole document, as it stands in schemas/asyncapi.yaml. */
export const document = {
  asyncapi: "3.0.0",
  info: { title: "Lumin User Service", version: "1", description, license: { name: "MIT" } },
  defaultContentType: "application/protobuf",
  channels,
  operations,
  components: {
    messages,
    schemas: {
      ...Object.fromEntries(
        Object.entries(headers).map(([name, properties]) => [
          name,
          { type: "object", properties, ...(required[name] && { required: required[name] }) },
        ]),
      ),
      ...Object.fromEntries(types.map((type) => [type.name, typeSchema(type)])),
    },
  },
};

const banner = `# SPDX-License-Identifier: MIT
# Written by tests/contract/asyncapi.test.mjs from catalog.def, events.def and the protos: LUMIN_WRITE_DOCS=1 writes it anew.
`;

export function documentText() {
  const yaml = new Document(document, { aliasDuplicateObjects: false });
  yaml.getIn(["info", "description"], true).type = "BLOCK_LITERAL";
  return banner + yaml.toString({ lineWidth: 120 });
}
