// SPDX-License-Identifier: MIT
// Random sequences of commands. A sequence is data, { seed, steps }, that says all and names nobody: users, command ids
// and viewers are numbers, addresses and times have gaps to be filled (machine.mjs), so that it can be run again, whole
// or in part, beside others. A step: { method, user, fields, format, door, id?, expected?, fault?, pause?, ... }.
import { Random } from "../load.mjs";
import { commandOf } from "./messages.mjs";
import { Model, methods } from "./model.mjs";
import { noPaths, samples, settings, unreadable, visibilities } from "./samples.mjs";

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const profile = ["firstName", "lastName", "email", "phone", "languageCode", "bio", "birthDate", "avatarUrl"];

/** What the fields of each method are, but for the user's id. */
const fieldsOf = {
  create: (draw) => draw.profile(),
  upsert: (draw) => draw.profile(),
  update: (draw) => draw.update(),
  change_username: (draw) => draw.texts("firstName", "lastName"),
  change_email: (draw) => draw.texts("email"),
  change_phone: (draw) => draw.texts("phone"),
  change_language_code: (draw) => draw.texts("languageCode"),
  change_bio: (draw) => draw.texts("bio"),
  change_birth_date: (draw) => draw.texts("birthDate"),
  change_avatar_url: (draw) => draw.texts("avatarUrl"),
  change_privacy_settings: (draw) => ({ privacySettings: draw.settings() }),
  confirm_email: (draw) => draw.texts("email"),
  confirm_phone: (draw) => draw.texts("phone"),
  block: (draw) => ({ ...draw.texts("reason"), ...(draw.random.chance(0.6) && { until: draw.until() }) }),
  record_profile_view: (draw) => draw.texts("viewerId"),
};

class Draw {
  constructor(random, format) {
    Object.assign(this, { random, format, badly: random.chance(0.1) ? 0.4 : 0 });
  }

  text(name, clear = 0.15) {
    const { random } = this;
    const [good, bad] = samples[name];
    const empty = !["firstName", "reason", "viewerId"].includes(name) && random.chance(clear);
    return empty ? "" : random.pick(random.chance(this.badly) ? bad : good);
  }

  texts(...names) {
    return Object.fromEntries(names.map((name) => [name, this.text(name)]));
  }

  profile() {
    const { random } = this;
    const share = random.pick([0.3, 0.6, 1]);
    const chosen = profile.filter((name) => random.chance({ firstName: 0.99, email: 0.93 }[name] ?? share));
    const fields = Object.fromEntries(chosen.map((name) => [name, this.text(name, 0.05)]));
    if (random.chance(0.3)) fields.privacySettings = this.settings();
    return fields;
  }

  settings() {
    const { random } = this;
    const chosen = settings.filter(() => random.chance(0.4));
    const said = Object.fromEntries(chosen.map((name) => [name, random.pick(visibilities)]));
    // In JSON a number that is none cannot be read at all.
    if (this.format === "protobuf" && random.chance(this.badly)) said[random.pick(settings)] = 7;
    return said;
  }

  update() {
    const { random } = this;
    const share = random.pick([0.2, 0.4, 0.8]);
    const paths = [
      ...profile.map(snake),
      "privacy_settings",
      ...settings.map((name) => `privacy_settings.${snake(name)}`),
    ].filter((path) => random.chance(path.startsWith("privacy_settings.") ? share / 4 : share));
    paths.sort(() => random.next() - 0.5);
    if (random.chance(0.05)) paths.push(random.pick(noPaths));
    const fields = this.profile(); // with what the mask does not name, and without some of what it does
    return { ...fields, updateMask: { paths } };
  }

  /** Mostly soon, so that the block ends within the sequence. */
  until() {
    const { random } = this;
    const in_ms = random.pick([20, 60, 60, 150, 150, 400, 3_600_000, 3_600_000]);
    if (random.chance(this.badly)) return { in: -1000 };
    const odd = this.format === "protobuf" && random.chance(this.badly);
    return odd
      ? random.pick([{ seconds: 1, nanos: -1 }, { seconds: 32503680000 }, { seconds: 4102444800, nanos: 1e9 }])
      : { in: in_ms };
  }
}

const faults = [
  { header: "Lumin-Command-Id", value: "7" },
  { header: "Lumin-Expected-Version", value: "one" },
  { header: "Lumin-Actor", value: "\u00c5nna" },
];

class Maker {
  constructor(seed) {
    const random = new Random(seed);
    Object.assign(this, { random, users: random.pick([1, 2, 2, 2, 3, 4]), steps: [], clock: 0 });
    // A guess at what the steps come to, for expected versions that are right and commands that fit.
    this.guess = new Model();
    // Each sequence likes some methods and does without others.
    this.liked = methods.filter((method) => method !== "probe" || random.chance(0.2));
    this.liked = this.liked
      .filter(() => random.chance(0.7))
      .flatMap((method) => Array(random.between(1, 4)).fill(method));
    if (this.liked.length === 0) this.liked = ["update"];
    this.json = random.pick([0, 0.3, 1]);
    this.requests = random.chance(0.06);
  }

