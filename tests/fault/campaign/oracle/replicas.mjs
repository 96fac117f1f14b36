// SPDX-License-Identifier: MIT
// A cluster of nats-server 2.9 may come to give one sequence of the command stream to two commands when a leader dies
// (nats-server#4365): replicas disagree, and which of the two a reader gets depends on who leads. Outcomes show it.
import { grouped } from "./snapshot.mjs";

const near = 5_000_000_000n; // a stream that was made anew uses its sequences again much later
const isNear = (a, b) => a !== b && (a < b ? b - a : a - b) < near;

const found = new WeakMap();

// Sequences that stood for two commands, and when.
function splits({ outcomesOfSeq, harm }) {
  if (!harm.replicated) return [];
  if (!found.has(outcomesOfSeq)) {
    const list = [];
    for (const [seq, rows] of outcomesOfSeq) {
      const sorted = rows.map(({ ns }) => ns).sort((a, b) => (a < b ? -1 : 1));
      const index = sorted.findIndex((ns, i) => i > 0 && isNear(ns, sorted[i - 1]));
      if (index > 0) list.push({ seq, ns: sorted[index - 1] });
    }
    found.set(outcomesOfSeq, list);
  }
  return found.get(outcomesOfSeq);
}

/** Since when replicas disagreed: from there on the stream has no one order any more. Undefined where they never did. */
export function disagreement(state) {
  const times = splits(state).map(({ ns }) => ns);
  state.tally.split = times.length;
  return times.sort((a, b) => (a < b ? -1 : 1))[0];
}

/**
 * Whether another command stood in the place of a message when it was read, or may have: a reader that comes from one
 * replica to another that is ahead in its count passes over as many as that, and what stands there was read before.
 */
export function anotherStoodThere(state, { seq, ns }) {
  const { outcomesOfSeq, harm } = state;
  const there = harm.replicated && (outcomesOfSeq.get(seq) ?? []).some((row) => isNear(row.ns, ns));
  return there || splits(state).some((split) => isNear(split.ns, ns));
}
