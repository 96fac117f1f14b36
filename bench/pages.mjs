// SPDX-License-Identifier: MIT
// Queries that read PostgreSQL, over few users and over many: what each costs must not grow with the tables. Beside
// latencies and rates, which a busy machine blurs, stand the CPU time that they took, which it blurs less, and the
// buffers that PostgreSQL touched, which nothing blurs.
import fs from "node:fs";
import path from "node:path";
import { Rig, encode, messageName, request } from "../tests/support/servers.mjs";
import { clocks, perCommand } from "./machine.mjs";
import { fill, fillKnown, known, settle } from "./population.mjs";
import { load } from "./programs.mjs";

const outstanding = [1, 16];
const walked = 500; // users of a page, on the way to places in a list
const samples = 5000; // users that are asked for by turns
const warm = 0.3; // seconds before each measurement

/** What a query's statements are known by. */
const ours = `query ~ 'lumin\\.list_users|FROM lumin\\.events WHERE user_id|FROM lumin\\.profile_views WHERE user_id =' OR
              query ~ 'FROM lumin\\.users WHERE user_id = ANY|JOIN lumin\\.identifiers'`;

export async function pagesBench({ users, rounds, seconds, settings }) {
  const result = [];
  for (const count of users) {
    result.push({ users: count, ...(await pagesOf(count, { rounds, seconds, settings })) });
    process.stderr.write(`${count.toLocaleString("en-US")} users are done\n`);
  }
  return result;
}

async function pagesOf(users, { rounds, seconds, settings }) {
  const hooks = [];
  const watched = { ...settings, shared_preload_libraries: "pg_stat_statements" };
  const rig = await Rig.start({ after: (hook) => hooks.push(hook) }, { name: "bench", postgres: { settings: watched } });
  try {
    await rig.setup();
    await rig.sql("CREATE EXTENSION pg_stat_statements");
    await rig.sql(fill(users, { statuses: true }));
    await rig.sql(fillKnown());
    await rig.sql(settle);
    const worker = await rig.worker({ env: { LUMIN_CACHE_MAX_BYTES: "0" } });
    const cases = await casesOf(rig, users);
    const found = [];
    for (let round = 0; round < rounds; round++) found.push(await measureAll(rig, worker, cases, seconds));
    return { cases: cases.map(({ name }) => name), rounds: found };
  } finally {
    for (const hook of hooks) await hook();
  }
}

// ---- what is asked

async function casesOf(rig, users) {
  const gateway = await rig.connect("gateway");
  const all = await walk(gateway, {}, users + 1);
  const blocked = await walk(gateway, { statuses: ["USER_STATUS_BLOCKED"] }, users);
  const middle = { seconds: 1_700_000_000, nanos: (users / 2) * 1000 };
  const some = await rig.sql(
    `SELECT user_id AS "userId", email FROM lumin.users WHERE status <> 5 AND user_id <> $1 ORDER BY user_id LIMIT $2`,
    [known.userId, samples],
  );
  const deep = await request(gateway, "get_history", { userId: known.userId, fromVersion: known.version - 1000 });
  const viewers = await viewersMiddle(gateway);
  const lists = (name, message) => ({ name, method: "list", messages: [message] });
  return [
    lists("list, first page", {}),
    lists("list, page in the middle", { pageToken: all.middle }),
    lists("list, last page", { pageToken: all.last }),
    lists("list BLOCKED, first page", { statuses: ["USER_STATUS_BLOCKED"] }),
    lists("list BLOCKED, middle", { statuses: ["USER_STATUS_BLOCKED"], pageToken: blocked.middle }),
    lists("list BLOCKED, last page", { statuses: ["USER_STATUS_BLOCKED"], pageToken: blocked.last }),
    lists("list by time of creation", { createdFrom: middle, createdUntil: { ...middle, nanos: middle.nanos + 100_000 } }),
    { name: "get_history, 3 events", method: "get_history", messages: some.map(({ userId }) => ({ userId })) },
    { name: "get_history of 125,002 events, first page", method: "get_history", messages: [{ userId: known.userId }] },
    {
      name: "get_history of 125,002 events, deep page",
      method: "get_history",
      messages: [{ userId: known.userId, fromVersion: known.version - 1000, pageToken: deep.as("History").nextPageToken }],
    },
    { name: "list_profile_views of 100,000, first page", method: "list_profile_views", messages: [{ userId: known.userId }] },
    {
      name: "list_profile_views of 100,000, middle",
      method: "list_profile_views",
      messages: [{ userId: known.userId, pageToken: viewers }],
    },
    { name: "find_by_email", method: "find_by_email", messages: some.map(({ email }) => ({ email })) },
    { name: "get, not from the cache", method: "get", messages: some.map(({ userId }) => ({ userId })) },
  ];
}

