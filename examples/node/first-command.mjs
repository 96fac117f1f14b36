// SPDX-License-Identifier: MIT
// A first command from plain Node: listen to a user's events, create the user by request/reply in JSON, change it by
// the command stream in protobuf, and see both events come.
//
//   eval "$(./dev env)" && cd examples/node && npm install && node first-command.mjs
import crypto from "node:crypto";
import { fileURLToPath } from "node:url";
import { connect, headers } from "nats";
import protobuf from "protobufjs";

const prefix = "lumin.user.v1";
const { NATS_URL = "127.0.0.1:4222", NATS_USER: user, NATS_PASSWORD: pass } = process.env;

// A role may listen to its own inbox alone.
const nc = await connect({ servers: NATS_URL, user, pass, inboxPrefix: `_INBOX_lumin_${user}` });

// The messages, from the protos.
const protos = new protobuf.Root();
protos.resolvePath = (_origin, path) => fileURLToPath(new URL(`../../schemas/proto/${path}`, import.meta.url));
for (const file of ["commands", "events"]) protos.loadSync(`lumin/user/v1/${file}.proto`);
const message = (name) => protos.lookupType(`${prefix}.${name}`);

// 1. Listen, to one user's events and from its first.
const userId = crypto.randomUUID();
const consumer = await nc.jetstream().consumers.get("LUMIN_USER_EVENTS", { filterSubjects: `${prefix}.event.*.${userId}` });
const events = await consumer.consume();

// 2. Create it: a request in JSON, answered with the outcome. Who retries sends the same command id again.
const create = { userId, firstName: "Ada", email: `ada.${userId.slice(0, 8)}@example.com` };
const named = headers();
named.set("Lumin-Command-Id", crypto.randomUUID());
const reply = await nc.request(`${prefix}.rpc.create`, JSON.stringify(create), { timeout: 6000, headers: named });
const refusal = reply.headers.get("Nats-Service-Error");
if (refusal) throw new Error(refusal);
const outcome = reply.json();
console.log(`created ${outcome.userId}: ${outcome.status}, version ${outcome.version}`);

// 3. Change it: a message of the command stream, in protobuf. The PubAck says that it will be decided.
const change = message("ChangeBio");
const body = change.encode(change.create({ bio: "Counts engines." })).finish();
const ack = await nc.jetstream().publish(`${prefix}.command.change_bio.${userId}`, body);
console.log(`sent as ${ack.seq} of ${ack.stream}`);

// 4. Both events, in order, each once.
for await (const event of events) {
  const name = event.headers.get("ce-type").split(".").at(-1); // email_changed: message EmailChanged
  const type = message(name.replace(/(^|_)([a-z])/g, (_all, _bar, letter) => letter.toUpperCase()));
  const version = Number(event.headers.get("ce-sequence"));
  console.log(`event ${name}, version ${version}: ${JSON.stringify(type.decode(event.data))}`);
  if (version === 2) break;
}
await nc.close();
