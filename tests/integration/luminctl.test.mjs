// SPDX-License-Identifier: MIT
// luminctl against a real nats-server under the deployed roles, with a worker that is played here, so that every answer
// a service could give can be given: what is printed, where, and how the program ends.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import { spawn } from "node:child_process";
import path from "node:path";
import test, { after } from "node:test";
import {
  Rig,
  build,
  decode,
  encode,
  eventually,
  headersOf,
  jetstreamApi,
  prefix,
  readStream,
  sleep,
  streams,
} from "../support/servers.mjs";

const rig = await Rig.start({ after }, { name: "cli", postgres: false });
const operator = await rig.connect("operator");
const worker = await rig.connect("worker");
const user = "0b0e7a3c-2f65-4a7e-9a60-0c6c1f1f2a11";
const other = "7c0e7a3c-2f65-4a7e-9a60-0c6c1f1f2a22";
const command = "0192f5c4-8d7e-7c3a-9b1f-2a6d4e8f0c11";
const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const roleVariables = {
  NATS_COMMANDS_USER: "command_publisher",
  NATS_COMMANDS_PASSWORD: rig.nats.passwords.command_publisher,
  NATS_EVENTS_USER: "event_consumer",
  NATS_EVENTS_PASSWORD: rig.nats.passwords.event_consumer,
};
const luminctl = (args, options = {}) =>
  rig.run("luminctl", args, { role: "gateway", ...options, env: { ...roleVariables, ...options.env } });

/** "name  value" lines as an object. */
const rows = (text) =>
  Object.fromEntries(
    text
      .trimEnd()
      .split("\n")
      .map((line) => /^(\S+) {2,}(.*)$/.exec(line).slice(1)),
  );

// The answers of the played worker, by method; each gets the message and gives { body, code, text }, or nothing.
const answers = {};
const asked = [];
const service = worker.subscribe(`${prefix}.rpc.>`, {
  queue: "lumin-user",
  callback: (error, message) => {
    const method = message.subject.split(".")[4];
    const answer = error ? undefined : answers[method]?.(message);
    asked.push({ subject: message.subject, headers: message.headers, data: message.data });
    if (!answer) return;
    const headers =
      answer.code && headersOf({ "Nats-Service-Error-Code": answer.code, "Nats-Service-Error": answer.text });
    message.respond(answer.body, headers ? { headers } : {});
  },
});
await worker.flush();

const applied = (message, fields = {}) =>
  encode("Outcome", {
    commandId: message.headers.get("Lumin-Command-Id"),
    userId: user,
    status: "OUTCOME_STATUS_APPLIED",
    version: 1,
    streamSequence: 17,
    time: { seconds: 1795299614, nanos: 123000000 },
    ...fields,
  });

test("a command: fields, headers, the outcome as rows, a fresh command id", async () => {
  answers.create = (message) => ({ body: applied(message) });
  const done = await luminctl(["create", "--first-name", "Ada", "--email=ada@example.com", "--actor", "ops"]);
  assert.equal(done.stderr, "");
  assert.equal(done.code, 0);
  const sent = asked.at(-1);
  assert.equal(sent.subject, `${prefix}.rpc.create`);
  assert.deepEqual(decode("Create", sent.data), {
    userId: "",
    firstName: "Ada",
    lastName: "",
    email: "ada@example.com",
    phone: "",
    languageCode: "",
    bio: "",
    birthDate: "",
    avatarUrl: "",
    privacySettings: null,
  });
  assert.equal(sent.headers.get("Lumin-Actor"), "ops");
  assert.match(sent.headers.get("Lumin-Command-Id"), uuidV7);
  assert.deepEqual(rows(done.stdout), {
    command_id: sent.headers.get("Lumin-Command-Id"),
    user_id: user,
    status: "APPLIED",
    version: "1",
    stream_sequence: "17",
    time: "2026-11-21T22:20:14.123000000Z",
  });
});

