// SPDX-License-Identifier: MIT
// A cluster of nats-server 2.9 may come to give one sequence of the command stream to two commands when a leader dies
// (nats-server#4365): replicas disagree, and which of the two a reader gets depends on who leads. Outcomes show it.
import { grouped } from "./snapshot.mjs";

const near = 5_000_000_000n; // a stream that was made anew uses its sequences again much later
const isNear = (a, b) => a !== b && (a < b ? b - a : a - b) < near;

/** Since when replicas disagreed: from there on the stream has no one order any more. Undefined where they never did. */
export function disagreement({ outcomesOfSeq, harm, tally }) {
  if (!harm.replicated) return undefined;
  const times = [];
  for (const [, rows] of outcomesOfSeq) {
    const sorted = rows.map(({ ns }) => ns).sort((a, b) => (a < b ? -1 : 1));
    const index = sorted.findIndex((ns, i) => i > 0 && isNear(ns, sorted[i - 1]));
    if (index > 0) times.push(sorted[index - 1]);
  }
  tally.split = times.length;
  return times.sort((a, b) => (a < b ? -1 : 1))[0];
}

/** Whether another command stood in the place of a message when it was read. */
export function anotherStoodThere({ outcomesOfSeq, harm }, { seq, ns }) {
  return Boolean(harm.replicated) && (outcomesOfSeq.get(seq) ?? []).some((row) => isNear(row.ns, ns));
}
