// SPDX-License-Identifier: MIT
// Callers that lead users through whole lives, by every command and query, one request after another, each with one
// answer that is right. Whatever else comes back is noted as a failure; nothing is repeated.
import crypto from "node:crypto";
import { History, call, commandOf, publish } from "./load.mjs";
import { eventually, request, sleep } from "./servers.mjs";

const picture = "https://example.com/a.png";

/** The commands of a user's life, in an order in which each is applied or changes nothing. */
function stepsOf(own) {
  const [email, other] = [`${own}@example.com`, `${own}.new@example.com`];
  const [phone, newPhone] = [1, 2].map((n) => `+49151${n}${(crypto.randomBytes(4).readUInt32BE() % 1e8 + 1e8)}`.slice(0, 15));
  const names = { firstName: "Ada", lastName: "Lovelace" };
  return [
    ["create", { ...names, email, phone, bio: "Counts." }],
    ["activate", {}],
    ["change_username", { firstName: "Grace", lastName: "Hopper" }],
    ["change_email", { email: other }],
    ["change_phone", { phone: newPhone }],
    ["change_bio", { bio: "Counts engines." }],
    ["change_birth_date", { birthDate: "1915-12-10" }],
    ["change_avatar_url", { avatarUrl: picture }],
    ["change_language_code", { languageCode: "en-GB" }],
    ["change_privacy_settings", { privacySettings: { bio: "VISIBILITY_NOBODY" } }],
    ["confirm_email", { email: other }],
    ["confirm_phone", { phone: newPhone }],
    ["update", { updateMask: { paths: ["bio", "last_name"] }, bio: "Sails.", lastName: "Drake" }],
    ["upsert", { ...names, email: other, phone: newPhone }],
    ["record_profile_view", { viewerId: crypto.randomUUID() }],
    ["block", { reason: "spam" }],
    ["activate", {}],
    ["deactivate", {}],
    ["probe", {}],
    ["delete", {}],
  ];
}

/** Questions about a user as it is now, of which one is asked after each command. */
const questions = {
  get: ({ user: userId }) => ({ userId }),
  get_many: ({ user }) => ({ userIds: [user, crypto.randomUUID()] }),
  find_by_email: ({ email }) => ({ email }),
  find_by_phone: ({ phone }) => ({ phone }),
  get_profile: ({ user: userId }) => ({ userId, viewerId: crypto.randomUUID() }),
  get_history: ({ user: userId }) => ({ userId }),
  get_at: ({ user: userId, version }) => ({ userId, version }),
  list: () => ({ limit: 3 }),
  list_profile_views: ({ user: userId }) => ({ userId }),
};
const atLeast = (version) => ({ "Lumin-Min-Version": version });

/** The methods that every worker of these has. */
async function methodsOf(connection, workers) {
  const client = connection.services.client({ strategy: "timer", maxWait: 1000 });
  const look = async () => {
    const all = [];
    for await (const { endpoints } of await client.info("lumin-user")) all.push(new Set(endpoints.map(({ name }) => name)));
    return all.length >= workers && all;
  };
  const all = await eventually(look, { timeout: 20_000, what: "the workers' methods" });
  return new Set([...all[0]].filter((name) => all.every((each) => each.has(name))));
}

export class Lives {
  /** So many callers, each with a pause of `think` ms at most between two requests; by methods that all workers have. */
  static async start(rig, { callers = 12, think = 10 } = {}) {
    const lives = Object.assign(new Lives(), { think, history: new History(), failures: [], longest: 0, running: true });
    lives.counts = new Map();
    lives.gateway = await rig.connect("gateway");
    lives.publisher = await rig.connect("command_publisher");
    lives.methods = await methodsOf(lives.gateway, rig.workers.filter(({ alive }) => alive).length);
    lives.asks = Object.keys(questions).filter((method) => lives.methods.has(method));
    lives.tasks = Array.from({ length: callers }, () => lives.leadOn());
    return lives;
  }

  async leadOn() {
    while (this.running && !this.gateway.isClosed()) await this.lead(crypto.randomUUID());
  }

  async lead(user) {
    const known = { user, version: 0 };
    for (const [method, fields] of stepsOf(user.replaceAll("-", ""))) {
      if (!this.running) return;
      const command = commandOf(crypto.randomUUID(), method, user, fields);
      const answer = await this.timed(method, async () => (await call(this.history, this.gateway, command)).answer);
      if (!["APPLIED", "UNCHANGED"].includes(answer.status)) return this.fail(method, answer);
      known.version = answer.version || known.version;
      for (const name of ["email", "phone"]) known[name] = fields[name] ?? known[name];
      if (method !== "delete") await this.ask(known);
      await sleep(Math.random() * this.think);
    }
  }

  /** What was written is read at once; and a command on the stream is waited for by its outcome. */
  async ask(known) {
    const method = this.asks[Math.floor(Math.random() * this.asks.length)];
    await this.query(method, questions[method](known), method === "get" ? atLeast(known.version) : {});
    if (Math.random() < 0.8) return;
    const command = commandOf(crypto.randomUUID(), "probe", known.user, {});
    const { answer } = await publish(this.history, this.publisher, command);
    if (answer.kind !== "stored") this.fail("probe on the stream", answer);
    else await this.query("command_outcome", { commandId: command.id, waitMs: 5000 });
  }

  async query(method, message, headers = {}) {
    const ask = () => request(this.gateway, method, message, { timeout: 6000, headers });
    const answer = await this.timed(method, ask).catch((error) => ({ code: String(error) }));
    if (answer.code !== 0) this.fail(method, { code: answer.code, reason: answer.reason });
  }

  async timed(method, send) {
    const begun = performance.now();
    this.counts.set(method, 1 + (this.counts.get(method) ?? 0));
    try {
      return await send();
    } finally {
      this.longest = Math.max(this.longest, performance.now() - begun);
    }
  }

  fail(method, answer) {
    if (!this.gateway.isClosed()) this.failures.push({ method, ...answer });
  }

  get requests() {
    return [...this.counts.values()].reduce((a, b) => a + b, 0);
  }

  async stop() {
    this.running = false;
    await Promise.all(this.tasks);
  }
}
