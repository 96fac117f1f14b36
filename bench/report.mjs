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

const responderHead = ["outstanding", "per s", "p50 ms", "p99 ms", "echo/s", "p50 ms", "p99 ms", "ratio"];

/** One line for each number outstanding: a server's side beside the bare responder's. */
function besideEcho(rounds, kind) {
  const at = (level, side, pick) => rounds.map((round) => pick(round[side][level]));
  return outstanding.map((level) => [
    String(level),
    spread(at(level, kind, (found) => found.rate), rate),
    ms(at(level, kind, (found) => found.p50_us)),
    ms(at(level, kind, (found) => found.p99_us)),
    spread(at(level, "echo", (found) => found.rate), rate),
    ms(at(level, "echo", (found) => found.p50_us)),
    ms(at(level, "echo", (found) => found.p99_us)),
    ratio(rounds.map((round) => round[kind][level].rate / round.echo[level].rate)),
  ]);
}

const cpu = (rounds, side, level, whose) => whole(rounds.map((round) => round[side][level].cpu[whose]));

function printRequest(rounds) {
  table(
    "S. Request/reply commands (mixed), and the limit: a responder that does nothing",
    [...responderHead, "us: worker", "PostgreSQL", "NATS"],
    besideEcho(rounds, "commands").map((line, i) => [
      ...line,
      ...["worker", "postgres", "nats"].map((whose) => cpu(rounds, "commands", outstanding[i], whose)),
    ]),
  );
  const bytes = rounds.map((round) => round.reply_bytes);
  console.log(`A command's reply, and the echo's, is ${whole(bytes)} bytes with its headers.`);
}

function printHits(rounds) {
  const tenths = (side, level, whose) => median(rounds.map((round) => round[side][level].cpu[whose])).toFixed(1);
  table(
    "Q. get from the cache, and the limit: a responder that does nothing",
    [...responderHead, "p50 ratio", "us: worker", "its echo", "NATS", "its echo"],
    besideEcho(rounds, "hit").map((line, i) => [
      ...line,
      ratio(rounds.map((round) => round.hit[outstanding[i]].p50_us / round.echo[outstanding[i]].p50_us)),
      ...["worker", "nats"].flatMap((whose) => ["hit", "echo"].map((side) => tenths(side, outstanding[i], whose))),
    ]),
  );
  const share = (median(rounds.map((round) => round.hit_share)) * 100).toFixed(1);
  const bytes = whole(rounds.map((round) => round.reply_bytes));
  console.log(`${share} % of them were hits. A reply, and the echo's, is ${bytes} bytes.`);
}

function printMisses(rounds, [kind, limit, title]) {
  const at = (level, side, pick) => rounds.map((round) => pick(round[side][level]));
  table(
    title,
    ["outstanding", "per s", "p50 ms", "p99 ms", "bare/s", "ratio", "us: worker", "PostgreSQL", "bare PostgreSQL", "NATS"],
    outstanding.map((level) => [
      String(level),
      spread(at(level, kind, (found) => found.rate), rate),
      ms(at(level, kind, (found) => found.p50_us)),
      ms(at(level, kind, (found) => found.p99_us)),
      spread(at(level, limit, (found) => found.rate), rate),
      ratio(rounds.map((round) => round[kind][level].rate / round[limit][level].rate)),
      cpu(rounds, kind, level, "worker"),
      cpu(rounds, kind, level, "postgres"),
      cpu(rounds, limit, level, "postgres"),
      cpu(rounds, kind, level, "nats"),
    ]),
  );
}

function printReads(rounds) {
  printHits(rounds);
  printMisses(rounds, ["miss", "byId", "M. get without a cache, and the limit: its statement by libpq alone, for so many at once"]);
  printMisses(rounds, ["find", "byEmail", "F. find_by_email, and the same limit"]);
}

function printWorkers(rounds) {
  const of = (count, pick) => rounds.map((round) => pick(round[count]));
  table(
    "W. Mixed, drained by one worker and by several on this machine",
    ["workers", "commands/s", "ratio to one", "us/command: workers", "PostgreSQL", "NATS", "all", "batch: median", "mean"],
    workerCounts.map((count) => [
      String(count),
      spread(of(count, (found) => found.rate), rate),
      ratio(rounds.map((round) => round[count].rate / round[1].rate)),
      whole(of(count, (found) => found.cpu.worker)),
      whole(of(count, (found) => found.cpu.postgres)),
      whole(of(count, (found) => found.cpu.nats)),
      whole(of(count, ({ cpu }) => cpu.worker + cpu.postgres + cpu.nats)),
      whole(of(count, (found) => found.batches.median)),
      whole(of(count, (found) => found.batches.mean)),
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
  if (rounds[0].reads) printReads(rounds.map((round) => round.reads));
  if (rounds[0].workers) printWorkers(rounds.map((round) => round.workers));
}
