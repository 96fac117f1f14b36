// SPDX-License-Identifier: MIT
// The history of a load: one line of JSON for every attempt that has ended, in a file that the oracle reads back.
// Times are those of one monotonic clock, in milliseconds.
import fs from "node:fs";
import readline from "node:readline";

const limit = 1 << 20;

export class History {
  constructor(file) {
    Object.assign(this, { file, lines: [], size: 0, count: 0, kinds: {}, open: 0, lastOutcome: 0 });
    this.descriptor = fs.openSync(file, "w");
  }

  /** Runs `send`, and notes what came of it, whatever that is; returns the attempt. */
  async note(attempt, send) {
    this.open++;
    attempt.invoked = performance.now();
    try {
      attempt.answer = await send();
    } catch (error) {
      const never = error.code === "503"; // nobody listened: the server says so at once
      attempt.answer = never ? { kind: "never", why: "no responders" } : { kind: "unknown", why: `${error.message}` };
    }
    attempt.completed = performance.now();
    this.open--;
    this.append(attempt);
    return attempt;
  }

  append(attempt) {
    const { kind, status, reason } = attempt.answer;
    const name = `${attempt.door} ${reason || status || kind}`;
    this.kinds[name] = (this.kinds[name] ?? 0) + 1;
    if (kind === "outcome") this.lastOutcome = attempt.invoked;
    this.count++;
    const line = `${JSON.stringify(attempt)}\n`;
    this.lines.push(line);
    this.size += line.length;
    if (this.size > limit) this.flush();
  }

  flush() {
    fs.writeSync(this.descriptor, this.lines.join(""));
    this.lines = [];
    this.size = 0;
  }

  close() {
    this.flush();
    fs.closeSync(this.descriptor);
  }
}

/** Every attempt of a history file. */
export async function readHistory(file) {
  const attempts = [];
  const lines = readline.createInterface({ input: fs.createReadStream(file), crlfDelay: Infinity });
  for await (const line of lines) attempts.push(JSON.parse(line));
  return attempts;
}
