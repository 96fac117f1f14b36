// SPDX-License-Identifier: MIT
// The load: callers who send by request/reply and wait, publishers who do not, readers. A caller repeats what was not
// answered under the same id (F15), at times what was answered, and at times sends other content under a used id. It
// goes on whatever happens to the servers.
import { createHash } from "node:crypto";
import {
  commandSubject,
  eventually,
  headersOf,
  prefix,
  request,
  sleep,
} from "../../support/servers.mjs";
import { commandIdOf } from "../../support/oracle.mjs";
import { Population } from "./population.mjs";
import { askQuery, nextQuery } from "./queries.mjs";

const patience = 2500; // of a caller, beyond the door's own

/** What makes two commands the same one, beside their id. */
export const contentOf = (method, user, payload, expected = "") =>
  createHash("sha1").update(`${method} ${user} ${expected} `).update(payload).digest("base64");

const digest = (bytes) => createHash("sha1").update(bytes).digest("base64");

/** outcome: decided; never: certainly not on the stream; unknown: nobody can say. */
function answerOf(answer) {
  const outcome = answer.as("Outcome");
  if (outcome.status === "OUTCOME_STATUS_UNSPECIFIED") {
    const why = `${answer.code} ${answer.reason}`;
    return answer.code === 504 ? { kind: "unknown", why } : { kind: "never", why };
  }
  return {
    kind: "outcome",
    status: outcome.status.replace("OUTCOME_STATUS_", ""),
    reason: outcome.error?.reason.replace("REASON_", "") ?? "",
    version: outcome.version,
    user: outcome.userId,
    seq: outcome.streamSequence,
    bytes: digest(answer.data),
  };
}

export class Load {
  /** `callers` one after another each; `rate` asynchronous commands and `reads` queries a second. */
  static async start(stage, history, { random, users = 300, callers = 24, rate = 160, reads = 60, think = 15 } = {}) {
    const load = new Load();
    Object.assign(load, { stage, history, callers, rate, reads, think, random, running: true });
    load.users = new Population(load.random, users);
    load.gateway = await stage.rig.connect("gateway");
    load.publisher = await stage.rig.connect("command_publisher");
    load.tasks = Array.from({ length: callers }, () => load.callOn());
    load.tasks.push(load.pace(rate, () => load.publishThrough()), load.pace(reads, () => load.read()));
    return load;
  }

  attempt(command, id, door, more = {}) {
    const { method, user, payload, want, expected } = command;
    return { id, user, method, door, content: contentOf(method, user, payload, expected), want, ...more };
  }

  // ---- request/reply

  async callOn() {
    while (this.running) {
      await this.turn();
      await this.callThrough(this.next());
      await sleep(this.random.below(this.think));
    }
  }

  next() {
    const command = this.users.command();
    const expected = command.slot.version > 0 && this.random.chance(0.05) ? `${command.slot.version}` : undefined;
    return { ...command, expected };
  }

  call(command, id) {
    const headers = { "Lumin-Command-Id": id };
    if (command.expected) headers["Lumin-Expected-Version"] = command.expected;
    return this.history.note(this.attempt(command, id, "rpc"), async () =>
      answerOf(await request(this.gateway, command.method, command.payload, { timeout: patience, headers })),
    );
  }

  // One command until the caller has lost interest.
  async callThrough(command) {
    const { random } = this;
    const id = random.uuid();
    for (let tries = 0; tries < 6; tries++) {
      await this.turn();
      const { answer } = await this.call(command, id);
      this.users.learn(command, answer);
      if (answer.kind === "outcome") {
        if (!random.chance(0.06)) break;
      } else if (!this.running || !random.chance(0.85)) {
        return;
      } else {
        await sleep(20 + random.below(120));
        await this.turn();
        if (answer.kind === "unknown" && random.chance(0.3)) await this.ask(command, id);
      }
    }
    if (!this.pause && random.chance(0.03)) await this.call(this.next(), id); // other content
  }

  /** How did it end? The answer is another witness of the outcome. */
  async ask(command, id) {
    await this.history.note(this.attempt(command, id, "ask"), async () => {
      const message = { commandId: id, waitMs: 500 };
      const answer = await request(this.gateway, "command_outcome", message, { timeout: patience });
      return answer.code === 0 ? answerOf(answer) : { kind: "unknown", why: `${answer.code} ${answer.reason}` };
    });
  }

  // ---- the command stream

  publish(command, headers, id) {
    if (command.expected) headers["Lumin-Expected-Version"] = command.expected;
    const subject = commandSubject(command.method, command.user);
    return this.history.note(this.attempt(command, id, "stream"), async () => {
      const options = { timeout: patience, headers: headersOf(headers) };
      const answer = (await this.publisher.request(subject, command.payload, options)).json();
      return answer.error ? { kind: "never", why: answer.error.description } : { kind: "stored", seq: answer.seq };
    });
  }

  /** So many commands on the stream, at once. */
  async burst(count) {
    for (let left = count; left > 0; left -= 200) {
      await Promise.all(Array.from({ length: Math.min(200, left) }, () => this.publishThrough()));
    }
  }

  async publishThrough() {
    const { random } = this;
    const command = this.next();
    const own = random.uuid();
    if (random.chance(0.01)) {
      command.payload = Buffer.from("\xff\xff\xff", "latin1"); // undecodable: dead
      command.want = undefined;
    }
    // By message id, at times: the command's id then follows from that.
    const headers = random.chance(0.05) ? { "Nats-Msg-Id": own } : { "Lumin-Command-Id": own };
    const id = commandIdOf({ headers: headersOf(headers) });
    for (let tries = 0; tries < 4; tries++) {
      await this.turn();
      const { answer } = await this.publish(command, headers, id);
      if (!this.running || !random.chance(answer.kind === "stored" ? 0.04 : 0.6)) return;
      await sleep(random.below(60));
      if (random.chance(0.1)) return void (await this.call(command, id)); // the same by the other door
    }
  }

  // ---- queries

  async read() {
    const query = nextQuery(this.random, this.users);
    await this.history.note({ id: "", door: "read", ...query }, () => askQuery(this.gateway, query, patience));
  }

  /** So many a second, of which a bounded number is open. */
  async pace(rate, work) {
    const open = new Set();
    while (this.running && rate > 0) {
      await this.turn();
      const burst = Math.max(1, Math.round((rate * 20) / 1000));
      for (let i = 0; i < burst && open.size < 400; i++) {
        const task = work().finally(() => open.delete(task));
        open.add(task);
      }
      await sleep((burst * 1000) / rate);
    }
    await Promise.all(open);
  }

  /** Sends nothing until `release`; waits until what was open has got its answer or was given up. */
  async hold() {
    this.pause = true;
    await eventually(() => this.history.open === 0, { timeout: 3 * patience, what: "a load that pauses" });
  }

  release() {
    this.pause = false;
  }

  async turn() {
    while (this.pause && this.running) await sleep(20);
  }

  /** Waits until a command that was sent from now on has got its outcome; says how long that took. */
  async progress({ timeout = 40_000 } = {}) {
    const from = performance.now();
    await eventually(() => this.history.lastOutcome >= from, { timeout, every: 10, what: "an answer to the load" });
    return performance.now() - from;
  }

  /** Ends it when what is open is answered or given up. */
  async stop() {
    this.running = false;
    await Promise.all(this.tasks);
  }
}

export { prefix };
