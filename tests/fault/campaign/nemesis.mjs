// SPDX-License-Identifier: MIT
// Draws faults from a shuffled deck, so that each comes before any comes twice; one alone or some at once that do not
// need the same thing; and waits, mostly, until the load makes progress again (I12). The seed repeats the choices, not
// the timing.
import { Random } from "../../support/load.mjs";
import { sleep } from "../../support/servers.mjs";

const patience = 40_000; // until an answer comes after a fault: servers start again, leases run out, streams are read

/** "workers" is every one of them, "worker" one that is reserved. */
function collide(one, other) {
  const some = ({ needs }) => needs.includes("workers") || needs.includes("worker");
  const all = [one, other].some(({ needs }) => needs.includes("workers")) && some(one) && some(other);
  return all || one.needs.some((need) => need !== "worker" && other.needs.includes(need));
}

export class Nemesis {
  constructor({ stage, load, journal, random, faults, together }) {
    Object.assign(this, { stage, load, journal, random, faults, together, deck: [], recoveries: [] });
    this.counts = new Map(); // by fault: how often
  }

  /** Goes on until the time is over, in the short form until each fault had its turn. */
  async run(seconds, tools) {
    const end = performance.now() + seconds * 1000;
    this.short = tools.short;
    do {
      const drawn = this.draw();
      const owners = await this.stage.owners();
      const slots = drawn.map((fault) => fault.needs.includes("worker") && this.reserve(owners));
      const ended = await Promise.all(drawn.map((fault, i) => this.inject(fault, slots[i], tools)));
      // Or all that follows would fail as well; not sooner, since another may just have stopped a server.
      if (ended.includes(false)) await this.stage.heal();
      if (this.random.chance(0.75)) await this.recover(drawn);
      await sleep(this.random.below(300));
    } while (this.short ? this.deck.length > 0 : performance.now() < end);
  }

  next() {
    if (this.deck.length === 0) {
      const times = ({ weight = 1 }) => (this.short ? 1 : weight);
      this.deck = this.shuffled(this.faults.flatMap((each) => Array(times(each)).fill(each)));
    }
    return this.deck.pop();
  }

  shuffled(list) {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.random.below(i + 1);
      [list[i], list[j]] = [list[j], list[i]];
    }
    return list;
  }

  draw() {
    const drawn = [this.next()];
    while (drawn.length < 3 && this.deck.length > 0 && this.random.chance(this.together)) {
      const other = this.next();
      if (drawn.some((fault) => collide(fault, other))) {
        this.deck.unshift(other); // its turn comes later
        break;
      }
      drawn.push(other);
    }
    return drawn;
  }

  /** `slot`: the worker reserved for it, null where none was free, false where it needs none. False where it failed. */
  async inject(fault, slot, tools) {
    const { journal, stage, load } = this;
    const random = new Random(this.random.below(2 ** 31)); // its own: what runs beside it does not change its choices
    if (slot === null) return true;
    try {
      const context = { ...tools, journal, stage, load, random, slot, harm: stage.losses };
      const told = await fault.run(context).finally(() => slot && this.give(slot));
      this.counts.set(fault, (this.counts.get(fault) ?? 0) + 1);
      journal.say(`${fault.id.padEnd(4)} ${fault.name}${slot ? ` ${slot.name}` : ""}${told ? `: ${told}` : ""}`);
      return true;
    } catch (error) {
      const why = `${error.message} ${error.cause ?? ""}`;
      journal.finding("I12", `${fault.id} ${fault.name} did not come to its end: ${why}`);
      return false;
    }
  }

  // Mostly one that has partitions: what happens to the others matters less.
  reserve(owners) {
    const { random } = this;
    const free = this.stage.slots.filter((each) => !each.reserved && each.alive);
    if (free.length === 0) return null;
    const busy = free.filter(({ name }) => owners.includes(name));
    const slot = random.pick(busy.length > 0 && (this.short || random.chance(0.75)) ? busy : free);
    slot.reserved = true;
    return slot;
  }

  give(slot) {
    slot.reserved = false;
    slot.resume();
    if (!slot.alive) slot.start();
  }

  async recover(drawn) {
    try {
      this.recoveries.push(await this.load.progress({ timeout: patience }));
    } catch {
      const names = drawn.map(({ name }) => name).join(", ");
      this.journal.finding("I12", `no answer within ${patience / 1000} s after ${names}`);
    }
  }
}
