// SPDX-License-Identifier: MIT
// I9 for queries: each saw users as some version left them, not older than asked for, not before the command of that
// version was sent, and as new as it must be: what was answered before the query was sent stands in PostgreSQL, and is in
// every worker's memory after cache.max_age at the latest.
import { fold, nanoseconds, packed, statusName, statusesOf, userAt, viewOf } from "./fold.mjs";
import { Times } from "./times.mjs";

const maxAge = 5000; // cache.max_age
const cached = new Set(["get", "get_many", "get_profile"]);
const nobody = fold([]);
const deleted = 5;

/** What one query is judged by. */
class Read {
  constructor(attempt, times, report) {
    const { method, invoked, completed, min, ask, answer } = attempt;
    Object.assign(this, { method, min, ask, answer, seen: answer.seen, whole: answer.whole, times, invoked, completed });
    this.knownAt = invoked - (cached.has(method) ? maxAge : 0);
    this.say = (text) => report("I9", `${method} ${text}`);
  }

  /** The least and the highest version that the user can have been seen at. */
  bounds(user) {
    const { certain, possible } = this.times.of(user);
    return { least: certain(this.knownAt), most: possible(this.completed) };
  }

  /** The user's state at a version; undefined, and called, where nobody can have seen that one now. */
  stateAt(user, version) {
    const { events } = this.times.of(user);
    const { least, most } = this.bounds(user);
    const at = `saw ${user} at ${version}`;
    if (version > events.length) return this.say(`${at}, which never was`);
    if (version < this.min) return this.say(`${at}, and had asked for ${this.min} at least`);
    if (version < least) return this.say(`${at}, when ${least} had been answered for long`);
    if (version > most) return this.say(`${at} before its command was sent`);
    return this.times.of(user).states[version - 1] ?? nobody;
  }

  /** "There is no such user." */
  isNobody(user) {
    this.stateAt(user, 0);
  }

  /** "The user was deleted": its last version did that, and its command was sent. */
  isDeleted(user) {
    const { states } = this.times.of(user);
    if (states.at(-1)?.status !== deleted) return this.say(`called ${user} deleted, who is not`);
    return this.stateAt(user, states.length);
  }

  differs(at, wanted, seen) {
    for (const [field, value] of Object.entries(wanted)) {
      const [is, must] = [JSON.stringify(seen[field]), JSON.stringify(value)];
      if (is !== must) this.say(`saw ${field} ${is} of ${at}, its events say ${must}`);
    }
  }
}

/** A User as a query saw it; `statuses`: those that it may have had. */
function userIsTrue(read, seen, state, statuses = statusesOf(state)) {
  const at = `${seen.userId} at ${seen.version}`;
  read.differs(at, { ...viewOf(state), privacy: state.privacy, created: `${state.created}`, updated: `${state.updated}` }, {
    ...seen,
    privacy: packed(seen.privacySettings),
    created: `${nanoseconds(seen.createdAt)}`,
    updated: `${nanoseconds(seen.updatedAt)}`,
  });
  if (!statuses.includes(seen.status)) read.say(`saw ${seen.status} of ${at}`);
  if (seen.blockReason !== (seen.status === "USER_STATUS_BLOCKED" ? state.reason : "")) {
    read.say(`saw another reason than that of the block of ${at}`);
  }
}

/** A user that lives. */
function livingIsTrue(read, seen) {
  const state = read.stateAt(seen.userId, seen.version);
  if (!state) return;
  if (state.status === deleted || seen.version === 0) read.say(`saw ${seen.userId} at ${seen.version}, who is not there`);
  userIsTrue(read, seen, state);
}

function oneIsTrue(read) {
  if (read.seen.userId !== read.ask.userId) read.say(`of ${read.ask.userId} answered with ${read.seen.userId}`);
  livingIsTrue(read, read.seen);
}

const oneRefused = { 404: (read) => read.isNobody(read.ask.userId), 410: (read) => read.isDeleted(read.ask.userId) };

function manyAreTrue(read) {
  const { users, notFoundUserIds: none, deletedUserIds: gone, remainingUserIds: left } = read.seen;
  const asked = [...new Set(read.ask.userIds)];
  const lists = [users.map(({ userId }) => userId), none, gone, left];
  if (lists.flat().length !== asked.length) read.say(`of ${asked.length} answered with ${lists.flat().length}`);
  for (const list of lists) {
    const inOrder = asked.filter((id) => list.includes(id));
    if (inOrder.join() !== list.join()) read.say(`answered ${list}, not in the order of the request`);
  }
  if (left.length > 0) read.say(`had no room for ${left.length} users`);
  for (const user of users) livingIsTrue(read, user);
  for (const user of none) read.isNobody(user);
  for (const user of gone) read.isDeleted(user);
}

