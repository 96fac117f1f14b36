// SPDX-License-Identifier: MIT
// The domain once more, small: what docs/methods.md says about commands, statuses, values and refusals, as a fold over
// commands in stream order. It shares no code and no idea with the service: no batch, no memory, no database; a map
// of users and a map of who has which address.
import { bad, parse } from "./values.mjs";

class Refusal {
  constructor(reason, field = "", more = {}) {
    Object.assign(this, { reason, field, ...more });
  }
}

const refuse = (reason, field, more) => {
  throw new Refusal(reason, field, more);
};
const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const camel = (name) => name.replace(/_([a-z])/g, (_all, letter) => letter.toUpperCase());

const defaults = {
  email: "VISIBILITY_NOBODY",
  phone: "VISIBILITY_NOBODY",
  birthDate: "VISIBILITY_CONTACTS",
  bio: "VISIBILITY_EVERYONE",
  avatar: "VISIBILITY_EVERYONE",
  profileViews: "VISIBILITY_NOBODY",
};
const visibilities = new Set(["VISIBILITY_EVERYONE", "VISIBILITY_CONTACTS", "VISIBILITY_NOBODY"]);

const nothing = {
  ...{ firstName: "", lastName: "", email: "", emailVerified: false, phone: "", phoneVerified: false },
  ...{ languageCode: "", bio: "", birthDate: "", avatarUrl: "", privacySettings: null, profileViews: 0 },
  ...{ blockReason: "", blockedUntil: null, before: null },
};
const nobody = { ...nothing, status: "NONE", version: 0, created: 0n, updated: 0n };

// ---- events: what each makes of a user

const unblocked = { blockReason: "", blockedUntil: null, before: null };

const folds = {
  user_created: (_user, body, at) => ({ ...body, status: "PENDING", created: at }),
  username_changed: (_user, body) => body,
  email_changed: (_user, { email = "" }) => ({ email, emailVerified: false }),
  phone_changed: (_user, { phone = "" }) => ({ phone, phoneVerified: false }),
  language_code_changed: (_user, { languageCode = "" }) => ({ languageCode }),
  bio_changed: (_user, { bio = "" }) => ({ bio }),
  birth_date_changed: (_user, { birthDate = "" }) => ({ birthDate }),
  avatar_url_changed: (_user, { avatarUrl = "" }) => ({ avatarUrl }),
  privacy_settings_changed: (_user, body) => body,
  email_confirmed: () => ({ emailVerified: true }),
  phone_confirmed: () => ({ phoneVerified: true }),
  user_activated: () => ({ status: "ACTIVE", ...unblocked }),
  user_deactivated: () => ({ status: "DEACTIVATED", ...unblocked }),
  user_blocked: ({ status }, { reason, until = null }) => ({
    ...{ status: "BLOCKED", before: status },
    ...{ blockReason: reason, blockedUntil: until },
  }),
  profile_viewed: ({ profileViews }) => ({ profileViews: profileViews + 1 }),
  user_deleted: () => ({ ...nothing, status: "DELETED" }),
};

/** The user as it is at a time: a block that has an end is over then. */
export function userAt(user, ns) {
  const over = user.status === "BLOCKED" && user.blockedUntil !== null && user.blockedUntil <= ns;
  return over ? { ...user, status: user.before, ...unblocked } : user;
}

/** A user in the hands of a command: the events that it has made so far, and what they have made of the user. */
class Draft {
  constructor(user, ns) {
    this.at = user.updated > ns ? user.updated : ns; // a user's time never goes back
    this.user = userAt(user, this.at);
    this.events = [];
  }

  emit(type, body = {}) {
    const { user, at } = this;
    const version = user.version + 1;
    this.user = { ...user, ...folds[type](user, body, at), version, updated: at };
    this.events.push({ type, body, version, at });
  }

  get day() {
    return new Date(Number(this.at / 1_000_000n)).toISOString().slice(0, 10);
  }

  /** Refuses with where the user stands. */
  refuse(reason, field) {
    const { status, version } = this.user;
    refuse(reason, field, { currentStatus: status, currentVersion: version });
  }

  /** The user must be there. */
  living() {
    if (this.user.status === "NONE") refuse("NOT_FOUND");
    if (this.user.status === "DELETED") this.refuse("DELETED");
  }
}

// ---- values

/** The value of a field that must not be empty. */
function required(draft, fields, name) {
  const value = parse[name](fields[name] ?? "", draft);
  return value === bad ? refuse("INVALID_ARGUMENT", snake(name)) : value;
}

const optional = (draft, fields, name) => ((fields[name] ?? "") === "" ? "" : required(draft, fields, name));
const valueOf = (draft, fields, name) => (name === "firstName" ? required : optional)(draft, fields, name);