test("options of a command travel in headers, a given id in lower case", async () => {
  answers.change_email = (message) => ({ body: applied(message, { status: "OUTCOME_STATUS_UNCHANGED" }) });
  const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const done = await luminctl([
    "change_email",
    "--user_id",
    user,
    "--email",
    "",
    "--command-id",
    command.toUpperCase(),
    "--expected-version",
    "7",
    "--traceparent",
    trace,
  ]);
  assert.equal(done.code, 0, done.stderr);
  assert.equal(rows(done.stdout).status, "UNCHANGED");
  const { headers } = asked.at(-1);
  assert.equal(headers.get("Lumin-Command-Id"), command);
  assert.equal(headers.get("Lumin-Expected-Version"), "7");
  assert.equal(headers.get("traceparent"), trace);
});

test("a refusal goes to standard error with what to do about it", async () => {
  const error = {
    reason: "REASON_EMAIL_TAKEN",
    message: "another user has this e-mail address",
    field: "email",
    allowed: "an address of nobody else",
    currentStatus: "USER_STATUS_ACTIVE",
    currentVersion: 3,
  };
  for (const body of [
    encode("Error", error),
    encode("Outcome", { commandId: command, status: "OUTCOME_STATUS_REJECTED", error }),
  ]) {
    answers.create = () => ({ body, code: 409, text: "another user has this e-mail address" });
    const done = await luminctl(["create", "--email", "ada@example.com", "--command-id", command]);
    assert.equal(done.code, 1);
    assert.equal(done.stdout, "");
    assert.deepEqual(done.stderr.trimEnd().split("\n"), [
      "error: EMAIL_TAKEN (409): another user has this e-mail address",
      "field: email",
      "allowed: an address of nobody else",
      "current status: ACTIVE",
      "current version: 3",
      "advice: take another address, or free it where it is: `find_by_email` names the user",
      `command id: ${command}`,
    ]);
  }
});

test("a refusal without a body that can be read still says its code and text", async () => {
  for (const [code, exit] of [[503, 4], [429, 4], [504, 3], [409, 1], [500, 1]]) {
    answers.get = () => ({ body: Buffer.from("?"), code, text: "going down \u001b[31m" });
    const done = await luminctl(["get", "--user-id", user]);
    assert.equal(done.code, exit, String(code));
    assert.match(done.stderr, new RegExp(`^error: refused \\(${code}\\): going down`));
    assert.ok(!done.stderr.includes("\u001b"));
  }
});

test("a query: rows, times, no escape of the terminal gets through", async () => {
  answers.get = () => ({
    body: encode("User", {
      userId: user,
      version: 4,
      status: "USER_STATUS_PENDING",
      firstName: "Ada\u001b]0;x\u0007\\",
      lastName: "Łovelace \u202eevil",
      createdAt: { seconds: 0, nanos: 5 },
    }),
  });
  const done = await luminctl(["get", "--user-id", user, "--min-version", "4"]);
  assert.equal(done.code, 0, done.stderr);
  assert.equal(asked.at(-1).headers.get("Lumin-Min-Version"), "4");
  assert.equal(asked.at(-1).headers.get("Lumin-Command-Id"), "");
  assert.deepEqual(rows(done.stdout), {
    user_id: user,
    version: "4",
    status: "PENDING",
    first_name: "Ada\\x1b]0;x\\x07\\\\",
    last_name: "Łovelace \\u202eevil",
    email_verified: "false",
    phone_verified: "false",
    profile_views: "0",
    created_at: "1970-01-01T00:00:00.000000005Z",
  });
});

test("command-outcome asks by field, and a rejected command is an answer, with its error nested", async () => {
  answers.command_outcome = () => ({
    body: encode("Outcome", {
      commandId: command,
      status: "OUTCOME_STATUS_REJECTED",
      error: { reason: "REASON_DELETED" },
    }),
  });
  const done = await luminctl(["command-outcome", "--command-id", command, "--wait-ms", "20"]);
  assert.equal(done.code, 0, done.stderr);
  assert.equal(asked.at(-1).headers.get("Lumin-Command-Id"), "");
  assert.deepEqual(decode("CommandOutcome", asked.at(-1).data), { commandId: command, waitMs: 20 });
  assert.equal(rows(done.stdout)["error.reason"], "DELETED");
});

