// SPDX-License-Identifier: MIT
// What attackers send: bombs that cost memory to look at (F18), and line ends, wildcards and quotes wherever an id or a
// header goes, while a spy listens to every subject (F19).
import net from "node:net";
import { encode, prefix, rpcSubject, sleep } from "../../../support/servers.mjs";
import { knownSubjects } from "../../../support/subjects.mjs";
import { sendAll } from "./input.mjs";

// ---- bombs

const kib = 1024;
const repeated = (bytes, total) => Buffer.alloc(total, Buffer.from(bytes));
const json = (text) => Buffer.from(text, "latin1");
const many = (random) => Object.fromEntries(Array.from({ length: random.between(50, 800) }, (_, i) => [`X-${i}`, "x"]));

/** [payload, headers] */
const bombs = [
  () => [repeated([0x12, 0x00], 256 * kib)], // empty fields: 76 times their size, unpacked
  () => [repeated([0xf8, 0x07, 0x01], 255 * kib)], // unknown fields
  () => [repeated([0x13], 200 * kib)], // groups in groups
  () => [json('{"firstName":'.repeat(18_000))], // depth
  () => [json(`{"firstName":[${"1,".repeat(120_000)}1]}`)],
  () => [json(`{"firstName":"${"\\u0041".repeat(40_000)}"}`)],
  () => [Buffer.from(encode("ChangeUsername", { firstName: "x".repeat(250 * kib) }))],
  () => [Buffer.alloc(300 * kib)], // more than the contract allows
  (random) => [Buffer.from(encode("ChangeUsername", { firstName: "Eve" })), many(random)],
];

const bomb = {
  id: "F18",
  name: "bombs",
  needs: [],
  weight: 1,
  short: true,
  async run({ stage, random, journal }) {
    const user = random.uuid(); // nobody: what is no bomb after all is refused too
    const messages = Array.from({ length: random.between(5, 25) }, () => {
      const [payload, headers = {}] = random.pick(bombs)(random);
      const subject = random.chance(0.5)
        ? rpcSubject("change_bio", user)
        : `${prefix}.command.change_bio.${user}`;
      return { subject, payload, headers };
    });
    const by = (door) => messages.filter(({ subject }) => subject.startsWith(`${prefix}.${door}.`));
    const [answers] = await Promise.all([
      sendAll(stage, "gateway", by("rpc")),
      sendAll(stage, "command_publisher", by("command")),
    ]);
    for (const answer of answers) {
      const refused = answer instanceof Error || Number(answer.headers?.get("Nats-Service-Error-Code")) >= 400;
      if (!refused) journal.finding("G10", "a bomb was not refused");
    }
    return `${messages.length} messages`;
  },
};

// ---- injections

const pieces = [
  "\r\n", "\n", "\r", " ", "\t", "*", ">", ".", "..", "\0", "'", '"', "';DROP TABLE lumin.users;--", "$JS.API.>",
  "%s%n", "\u202e", "e\u0301", "é", "\ud83d\ude00", "\r\n\r\nPUB evil.x 2\r\nhi\r\n", "\r\nMSG evil.x 1 0\r\n\r\n",
  "evil", "evil.x", `${prefix}.event.user_deleted.evil`, `$JS.API.STREAM.PURGE.LUMIN_USER_EVENTS`, "x".repeat(300),
];

const fuzzed = (random) => Array.from({ length: random.between(1, 4) }, () => random.pick(pieces)).join("");

const headerNames = ["Lumin-Command-Id", "Lumin-Reply-To", "Lumin-Actor", "Nats-Msg-Id", "traceparent", "tracestate",
  "Lumin-Expected-Version", "Content-Type", "Accept", "Lumin-Min-Version"];