  // Mostly one that there is, so that lives get long.
  user() {
    const user = this.random.below(this.users);
    const { status } = this.guess.user(`${user}`);
    const lives = !["NONE", "DELETED"].includes(status);
    return lives || this.random.chance(0.25) ? user : this.random.below(this.users);
  }

  method(user) {
    const { random } = this;
    const { status } = this.guess.user(`${user}`);
    if (status === "NONE")
      return random.chance(0.85) ? random.pick(["create", "create", "upsert"]) : random.pick(this.liked);
    if (status === "PENDING" && random.chance(0.35)) return "activate";
    const method = random.pick(this.liked);
    if (["create", "delete"].includes(method) && random.chance(0.7)) return random.pick(this.liked); // else life is short
    return method;
  }

  fields(method, user, format) {
    const { random } = this;
    const fields = fieldsOf[method]?.(new Draw(random, format)) ?? {};
    const known = this.guess.user(`${user}`);
    const name = { confirm_email: "email", confirm_phone: "phone" }[method];
    if (name && known[name] && random.chance(0.8)) fields[name] = known[name].replaceAll(guessed.n, "{n}");
    if (random.chance(0.3)) fields.userId = `{user${user}}`;
    return fields;
  }

  fresh(id) {
    const { random } = this;
    const format = random.chance(this.json) ? "json" : "protobuf";
    const user = this.user();
    const method = this.method(user);
    const step = { method, user, fields: this.fields(method, user, format), format };
    if (id !== undefined) step.id = id;
    if (format === "json" && random.chance(0.2))
      Object.assign(step, random.pick([{ snakes: true }, { numbers: true }]));
    if (random.chance(0.15)) step.expected = this.expected(user);
    if (random.chance(0.1)) step.actor = `actor-${random.below(3)}`;
    if (random.chance(0.04)) this.spoil(step);
    return step;
  }

  expected(user) {
    const { version } = this.guess.user(`${user}`);
    return this.random.chance(0.7) ? version : this.random.pick([0, 1, version + 1, 1e9]);
  }

  spoil(step) {
    const { random } = this;
    const kind = random.below(4);
    if (kind === 0) {
      step.fault = random.pick(faults);
    } else if (kind === 1) {
      step.fault = { otherUser: true };
      step.fields.userId = "{viewer0}";
    } else {
      const [unread, bytes, field] = random.pick(unreadable);
      step.fault = { unread, bytes: bytes.toString("base64"), field };
    }
  }

  // An id that was used before: mostly for the same command, as a caller who has no answer would.
  again() {
    const { random } = this;
    const earlier = random.pick(this.steps.filter(({ id }) => id !== undefined));
    if (!earlier) return this.fresh(0);
    if (random.chance(0.3)) return this.fresh(earlier.id);
    const { pause: _pause, ...same } = earlier;
    if (random.chance(0.3)) return { ...same, id: this.steps.length }; // the same once more, as a command of its own
    return { ...same, format: sayable(earlier) ? random.pick(["protobuf", "json"]) : earlier.format };
  }

  add() {
    const { random, steps } = this;
    const named = random.chance(0.85) ? steps.length : undefined; // a command may do without an id
    const step = steps.length > 0 && random.chance(0.12) ? this.again() : this.fresh(named);
    step.door = this.requests && random.chance(0.8) ? "request" : "stream";
    if (random.chance(this.blocked() ? 0.5 : 0.06)) step.pause = random.pick([30, 80, 200]);
    if (step.door === "stream" && step.pause === undefined && random.chance(0.03)) step.pause = 1;
    steps.push(step);
    this.learn(step);
  }

  blocked() {
    return guessed.users.some((user) => this.guess.user(user).blockedUntil !== null);
  }

  learn(step) {
    this.clock += 10 + (step.pause ?? 0);
    const command = commandOf(step, guessed, this.clock);
    const id = command.id ?? `none ${this.steps.length}`;
    this.guess.apply({ ...command, id, seq: 0, ns: BigInt(this.clock) * 1_000_000n });
  }
}

/** Whether both formats can say it, and say the same. */
const sayable = ({ fault, fields }) =>
  !fault?.bytes && !fields.until && !Object.values(fields.privacySettings ?? {}).includes(7);

// A place that is none, for the guess.
const guessed = {
  n: "0000000",
  users: ["0", "1", "2", "3"],
  viewers: Array(3).fill("00000000-0000-4000-8000-00000000000a"),
  ids: Array.from({ length: 20 }, (_, i) => `id ${i}`),
};

export function sequenceOf(seed) {
  const maker = new Maker(seed);
  for (let left = maker.random.between(3, 11); left > 0; left--) maker.add();
  return { seed, steps: maker.steps };
}