function holderIsTrue(read) {
  const { email, phone } = read.ask;
  const key = (email ?? phone).toLowerCase();
  if ((email ? read.seen.email : read.seen.phone).toLowerCase() !== key) read.say(`of ${key} found another address`);
  livingIsTrue(read, read.seen);
}

// Wrong where somebody was known to have it before it was asked for, and nobody had asked to take it away by the answer.
function addressIsFree(read) {
  const { email, phone } = read.ask;
  const key = email ? `1 ${email.toLowerCase()}` : `2 ${phone}`;
  for (const { user, from, until } of read.times.holdings(key)) {
    if (from < read.knownAt && until > read.completed) read.say(`found nobody with ${key}, which ${user} had`);
  }
}

// ---- profiles

const parts = [
  [["email", "emailVerified"], 0], [["phone", "phoneVerified"], 1], [["birthDate"], 2], [["bio"], 3],
  [["avatarUrl"], 4], [["profileViews"], 5],
];
const [everyone, contacts] = [1, 2];
const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** The names of what a viewer may not see of a user in a status. */
function hiddenFrom({ userId, viewerId, isContact }, state, status) {
  if (viewerId === userId) return [];
  const away = status === "USER_STATUS_BLOCKED" || status === "USER_STATUS_DEACTIVATED";
  const may = (part) => {
    const setting = Math.floor(state.privacy / 4 ** part) % 4;
    return !away && (setting === everyone || (setting === contacts && isContact));
  };
  const names = status === "USER_STATUS_DEACTIVATED" ? ["firstName", "lastName"] : [];
  return [...names, ...parts.flatMap(([fields, part]) => (may(part) ? [] : fields))];
}

function profileIsTrue(read) {
  const { seen, ask } = read;
  const state = read.stateAt(ask.userId, seen.version);
  if (!state) return;
  const at = `${ask.userId} at ${seen.version}`;
  if (!statusesOf(state).includes(seen.status) || state.status === deleted) read.say(`saw ${seen.status} of ${at}`);
  const hidden = hiddenFrom(ask, state, seen.status);
  read.differs(at, { hidden: hidden.map(snake).sort() }, { hidden: [...seen.hiddenFields].sort() });
  const view = viewOf(state);
  delete view.languageCode;
  for (const name of hidden) view[name] = { boolean: false, number: 0, string: "" }[typeof view[name]];
  read.differs(at, view, seen);
}

// ---- the past

function historyIsTrue(read) {
  const { ask, seen, whole } = read;
  if (!read.stateAt(ask.userId, seen.version)) return;
  const { events } = read.times.of(ask.userId);
  let next = Math.max(1, ask.fromVersion);
  for (const told of seen.events) {
    const event = events[next - 1];
    if (told.version !== next || !event) return void read.say(`of ${ask.userId} told ${told.version} where ${next} belongs`);
    const at = `${ask.userId} at ${next++}`;
    const body = event.type.replace(/_([a-z])/g, (_all, letter) => letter.toUpperCase());
    read.differs(
      at,
      { event: event.type, time: `${event.ns}`, commandId: event.command, [body]: event.fields },
      { ...told, time: `${nanoseconds(told.time)}` },
    );
  }
  if (whole && next <= seen.version) read.say(`of ${ask.userId} ended before ${next}, at version ${seen.version}`);
}

/** Where the user stood, as far as that is known, at what was asked for: the least and the highest version. */
function thenOf(read) {
  const { userId, version, time } = read.ask;
  const { events } = read.times.of(userId);
  const { least } = read.bounds(userId);
  if (version) return { least: version, most: version, known: least >= version };
  const at = nanoseconds(time);
  const count = events.filter(({ ns }) => ns <= at).length;
  return { least: Math.min(count, Math.max(least, read.min)), most: count, at };
}

function pastIsTrue(read) {
  const { seen, ask } = read;
  const { least, most, at } = thenOf(read);
  const told = `of ${ask.userId} told version ${seen.version}`;
  if (seen.version < least || seen.version > most) return read.say(`${told}, and not ${least} to ${most}`);
  if (seen.version > read.bounds(ask.userId).most) return read.say(`${told} before its command was sent`);
  const state = read.times.of(ask.userId).states[seen.version - 1];
  if (!state || state.status === deleted) return read.say(`${told}, where nobody was`);
  return userIsTrue(read, seen, state, [statusName(userAt(state, at ?? state.updated).status)]);
}