/** The settings that are said; the others stay. */
function settingsOf(settings) {
  const said = {};
  for (const name of Object.keys(defaults)) {
    const setting = settings?.[name] ?? "VISIBILITY_UNSPECIFIED";
    if (visibilities.has(setting)) said[name] = setting;
    else if (setting !== "VISIBILITY_UNSPECIFIED") refuse("INVALID_ARGUMENT", `privacy_settings.${snake(name)}`);
  }
  return said;
}

const texts = ["firstName", "lastName", "email", "phone", "languageCode", "bio", "birthDate", "avatarUrl"];
const given = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""));

// ---- commands

function create(draft, fields) {
  const body = Object.fromEntries(texts.map((name) => [name, valueOf(draft, fields, name)]));
  body.privacySettings = { ...defaults, ...settingsOf(fields.privacySettings) };
  if (body.email === "" && body.phone === "") refuse("INVALID_ARGUMENT", "email");
  if (draft.user.status === "DELETED") draft.refuse("DELETED");
  if (draft.user.status !== "NONE") draft.refuse("ALREADY_EXISTS");
  draft.emit("user_created", body);
}

const differs = (user, body) => Object.entries(body).some(([name, value]) => user[name] !== value);

function changeNames(draft, fields) {
  const body = { firstName: draft.user.firstName, lastName: draft.user.lastName };
  for (const name of ["firstName", "lastName"]) if (name in fields) body[name] = valueOf(draft, fields, name);
  draft.living();
  if (differs(draft.user, body)) draft.emit("username_changed", body);
}

function changeText(draft, fields, name) {
  const body = { [name]: valueOf(draft, fields, name) };
  draft.living();
  if (!differs(draft.user, body)) return;
  const other = { email: "phone", phone: "email" }[name];
  if (other && body[name] === "" && draft.user[other] === "") refuse("INVALID_ARGUMENT", name); // one there must be
  draft.emit(`${snake(name)}_changed`, body);
}

function changeSettings(draft, fields) {
  const said = settingsOf(fields.privacySettings);
  draft.living();
  const settings = { ...draft.user.privacySettings, ...said };
  if (differs(draft.user.privacySettings, settings))
    draft.emit("privacy_settings_changed", { privacySettings: settings });
}

/** What is in `fields` changes, in the order of the message; but an address goes only when the other one has come. */
function change(draft, fields) {
  if ("firstName" in fields || "lastName" in fields) changeNames(draft, fields);
  const [, , email, phone, ...others] = texts;
  const addresses = fields.email === "" ? [phone, email] : [email, phone];
  for (const name of [...addresses, ...others]) if (name in fields) changeText(draft, fields, name);
  if ("privacySettings" in fields) changeSettings(draft, fields);
}

const settingPaths = new Map(Object.keys(defaults).map((name) => [`privacy_settings.${snake(name)}`, name]));

function update(draft, { updateMask, ...fields }) {
  const paths = updateMask?.paths ?? [];
  const chosen = {};
  if (paths.length === 0) refuse("INVALID_ARGUMENT", "update_mask");
  for (const path of paths) {
    const setting = settingPaths.get(path);
    if (path === "privacy_settings") chosen.privacySettings = { ...fields.privacySettings };
    else if (setting)
      chosen.privacySettings = { ...chosen.privacySettings, [setting]: fields.privacySettings?.[setting] };
    else if (texts.some((name) => snake(name) === path)) chosen[camel(path)] = fields[camel(path)] ?? "";
    else refuse("INVALID_ARGUMENT", /^[\w.-]+$/.test(path) ? `update_mask.${path}` : "update_mask");
  }
  change(draft, chosen);
}

function confirm(draft, fields, name) {
  const address = required(draft, fields, name);
  draft.living();
  if (keyOf(name, draft.user[name]) !== keyOf(name, address)) refuse("INVALID_ARGUMENT", name);
  if (!draft.user[`${name}Verified`]) draft.emit(`${name}_confirmed`, { [name]: draft.user[name] });
}

const statuses = {
  user_activated: ["PENDING", "DEACTIVATED", "BLOCKED"],
  user_deactivated: ["PENDING", "ACTIVE"],
  user_blocked: ["PENDING", "ACTIVE", "DEACTIVATED"],
  profile_viewed: ["ACTIVE"],
};

function move(draft, type, body) {
  draft.living();
  if (!statuses[type].includes(draft.user.status)) draft.refuse("INVALID_STATE");
  draft.emit(type, body);
}

function block(draft, fields) {
  const body = { reason: required(draft, fields, "reason") };
  if (fields.until) {
    const { seconds = 0, nanos = 0 } = fields.until;
    const year = new Date(seconds * 1000).getUTCFullYear();
    body.until = BigInt(seconds) * 1_000_000_000n + BigInt(nanos);
    const real = year < 2262 && nanos >= 0 && nanos < 1e9;
    if (!real || body.until <= draft.at) refuse("INVALID_ARGUMENT", "until");
  }
  move(draft, "user_blocked", body);
}