test("bytes that are no answer end with 3", async () => {
  answers.get = () => ({ body: Buffer.from([0x0a, 0xff]) });
  const done = await luminctl(["get", "--user-id", user]);
  assert.equal(done.code, 3);
  assert.match(done.stderr, /^error: the answer is no User/);
});

test("no answer in time: 3, and how to find out", async () => {
  answers.delete = () => undefined;
  const done = await luminctl(["delete", "--user-id", user, "--command-id", command, "--timeout", "200ms"]);
  assert.equal(done.code, 3);
  assert.match(done.stderr, /no answer on lumin\.user\.v1\.rpc\.delete within 200 ms/);
  assert.match(done.stderr, new RegExp(`luminctl command-outcome --command-id ${command}`));
});

test("DEADLINE_EXCEEDED is no answer either", async () => {
  const error = { reason: "REASON_DEADLINE_EXCEEDED", message: "no outcome in time" };
  answers.delete = () => ({ body: encode("Outcome", { commandId: command, error }), code: 504, text: "late" });
  const done = await luminctl(["delete", "--user-id", user, "--command-id", command]);
  assert.equal(done.code, 3);
  assert.match(done.stderr, /^error: DEADLINE_EXCEEDED \(504\): no outcome in time\nadvice: [^\n]*\nin doubt: /);
});

test("UNAVAILABLE and RESOURCE_EXHAUSTED are certainly not done: 4, and nothing is in doubt", async () => {
  for (const [reason, code] of [["UNAVAILABLE", 503], ["RESOURCE_EXHAUSTED", 429]]) {
    const error = { reason: `REASON_${reason}`, message: "come again" };
    answers.delete = () => ({ body: encode("Outcome", { commandId: command, error }), code, text: "busy" });
    const done = await luminctl(["delete", "--user-id", user, "--command-id", command]);
    assert.equal(done.code, 4);
    assert.match(done.stderr, new RegExp(`^error: ${reason} \\(${code}\\): come again\nadvice: `));
    assert.doesNotMatch(done.stderr, /in doubt/);
  }
});

test("waiting at the service adds to the time an answer may take", async () => {
  answers.command_outcome = (message) => {
    setTimeout(() => message.respond(applied({ headers: headersOf({ "Lumin-Command-Id": command }) })), 700);
    return undefined;
  };
  const done = await luminctl(["command-outcome", "--command-id", command, "--wait-ms", "3000", "--timeout", "300ms"]);
  assert.equal(done.code, 0, done.stderr);
});

test("nobody listens, a wrong password, no server, a role without the right: 4, each with what to check", async () => {
  const silent = await luminctl(["--user", "operator", "--password", rig.nats.passwords.operator, "probe", "--async"]);
  assert.equal(silent.code, 4);
  assert.doesNotMatch(silent.stderr, /in doubt/);
  assert.match(silent.stderr, /^error: nobody listens to lumin\.user\.v1\.command\.probe\./);
  const refused = await luminctl(["--password", "wrong", "get", "--user-id", user]);
  assert.equal(refused.code, 4);
  assert.match(refused.stderr, /refuses this user[^]*user: gateway/);
  const gone = await luminctl(["get", "--user-id", user, "--server", "nats://u:secret@127.0.0.1:1"]);
  assert.equal(gone.code, 4);
  assert.match(gone.stderr, /no NATS server answers\nserver: nats:\/\/127\.0\.0\.1:1\n/);
  const began = Date.now();
  const denied = await luminctl(["get", "--user-id", user], { role: "event_consumer" });
  assert.equal(denied.code, 4);
  assert.match(denied.stderr, /does not allow this: .*Permissions Violation for Publish/i);
  assert.ok(Date.now() - began < 4500, "it waits for an answer that cannot come");
  const deaf = await luminctl(["get", "--user-id", user, "--inbox-prefix", "_INBOX"]);
  assert.equal(deaf.code, 4);
  assert.match(deaf.stderr, /Permissions Violation for Subscription[^]*--inbox-prefix \(_INBOX now\)/i);
});

