// SPDX-License-Identifier: MIT
// Workers and PostgreSQL with a wall clock that can be set, by libfaketime; their monotonic clocks go on.
import fs from "node:fs";
import path from "node:path";
import { PlainSetup } from "./plain.mjs";

const library = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
  .map((machine) => `/usr/lib/${machine}/faketime/libfaketimeMT.so.1`)
  .find((file) => fs.existsSync(file));

export class ClockSetup extends PlainSetup {
  static title = "clock";
  static share = 0.1;

  static why({ sanitized }) {
    if (!library) return "there is no libfaketime";
    return sanitized ? "a sanitizer wants to be loaded first" : null;
  }

  constructor() {
    super();
    this.has = new Set(["one server", "proxy", "clock"]);
    this.files = {};
  }

  async begin(stage, t) {
    await super.begin(stage, t);
    stage.losses.clock = true; // the times of commits are not their order
    const { postgres, place } = stage.rig;
    for (const who of ["worker", "postgres"]) {
      this.files[who] = path.join(place.data, `${who}.time`);
      this.set(who, 0);
    }
    // Not by the environment: what starts it runs under another user, whose semaphores it could not open.
    const faked = Object.entries(this.faked("postgres")).map(([name, value]) => `${name}=${value}`);
    await postgres.stop();
    Object.assign(postgres, { command: "env", args: [...faked, postgres.command, ...postgres.args] });
    await postgres.begin();
  }

  faked(who) {
    return {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: this.files[who],
      FAKETIME_CACHE_DURATION: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
  }

  environment(stage) {
    return { ...super.environment(stage), ...this.faked("worker") };
  }

  set(who, seconds) {
    fs.writeFileSync(this.files[who], `${seconds < 0 ? "-" : "+"}${Math.abs(seconds)}\n`);
  }

  async heal(stage) {
    for (const who of Object.keys(this.files)) this.set(who, 0);
    await super.heal(stage);
  }
}
