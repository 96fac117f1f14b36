// SPDX-License-Identifier: MIT
// Every fault there is. A fault has: `id` of the catalogue (F1 ...) and a `name`; `needs`, what no two faults may use
// at once; `weight`, how often it is in the deck; `short` where the short form has it; `unavailable(stage)`, the reason
// why this machine or build does not allow it; `run(context)`, which injects it and ends it.
import { hostileFaults } from "./faults/hostile.mjs";
import { inputFaults } from "./faults/input.mjs";
import { machineFaults } from "./faults/machine.mjs";
import { serverFaults } from "./faults/servers.mjs";
import { streamFaults } from "./faults/streams.mjs";
import { workerFaults } from "./faults/workers.mjs";

export const catalogue = [...workerFaults, ...serverFaults, ...streamFaults, ...machineFaults, ...inputFaults, ...hostileFaults];

/** Those that a name, an id or "" means. */
export function chosen(only) {
  const faults = catalogue.filter(({ id, name }) => !only || only === id || only === name);
  if (faults.length === 0) {
    const names = catalogue.map(({ id, name }) => `${id} ${name}`).join(", ");
    throw new Error(`there is no fault ${only}; there are: ${names}`);
  }
  return faults;
}