async function answered(gateway, method, message, type) {
  const answer = await request(gateway, method, message);
  if (answer.code !== 0) throw new Error(`${method}: ${answer.reason}`);
  return answer.as(type);
}

/** Goes through a whole list; the tokens of a page in the middle and of the last one that has 50 users or less. */
async function walk(gateway, message, most) {
  const tokens = [];
  let [token, count] = ["", 0];
  const page = async (limit) => {
    const { users, nextPageToken } = await answered(gateway, "list", { ...message, limit, pageToken: token }, "UserPage");
    count += users.length;
    return nextPageToken;
  };
  for (let next = await page(walked); next; next = await page(walked)) tokens.push((token = next));
  if (count > most || tokens.length === 0) throw new Error(`${count} users listed, of ${most}`);
  for (let next = await page(50); next; next = await page(50)) token = next;
  return { middle: tokens[tokens.length >> 1], last: token };
}

async function viewersMiddle(gateway) {
  let pageToken = "";
  for (let seen = 0; seen < known.viewers / 2; seen += walked) {
    const message = { userId: known.userId, limit: walked, pageToken };
    ({ nextPageToken: pageToken } = await answered(gateway, "list_profile_views", message, "ProfileViews"));
  }
  return pageToken;
}

// ---- what it costs

async function measureAll(rig, worker, cases, seconds) {
  const found = {};
  for (const { name, method, messages } of cases) {
    const script = path.join(rig.place.logs, "script");
    const line = (message) => `${method} ${Buffer.from(encode(messageName(method), message)).toString("hex")}\n`;
    fs.writeFileSync(script, messages.map(line).join(""));
    const levels = {};
    for (const level of outstanding) {
      const before = clocks(rig, worker);
      const one = await measure(rig, script, level, seconds);
      const whole = (one.count * (seconds + warm)) / seconds; // the clocks cover the warm-up too
      levels[level] = { ...one, cpu: perCommand(before, clocks(rig, worker), whole) };
    }
    found[name] = levels;
  }
  return found;
}

const state = { active: 1, users: 0, ops: 0 };

async function measure(rig, script, level, seconds) {
  await rig.sql("SELECT pg_stat_statements_reset()");
  const values = { script, outstanding: level, "warm-ms": warm * 1000, "run-ms": Math.round(seconds * 1000) };
  const one = await load(rig, { ...state }, "gateway", "request", values);
  const [{ calls, buffers }] = await rig.sql(
    `SELECT max(calls)::float8 AS calls, sum(shared_blks_hit + shared_blks_read)::float8 AS buffers
       FROM pg_stat_statements WHERE ${ours}`,
  );
  // With one outstanding, each request is a round trip with a call of each of its statements.
  return { ...one, buffers: buffers / calls };
}

// ---- what is shown

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Medians of the rounds, number by number, with their structure. */
const middle = (rounds) =>
  typeof rounds[0] === "number"
    ? median(rounds)
    : Object.fromEntries(Object.keys(rounds[0]).map((key) => [key, middle(rounds.map((round) => round[key]))]));

export function printPages(sizes) {
  const whole = (value) => Math.round(value).toLocaleString("en-US");
  const ms = (value) => (value / 1000).toFixed(2);
  const columns = [
    ["buffers", (levels) => levels[1].buffers.toFixed(0)],
    ["CPU us: PostgreSQL", (levels) => whole(levels[16].cpu.postgres)],
    ["worker", (levels) => whole(levels[16].cpu.worker)],
    ["p50 ms, 1 outstanding", (levels) => ms(levels[1].p50_us)],
    ["p99 ms", (levels) => ms(levels[1].p99_us)],
    ["per s", (levels) => whole(levels[1].rate)],
    ["per s, 16 outstanding", (levels) => whole(levels[16].rate)],
  ];
  const cell = (name, show) => sizes.map(({ rounds }) => show(middle(rounds.map((round) => round[name])))).join(" / ");
  const row = (cells) => process.stdout.write(`| ${cells.join(" | ")} |\n`);
  process.stdout.write(`\n${sizes.map(({ users }) => users.toLocaleString("en-US")).join(" / ")} users\n\n`);
  row(["", ...columns.map(([head]) => head)]);
  row(["---", ...columns.map(() => "---")]);
  for (const name of sizes[0].cases) row([name, ...columns.map(([, show]) => cell(name, show))]);
}
