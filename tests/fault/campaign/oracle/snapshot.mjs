// SPDX-License-Identifier: MIT
// What tables and streams hold when all is quiet, read by readers of the campaign's own.
import { createInbox } from "nats";
import { decode, inboxPrefix, jetstreamApi, prefix, streams } from "../../../support/servers.mjs";
import { commandIdOf } from "../../../support/oracle.mjs";

export const eventTypes = {
  1: "user_created", 2: "username_changed", 3: "email_changed", 4: "user_deleted", 5: "user_activated",
  6: "user_deactivated", 7: "user_blocked", 8: "phone_changed", 9: "bio_changed", 10: "birth_date_changed",
  11: "avatar_url_changed", 12: "language_code_changed", 13: "privacy_settings_changed", 14: "email_confirmed",
  15: "phone_confirmed", 16: "profile_viewed",
};
export const statuses = { 1: "APPLIED", 2: "UNCHANGED", 3: "REJECTED", 4: "DEAD" };

const messageOf = (type) => type.replace(/(^|_)([a-z])/g, (_all, _bar, letter) => letter.toUpperCase());

const chunk = 1000;

/** All messages of a stream in order, pulled by batches: { seq, ns, subject, headers, data }. */
export async function readStream(nc, stream, visit) {
  const { state } = await jetstreamApi(nc, `STREAM.INFO.${stream}`);
  if (state.messages === 0) return;
  const config = { deliver_policy: "all", ack_policy: "none", replay_policy: "instant", inactive_threshold: 60e9 };
  const made = await jetstreamApi(nc, `CONSUMER.CREATE.${stream}`, { stream_name: stream, config });
  let left = made.num_pending;
  let last = 0;
  while (left > 0) {
    const got = await pull(nc, stream, made.name, Math.min(left, chunk));
    for (const message of got) {
      if (message.seq <= last) throw new Error(`${stream}: ${message.seq} after ${last}`);
      last = message.seq;
      visit(message);
    }
    left -= got.length;
  }
  await jetstreamApi(nc, `CONSUMER.DELETE.${stream}.${made.name}`);
}

// Some that were sent are no headers; the client throws where it looks at them.
function headersOf(message) {
  try {
    return message.headers;
  } catch {
    return undefined;
  }
}

function pull(nc, stream, consumer, count) {
  const inbox = createInbox(inboxPrefix("operator"));
  const messages = [];
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => finish(new Error(`${stream}: ${messages.length} of ${count} messages`)), 30_000);
    const finish = (error) => {
      clearTimeout(timer);
      subscription.unsubscribe();
      if (error) reject(error);
      else resolve(messages);
    };
    const callback = (error, message) => {
      if (error) return finish(error);
      const [, , , , , seq, , ns] = message.reply?.split(".") ?? [];
      if (!ns) return finish(new Error(`${stream}: ${message.headers?.code} ${message.headers?.description}`));
      const { subject } = message;
      const [headers, data] = [headersOf(message), Buffer.from(message.data)];
      messages.push({ seq: Number(seq), ns: BigInt(ns), subject, headers, data });
      return messages.length === count && finish();
    };
    const subscription = nc.subscribe(inbox, { callback });
    nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, JSON.stringify({ batch: count, expires: 25e9 }), {
      reply: inbox,
    });
  });
}

const tables = {
  events: `SELECT user_id AS user, version::int, partition, position::int, type, time_ns, command_id AS command, body,
      extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS committed
    FROM lumin.events ORDER BY user_id, version`,
  users: "SELECT * FROM lumin.users",
  identifiers: "SELECT kind, key, user_id AS user FROM lumin.identifiers",
  outcomes: `SELECT command_id AS command, user_id AS user, status, version::int, stream_seq::int AS seq,
    stream_ts AS ns, error FROM lumin.outcomes`,
  partitions: `SELECT partition, event_position::int, relayed_position::int, dead_position::int, dead_relayed::int
    FROM lumin.partitions ORDER BY partition`,
  dead: "SELECT partition, dead_position::int, stream_seq::int AS seq, command_id AS command FROM lumin.dead_commands",
  lost: "SELECT partition, first_seq::int, last_seq::int FROM lumin.lost_ranges",
  voids: "SELECT partition, first_position::int AS first, last_position::int AS last FROM lumin.void_positions",
  views: "SELECT user_id AS user, sum(view_count)::int AS count FROM lumin.profile_views GROUP BY 1",
};

/** Tables and streams, with the indexes that the rules look things up in. */
export async function snapshot(stage) {
  const state = {};
  for (const [name, sql] of Object.entries(tables)) state[name] = await stage.sql(sql);
  for (const event of state.events) {
    event.type = eventTypes[event.type];
    event.fields = decode(messageOf(event.type), event.body);
    event.ns = BigInt(event.time_ns);
  }
  for (const row of state.outcomes) {
    row.status = statuses[row.status];
    row.ns = BigInt(row.ns);
    row.reason = row.error ? decode("Error", row.error).reason.replace("REASON_", "") : "";
  }
  await stage.withOperator((operator) => readStreams(operator, state));
  state.fenceFaults = await fenceFaults(stage);
  return indexed(state);
}