test("a wrong command line ends with 2, names the nearest and what is allowed, and sends nothing", async () => {
  const before = asked.length;
  const wrong = [
    [["chnge-email"], /^error: chnge-email is no method\nnearest: change-email\nallowed: create, /],
    [
      ["change-email", "--emial", "x"],
      /^error: --emial is no field or option of this method\nnearest: --email\nallowed: --user-id, --email, /,
    ],
    [["get", "--actor", "x"], /^error: --actor is no field or option of this method/],
    [["--actor", "x", "delete"], /^error: --actor is no option before the method/],
    [["get", "--user-id"], /^error: --user-id needs a value/],
    [["get", "--user-id", "--min-version", "1"], /^error: --user-id needs a value/],
    [["get", user], /^error: "0b0e7a3c.*is one word too many/],
    [["command-outcome", "--wait-ms", "-1"], /cannot be "-1"\nallowed: a whole number, 0 to 4294967295/],
    [["command-outcome", "--wait-ms", "4294967296"], /allowed: a whole number, 0 to 4294967295/],
    [["get", "--user-id", user, "--min-version", "x"], /--min-version cannot be "x"/],
    [["delete", "--user-id", user, "--command-id", "7"], /--command-id cannot be "7"/],
    [["delete", "--user-id", user, "--actor", "x\r\nPUB a 0"], /--actor cannot be "x\\r\\nPUB a 0"/],
    [["delete", "--user-id", user, "--traceparent", "00-x"], /--traceparent cannot be/],
    [["delete", "--user-id", user, "--wait"], /--wait goes with --async/],
    [["delete", "--async"], /--async this needs --user-id/],
    [["delete", "--user-id", user, "--async=yes"], /--async takes no value/],
    [["get", "--timeout", "5"], /--timeout .* cannot be "5"/],
    [["get", "--prefix", "a b"], /--prefix .* cannot be "a b"/],
    [["get", "--inbox-prefix", "a.>"], /--inbox-prefix .* cannot be "a\.>"/],
    [["get", "--creds", "a", "--user", "b"], /--creds and --user/],
    [["events", "--event", "email-chnged"], /^error: email-chnged is no event\nnearest: email-changed/],
    ...["x", "", "1.5", "2026-13-01", "2026-11-21 22:00", "-5m", "99999d", "h"].map((since) => [
      ["events", `--since=${since}`],
      /--since cannot be ".*"\nallowed: a stream sequence \(1000\), a time .*, how long ago/,
    ]),
    [["events", "--limit", "0"], /--limit cannot be "0"/],
    [["events", "--last", "-1"], /--last cannot be "-1"\nallowed: a whole number, 1 or more/],
    [["events", "--last", "1", "--since", "2"], /--since and --last say two different things/],
    [["events", "--method", "create"], /^error: --method is no option of events/],
    [["dead"], /^dead: commands that could not be applied/],
    [["dead", "lsit"], /^error: lsit is no word of dead\nnearest: list\nallowed: list, show, replay, drop\n$/],
    [["dead", "list", "7"], /^error: dead list takes no "7"\nallowed: options only/],
    [["dead", "list", "--yes"], /^error: --yes is no option of this word of dead/],
    [["dead", "list", "--method", "a.b"], /--method cannot be "a\.b"/],
    [["dead", "show"], /^error: which\? give the sequence/],
    [["dead", "show", "x"], /^error: dead show takes no "x"\nallowed: sequences, the first column/],
    [["dead", "replay", "0"], /^error: dead replay takes no "0"/],
    [["dead", "drop", "1", "--follow"], /^error: --follow is no option of this word of dead/],
    [["events", "--user-id", "*"], /--user-id cannot be/],
    [["help", "gte"], /gte is no method\nnearest: get/],
    [[], /^luminctl: /],
  ];
  for (const [args, said] of wrong) {
    const done = await luminctl(args);
    assert.equal(done.code, 2, `${args}: ${done.stderr}`);
    assert.match(done.stderr, said);
    assert.equal(done.stdout, "");
  }
  assert.equal(asked.length, before);
});

test("help teaches", async () => {
  const all = await luminctl(["--help"]);
  assert.equal(all.code, 0);
  for (const word of [
    "change-email",
    "command-outcome",
    "NATS_EVENTS_USER",
    "NATS_COMMANDS_PASSWORD",
    "Exit codes",
    "--inbox-prefix",
  ]) {
    assert.ok(all.stdout.includes(word), word);
  }
  for (const args of [
    ["help", "change-email"],
    ["change-email", "--help"],
    ["change_email", "-h"],
  ]) {
    const one = await luminctl(args);
    assert.equal(one.code, 0);
    assert.match(
      one.stdout,
      /^change-email: changes the e-mail address\n\n {2}luminctl change-email --user-id \S+ --email ada@example\.com\n/,
    );
  }
  assert.match((await luminctl(["help", "events"])).stdout, /--follow/);
  for (const word of ["list", "show", "replay", "drop"]) {
    for (const args of [["dead", word, "--help"], ["help", "dead", word]]) {
      const { code, stdout } = await luminctl(args);
      assert.equal(code, 0);
      assert.match(stdout, new RegExp(`^dead ${word}[ :].*\n\n {2}luminctl dead ${word}`));
    }
  }
  assert.match((await luminctl(["dead", "--help"])).stdout, /^dead: .*\n\n {2}luminctl dead list/);
  assert.match((await luminctl(["--version"])).stdout, /^luminctl \d+\.\d+\.\d+\n$/);
});

test("output that cannot be written ends with 3", async () => {
  answers.get = () => ({ body: encode("User", { userId: user }) });
  const child = spawn("sh", ["-c", `"${path.join(build, "luminctl")}" get --user-id ${user} > /dev/full`], {
    env: { ...process.env, ...rig.environment("gateway") },
    stdio: "ignore",
  });
  assert.equal(await new Promise((resolve) => child.once("close", resolve)), 3);
});

test("--async: the stream's sequence, a made user id; --wait: the outcome", async () => {
  const subjects = [`${prefix}.command.*.*.*`];
  await jetstreamApi(operator, `STREAM.CREATE.${streams.commands}`, {
    name: streams.commands,
    subjects,
    storage: "memory",
  });
  const made = await luminctl(["create", "--email", "ada@example.com", "--async"]);
  assert.equal(made.code, 0, made.stderr);
  const told = rows(made.stdout);
  assert.equal(told.stream_sequence, "1");
  assert.match(told.command_id, uuidV7);
  assert.match(told.user_id, uuidV7);
  const [stored] = await readStream(operator, streams.commands);
  assert.match(stored.subject, new RegExp(`\\.command\\.\\d+\\.create\\.${told.user_id}$`));
  assert.equal(stored.header.get("Lumin-Command-Id"), told.command_id);
  assert.equal(decode("Create", stored.data).userId, told.user_id);

  for (const status of ["OUTCOME_STATUS_APPLIED", "OUTCOME_STATUS_DEAD"]) {
    const id = crypto.randomUUID();
    const waiting = luminctl(["delete", "--user-id", user.toUpperCase(), "--async", "--wait", "--command-id", id]);
    await eventually(
      async () => (await readStream(operator, streams.commands)).at(-1)?.header.get("Lumin-Command-Id") === id,
    );
    worker.publish(
      `${prefix}.outcome.${id}`,
      encode("Outcome", {
        commandId: id,
        userId: user,
        status,
        version: 5,
        ...(status.endsWith("DEAD") && { error: { reason: "REASON_INTERNAL", message: "it broke" } }),
      }),
    );
    const done = await waiting;
    if (status.endsWith("APPLIED")) {
      assert.equal(done.code, 0, done.stderr);
      assert.equal(rows(done.stdout).version, "5");
    } else {
      assert.equal(done.code, 5);
      assert.match(done.stderr, /^error: INTERNAL \(500\): it broke\nadvice: [^\n]*\noutcome: DEAD/);
    }
  }
  const alone = await luminctl(["delete", "--user-id", user, "--async", "--wait", "--timeout", "300ms"]);
  assert.equal(alone.code, 3);
  assert.match(alone.stderr, /the command is on the stream and will be decided/);
});

test("--async: a stream that refuses ends with 4", async () => {
  await jetstreamApi(operator, `STREAM.UPDATE.${streams.commands}`, {
    name: streams.commands,
    subjects: [`${prefix}.command.*.*.*`],
    storage: "memory",
    discard: "new",
    max_msgs: 4,
  });
  const full = await luminctl(["probe", "--async"]);
  assert.equal(full.code, 4, full.stderr);
  assert.match(full.stderr, /^error: the command stream did not take it \(\d+\): maximum messages exceeded/);
});

// ---- events

const publishEvent = (name, id, version, message, headers = {}) =>
  worker.jetstream().publish(`${prefix}.event.${name}.${id}`, message, {
    headers: headersOf({
      "ce-type": `${prefix}.${name}`,
      "ce-subject": id,
      "ce-sequence": version,
      "ce-time": "2026-11-21T22:20:14.123Z",
      ...headers,
    }),
  });
const createEvents = () =>
  jetstreamApi(operator, `STREAM.CREATE.${streams.events}`, {
    name: streams.events,
    subjects: [`${prefix}.event.>`],
    storage: "file",
  });
const sequences = (text) =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => Number(line.split(" ")[0]));

