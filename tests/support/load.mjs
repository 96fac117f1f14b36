// SPDX-License-Identifier: MIT
// A load of commands through both doors, and its history: who was sent what when, and what came back. It repeats
// commands under their id, sends other content under a used id, wants addresses that others have, and goes on whatever
// happens to the servers. LUMIN_TEST_SEED repeats its choices (not the timing).
import { createHash, randomInt } from "node:crypto";
import { commandSubject, encode, eventually, headersOf, messageName, request, sleep } from "./servers.mjs";

/** LUMIN_TEST_LONG=1: the long form of the tests that take time. */
export const long = process.env.LUMIN_TEST_LONG === "1";

export class Random {
  constructor(seed = Number(process.env.LUMIN_TEST_SEED ?? randomInt(2 ** 31))) {
    this.seed = seed;
    this.state = seed >>> 0;
  }

  /** In [0, 1): mulberry32. */
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  below(count) {
    return Math.floor(this.next() * count);
  }

  between(low, high) {
    return low + this.below(high - low + 1);
  }

  chance(probability) {
    return this.next() < probability;
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  uuid() {
    const hex = Array.from({ length: 32 }, () => this.below(16).toString(16));
    hex[12] = "4";
    hex[16] = "8";
    return hex.join("").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  }
}

/** What makes two commands the same one, beside their id. */
export const contentOf = (method, user, payload) =>
  createHash("sha1").update(`${method} ${user} `).update(payload).digest("hex");

/** Every attempt to send a command, with what came of it: see `answerOf` and `publishedAs` for the kinds. */
export class History {
  constructor() {
    this.attempts = [];
  }

  /** Runs `send` and notes the attempt; returns it, whatever happened. */
  async note({ id, user, method, payload }, door, send) {
    const attempt = { id, user, method, door, content: contentOf(method, user, payload), invoked: performance.now() };
    this.attempts.push(attempt);
    attempt.answer = { kind: "unknown", why: "still open" };
    try {
      attempt.answer = await send();
    } catch (error) {
      const never = error.code === "503"; // nobody listened: the server says so at once
      attempt.answer = never ? { kind: "never", why: "no responders" } : { kind: "unknown", why: String(error) };
    }
    attempt.completed = performance.now();
    return attempt;
  }

  count(test) {
    return this.attempts.filter((attempt) => test(attempt)).length;
  }
}

/** outcome: decided; never: certainly not on the stream; unknown: nobody can say. */
function answerOf(answer) {
  const outcome = answer.as("Outcome");
  if (outcome.status === "OUTCOME_STATUS_UNSPECIFIED") {
    const why = `${answer.code} ${answer.reason}`;
    return answer.code === 504 ? { kind: "unknown", why } : { kind: "never", why, code: answer.code };
  }
  return {
    kind: "outcome",
    status: outcome.status.replace("OUTCOME_STATUS_", ""),
    reason: outcome.error?.reason.replace("REASON_", "") ?? "",
    version: outcome.version,
    user: outcome.userId,
    seq: outcome.streamSequence,
    bytes: Buffer.from(answer.data).toString("hex"),
  };
}

/** A command by request/reply, noted. */
export function call(history, gateway, command, { timeout = 6000 } = {}) {
  const options = { timeout, headers: { "Lumin-Command-Id": command.id } };
  return history.note(command, "rpc", async () =>
    answerOf(await request(gateway, command.method, command.payload, options)),
  );
}

/** A command on the stream, noted; stored: the stream has it under this sequence. */
export function publish(history, publisher, command, { timeout = 3000 } = {}) {
  const headers = headersOf({ "Lumin-Command-Id": command.id, ...command.headers });
  return history.note(command, "stream", async () => {
    const subject = commandSubject(command.method, command.user);
    const answer = (await publisher.request(subject, command.payload, { timeout, headers })).json();
    return answer.error ? { kind: "never", why: answer.error.description } : { kind: "stored", seq: answer.seq };
  });
}

/** A command ready to be sent. */
export function commandOf(id, method, user, fields) {
  return { id, method, user, payload: encode(messageName(method), { userId: user, ...fields }) };
}

// ---- what is sent

class Users {
  constructor(random, count) {
    this.random = random;
    this.own = random.below(1e6); // a load's addresses are its own
    this.addresses = Math.ceil(count * 2.5); // few enough that some want the same
    this.slots = Array.from({ length: count }, () => this.fresh());
  }

  fresh() {
    return { id: this.random.uuid(), created: false };
  }

  email() {
    const address = `m${this.random.below(this.addresses)}@l${this.own}.example.com`;
    return this.random.chance(0.2) ? address.toUpperCase() : address; // another spelling of the same key
  }

  phone() {
    return this.random.chance(0.3) ? `+49${1000000 + this.own}${1000 + this.random.below(this.addresses)}` : "";
  }

  /** A creation that was refused leaves a user to be created. */
  learn({ slot, user }, { kind, status, reason }) {
    if (slot?.id === user && kind === "outcome" && status !== "APPLIED") slot.created = reason === "ALREADY_EXISTS";
  }

