// SPDX-License-Identifier: MIT
// A consumer that begins today: it takes an export of all users, then reads the events from where the export says, and so
// has every user, misses no event and applies none twice. Here it keeps versions and statuses; a real one keeps what it
// needs of each event's body (schemas/proto/lumin/user/v1/events.proto).
//
//   luminctl export > users.jsonl
//   NATS_URL=... node examples/node/bootstrap.mjs users.jsonl
import fs from "node:fs";
import { pathToFileURL } from "node:url";
import { AckPolicy, DeliverPolicy, connect } from "nats";

/** Reads an export: { sequence, users, gaps }. */
export function bootstrap(text) {
  const records = text.trim().split("\n").map((line) => JSON.parse(line));
  const users = new Map();
  for (const { user } of records) if (user) users.set(user.userId, { ...user, version: Number(user.version) });
  const { start } = records[0];
  const { end } = records.at(-1);
  if (!start || !end || Number(end.users) !== users.size) throw new Error("this export is not whole");
  return { sequence: Number(start.eventSequence), users, gaps: [] };
}

/** One event. The version tells what to do: known already, the next one, or one that came too early. */
export function apply(state, { userId, version, event }) {
  const user = state.users.get(userId) ?? { version: 0 };
  if (version <= user.version) return false; // the export has it
  if (version > user.version + 1) state.gaps.push(`${userId}: ${version} follows ${user.version}`); // never happens
  state.users.set(userId, { ...user, version, lastEvent: event });
  return true;
}

/** Reads on from the export; returns a function that stops it. */
export async function follow(connection, state, { onEvent = () => {} } = {}) {
  const js = connection.jetstream();
  const manager = await connection.jetstreamManager({ checkAPI: false });
  const { name } = await manager.consumers.add("LUMIN_USER_EVENTS", {
    ack_policy: AckPolicy.None, // state.sequence says where to go on; keep it with the users, in one transaction
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: state.sequence + 1,
    inactive_threshold: 30e9,
  });
  const consumer = await js.consumers.get("LUMIN_USER_EVENTS", name);
  const messages = await consumer.consume({ max_messages: 500 });
  const reading = (async () => {
    for await (const message of messages) {
      const event = {
        userId: message.headers.get("ce-subject"),
        version: Number(message.headers.get("ce-sequence")),
        event: message.headers.get("ce-type"),
      };
      if (apply(state, event)) onEvent(event);
      state.sequence = message.seq;
    }
  })();
  return async () => {
    await messages.close();
    await reading;
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const state = bootstrap(fs.readFileSync(process.argv[2], "utf8"));
  console.log(`${state.users.size} users; the events follow from sequence ${state.sequence + 1}`);
  const { NATS_URL: servers, NATS_EVENTS_USER: user, NATS_EVENTS_PASSWORD: pass } = process.env;
  const connection = await connect({ servers, user, pass, inboxPrefix: "_INBOX_lumin_event_consumer" });
  await follow(connection, state, { onEvent: ({ event, userId, version }) => console.log(event, userId, version) });
}