test("events: no stream is said at once", async () => {
  const done = await luminctl(["events"]);
  assert.equal(done.code, 4);
  assert.match(done.stderr, /stream not found[^]*lumin-user setup/);
});

test("events: an empty stream, then lines with bodies, filters, since, last and limit", async () => {
  await createEvents();
  assert.deepEqual(await luminctl(["events"]), { code: 0, stdout: "", stderr: "" });
  await publishEvent(
    "user_created",
    user,
    1,
    encode("UserCreated", { firstName: "Ada\u001b[2J", lastName: "of Lovelace", email: "ada@example.com" }),
  );
  await publishEvent("email_changed", user, 2, encode("EmailChanged", { email: "" }));
  await publishEvent("user_created", other, 1, encode("UserCreated", { firstName: "Bo" }));
  await publishEvent("user_renumbered", other, 2, Buffer.from("abc"));
  await publishEvent("email_changed", other, 3, Buffer.from([0xff]));
  const all = await luminctl(["events"]);
  assert.equal(all.stderr, "");
  assert.equal(all.code, 0);
  const time = "2026-11-21T22:20:14.123Z";
  assert.deepEqual(all.stdout.trimEnd().split("\n"), [
    `1  ${time}  user_created              ${user}  v1  first_name=Ada\\x1b[2J  last_name="of Lovelace"  email=ada@example.com  phone=""  language_code=""  bio=""  birth_date=""  avatar_url=""`,
    `2  ${time}  email_changed             ${user}  v2  email=""`,
    `3  ${time}  user_created              ${other}  v1  first_name=Bo  last_name=""  email=""  phone=""  language_code=""  bio=""  birth_date=""  avatar_url=""`,
    `4  ${time}  user_renumbered           ${other}  v2  unknown_event=3_bytes`,
    `5  ${time}  email_changed             ${other}  v3  undecodable=1_bytes`,
  ]);
  const seen = async (...args) => sequences((await luminctl(["events", ...args])).stdout);
  assert.deepEqual(await seen("--user-id", user.toUpperCase()), [1, 2]);
  assert.deepEqual(await seen("--event", "user-created"), [1, 3]);
  assert.deepEqual(await seen("--event", "email_changed", "--user-id", other), [5]);
  assert.deepEqual(await seen("--since", "3"), [3, 4, 5]);
  assert.deepEqual(await seen("--since", "6"), []);
  assert.deepEqual(await seen("--since", "900"), []);
  assert.deepEqual(await seen("--since", "new"), []);
  assert.deepEqual(await seen("--limit", "2"), [1, 2]);
  assert.deepEqual(await seen("--last", "2"), [4, 5]);
  assert.deepEqual(await seen("--last", "2", "--event", "user-created"), [1, 3]);
  assert.deepEqual(await seen("--last", "1", "--user-id", user), [2]);
  assert.deepEqual(await seen("--last", "900"), [1, 2, 3, 4, 5]);
  assert.deepEqual(await seen("--last", "3", "--limit", "1"), [3]);
  // By the time at which the stream took them.
  const { message } = await jetstreamApi(operator, `STREAM.MSG.GET.${streams.events}`, { seq: 3 });
  assert.deepEqual(await seen("--since", message.time, "--limit", "1"), [3]);
  for (const [since, wanted] of [["1h", 5], ["7d", 5], ["0s", 0], ["2000-01-01", 5], ["2200-01-01T00:00:00+01:00", 0]])
    assert.equal((await seen("--since", since)).length, wanted, since);
  assert.deepEqual(await seen("--user-id", crypto.randomUUID()), []);
});