  name() {
    return `N${this.random.below(20)}`; // few, so that some changes change nothing
  }

  // A few users get much of the load, so that batches hold several commands of one user.
  slot() {
    const hot = this.random.chance(0.3);
    return this.slots[this.random.below(hot ? Math.min(5, this.slots.length) : this.slots.length)];
  }

  command() {
    const { random } = this;
    const slot = this.slot();
    const id = random.uuid();
    if (!slot.created || random.chance(0.02)) {
      slot.created = true;
      const names = { firstName: this.name(), lastName: this.name() };
      const create = commandOf(id, "create", slot.id, { ...names, email: this.email(), phone: this.phone() });
      return { ...create, slot };
    }
    if (random.chance(0.04)) {
      const old = slot.id;
      if (random.chance(0.8)) Object.assign(slot, this.fresh()); // else more is wanted of a deleted one
      return commandOf(id, "delete", old, {});
    }
    const email = random.chance(0.05) ? "" : this.email();
    return random.chance(0.5)
      ? commandOf(id, "change_email", slot.id, { email })
      : commandOf(id, "change_username", slot.id, { firstName: this.name(), lastName: "" });
  }
}

// ---- the load

export class Load {
  /**
   * `callers` send by request/reply, one after another each; `rate` asynchronous commands a second; `timeout` is a
   * caller's patience; `dead` is the share of asynchronous commands that cannot be decoded.
   */
  static async start(rig, { users = 150, callers = 16, rate = 150, timeout = 1500, dead = 0.005, think = 12 } = {}) {
    const load = new Load();
    Object.assign(load, { callers, rate, timeout, dead, think, random: new Random(), history: new History(), sent: new Map() });
    load.users = new Users(load.random, users);
    load.gateway = await rig.connect("gateway");
    load.publisher = await rig.connect("command_publisher");
    load.running = true;
    load.tasks = Array.from({ length: callers }, () => load.callOn());
    if (rate > 0) load.tasks.push(load.publishOn());
    return load;
  }

  // A test that fails closes its connections, and nobody calls stop.
  goesOn() {
    return this.running && !this.gateway.isClosed() && !this.publisher.isClosed();
  }

  async callOn() {
    while (this.goesOn()) {
      await this.callThrough(this.users.command());
      await sleep(this.random.below(this.think));
    }
  }

  // One command until the caller has lost interest: repeated where it is not answered, and at times where it is.
  async callThrough(command) {
    const { random } = this;
    for (let tries = 0; tries < 6; tries++) {
      const { answer } = await call(this.history, this.gateway, command, { timeout: this.timeout });
      this.users.learn(command, answer);
      if (answer.kind === "outcome" && !this.sent.has(command.id)) this.sent.set(command.id, { command, answer });
      if (answer.kind === "outcome") {
        if (!random.chance(0.05)) break;
      } else if (!this.goesOn() || !random.chance(0.8)) {
        return;
      } else {
        await sleep(20 + random.below(80));
      }
    }
    if (random.chance(0.03)) {
      const other = this.users.command();
      await call(this.history, this.gateway, { ...other, id: command.id, slot: null }, { timeout: this.timeout });
    }
  }

  async publishOn() {
    const open = new Set();
    while (this.goesOn()) {
      const burst = Math.ceil(this.rate / 50);
      for (let i = 0; i < burst && open.size < 500; i++) {
        const task = this.publishThrough(this.asynchronous()).finally(() => open.delete(task));
        open.add(task);
      }
      await sleep(20);
    }
    await Promise.all(open);
  }

  asynchronous() {
    const command = this.users.command();
    if (this.random.chance(this.dead)) command.payload = Buffer.from("\xff\xff\xff", "latin1");
    return command;
  }

  async publishThrough(command) {
    for (let tries = 0; tries < 4; tries++) {
      const { answer } = await publish(this.history, this.publisher, command);
      const again = answer.kind === "stored" ? 0.03 : 0.6;
      if (!this.goesOn() || !this.random.chance(again)) return;
      await sleep(this.random.below(50));
    }
  }

  /** Waits until a request that was made from now on has got its outcome. */
  async progress({ timeout = 20_000 } = {}) {
    const from = performance.now();
    const begun = this.history.attempts.length;
    const decided = (attempt) => attempt.invoked >= from && attempt.answer.kind === "outcome";
    await eventually(() => this.history.attempts.slice(begun).some(decided), {
      timeout,
      every: 10,
      what: "an answer to the load",
    });
  }

  /** Commands that were decided by request/reply, each once: [{ command, answer }]. */
  answers() {
    return [...this.sent.values()].filter(({ answer }) => answer);
  }

  /** Ends it when what is open is answered or given up. */
  async stop() {
    this.running = false;
    await Promise.all(this.tasks);
    await Promise.all([this.gateway.flush(), this.publisher.flush()]);
  }
}
