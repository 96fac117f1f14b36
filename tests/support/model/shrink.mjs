// SPDX-License-Identifier: MIT
// Makes a sequence that went wrong as short as it can be: steps go, as long as it still goes wrong without them.
import { judged } from "./compare.mjs";

async function findingsOf(machine, sequence) {
  const [[, findings] = [null, []]] = judged(await machine.run([sequence]));
  return findings;
}

const without = ({ seed, steps }, i) => ({ seed, steps: steps.filter((_step, at) => at !== i) });

/** { sequence, findings }; the whole sequence where it only goes wrong among others. */
export async function shrunk(machine, sequence, findings) {
  const again = await findingsOf(machine, sequence);
  if (again.length === 0) return { sequence, findings: [...findings, "(by itself it goes right)"] };
  let least = { sequence, findings: again };
  for (let i = sequence.steps.length - 1; i >= 0; i--) {
    const shorter = without(least.sequence, i);
    const wrong = await findingsOf(machine, shorter);
    if (wrong.length > 0) least = { sequence: shorter, findings: wrong };
  }
  return least;
}