test("events: more than one pull request, in order and once", async () => {
  const sent = [];
  for (let i = 0; i < 1500; i++)
    sent.push(publishEvent("username_changed", user, 3 + i, encode("UsernameChanged", { firstName: `n${i}` })));
  await Promise.all(sent);
  const done = await luminctl(["events"]);
  assert.equal(done.code, 0, done.stderr);
  assert.deepEqual(
    sequences(done.stdout),
    Array.from({ length: 1505 }, (_, i) => i + 1),
  );
  const seen = async (...args) => sequences((await luminctl(["events", ...args])).stdout);
  assert.deepEqual(await seen("--last", "2", "--event", "user-created"), [1, 3], "far back");
  assert.deepEqual(await seen("--last", "300", "--limit", "300"), Array.from({ length: 300 }, (_, i) => 1206 + i));
});

test("events --json: CloudEvents, one a line", async () => {
  const lines = (await luminctl(["events", "--json", "--limit", "5"])).stdout.trimEnd().split("\n").map(JSON.parse);
  assert.equal(lines.length, 5);
  assert.deepEqual(lines[1], {
    specversion: "1.0",
    type: `${prefix}.email_changed`,
    subject: user,
    sequence: "2",
    time: "2026-11-21T22:20:14.123Z",
    streamsequence: "2",
    datacontenttype: "application/json",
    data: { email: "" },
  });
  assert.equal(lines[0].data.firstName, "Ada\u001b[2J");
  assert.equal(lines[3].data_base64, Buffer.from("abc").toString("base64"));
  assert.equal(lines[4].data_base64, "/w==");
  assert.equal(lines[4].datacontenttype, "application/protobuf");
});

