// SPDX-License-Identifier: MIT
// The queries of a load: every one of the catalog but command_outcome, with and without a version that is asked for,
// long ones page by page. What was seen goes to the history as it came; oracle/reads.mjs judges it.
import { decode, request } from "../../support/servers.mjs";

const mostPages = 8;
const everyStatus = [1, 2, 3, 4, 5];

const timestamp = (ms) => ({ seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 });
const knownVersion = ({ version }, random) => (version > 0 && random.chance(0.5) ? version : 0);

/** About one user: what is asked beside its id, and how new the answer must be. */
const aboutOne = (more = () => ({})) => ({ random, slot }) => ({
  user: slot.id,
  min: knownVersion(slot, random),
  ask: { userId: slot.id, ...more({ random, slot }) },
});

function someUsers({ random, users }) {
  const slots = Array.from({ length: random.between(1, 20) }, () => users.slot());
  const ids = slots.map(({ id }) => id);
  if (random.chance(0.3)) ids.push(random.uuid(), ids[0]); // nobody, and one that is named twice
  const versions = ids.length === slots.length ? slots.map(({ version }) => version) : [0];
  return { user: ids[0], min: random.chance(0.3) ? Math.min(...versions) : 0, ask: { userIds: ids } };
}

function viewed({ random, slot }) {
  const viewer = random.pick([slot.id, random.uuid(), ""]);
  return { viewerId: viewer, isContact: viewer !== "" && random.chance(0.5) };
}

const byAddress = (field, invent) => ({ random, slot, users }) => ({
  user: "",
  min: 0,
  ask: { [field]: (random.chance(0.8) && slot[field]) || invent(users) },
});

function moment({ random, slot }) {
  if (slot.version > 0 && random.chance(0.5)) return { version: random.between(1, slot.version) };
  return { time: timestamp(Date.now() - random.below(20_000)) };
}

function someListed({ random }) {
  const from = Date.now() - random.between(1000, 40_000);
  const until = random.chance(0.3) ? { createdUntil: timestamp(from + random.between(500, 20_000)) } : {};
  const statuses = random.chance(0.5) ? [] : everyStatus.filter(() => random.chance(0.5));
  return { user: "", min: 0, ask: { statuses, createdFrom: timestamp(from), ...until, limit: random.pick([3, 20, 500]) } };
}

const queries = {
  get: { weight: 8, reply: "User", make: aboutOne() },
  get_many: { weight: 4, reply: "Users", make: someUsers },
  get_profile: { weight: 4, reply: "Profile", make: aboutOne(viewed) },
  find_by_email: { weight: 4, reply: "User", make: byAddress("email", (users) => users.email()) },
  find_by_phone: { weight: 2, reply: "User", make: byAddress("phone", (users) => users.phone()) },
  get_history: {
    weight: 2,
    reply: "History",
    make: aboutOne(({ random, slot: { version } }) => ({
      fromVersion: random.chance(0.5) ? 0 : random.below(version + 3),
      limit: random.pick([2, 10, 500]),
    })),
    items: "events",
  },
  get_at: { weight: 3, reply: "User", make: aboutOne(moment) },
  list: { weight: 1, reply: "UserPage", make: someListed, items: "users" },
  list_profile_views: {
    weight: 2,
    reply: "ProfileViews",
    make: aboutOne(({ random }) => ({ limit: random.pick([1, 5, 500]) })),
    items: "views",
  },
};
const deck = Object.entries(queries).flatMap(([method, { weight }]) => Array(weight).fill(method));

/** What to ask next: { method, user, min, ask }. */
export function nextQuery(random, users) {
  const method = random.pick(deck);
  return { method, ...queries[method].make({ random, users, slot: users.slot() }) };
}

async function askOnce(gateway, { method, min, ask }, timeout) {
  const headers = min > 0 ? { "Lumin-Min-Version": min } : {};
  const answer = await request(gateway, method, ask, { timeout, headers });
  if (answer.code !== 0) return { kind: "refused", why: `${answer.code} ${answer.reason}`, code: answer.code };
  return { kind: "seen", seen: decode(queries[method].reply, answer.data) };
}

/** Asks, and goes on to the last page; `whole` where that was reached. What is seen is the first page with all items. */
export async function askQuery(gateway, query, timeout) {
  const first = await askOnce(gateway, query, timeout);
  const { items } = queries[query.method];
  if (first.kind !== "seen" || !items) return first;
  let token = first.seen.nextPageToken;
  for (let pages = 1; token !== "" && pages < mostPages; pages++) {
    const next = await askOnce(gateway, { ...query, ask: { ...query.ask, pageToken: token } }, timeout);
    if (next.kind !== "seen") return next.code === 503 || next.code === 504 ? first : next;
    first.seen[items].push(...next.seen[items]);
    token = next.seen.nextPageToken;
  }
  return { ...first, whole: token === "" };
}
