// SPDX-License-Identifier: MIT
// Queries: from the cache beside a responder that does nothing, and from PostgreSQL beside a loop that sends the same
// statements and does nothing else.
import { clocks } from "./machine.mjs";
import { echo, load, reads } from "./programs.mjs";
import { levels, outstanding } from "./request.mjs";

/**
 * Users in the table, and those of them that are read from the cache: primes, as run.mjs says; few enough that each is
 * asked for again before it is too old.
 */
const inTable = 20_011;
const hot = 1009;

export async function readsRound(rig, state) {
  let worker = await rig.worker();
  const users = await usersMake(rig, state);
  const from = async (active, work) => levels(rig, { ...state, active }, worker, { ...users, work });
  const before = await cacheCounters(rig);
  const hit = await from(hot, "get");
  const after = await cacheCounters(rig);
  await worker.stop();
  worker = await rig.worker({ env: { LUMIN_CACHE_MAX_BYTES: "0" } });
  const [miss, find] = [await from(inTable, "get"), await from(inTable, "find")];
  await worker.stop();
  const bytes = Math.round(hit[256].reply_bytes_headed);
  const responder = await echo(rig, bytes);
  const bare = await levels(rig, state, responder, { work: "echo" });
  await responder.stop();
  const [byId, byEmail] = [await loop(rig, state, users, "get"), await loop(rig, state, users, "find")];
  const asked = after.hits + after.misses - before.hits - before.misses;
  return { hit, miss, find, echo: bare, byId, byEmail, reply_bytes: bytes, hit_share: (after.hits - before.hits) / asked };
}

/** Fresh users that nobody changes, so that their addresses are known. */
async function usersMake(rig, state) {
  const first = { "read-from": state.users, "read-op": state.ops };
  await load(rig, state, "command_publisher", "publish", { work: "create", count: inTable });
  const there = "SELECT count(*)::int AS count FROM lumin.users";
  await rig.sqlUntil(there, ({ count }) => count >= state.users, { timeout: 120_000, every: 200 });
  await rig.sql("VACUUM ANALYZE lumin.users, lumin.identifiers"); // as autovacuum does in time
  return first;
}

async function cacheCounters(rig) {
  const gateway = await rig.connect("gateway");
  const client = gateway.services.client({ strategy: "count", maxMessages: 1, maxWait: 2000 });
  for await (const { endpoints } of await client.stats("lumin-user")) {
    await gateway.close();
    return endpoints.find(({ name }) => name === "probe").data.cache;
  }
  throw new Error("no statistics");
}

async function loop(rig, state, users, work) {
  const found = {};
  for (const batch of outstanding) {
    const before = clocks(rig, null);
    const values = { ...users, work, batch, active: inTable, "run-ms": Math.round(state.seconds * 1000) };
    const one = await reads(rig, values);
    const postgres = ((clocks(rig, null).postgres - before.postgres) * 1e6) / one.count;
    found[batch] = { ...one, cpu: { postgres } };
  }
  return found;
}