/** The lines that a person sees on a terminal as wide as it takes. */
async function onTerminal(args) {
  const child = spawn("script", ["-qec", `stty cols 400; "${path.join(build, "luminctl")}" ${args}`, "/dev/null"], {
    env: { PATH: process.env.PATH, ...rig.environment("gateway"), ...roleVariables },
    stdio: ["ignore", "pipe", "ignore"],
  });
  let shown = "";
  child.stdout.setEncoding("utf8").on("data", (part) => (shown += part));
  assert.equal(await new Promise((resolve) => child.once("close", resolve)), 0, shown);
  return shown.trimEnd().split("\r\n");
}

test("a list: a table on a terminal, rows with their index elsewhere", async () => {
  const users = [
    { userId: user, firstName: "Ada", status: "USER_STATUS_ACTIVE", version: 3 },
    { userId: other, firstName: "Bo\u001b[2J", status: "USER_STATUS_BLOCKED", blockReason: "spam", version: 12 },
  ];
  answers.list = () => ({ body: encode("UserPage", { users, nextPageToken: "more" }) });
  const [heading, ada, bo, ...rest] = await onTerminal("list --limit 2");
  assert.match(heading, /^user_id {2,}version {2,}status {2,}first_name {2,}.*block_reason$/);
  for (const line of [ada, bo]) assert.match(line.slice(heading.indexOf("status")), /^(ACTIVE|BLOCKED) /);
  assert.equal(bo.slice(heading.indexOf("first_name")).split(" ")[0], "Bo\\x1b[2J");
  assert.ok(bo.endsWith("spam"));
  assert.deepEqual(rest, ["next_page_token  more"]);
  const piped = rows((await luminctl(["list"])).stdout);
  assert.equal(piped["users[1].first_name"], "Bo\\x1b[2J");
  assert.equal(piped.next_page_token, "more");
});