async function readStreams(operator, state) {
  Object.assign(state, { commands: [], stream: [], deadStream: [] });
  await readStream(operator, streams.commands, (message) => {
    const { seq, ns, subject } = message;
    state.commands.push({ seq, ns, subject, command: commandIdOf(message), ambiguous: isAmbiguous(message) });
  });
  await readStream(operator, streams.events, (message) => state.stream.push(streamEvent(message)));
  await readStream(operator, streams.dead, ({ ns, headers }) =>
    state.deadStream.push({ ns, command: headers.get("Lumin-Command-Id") }),
  );
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const plain = /^[\x21-\x7e]+$/;

/** Whether its id can be read in several ways: said twice, in strange letters, or not in headers at all. */
function isAmbiguous({ headers }) {
  const [ids, messageIds] = ["Lumin-Command-Id", "Nats-Msg-Id"].map((name) => headers?.values(name) ?? ["", ""]);
  const sure = (values, form) => values.length === 0 || (values.length === 1 && form.test(values[0]));
  return !sure(ids, uuid) || !sure(messageIds, plain);
}

const copied = [
  "Nats-Msg-Id", "ce-id", "ce-type", "ce-subject", "ce-sequence", "ce-partition", "ce-position", "Lumin-Command-Id",
];

function streamEvent({ seq, ns, subject, headers, data }) {
  const said = Object.fromEntries(copied.map((name) => [name, headers?.get(name) ?? ""]));
  const tokens = subject.split(".");
  return {
    seq,
    ns,
    data,
    said,
    known: subject.startsWith(`${prefix}.event.`),
    type: tokens.at(-2),
    user: tokens.at(-1),
    version: Number(said["ce-sequence"]),
    command: said["Lumin-Command-Id"],
  };
}

export function indexed(state) {
  return {
    ...state,
    outcomeOf: new Map(state.outcomes.map((row) => [row.command, row])),
    outcomeAt: new Map(state.outcomes.map((row) => [`${row.seq} ${row.ns}`, row])),
    outcomesOfSeq: grouped(state.outcomes, (row) => row.seq),
    eventsOf: grouped(state.events, (event) => event.command),
    eventsOfUser: grouped(state.events, (event) => event.user),
    streamOf: grouped(state.stream, (event) => event.command),
    messagesOf: grouped(state.commands, (message) => message.command),
    messageAt: new Map(state.commands.map((message) => [message.seq, message])),
  };
}

export function grouped(rows, key) {
  const groups = new Map();
  for (const row of rows) {
    const group = groups.get(key(row));
    if (group) group.push(row);
    else groups.set(key(row), [row]);
  }
  return groups;
}

// ---- who wrote (I10)

const unfenced = `
  WITH fences AS (SELECT DISTINCT transaction, partition FROM watch.writes WHERE what = 'fence'),
       fenced AS (SELECT DISTINCT transaction FROM fences),
       -- It holds all partitions, and tidies up the identifiers of all.
       repairs AS (SELECT id, (SELECT min(id) FROM watch.writes e WHERE e.what = 'repaired' AND e.id > b.id) AS ended
                     FROM watch.writes b WHERE what = 'repair')
  SELECT 'fence by another than the holder' AS fault, id, partition, pid, at FROM watch.writes
   WHERE what = 'fence' AND pid <> holder_pid
  UNION ALL
  SELECT 'events without a fence', w.id, w.partition, w.pid, w.at FROM watch.writes w
    LEFT JOIN fences f ON f.transaction = w.transaction AND f.partition = w.partition
   WHERE what = 'events' AND f.transaction IS NULL
  UNION ALL
  SELECT what || ' without a fence', w.id, w.partition, w.pid, w.at FROM watch.writes w
    LEFT JOIN fenced f ON f.transaction = w.transaction
   WHERE what IN ('users', 'identifiers', 'outcomes', 'dead_commands') AND f.transaction IS NULL
     AND NOT EXISTS (SELECT FROM repairs r WHERE what = 'identifiers' AND w.id BETWEEN r.id AND r.ended)
  UNION ALL
  SELECT 'epoch went back', id, partition, pid, at FROM
    (SELECT *, lag(epoch) OVER (PARTITION BY partition ORDER BY id) AS before FROM watch.writes
      WHERE what IN ('fence', 'take', 'release')) w
   WHERE epoch < before
     AND NOT EXISTS (SELECT FROM watch.writes f WHERE f.what = 'failover' AND f.id < w.id AND f.id > w.id - 100000
       AND NOT EXISTS (SELECT FROM watch.writes b WHERE b.partition = w.partition AND b.id > f.id AND b.id < w.id))
  LIMIT 20`;

/** Writes that were not behind a fence of their own transaction, by the backend that took the partition last. */
async function fenceFaults(stage) {
  const rows = await stage.sql(unfenced);
  return Promise.all(
    rows.map(async ({ fault, id, partition, pid, at }) => {
      const around = await stage.sql(
        `SELECT id, what, pid, holder_pid, epoch, owner, input_seq, to_char(at, 'HH24:MI:SS.MS') AS at FROM watch.writes
          WHERE partition = $1 AND id <= $2 ORDER BY id DESC LIMIT 4`,
        [partition, id],
      );
      return `${fault}: partition ${partition}, backend ${pid}, ${at.toISOString()}; before: ${JSON.stringify(around)}`;
    }),
  );
}
