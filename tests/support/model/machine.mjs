// SPDX-License-Identifier: MIT
// Sequences on the real machine, many at a time: users, ids and addresses of their own for each, commands through both
// doors, and afterwards what the machine says of them: the command stream's order and times, outcomes, events, users.
import { createHash } from "node:crypto";
import { commandIdOf, partitionOf, readAll, settle } from "../oracle.mjs";
import { commandSubject, headersOf, inboxPrefix, prefix, rpcSubject, sleep, streams } from "../servers.mjs";
import { commandOf, nsOfText, payloadOf } from "./messages.mjs";

const trace = "6c756d696e6d6f64656c746573742121"; // of these commands; the span is the number of the command
const atOnce = 400; // sequences
const openCommands = 1200; // commands on their way: what the machine works off within a second
const usersAtOnce = 500;
const patience = 60_000;

/** Gives UUIDs that follow from a seed. */
function idsOf(seed) {
  let hex = "";
  let count = 0;
  return () => {
    if (hex.length < 32) hex = createHash("sha512").update(`${seed} ${count++}`).digest("hex");
    const digits = hex.slice(0, 32);
    hex = hex.slice(32);
    return digits.replace(/^(.{8})(.{4}).(.{3}).(.{3})/, "$1-$2-4$3-8$4-");
  };
}

/** A sequence and where it is run: `sent` has every command and what came back. */
class Play {
  constructor(sequence, number) {
    const id = idsOf(`${sequence.seed} ${number}`);
    const ids = (count) => Array.from({ length: count }, id);
    this.sequence = sequence;
    this.n = String(number).padStart(7, "0");
    // Addresses meet within a sequence: its users share a partition, so that the stream's order decides between them.
    this.users = [id()];
    while (this.users.length < 4) this.users.push(neighbour(id(), partitionOf(this.users[0])));
    this.viewers = ids(3);
    this.ids = ids(sequence.steps.length + 1);
    this.sent = [];
    this.user = new Map(); // by id: what `get` says
  }
}

/** The id with another end, in that partition. */
function neighbour(id, partition) {
  for (let end = 0; ; end++) {
    const other = id.slice(0, -3) + end.toString(16).padStart(3, "0");
    if (partitionOf(other) === partition) return other;
  }
}

export class Machine {
  plays = 0;
  commands = []; // of this run
  first = 0; // the number of the first of them
  open = 0; // without their outcome yet
  waiting = []; // for fewer to be open
  blockedUntil = 0; // the last end of a block that comes soon

  static async start(rig) {
    const machine = new Machine();
    const [gateway, publisher, operator] = await Promise.all(
      ["gateway", "command_publisher", "operator"].map((role) => rig.connect(role, { timeout: patience })),
    );
    Object.assign(machine, { rig, gateway, publisher, operator });
    const heard = (error, message) => error ?? machine.hear(message);
    publisher.subscribe(`${prefix}.reply.model.*`, { callback: heard });
    await publisher.flush();
    machine.ends = await machine.lastSequences();
    return machine;
  }