test("events on a terminal: a table with names above its columns", async () => {
  const [heading, ...lines] = await onTerminal("events --limit 2");
  assert.match(heading, /^SEQUENCE  TIME {2,}EVENT {2,}USER {2,}VERSION AND FIELDS$/);
  assert.equal(lines.length, 2);
  for (const line of lines) assert.equal(line.indexOf(user), heading.indexOf("USER"));
});

/** `luminctl events --follow` and what it has said so far. */
function follow(t, ...args) {
  const child = spawn(path.join(build, "luminctl"), ["events", "--follow", ...args], {
    env: { PATH: process.env.PATH, ...rig.environment("gateway"), ...roleVariables },
  });
  const said = { child, out: "", err: "", closed: new Promise((resolve) => child.once("close", resolve)) };
  child.stdout.on("data", (part) => (said.out += part));
  child.stderr.on("data", (part) => (said.err += part));
  t.after(() => child.kill("SIGKILL"));
  return said;
}

test("events --follow: new ones only, through silence, a restart, a lost consumer, a new stream", async (t) => {
  const consumers = async () => (await jetstreamApi(operator, `CONSUMER.NAMES.${streams.events}`)).consumers ?? [];
  const before = await consumers();
  const said = follow(t, "--since", "new");
  const until = (...wanted) =>
    eventually(() => assert.deepEqual(sequences(said.out), wanted) ?? true, {
      timeout: 20_000,
      what: `events ${wanted}; ${said.err}`,
    });
  await eventually(async () => (await consumers()).some((each) => !before.includes(each)));
  await publishEvent("email_changed", user, 2, encode("EmailChanged", { email: "1@example.com" }));
  await until(1506);
  await sleep(3000); // heartbeats
  assert.equal(said.err, "");
  for (const each of await consumers()) await jetstreamApi(operator, `CONSUMER.DELETE.${streams.events}.${each}`);
  await publishEvent("email_changed", user, 3, encode("EmailChanged", { email: "2@example.com" }));
  await until(1506, 1507);
  await rig.nats.restart({ hard: true });
  await eventually(() => publishEvent("email_changed", user, 4, encode("EmailChanged", { email: "3@example.com" })), {
    timeout: 20_000,
  });
  await until(1506, 1507, 1508);
  await jetstreamApi(operator, `STREAM.DELETE.${streams.events}`);
  await createEvents();
  await publishEvent("email_changed", user, 5, encode("EmailChanged", { email: "4@example.com" }));
  await until(1506, 1507, 1508, 1);
  assert.match(said.err, /made anew/);
  assert.equal(said.child.exitCode, null);
});

test("events: --follow --limit ends, and a reader that goes away ends it", async (t) => {
  const counted = follow(t, "--limit", "1");
  assert.equal(await counted.closed, 0);
  assert.deepEqual(sequences(counted.out), [1]);
  const left = follow(t);
  await eventually(() => left.out !== "");
  left.child.stdout.destroy();
  await publishEvent("email_changed", user, 6, encode("EmailChanged", { email: "5@example.com" }));
  assert.equal(await left.closed, 3);
});

test("events, dead: a role without the rights is told so", async () => {
  for (const [role, ...args] of [["gateway", "events"], ["gateway", "dead", "list"], ["event_consumer", "dead", "list"]]) {
    const done = await luminctl([...args, "--user", role, "--password", rig.nats.passwords[role]]);
    assert.equal(done.code, 4);
    assert.match(done.stderr, /does not allow this: .*STREAM\.INFO/);
  }
});

test("no worker: said at once, and nothing is in doubt", async () => {
  service.unsubscribe();
  await worker.flush();
  const done = await luminctl(["delete", "--user-id", user]);
  assert.equal(done.code, 4);
  assert.match(
    done.stderr,
    /^error: nobody listens to lumin\.user\.v1\.rpc\.delete\ncheck: is `lumin-user worker` running/,
  );
  assert.doesNotMatch(done.stderr, /in doubt/);
});