const fields = {
  change_username: (text) => ({ firstName: text, lastName: text }),
  change_email: (text) => ({ email: `${text}@example.com` }),
  change_phone: (text) => ({ phone: text }),
  change_bio: (text) => ({ bio: text }),
  change_avatar_url: (text) => ({ avatarUrl: `https://example.com/${text}` }),
  change_language_code: (text) => ({ languageCode: text }),
  record_profile_view: (text) => ({ viewerId: text }),
  create: (text) => ({ firstName: text, email: text, phone: text }),
};

/** A command with evil in its fields or its id, in the words of the bare protocol, so that no client cleans it. */
function injection(random, user) {
  const method = random.pick(Object.keys(fields));
  const message = { ...fields[method](fuzzed(random)), userId: random.chance(0.5) ? user : fuzzed(random) };
  const type = method.replace(/(^|_)([a-z])/g, (_all, _bar, letter) => letter.toUpperCase());
  const payload = Buffer.from(encode(type, message));
  const line = () => `${random.pick(headerNames)}: ${fuzzed(random)}\r\n`;
  const lines = Array.from({ length: random.between(0, 4) }, line);
  const block = Buffer.from(`NATS/1.0\r\n${lines.join("")}\r\n`);
  const evilSubject = random.chance(0.15) ? `evil${random.below(10)}` : user; // line ends there are the protocol's own
  return { method, user: evilSubject, block, payload };
}

/** Every subject that anybody publishes to while `work` runs. */
async function spied(stage, work) {
  const spy = await stage.rig.nats.connect("spy");
  const seen = new Map();
  const callback = (_error, { subject }) => seen.set(subject, (seen.get(subject) ?? 0) + 1);
  spy.subscribe(">", { callback });
  await spy.flush();
  try {
    await work();
  } finally {
    await spy.close();
  }
  return seen;
}

const own = [
  /^lumin\.user\.v1\.rpc\./, // what the load and this fault send themselves
  /^lumin\.user\.v1\.command\./,
  /^_INBOX_/,
  /^\$JS\.(API|ACK|EVENT|FC)\./, // operators of the campaign are at work beside
  /^\$SRV\./,
];

function bare(stage, user) {
  const socket = net.connect(stage.rig.nats.port, stage.rig.nats.host ?? "127.0.0.1");
  const login = { user, pass: stage.rig.nats.passwords[user], headers: true, verbose: false, pedantic: false };
  socket.on("error", () => {}); // the server may go away, and ends the connection for what is no protocol
  socket.on("data", (text) => text.includes("PING") && socket.write("PONG\r\n"));
  socket.write(`CONNECT ${JSON.stringify(login)}\r\n`);
  return socket;
}

const injections = {
  id: "F19",
  name: "injections",
  needs: ["nats"],
  weight: 1,
  short: true,
  async run({ stage, random, journal, load }) {
    const count = random.between(50, 300);
    const seen = await spied(stage, async () => {
      for (const role of ["gateway", "command_publisher"]) {
        const client = bare(stage, role);
        for (let i = 0; i < count; i++) {
          const { method, user, block, payload } = injection(random, random.pick(load.users.slots).id);
          const subject = role === "gateway" ? rpcSubject(method, user) : `${prefix}.command.${method}.${user}`;
          const reply = `_INBOX_lumin_${role}.evil`;
          client.write(`HPUB ${subject} ${reply} ${block.length} ${block.length + payload.length}\r\n`);
          client.write(Buffer.concat([block, payload, Buffer.from("\r\n")]));
          if (i % 50 === 0) await sleep(20);
        }
        await sleep(300);
        client.destroy();
      }
    });
    const known = (subject) => [...own, ...knownSubjects].some((pattern) => pattern.test(subject));
    const strange = [...seen.keys()].filter((subject) => !known(subject));
    for (const subject of strange.slice(0, 5)) journal.finding("F19", `a message went to ${JSON.stringify(subject)}`);
    return `${2 * count} messages, ${seen.size} subjects seen`;
  },
};

export const hostileFaults = [bomb, injections];
