// SPDX-License-Identifier: MIT
// A lane that dies at the n-th passage of a failpoint, for every n (guarantees 1, 2, 3, 5 and 6): whatever was sent,
// another one carries on, and the tables equal a serial replay.
import { test, after } from "node:test";
import { generate } from "./script.mjs";
import { Stage, assert, long } from "./stage.mjs";

const stage = await Stage.start({ after }, { name: "transaction-deaths" });
const exitCode = 86;

test("without a death: a mixture of everything, in batches of every size", async () => {
  for (const [seed, batch] of [[1, 1], [2, 7], [3, 64], [4, 256], ...(long ? [[5, 2], [6, 31], [7, 512]] : [])]) {
    await stage.begin(generate({ seed, partitions: 4, users: 24, count: 1500 }));
    await stage.apply({ env: { LUMIN_LANE_BATCH: `${batch}` } });
    await stage.check();
    const outcomes = stage.publishedLines().filter((text) => text.startsWith("o "));
    const said = new Set(outcomes.map((text) => text.split(" ")[1]));
    assert.equal(said.size, stage.messages.length, "every command has its outcome published");
  }
});

for (const point of ["pg.sent", "pg.synced", "pg.flushed", "pg.finished"]) {
  test(`death at every ${point}`, async () => {
    const messages = generate({ seed: 11, partitions: 4, users: 8, count: long ? 160 : 40 });
    let deaths = 0;
    for (let n = 1; ; n++) {
      await stage.begin(messages);
      const driver = await stage.driver({ env: { LUMIN_FAIL_AT: `${point}:${n}` } });
      const end = await driver.finish({ code: null });
      if (end !== exitCode) {
        assert.equal(end, 0, driver.logTail());
        await stage.check();
        break;
      }
      deaths++;
      await stage.checkPublished();
      await stage.expire(driver.worker);
      await stage.apply();
      await stage.check();
    }
    assert.ok(deaths > 5, `the run passed ${point} ${deaths} times`);
  });
}