  /** Runs sequences side by side: { plays, story }, a play for each, and what the machine says of all. */
  async run(sequences) {
    this.first += this.commands.length;
    this.commands = [];
    const plays = sequences.map((sequence) => new Play(sequence, this.plays++));
    const left = [...plays].reverse();
    const runNext = async () => {
      for (let play = left.pop(); play; play = left.pop()) await this.play(play);
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, plays.length) }, runNext));
    await this.room(0);
    return { plays, story: await this.story(plays) };
  }

  async play(play) {
    for (const step of play.sequence.steps) {
      await this.room(openCommands);
      const now = Date.now();
      const command = commandOf(step, play, now);
      if (step.fields.until?.in < patience)
        this.blockedUntil = Math.max(this.blockedUntil, now + step.fields.until.in + 1);
      const sent = {
        play,
        step,
        command,
        payload: payloadOf(step, command),
        number: this.first + this.commands.length,
        answers: [],
      };
      this.commands.push(sent);
      play.sent.push(sent);
      if (step.door === "request") await this.request(sent);
      else this.publish(sent);
      if (step.pause) await sleep(step.pause);
    }
  }

  headers({ step, command, number }) {
    const span = (number + 1).toString(16).padStart(16, "0");
    return headersOf({
      traceparent: `00-${trace}-${span}-01`,
      ...(command.id && { "Lumin-Command-Id": command.id }),
      ...(command.expected !== undefined && { "Lumin-Expected-Version": command.expected }),
      ...(command.actor && { "Lumin-Actor": command.actor }),
      ...(step.fault?.header && { [step.fault.header]: step.fault.value }),
    });
  }

  publish(sent) {
    const headers = this.headers(sent);
    headers.set("Lumin-Reply-To", `${prefix}.reply.model.${sent.number}`);
    this.open++;
    const { method, user } = sent.command;
    this.publisher.publish(commandSubject(method, user), sent.payload, { headers });
  }

  async request(sent) {
    const { method, user } = sent.command;
    const options = { headers: this.headers(sent), timeout: patience };
    sent.answers.push(await this.gateway.request(rpcSubject(method, user), sent.payload, options));
  }

  hear(message) {
    const sent = this.commands[Number(message.subject.split(".").at(-1)) - this.first];
    if (sent.answers.length === 0) this.open--;
    sent.answers.push(message);
    const enough = this.waiting.filter(({ most }) => this.open <= most);
    this.waiting = this.waiting.filter(({ most }) => this.open > most);
    for (const { resolve } of enough) resolve();
  }

  /** Waits until at most so many commands are without their outcome. */
  async room(most) {
    if (this.open <= most) return;
    let late;
    const enough = new Promise((resolve, reject) => {
      // Of all that were sent one or the other may be lost, which is found later; before that, it is the machine.
      const stopped = () => reject(new Error(`${this.open} commands wait for their outcomes`));
      late = setTimeout(most === 0 ? resolve : stopped, patience);
      this.waiting.push({ most, resolve });
    });
    await enough.finally(() => clearTimeout(late));
  }

  // ---- afterwards

  async lastSequences() {
    const last = async (stream) => [stream, (await this.stream(stream)).state.last_seq];
    return Object.fromEntries(await Promise.all(Object.values(streams).map(last)));
  }

  async stream(name) {
    return (await this.operator.request(`$JS.API.STREAM.INFO.${name}`, undefined, { timeout: patience })).json();
  }

  /** What the streams got since the last time, when all is quiet, and what `get` says of every user of the plays. */
  async story(plays) {
    await settle(this.rig, { timeout: patience });
    await sleep(this.blockedUntil - Date.now()); // so that a reader's time decides nothing
    const { ends } = this;
    const since = (stream) => readAll(this.operator, stream, { from: ends[stream] + 1 });
    const story = {
      commands: await since(streams.commands),
      events: await since(streams.events),
      dead: await since(streams.dead),
    };
    this.ends = await this.lastSequences();
    story.commands = story.commands.flatMap((message) => this.commandOf(message) ?? []);
    story.events = story.events.map(eventOf);
    story.dead = story.dead.map(({ headers }) => headers.get("Lumin-Command-Id"));
    await this.readUsers(plays);
    return story;
  }

  // A message of the command stream, with the command that it was sent as; others' are left out.
  commandOf(message) {
    const [, id, span] = (message.headers?.get("traceparent") ?? "").split("-");
    if (id !== trace) return undefined;
    const sent = this.commands[parseInt(span, 16) - 1 - this.first];
    const { headers } = message;
    const command =
      sent.step.fault?.header === "Lumin-Command-Id"
        ? commandIdOf({ ...message, headers: null })
        : commandIdOf(message);
    return { sent, id: command, seq: message.seq, ns: message.ns, subject: message.subject, headers };
  }

  async readUsers(plays) {
    const wanted = plays.flatMap((play) =>
      [...new Set(play.sent.map(({ command }) => command.user))].map((user) => [play, user]),
    );
    const inbox = `${inboxPrefix("gateway")}.model`;
    for (let done = 0; done < wanted.length; done += usersAtOnce) {
      const part = wanted.slice(done, done + usersAtOnce);
      const read = new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error("not every get was answered")), patience);
        let left = part.length;
        const callback = (error, message) => {
          if (error) return reject(error);
          const [play, user] = part[Number(message.subject.split(".").at(-1))];
          play.user.set(user, message);
          return --left === 0 && (clearTimeout(late), resolve());
        };
        this.gateway.subscribe(`${inbox}.${done}.*`, { callback, max: part.length });
      });
      part.forEach(([, user], i) => this.get(user, `${inbox}.${done}.${i}`));
      await read;
    }
  }

  get(user, reply) {
    const payload = Math.random() < 0.25 ? JSON.stringify({ userId: user }) : "";
    this.gateway.publish(rpcSubject("get", user), payload, { reply });
  }
}

function eventOf({ subject, headers, data, seq }) {
  const [type, user] = subject.split(".").slice(-2);
  const header = (name) => headers.get(name);
  return {
    ...{ seq, type, user, data, version: Number(header("ce-sequence")), ns: nsOfText(header("ce-time")) },
    ...{ command: header("Lumin-Command-Id"), actor: header("Lumin-Actor"), traceparent: header("traceparent") },
  };
}
