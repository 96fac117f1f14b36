// SPDX-License-Identifier: MIT
// What the oracle says of queries: right answers of every method are judged right, and each damage to one is called.
import assert from "node:assert/strict";
import test from "node:test";
import { broken, readOf, users } from "./oracle/right.mjs";

const [ada, eve] = users;
const nobody = "33333333-3333-4333-8333-333333333333";
const late = 90; // all has been answered
const muchLater = 6000; // and every memory must have heard of it
const timestamp = (nanos) => ({ seconds: 0, nanos });
const refused = (code) => ({ kind: "refused", code, why: `${code}` });

/** Ada in the words of a query, at one of her versions. */
function adaAt({ events: [created, named, moved] }, version) {
  const seen = { ...readOf(created), version, updatedAt: timestamp(Number([created, named, moved][version - 1].ns)) };
  if (version >= 2) Object.assign(seen, { firstName: "Lovelace", lastName: "" });
  if (version >= 3) seen.email = "b@example.com";
  return seen;
}

function profileOf(seen, hiddenFields) {
  const profile = { ...seen, hiddenFields };
  for (const field of hiddenFields) {
    const name = field.replace(/_([a-z])/g, (_all, letter) => letter.toUpperCase());
    profile[name] = { boolean: false, number: 0, string: "" }[typeof profile[name]];
  }
  return profile;
}

const toldOf = ({ version, type, ns, command, fields }) => ({
  version, event: type, time: timestamp(Number(ns)), commandId: command, actor: "",
  [type.replace(/_([a-z])/g, (_all, letter) => letter.toUpperCase())]: fields,
});

const allHidden = ["email", "email_verified", "phone", "phone_verified", "birth_date", "bio", "avatar_url", "profile_views"];

/** name: [method, ask, what is seen or refused, more of the attempt] */
const answers = (state) => ({
  get: ["get", { userId: ada }, adaAt(state, 3)],
  "get of the past": ["get", { userId: ada }, adaAt(state, 1)], // memory may be as old as that
  "get of nobody": ["get", { userId: nobody }, refused(404)],
  get_many: ["get_many", { userIds: [eve, nobody, ada, eve] }, {
    users: [readOf(state.events[3]), adaAt(state, 2)], notFoundUserIds: [nobody], deletedUserIds: [], remainingUserIds: [],
  }],
  get_profile: ["get_profile", { userId: ada, viewerId: eve, isContact: true }, profileOf(adaAt(state, 3), allHidden)],
  "get_profile of oneself": ["get_profile", { userId: ada, viewerId: ada, isContact: false }, profileOf(adaAt(state, 3), [])],
  find_by_email: ["find_by_email", { email: "B@example.com" }, adaAt(state, 3)],
  "find_by_email of nobody": ["find_by_email", { email: "c@example.com" }, refused(404)],
  get_history: ["get_history", { userId: ada, fromVersion: 2 }, { version: 3, events: state.events.slice(1, 3).map(toldOf) }],
  "get_at by version": ["get_at", { userId: ada, version: 2 }, adaAt(state, 2)],
  "get_at by time": ["get_at", { userId: ada, time: timestamp(1001) }, adaAt(state, 2)],
  "get_at before": ["get_at", { userId: ada, time: timestamp(999) }, refused(404)],
  list: ["list", { statuses: [], createdFrom: timestamp(0), limit: 500 }, { users: [adaAt(state, 3), readOf(state.events[3])] }],
  list_profile_views: ["list_profile_views", { userId: ada, limit: 500 }, { version: 3, profileViews: 0, views: [] }],
});

function attemptOf([method, ask, answer]) {
  const told = answer.kind ? answer : { kind: "seen", whole: true, seen: answer };
  return { id: "", door: "read", method, user: ada, min: 0, ask, invoked: late, completed: late + 1, answer: told };
}

/** What the oracle finds when one of the answers is not right. */
function found(name, damage = () => {}) {
  return broken((state, attempts) => {
    const attempt = attemptOf(answers(state)[name]);
    damage(attempt, attempt.answer.seen, state, attempts);
    attempts.push(attempt);
  });
}

