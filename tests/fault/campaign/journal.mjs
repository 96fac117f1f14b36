// SPDX-License-Identifier: MIT
// What happened in a campaign, in its order: remarks on the way, and findings, which make it red.
export class Journal {
  constructor({ quiet = false, write = (line) => process.stdout.write(line) } = {}) {
    Object.assign(this, { quiet, write, begun: performance.now(), findings: [], lines: [] });
  }

  get seconds() {
    return (performance.now() - this.begun) / 1000;
  }

  say(text) {
    const line = `${this.seconds.toFixed(1).padStart(7)}  ${text}\n`;
    this.lines.push(line);
    if (!this.quiet) this.write(line);
  }

  /** A rule that does not hold. */
  finding(rule, text) {
    this.findings.push({ rule, text, at: this.seconds });
    if (this.findings.length <= 50) this.say(`VIOLATION ${rule}: ${text}`);
  }
}
