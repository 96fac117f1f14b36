// SPDX-License-Identifier: MIT
// When each version of a user can first have been there, and from when on it was known to be: by the times at which
// callers sent its command and had its outcome.
import { keysOf, states } from "./fold.mjs";
import { grouped } from "./snapshot.mjs";

/** How many of these, which never fall, are at most a limit. */
function countUpTo(sorted, limit) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class Times {
  constructor(eventsOfUser, attempts) {
    Object.assign(this, { eventsOfUser, known: new Map(), sent: new Map(), answered: new Map() });
    for (const { id, door, invoked, completed, answer } of attempts) {
      if (door === "read") continue;
      if (door !== "ask") this.sent.set(id, Math.min(invoked, this.sent.get(id) ?? Infinity));
      const applied = answer.kind === "outcome" && answer.status === "APPLIED";
      if (applied) this.answered.set(id, Math.min(completed, this.answered.get(id) ?? Infinity));
    }
  }

  /**
   * A user's `events` and `states`; `possible(t)`: the highest version that can be there at t; `certain(t)`: the least.
   * A version is there with all before it, and what somebody else than the load has sent may have come at any time.
   */
  of(user) {
    const known = this.known.get(user) ?? this.look(user);
    this.known.set(user, known);
    return known;
  }

  look(user) {
    const events = this.eventsOfUser.get(user) ?? [];
    const begins = events.map(({ command }) => this.sent.get(command) ?? -Infinity);
    const stands = events.map(({ command }) => this.answered.get(command) ?? Infinity);
    for (let i = 1; i < begins.length; i++) begins[i] = Math.max(begins[i], begins[i - 1]);
    for (let i = stands.length - 2; i >= 0; i--) stands[i] = Math.min(stands[i], stands[i + 1]);
    return {
      events,
      states: [...states(events)],
      begins,
      stands,
      possible: (t) => countUpTo(begins, t),
      certain: (t) => countUpTo(stands, t),
    };
  }

  /** Who had an e-mail ("1 ...") or phone ("2 ..."): surely `from` then `until` then. */
  holdings(key) {
    this.allHoldings ??= grouped([...this.everyHolding()], (holding) => holding.key);
    return this.allHoldings.get(key) ?? [];
  }

  *everyHolding() {
    for (const user of this.eventsOfUser.keys()) {
      const { states, begins, stands } = this.of(user);
      const held = new Map(); // key: since when
      for (const [i, state] of states.entries()) {
        const keys = keysOf(state);
        for (const [key, from] of held) {
          if (keys.includes(key)) continue;
          yield { key, user, from, until: begins[i] };
          held.delete(key);
        }
        for (const key of keys) if (!held.has(key)) held.set(key, stands[i]);
      }
      for (const [key, from] of held) yield { key, user, from, until: Infinity };
    }
  }

  /** The users whose first event has its time in there. */
  createdBetween(from, until) {
    this.births ??= [...this.eventsOfUser]
      .map(([user, [first]]) => ({ user, ns: first.ns }))
      .sort((a, b) => (a.ns < b.ns ? -1 : 1));
    return this.births.filter(({ ns }) => ns >= from && ns < until).map(({ user }) => user);
  }
}