const only = (fields, ...names) => Object.fromEntries(names.map((name) => [name, fields[name] ?? ""]));

const commands = {
  create,
  update,
  upsert: (draft, fields) =>
    ["NONE", "DELETED"].includes(draft.user.status) ? create(draft, fields) : change(draft, given(fields)),
  change_username: (draft, fields) => change(draft, only(fields, "firstName", "lastName")),
  change_email: (draft, fields) => change(draft, only(fields, "email")),
  change_phone: (draft, fields) => change(draft, only(fields, "phone")),
  change_language_code: (draft, fields) => change(draft, only(fields, "languageCode")),
  change_bio: (draft, fields) => change(draft, only(fields, "bio")),
  change_birth_date: (draft, fields) => change(draft, only(fields, "birthDate")),
  change_avatar_url: (draft, fields) => change(draft, only(fields, "avatarUrl")),
  change_privacy_settings: changeSettings,
  confirm_email: (draft, fields) => confirm(draft, fields, "email"),
  confirm_phone: (draft, fields) => confirm(draft, fields, "phone"),
  activate: (draft) => move(draft, "user_activated"),
  deactivate: (draft) => move(draft, "user_deactivated"),
  block,
  record_profile_view: (draft, fields) =>
    move(draft, "profile_viewed", { viewerId: required(draft, fields, "viewerId") }),
  delete: (draft) => {
    draft.living();
    draft.emit("user_deleted");
  },
  probe: () => {},
};

export const methods = Object.keys(commands);

// ---- the whole

const keyOf = (kind, address) => `${kind} ${address.toLowerCase()}`;
const addressesOf = (user) =>
  ["email", "phone"].filter((kind) => user[kind] !== "").map((kind) => [kind, keyOf(kind, user[kind])]);

// What makes two commands with one id the same: method, user, expected version, and what the message says. One that
// nobody can read is like no other.
function contentOf({ method, user, expected, fields, fault }) {
  const { userId: _subject, ...said } = given(fields);
  const refused = fault?.field.startsWith("Lumin-") ? fault.field : ""; // a header that was refused counts, whatever it said
  return JSON.stringify([method, user, expected, Boolean(fault?.dead), refused, Object.entries(said).sort()]);
}

export class Model {
  constructor() {
    this.users = new Map();
    this.holders = new Map(); // who has an address
    this.outcomes = new Map(); // by command id
    this.events = []; // with their user and command
    this.dead = [];
  }

  user(id) {
    return this.users.get(id) ?? nobody;
  }

  /**
   * The outcome of a command: { id, method, user, fields, expected, fault, seq, ns }. Its `fault` is one that the
   * sender made on purpose, { dead, field }: a payload that nobody can read, or a header that is none.
   */
  apply(command) {
    const earlier = this.outcomes.get(command.id);
    if (earlier && earlier.status !== "DEAD") {
      if (contentOf(earlier.command) === contentOf(command)) return earlier;
      return this.outcome(command, "REJECTED", 0, new Refusal("COMMAND_ID_REUSED", "Lumin-Command-Id"));
    }
    const outcome = this.decide(command);
    this.outcomes.set(command.id, outcome);
    if (outcome.status === "DEAD") this.dead.push(outcome);
    return outcome;
  }

  outcome(command, status, version, { reason, field, currentStatus, currentVersion } = {}) {
    const { id, user, seq, ns } = command;
    return { id, user, status, version, reason, field, currentStatus, currentVersion, seq, ns, command };
  }

  decide(command) {
    const { fault } = command;
    if (fault)
      return this.outcome(command, fault.dead ? "DEAD" : "REJECTED", 0, new Refusal("INVALID_ARGUMENT", fault.field));
    const before = command.method === "probe" ? nobody : this.user(command.user);
    const draft = new Draft(before, command.ns);
    try {
      const expected = command.expected ?? before.version;
      if (expected !== before.version) draft.refuse("VERSION_MISMATCH", "Lumin-Expected-Version");
      commands[command.method](draft, command.fields);
      this.claim(command.user, before, draft.user);
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      return this.outcome(command, "REJECTED", before.version, refusal);
    }
    if (draft.events.length === 0) return this.outcome(command, "UNCHANGED", before.version);
    this.users.set(command.user, draft.user);
    for (const event of draft.events) this.events.push({ ...event, user: command.user, command });
    return this.outcome(command, "APPLIED", draft.user.version);
  }

  claim(id, before, after) {
    for (const [kind, key] of addressesOf(after)) {
      if ((this.holders.get(key) ?? id) !== id) refuse(`${kind.toUpperCase()}_TAKEN`, kind);
    }
    for (const [, key] of addressesOf(before)) this.holders.delete(key);
    for (const [, key] of addressesOf(after)) this.holders.set(key, id);
  }
}
