// SPDX-License-Identifier: MIT
// Every fault there is. A fault has: `id` of the catalogue (F1 ...) and a `name`; `wants`, what set-up, build and
// machine must have for it; `needs`, what no two faults may use at once; `weight`, how often it is in the deck; `short`
// where the short form has it; `run(context)`, which injects it and ends it.
import { hostileFaults } from "./faults/hostile.mjs";
import { inputFaults } from "./faults/input.mjs";
import { machineFaults } from "./faults/machine.mjs";
import { restoreFaults } from "./faults/restore.mjs";
import { serverFaults } from "./faults/servers.mjs";
import { setupFaults } from "./faults/setups.mjs";
import { streamFaults } from "./faults/streams.mjs";
import { workerFaults } from "./faults/workers.mjs";
import { ClockSetup } from "./setups/clock.mjs";
import { ClusterSetup } from "./setups/cluster.mjs";
import { DiskSetup } from "./setups/disk.mjs";
import { NetworkSetup } from "./setups/network.mjs";
import { PlainSetup } from "./setups/plain.mjs";

export const catalogue = [
  ...workerFaults, ...serverFaults, ...streamFaults, ...setupFaults, ...machineFaults, ...inputFaults, ...hostileFaults,
  ...restoreFaults,
];

const setups = [PlainSetup, NetworkSetup, DiskSetup, ClockSetup, ClusterSetup];

/** The faults and set-ups that a name means: a fault's, its id, a set-up's, or "" for all. */
export function chosen(only) {
  const setup = setups.find(({ title }) => title === only);
  if (setup) return { faults: catalogue, setups: [setup] };
  const faults = catalogue.filter(({ id, name }) => !only || only === id || only === name);
  if (faults.length > 0) return { faults, setups };
  const names = [...setups.map(({ title }) => title), ...catalogue.map(({ id, name }) => `${id} ${name}`)].join(", ");
  throw new Error(`there is nothing called ${only}; there are: ${names}`);
}