function pastIsNobody(read) {
  const { least, known } = thenOf(read);
  const wrong = read.ask.version ? known : least > 0;
  if (wrong) read.say(`of ${read.ask.userId} found nobody where version ${least} was`);
}

function pastIsDeleted(read) {
  const { most } = thenOf(read);
  const { states } = read.times.of(read.ask.userId);
  if (states.slice(0, most).at(-1)?.status !== deleted) read.say(`called ${read.ask.userId} deleted by then`);
}

// ---- lists

function listIsTrue(read) {
  const { users } = read.seen;
  const place = ({ createdAt, userId }) => `${`${nanoseconds(createdAt)}`.padStart(20, "0")} ${userId}`;
  users.forEach((user, i) => {
    if (i > 0 && place(users[i - 1]) >= place(user)) read.say(`told ${user.userId} out of order`);
    const state = read.stateAt(user.userId, user.version);
    if (!state) return;
    userIsTrue(read, user, state);
    if (!asked(read, state.created, [user.status])) read.say(`told ${user.userId}, who is not asked for`);
  });
  if (read.whole) nobodyIsLeftOut(read, new Set(users.map(({ userId }) => userId)));
}

const ends = (time, otherwise) => (time ? nanoseconds(time) : otherwise);

/** Whether a user who was created then is asked for whichever of these statuses it has. */
function asked({ ask }, created, statuses) {
  const wanted = (ask.statuses.length > 0 ? ask.statuses : [1, 2, 3, 4]).map(statusName);
  const [from, until] = [ends(ask.createdFrom, 0n), ends(ask.createdUntil, 1n << 63n)];
  return created >= from && created < until && statuses.every((status) => wanted.includes(status));
}

function nobodyIsLeftOut(read, told) {
  const [from, until] = [ends(read.ask.createdFrom, 0n), ends(read.ask.createdUntil, 1n << 63n)];
  for (const user of read.times.createdBetween(from, until)) {
    if (told.has(user)) continue;
    const { least, most } = read.bounds(user);
    const had = read.times.of(user).states.slice(Math.max(0, least - 1), most).flatMap(statusesOf);
    if (least > 0 && asked(read, from, had)) read.say(`left ${user} out`);
  }
}

function viewsAreTrue(read) {
  const { ask, seen, whole } = read;
  const state = read.stateAt(ask.userId, seen.version);
  if (!state) return;
  read.differs(`${ask.userId} at ${seen.version}`, { profileViews: state.views }, seen);
  const counts = new Map();
  for (const { type, fields } of read.times.of(ask.userId).events.slice(0, seen.version)) {
    if (type === "profile_viewed") counts.set(fields.viewerId, (counts.get(fields.viewerId) ?? 0) + 1);
  }
  if (!whole || seen.views.length > Number(ask.limit)) return; // later pages are of later moments
  const sorted = (entries) => entries.map(([viewer, count]) => `${viewer} ${count}`).sort();
  const told = seen.views.map(({ viewerId, viewCount }) => [viewerId, viewCount]);
  read.differs(`${ask.userId} at ${seen.version}`, { views: sorted([...counts]) }, { views: sorted(told) });
}

const rules = {
  get: { seen: oneIsTrue, ...oneRefused },
  get_many: { seen: manyAreTrue },
  get_profile: { seen: profileIsTrue, ...oneRefused },
  find_by_email: { seen: holderIsTrue, 404: addressIsFree },
  find_by_phone: { seen: holderIsTrue, 404: addressIsFree },
  get_history: { seen: historyIsTrue, 404: oneRefused[404] },
  get_at: { seen: pastIsTrue, 404: pastIsNobody, 410: pastIsDeleted, 400: () => {} }, // a future by the worker's clock
  list: { seen: listIsTrue },
  list_profile_views: { seen: viewsAreTrue, ...oneRefused },
};
const notNow = [429, 503, 504];

export function readsAreTrue(state, report, attempts) {
  const times = new Times(state.eventsOfUser, attempts);
  for (const attempt of attempts) {
    const { door, method, answer } = attempt;
    if (door !== "read" || (answer.kind !== "seen" && answer.kind !== "refused")) continue;
    const read = new Read(attempt, times, report);
    const rule = rules[method][answer.kind === "seen" ? "seen" : answer.code];
    if (rule) rule(read);
    else if (!notNow.includes(answer.code)) read.say(`was refused: ${answer.why}`);
  }
}
