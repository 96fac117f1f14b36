// SPDX-License-Identifier: MIT
// The tables: medians of the rounds, with the least and the most of them; a ratio is taken in each round first.
import { outstanding } from "./request.mjs";
import { workerCounts } from "./workers.mjs";

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

const rate = (value) => Math.round(value).toLocaleString("en-US");
const spread = (values, show) => `${show(median(values))} (${show(Math.min(...values))}-${show(Math.max(...values))})`;
const ratio = (values) => spread(values, (value) => value.toFixed(2));
const whole = (values) => rate(median(values));
const ms = (values) => (median(values) / 1000).toFixed(2);

function table(title, head, lines) {
  const all = [head, ...lines];
  const widths = head.map((_cell, column) => Math.max(...all.map((line) => line[column].length)));
  const text = all.map((line) => line.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd());
  console.log(`\n${title}\n${text.join("\n")}`);
}

function printAsync(rounds) {
  const name = { create: "create, drained", mixed: "mixed, drained", live: "mixed, live" };
  const of = (kind, pick) => rounds.map((round) => pick(round[kind]));
  const limitOf = (round, kind) => round.limit[kind === "live" ? "mixed" : kind].rate;
  table(
    "A. Asynchronous commands, from command stream to published event, and the limit: the same rows by libpq alone",
    ["", "commands/s", "limit rows/s", "ratio", "us/command: worker", "PostgreSQL", "NATS", "batch: median", "mean"],
    Object.keys(name).map((kind) => [
      name[kind],
      spread(of(kind, (found) => found.rate), rate),
      spread(rounds.map((round) => limitOf(round, kind)), rate),
      ratio(rounds.map((round) => round[kind].rate / limitOf(round, kind))),
      whole(of(kind, (found) => found.cpu.worker)),
      whole(of(kind, (found) => found.cpu.postgres)),
      whole(of(kind, (found) => found.cpu.nats)),
      whole(of(kind, (found) => found.batches.median)),
      whole(of(kind, (found) => found.batches.mean)),
    ]),
  );
  const limit = (kind, pick) => whole(rounds.map((round) => pick(round.limit[kind].cpu)));
  console.log(
    `The limit's PostgreSQL: ${limit("create", (cpu) => cpu.postgres)} us a command (create), ` +
      `${limit("mixed", (cpu) => cpu.postgres)} (mixed); its writer: ${limit("mixed", (cpu) => cpu.writer)}. ` +
      `Publishing the drained commands: ${rate(median(rounds.map((round) => round.create.published)))}/s.`,
  );
}

function printRequest(rounds) {
  for (const [kind, title] of [
    ["commands", "S. Request/reply commands (mixed), and the limit: a responder that does nothing"],
    ["get", "Q. Request/reply get, and the same limit"],
  ]) {
    const at = (level, side, pick) => rounds.map((round) => pick(round[side][level]));
    table(
      title,
      ["outstanding", "per s", "p50 ms", "p99 ms", "echo/s", "p50 ms", "p99 ms", "ratio", "us: worker", "PostgreSQL", "NATS"],
      outstanding.map((level) => [
        String(level),
        spread(at(level, kind, (found) => found.rate), rate),
        ms(at(level, kind, (found) => found.p50_us)),
        ms(at(level, kind, (found) => found.p99_us)),
        spread(at(level, "echo", (found) => found.rate), rate),
        ms(at(level, "echo", (found) => found.p50_us)),
        ms(at(level, "echo", (found) => found.p99_us)),
        ratio(rounds.map((round) => round[kind][level].rate / round.echo[level].rate)),
        whole(at(level, kind, (found) => found.cpu.worker)),
        whole(at(level, kind, (found) => found.cpu.postgres)),
        whole(at(level, kind, (found) => found.cpu.nats)),
      ]),
    );
  }
  const bytes = rounds.map((round) => round.reply_bytes);
  console.log(`A command's reply, and the echo's, is ${whole(bytes)} bytes with its headers.`);
}

function printWorkers(rounds) {
  const of = (count, pick) => rounds.map((round) => pick(round[count]));
  table(
    "W. Mixed, drained by one worker and by several on this machine",
    ["workers", "commands/s", "ratio to one", "us/command: workers", "PostgreSQL", "NATS"],
    workerCounts.map((count) => [
      String(count),
      spread(of(count, (found) => found.rate), rate),
      ratio(rounds.map((round) => round[count].rate / round[1].rate)),
      whole(of(count, (found) => found.cpu.worker)),
      whole(of(count, (found) => found.cpu.postgres)),
      whole(of(count, (found) => found.cpu.nats)),
    ]),
  );
}

export function print({ machine, options, rounds }) {
  console.log(
    `${machine.cores} x ${machine.cpu}, ${machine.memory}, Linux ${machine.kernel}; ${machine.nats}; ` +
      `${machine.postgres}\n${options.rounds} rounds; medians (least-most)`,
  );
  if (rounds[0].async) printAsync(rounds.map((round) => round.async));
  if (rounds[0].request) printRequest(rounds.map((round) => round.request));
  if (rounds[0].workers) printWorkers(rounds.map((round) => round.workers));
}
