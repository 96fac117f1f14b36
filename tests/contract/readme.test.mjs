// SPDX-License-Identifier: MIT
// What README tells a newcomer to type works, line by line, and so does the example from plain Node: under the roles
// that ./dev env gives, against a real service.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import test, { after } from "node:test";
import { Rig, build, eventually, repository } from "../support/servers.mjs";

const rig = await Rig.start({ after }, { name: "contract-readme" });
await rig.setup();
await rig.worker();
// Health is asked of the database; what the workers say of themselves is up to a second older.
await eventually(async () => (await rig.run("luminctl", ["partitions"])).code === 0, { timeout: 20_000, what: "owners" });

const environment = { ...process.env, ...rig.environment("operator"), PATH: `${build}:${process.env.PATH}` };
const readme = fs.readFileSync(path.join(repository, "README.md"), "utf8");
/** The lines of the shell's blocks. */
const typed = [...readme.matchAll(/^```sh\n([^]*?)^```$/gm)].flatMap(([, block]) => block.trimEnd().split("\n"));

test("each luminctl line of README, in its order", () => {
  const lines = typed.filter((line) => line.startsWith("luminctl "));
  assert.ok(lines.length >= 8, `found ${lines}`);
  const ids = {};
  for (const line of lines) {
    const command = line.replace(/--(user|command)-id ID\b/g, (_all, kind) => `--${kind}-id ${ids[kind]}`);
    const done = spawnSync("sh", ["-c", command], { env: environment, encoding: "utf8" });
    assert.equal(done.status, 0, `${command}\n${done.stderr}`);
    assert.equal(done.stderr, "");
    for (const [, kind, id] of done.stdout.matchAll(/^(user|command)_id +([0-9a-f-]{36})$/gm)) ids[kind] = id;
  }
});

test("what stands in other places is right as far as a command line goes", () => {
  const indented = [...readme.matchAll(/^ {4}(luminctl .*)$/gm)].map(([, line]) => line);
  for (const line of indented) {
    const command = line.replaceAll(/ ID\b/g, " 0192f5c4-8d7e-7c3a-9b1f-2a6d4e8f0c11");
    const done = spawnSync("sh", ["-c", command], { env: environment, encoding: "utf8" });
    assert.ok([0, 1].includes(done.status), `${command}\n${done.stderr}`); // there may be no such user
  }
});

test("the example from plain Node: an own command sent, its events received", () => {
  // Where the modules of the tests are found from, and the protos at their place beside it.
  const root = path.join(rig.place.logs, "newcomer");
  const folder = path.join(root, "examples/node");
  fs.mkdirSync(folder, { recursive: true });
  fs.symlinkSync(path.join(repository, "tests/node_modules"), path.join(root, "node_modules"));
  fs.symlinkSync(path.join(repository, "schemas"), path.join(root, "schemas"));
  fs.copyFileSync(path.join(repository, "examples/node/first-command.mjs"), path.join(folder, "first-command.mjs"));
  const wanted = Object.keys(JSON.parse(fs.readFileSync(path.join(repository, "examples/node/package.json"))).dependencies);
  const used = Object.keys(JSON.parse(fs.readFileSync(path.join(repository, "tests/package.json"))).dependencies);
  assert.deepEqual(wanted.filter((name) => !used.includes(name)), [], "the tests' modules are those of the example");
  const done = spawnSync(process.execPath, [path.join(folder, "first-command.mjs")], {
    env: environment,
    encoding: "utf8",
    timeout: 30_000,
  });
  assert.equal(done.status, 0, done.stderr);
  const uuid = "[0-9a-f-]{36}";
  assert.match(
    done.stdout,
    new RegExp(
      `^created ${uuid}: OUTCOME_STATUS_APPLIED, version 1\n` +
        "sent as \\d+ of LUMIN_USER_COMMANDS\n" +
        'event user_created, version 1: \\{"firstName":"Ada",.*\\}\n' +
        'event bio_changed, version 2: \\{"bio":"Counts engines\\."\\}\n$',
    ),
  );
});

test("every file that README and the documents name is there", () => {
  for (const file of ["README.md", "CONTRIBUTING.md", ...fs.readdirSync(path.join(repository, "docs")).map((name) => `docs/${name}`)]) {
    const text = fs.readFileSync(path.join(repository, file), "utf8");
    for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g))
      assert.ok(fs.existsSync(path.join(repository, path.dirname(file), target)), `${file}: ${target}`);
  }
});