const damages = [
  ["get", "another user", (_at, seen) => { seen.userId = eve; }],
  ["get", "another name", (_at, seen) => { seen.firstName = "Mallory"; }],
  ["get", "another setting", (_at, seen) => { seen.privacySettings = { email: "VISIBILITY_EVERYONE" }; }],
  ["get", "another time of creation", (_at, seen) => { seen.createdAt = timestamp(7); }],
  ["get", "another status", (_at, seen) => { seen.status = "USER_STATUS_ACTIVE"; }],
  ["get", "a reason without a block", (_at, seen) => { seen.blockReason = "spam"; }],
  ["get", "a version that never was", (_at, seen) => { seen.version = 9; }],
  ["get", "what was not sent yet", (attempt) => { Object.assign(attempt, { invoked: 0, completed: 3 }); }],
  ["get of the past", "less than was asked for", (attempt) => { attempt.min = 2; }],
  ["get of the past", "what memory must not hold any more", (attempt) => {
    Object.assign(attempt, { invoked: muchLater, completed: muchLater + 1 });
  }],
  ["get of nobody", "nobody, when somebody is asked for", (attempt) => { attempt.min = 1; }],
  ["get of nobody", "nobody, where somebody is", (attempt) => {
    Object.assign(attempt, { ask: { userId: ada }, invoked: muchLater, completed: muchLater + 1 });
  }],
  ["get of nobody", "deletion of one who lives", (attempt) => {
    Object.assign(attempt, { ask: { userId: ada }, answer: refused(410) });
  }],
  ["get of nobody", "a failure", (attempt) => { attempt.answer = refused(500); }],
  ["get_many", "a user in two lists", (_at, seen) => { seen.deletedUserIds.push(eve); }],
  ["get_many", "a user in none", (_at, seen) => { seen.users.pop(); }],
  ["get_many", "another order", (_at, seen) => { seen.users.reverse(); }],
  ["get_many", "no room", (_at, seen) => { seen.remainingUserIds.push(...seen.notFoundUserIds.splice(0)); }],
  ["get_many", "another name", (_at, seen) => { seen.users[1].firstName = "Ada"; }],
  ["get_many", "less than was asked for", (attempt) => { attempt.min = 1; }], // nobody is among them
  ["get_profile", "an address that is hidden", (_at, seen) => { seen.email = "b@example.com"; }],
  ["get_profile", "a field that is not said to be hidden", (_at, seen) => { seen.hiddenFields.pop(); }],
  ["get_profile of oneself", "a field hidden from its owner", (_at, seen) => { seen.hiddenFields.push("bio"); }],
  ["get_profile of oneself", "another address", (_at, seen) => { seen.email = "a@example.com"; }],
  ["find_by_email", "one with another address", (attempt) => { attempt.ask.email = "a@example.com"; }],
  ["find_by_email", "one who had it", (attempt, _seen, state) => {
    Object.assign(attempt, { ask: { email: "a@example.com" } });
    attempt.answer.seen = adaAt(state, 2);
  }],
  ["find_by_email of nobody", "nobody with an address that is held", (attempt) => { attempt.ask.email = "b@example.com"; }],
  ["get_history", "an event less", (_at, seen) => { seen.events.pop(); }],
  ["get_history", "an event too early", (_at, seen) => { seen.events.shift(); }],
  ["get_history", "another body", (_at, seen) => { seen.events[0].usernameChanged = { firstName: "Eve", lastName: "" }; }],
  ["get_history", "another command", (_at, seen) => { seen.events[0].commandId = nobody; }],
  ["get_history", "another time", (_at, seen) => { seen.events[0].time = timestamp(1); }],
  ["get_history", "a version that is over", (_at, seen) => { seen.version = 2; }],
  ["get_at by version", "another version", (_at, seen) => { seen.version = 3; }],
  ["get_at by version", "the name of before", (_at, seen) => { seen.firstName = "Ada"; }],
  ["get_at by version", "nobody", (attempt) => { attempt.answer = refused(404); }],
  ["get_at by version", "a deletion", (attempt) => { attempt.answer = refused(410); }],
  ["get_at by time", "what came later", (attempt) => { attempt.ask.time = timestamp(1000); }],
  ["get_at by time", "what was before", (attempt) => { attempt.ask.time = timestamp(1002); }],
  ["get_at before", "nobody where somebody was", (attempt) => { attempt.ask.time = timestamp(1000); }],
  ["list", "a user less", (_at, seen) => { seen.users.pop(); }],
  ["list", "a user twice", (_at, seen) => { seen.users.push(seen.users[1]); }],
  ["list", "another order", (_at, seen) => { seen.users.reverse(); }],
  ["list", "a user of another status", (attempt) => { attempt.ask.statuses = [2]; }],
  ["list", "a user from before", (attempt) => { attempt.ask.createdFrom = timestamp(1001); }],
  ["list", "a state that is over", (_at, seen, state) => { seen.users[0] = adaAt(state, 1); }],
  ["list_profile_views", "a view", (_at, seen) => { seen.profileViews = 1; }],
  ["list_profile_views", "a viewer", (_at, seen) => { seen.views.push({ viewerId: eve, viewCount: 1 }); }],
];

for (const name of Object.keys(answers({ events: Array(4).fill({ fields: {}, type: "" }) }))) {
  test(`a right answer is judged right: ${name}`, () => assert.deepEqual(found(name), []));
}

for (const [name, what, damage] of damages) {
  test(`${name}: ${what} is called`, () => {
    const all = found(name, damage);
    assert.ok(all.some((text) => text.startsWith("I9 ")), `found: ${all.join("; ")}`);
  });
}
