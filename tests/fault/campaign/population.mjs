// SPDX-License-Identifier: MIT
// The users of a load, and what is wanted of them next: every command of the catalog, addresses that others have,
// changes that change nothing, commands to users who are gone. What it believes of a user may be wrong, since answers
// get lost.
import { encode, messageName } from "../../support/servers.mjs";

const languages = ["de", "en", "pt-BR", "zh-Hant-TW", ""];
const visibilities = [1, 2, 3];
const settings = ["email", "phone", "birthDate", "bio", "avatar", "profileViews"];

export class Population {
  constructor(random, count) {
    this.random = random;
    this.own = random.below(1e6); // a load's addresses are its own
    this.addresses = Math.ceil(count * 2.5); // few enough that some want the same
    this.slots = Array.from({ length: count }, () => this.fresh());
  }

  fresh() {
    return { id: this.random.uuid(), created: false, version: 0, email: "", phone: "" };
  }

  // A few users get much of the load, so that batches hold several commands of one user.
  slot() {
    const hot = this.random.chance(0.25);
    return this.slots[this.random.below(hot ? Math.min(8, this.slots.length) : this.slots.length)];
  }

  email() {
    const address = `m${this.random.below(this.addresses)}@l${this.own}.example.com`;
    return this.random.chance(0.2) ? address.toUpperCase() : address; // another spelling of the same key
  }

  phone() {
    return `+49${1000000 + this.own}${1000 + this.random.below(this.addresses)}`;
  }

  name() {
    return `N${this.random.below(20)}`; // few, so that some changes change nothing
  }

  birthDate() {
    return `19${this.random.between(10, 99)}-0${this.random.between(1, 9)}-1${this.random.below(10)}`;
  }

  privacy() {
    const { random } = this;
    const some = settings.filter(() => random.chance(0.6));
    return Object.fromEntries(some.map((name) => [name, random.pick(visibilities)]));
  }

  until() {
    return { seconds: Math.floor(Date.now() / 1000) + this.random.between(1, 600), nanos: 0 };
  }

  /** The next command: { method, user, payload, want, slot }. */
  command() {
    const slot = this.slot();
    if (!slot.created || this.random.chance(0.02)) return this.make("create", slot);
    return this.make(this.random.pick(deck), slot);
  }

  make(method, slot) {
    const { fields, want } = makers[method](this, slot);
    const user = slot.id;
    const payload = Buffer.from(encode(messageName(method), { userId: user, ...fields }));
    if (method === "create" || method === "upsert") slot.created = true;
    if (method === "delete" && this.random.chance(0.8)) Object.assign(slot, this.fresh()); // else more is wanted of it
    return { method, user, payload, want, slot };
  }

  /** What an answer says of a user, where its slot still holds that user. */
  learn({ slot, user, method, want }, { kind, status, reason, version }) {
    if (kind !== "outcome" || slot?.id !== user) return;
    slot.version = Math.max(slot.version, version);
    if (reason === "NOT_FOUND") slot.created = false;
    if (method === "create" && status !== "APPLIED") slot.created = reason === "ALREADY_EXISTS";
    if (status === "APPLIED" && want?.email) slot.email = want.email;
    if (status === "APPLIED" && want?.phone) slot.phone = want.phone;
  }
}

// What is wanted stands in the event of a command that is applied, by the event's own field names.
const plain = (fields) => ({ fields, want: fields });

const makers = {
  create(users) {
    const { random } = users;
    const address = random.chance(0.8) ? { email: users.email() } : { phone: users.phone() };
    const second = random.chance(0.2) ? { phone: users.phone() } : {};
    const more = random.chance(0.3) ? { bio: "born so", languageCode: "de", privacySettings: users.privacy() } : {};
    const fields = { firstName: users.name(), lastName: users.name(), ...address, ...second };
    return { fields: { ...fields, ...more }, want: fields };
  },
  change_username(users) {
    return plain({ firstName: users.name(), lastName: users.random.chance(0.5) ? "" : users.name() });
  },
  change_email: (users) => plain({ email: users.random.chance(0.06) ? "" : users.email() }),
  change_phone: (users) => plain({ phone: users.random.chance(0.2) ? "" : users.phone() }),
  change_bio: (users) => plain({ bio: users.random.chance(0.3) ? "" : `About ${users.name()}` }),
  change_birth_date: (users) => plain({ birthDate: users.birthDate() }),
  change_avatar_url: (users) => plain({ avatarUrl: `https://example.com/${users.random.below(9)}` }),
  change_language_code: (users) => plain({ languageCode: users.random.pick(languages) }),
  change_privacy_settings: (users) => ({ fields: { privacySettings: users.privacy() } }),
  confirm_email: (users, slot) => ({ fields: { email: slot.email || users.email() } }),
  confirm_phone: (users, slot) => ({ fields: { phone: slot.phone || users.phone() } }),
  activate: () => plain({}),
  deactivate: () => plain({}),
  block(users) {
    const until = users.random.chance(0.5) ? { until: users.until() } : {};
    return { fields: { reason: `because of ${users.name()}`, ...until } };
  },
  update(users) {
    const fields = { firstName: users.name(), bio: `Now ${users.name()}`, email: users.email() };
    const paths = ["first_name", "bio", "email"].filter(() => users.random.chance(0.7));
    return { fields: { ...fields, updateMask: { paths } } };
  },
  upsert: (users) => ({ fields: { firstName: users.name(), email: users.email(), languageCode: "en" } }),
  record_profile_view: (users) => plain({ viewerId: users.random.pick(users.slots).id }),
  delete: () => plain({}),
  probe: () => ({ fields: {} }),
};

const weights = {
  change_username: 20, change_email: 20, change_phone: 8, change_bio: 6, change_birth_date: 3, change_avatar_url: 3,
  change_language_code: 3, change_privacy_settings: 3, confirm_email: 4, confirm_phone: 2, activate: 6, deactivate: 3,
  block: 2, update: 6, upsert: 3, record_profile_view: 6, delete: 3, probe: 1,
};
const deck = Object.entries(weights).flatMap(([method, weight]) => Array(weight).fill(method));

/** The type of the one event that a command leads to; several for those that are not here. */
export const eventOf = {
  create: "user_created", change_username: "username_changed", change_email: "email_changed",
  change_phone: "phone_changed", change_bio: "bio_changed", change_birth_date: "birth_date_changed",
  change_avatar_url: "avatar_url_changed", change_language_code: "language_code_changed",
  change_privacy_settings: "privacy_settings_changed", confirm_email: "email_confirmed",
  confirm_phone: "phone_confirmed", activate: "user_activated", deactivate: "user_deactivated",
  block: "user_blocked", record_profile_view: "profile_viewed", delete: "user_deleted",
};
