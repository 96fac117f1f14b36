// SPDX-License-Identifier: MIT
// A user as its events make it: a fold that shares nothing with the service.
const numbers = {
  VISIBILITY_UNSPECIFIED: 0, VISIBILITY_EVERYONE: 1, VISIBILITY_CONTACTS: 2, VISIBILITY_NOBODY: 3,
};
const settings = ["email", "phone", "birthDate", "bio", "avatar", "profileViews"];

/** Two bits a setting, in the order of the proto's fields. */
export const packed = (privacy) =>
  settings.reduce((bits, name, i) => bits + (numbers[privacy?.[name]] ?? 0) * 4 ** i, 0);

const nobody = {
  version: 0, status: 0, firstName: "", lastName: "", email: "", phone: "", emailVerified: false,
  phoneVerified: false, languageCode: "", bio: "", birthDate: "", avatarUrl: "", privacy: 0, views: 0, before: 0,
  reason: "", until: 0n, created: 0n, updated: 0n,
};

const inStatus = (status) => ({ status, before: 0, reason: "", until: 0n });
export const nanoseconds = (time) => (time ? BigInt(time.seconds) * 1_000_000_000n + BigInt(time.nanos) : 0n);

const folds = {
  user_created(user, body, ns) {
    return { ...inStatus(1), ...texts(body), privacy: packed(body.privacySettings), created: ns };
  },
  username_changed: (user, { firstName, lastName }) => ({ firstName, lastName }),
  email_changed: (user, { email }) => ({ email, emailVerified: false }),
  phone_changed: (user, { phone }) => ({ phone, phoneVerified: false }),
  bio_changed: (user, { bio }) => ({ bio }),
  birth_date_changed: (user, { birthDate }) => ({ birthDate }),
  avatar_url_changed: (user, { avatarUrl }) => ({ avatarUrl }),
  language_code_changed: (user, { languageCode }) => ({ languageCode }),
  privacy_settings_changed: (user, { privacySettings }) => ({ privacy: packed(privacySettings) }),
  email_confirmed: () => ({ emailVerified: true }),
  phone_confirmed: () => ({ phoneVerified: true }),
  user_activated: () => inStatus(2),
  user_deactivated: () => inStatus(3),
  user_blocked: (user, { reason, until }) => ({ status: 4, before: user.status, reason, until: nanoseconds(until) }),
  profile_viewed: (user) => ({ views: user.views + 1 }),
  user_deleted: (user) => ({ ...nobody, status: 5, created: user.created }),
};

const texts = ({ firstName, lastName, email, phone, languageCode, bio, birthDate, avatarUrl }) => ({
  firstName, lastName, email, phone, languageCode, bio, birthDate, avatarUrl,
});

/** A block may have ended by itself at a time. */
export function userAt(user, ns) {
  const over = user.status === 4 && user.until !== 0n && user.until <= ns;
  return over ? { ...user, ...inStatus(user.before) } : user;
}

/** The user after each of its events. */
export function* states(events) {
  let user = nobody;
  for (const { type, fields, ns, version } of events) {
    const now = userAt(user, ns);
    user = { ...now, ...folds[type](now, fields, ns), version, updated: ns };
    yield user;
  }
}

export function fold(events) {
  let last = nobody;
  for (const user of states(events)) last = user;
  return last;
}

/** What its row in lumin.users must say; the load's addresses are compared in lower case. */
export const rowOf = (user) => ({
  version: `${user.version}`, status: user.status, first_name: user.firstName, last_name: user.lastName,
  email: user.email, email_key: user.email.toLowerCase(), phone: user.phone, email_verified: user.emailVerified,
  phone_verified: user.phoneVerified, created_ns: `${user.created}`, updated_ns: `${user.updated}`,
  language_code: user.languageCode, bio: user.bio, birth_date: user.birthDate, avatar_url: user.avatarUrl,
  privacy: user.privacy, profile_views: `${user.views}`, status_before_block: user.before,
  block_reason: user.reason, blocked_until_ns: `${user.until}`,
});

/** The keys that it claims: e-mail (1) and phone (2). */
export const keysOf = ({ email, phone }) =>
  [email && `1 ${email.toLowerCase()}`, phone && `2 ${phone}`].filter(Boolean);

const names = ["PENDING", "ACTIVE", "DEACTIVATED", "BLOCKED", "DELETED"];

/** What a query must have said of it, in the proto's words, but for a block that may be over. */
export const viewOf = (user) => ({
  version: user.version, firstName: user.firstName, lastName: user.lastName, email: user.email, phone: user.phone,
  emailVerified: user.emailVerified, phoneVerified: user.phoneVerified, languageCode: user.languageCode, bio: user.bio,
  birthDate: user.birthDate, avatarUrl: user.avatarUrl, profileViews: user.views,
});

export const statusName = (number) => `USER_STATUS_${names[number - 1]}`;

export const statusesOf = (user) => [user.status, ...(user.until !== 0n ? [user.before] : [])].map(statusName);
