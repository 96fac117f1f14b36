// SPDX-License-Identifier: MIT
// Commands by request/reply, beside a responder that does nothing.
import { clocks, perCommand } from "./machine.mjs";
import { echo, load } from "./programs.mjs";

export const outstanding = [1, 16, 64, 256];

export async function requestRound(rig, state) {
  const worker = await rig.worker();
  // Users to change, where no drain has made them.
  while (state.users <= state.active) await load(rig, state, "gateway", "request", create);
  const commands = await levels(rig, state, worker, { work: "mixed" });
  await worker.stop();
  const bytes = Math.round(commands[256].reply_bytes_headed);
  const responder = await echo(rig, bytes);
  const bare = await levels(rig, state, responder, { work: "echo" });
  await responder.stop();
  return { commands, echo: bare, reply_bytes: bytes };
}

const create = { work: "create", outstanding: 256, "run-ms": 500 };

/** A load at each number outstanding, with the clocks of it. */
export async function levels(rig, state, server, values) {
  const found = {};
  for (const level of outstanding) {
    const before = clocks(rig, server);
    const all = { ...values, outstanding: level, "run-ms": Math.round(state.seconds * 1000) };
    const one = await load(rig, state, "gateway", "request", all);
    // The clocks cover the warm-up too.
    const whole = (one.count * (state.seconds * 1000 + 300)) / (state.seconds * 1000);
    found[level] = { ...one, cpu: perCommand(before, clocks(rig, server), whole) };
  }
  return found;
}
