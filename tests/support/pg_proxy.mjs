// SPDX-License-Identifier: MIT
// A proxy before PostgreSQL that knows where a transaction ends: it sees the statements of a pipeline, its Sync and the
// server's answer, and does to each pipeline what a test asks:
//   pass        nothing
//   delay       the Sync reaches the server later
//   cut-before  the connection is reset before the Sync reaches the server
//   cut-after   ... when the server has answered the Sync; the answer gets lost
//   cut-with    ... while the server works on it: the Sync leaves, and with it the connection
//   hold-sync   the client is cut off; the Sync reaches the server later
//   hold-all    the client is cut off; not a byte of the pipeline reaches the server before the next RETAKE has been
//               answered, and the client hears of that answer only when the pipeline has had its own
// Every byte from the client may be passed on in pieces (`split`), so that no end of a message is the end of a packet.
import net from "node:net";
import { once } from "node:events";
import { sleep } from "./processes.mjs";

const SSL_REQUEST = 80877103;

/** Whole messages out of a stream of bytes. */
class Messages {
  constructor({ untyped = false } = {}) {
    this.bytes = Buffer.alloc(0);
    this.untyped = untyped; // a client's first messages have no type
  }

  push(chunk) {
    this.bytes = this.bytes.length === 0 ? chunk : Buffer.concat([this.bytes, chunk]);
    const found = [];
    for (;;) {
      const start = this.untyped ? 0 : 1;
      if (this.bytes.length < start + 4) return found;
      const end = start + this.bytes.readInt32BE(start);
      if (this.bytes.length < end) return found;
      const bytes = this.bytes.subarray(0, end);
      const type = this.untyped ? "startup" : String.fromCharCode(bytes[0]);
      if (this.untyped) this.untyped = bytes.length === 8 && bytes.readInt32BE(4) === SSL_REQUEST;
      this.bytes = this.bytes.subarray(end);
      found.push({ type, bytes });
    }
  }
}

const statementOf = (bind) => bind.toString("latin1", bind.indexOf(0, 5) + 1, bind.indexOf(0, bind.indexOf(0, 5) + 1));

function sqlstateOf(error) {
  for (const field of error.toString("latin1", 5).split("\0")) if (field[0] === "C") return field.slice(1);
  return "";
}

// A socket that is about to end cannot be reset any more: node would neither reset nor close it.
const reset = (socket) => (socket.writableEnded ? socket.destroy() : socket.resetAndDestroy());

/** One client, its server connection, and the pipeline under way. */
class Passage {
  constructor(proxy, client) {
    Object.assign(this, { proxy, client, plan: null, statements: [], held: [], deaf: false, waiting: [] });
    this.server = net.connect(proxy.port, "127.0.0.1");
    for (const socket of [client, this.server]) socket.setNoDelay(true).on("error", () => {}); // "close" follows
    this.fromClient = new Messages({ untyped: true });
    this.fromServer = new Messages();
    this.work = Promise.resolve();
    client.on("data", (chunk) => this.enqueue(() => this.clientSent(chunk)));
    this.server.on("data", (chunk) => this.serverSent(chunk));
    client.on("close", () => this.enqueue(async () => this.plan?.holds || this.server.destroy()));
    this.server.on("close", () => {
      client.destroy();
      this.finish({ sqlstate: "closed" });
    });
  }

  // What the client sent is dealt with in order, however long one step takes.
  enqueue(step) {
    this.work = this.work.then(step).catch((error) => this.proxy.failures.push(error));
  }

  async clientSent(chunk) {
    for (const message of this.fromClient.push(chunk)) {
      if (message.type === "B") this.begin(statementOf(message.bytes));
      if (message.type === "S") await this.sync(message.bytes);
      else if (this.plan?.action === "hold-all") this.held.push(message.bytes);
      else await this.forward(message.bytes);
    }
  }

  begin(statement) {
    if (this.statements.push(statement) > 1) return;
    this.plan = { action: this.proxy.decide({ first: statement }) ?? "pass" };
  }

  async forward(bytes) {
    const { split } = this.proxy;
    if (!split) return void this.server.write(bytes);
    for (let at = 0; at < bytes.length; at += split) {
      this.server.write(bytes.subarray(at, at + split));
      await new Promise(setImmediate);
    }
  }

  async sync(bytes) {
    const plan = this.plan ?? { action: "pass" };
    const pipeline = { action: plan.action, statements: this.statements };
    this.statements = [];
    this.plan = null;
    if (plan.action !== "pass") this.proxy.log.push(pipeline);
    await this.actions[plan.action].call(this, bytes, pipeline);
  }

  actions = {
    pass: async (bytes, pipeline) => {
      if (pipeline.statements.includes("RETAKE") && this.proxy.heldPassage) await this.retake(bytes);
      else await this.forward(bytes);
    },
    delay: async (bytes) => {
      await sleep(this.proxy.pause());
      await this.forward(bytes);
    },
    "cut-before": async () => {
      await sleep(5); // the server has begun to work
      this.cut();
    },
    "cut-after": async (bytes, pipeline) => {
      this.deaf = true;
      const answered = this.answer();
      await this.forward(bytes);
      pipeline.answer = await answered;
      this.cut();
    },
    "cut-with": async (bytes) => {
      this.deaf = true;
      await this.forward(bytes);
      reset(this.client);
      this.server.end();
    },
    "hold-sync": async (bytes, pipeline) => {
      this.plan = { holds: true };
      reset(this.client);
      setTimeout(async () => {
        const answered = this.answer();
        await this.forward(bytes);
        pipeline.answer = await answered;
        this.server.destroy();
      }, this.proxy.pause());
    },
    "hold-all": async (bytes, pipeline) => {
      this.plan = { holds: true };
      this.held.push(bytes);
      this.pipeline = pipeline;
      this.proxy.heldPassage = this;
      reset(this.client);
    },
  };

  /** The retake's answer waits until the held-back pipeline has had its turn: the worst moment. */
  async retake(bytes) {
    const held = this.proxy.heldPassage;
    this.proxy.heldPassage = null;
    this.keeping = [];
    const answered = this.answer();
    await this.forward(bytes);
    await answered;
    const late = held.answer();
    held.server.write(Buffer.concat(held.held));
    held.pipeline.answer = await late;
    held.server.destroy();
    for (const chunk of this.keeping) this.client.write(chunk);
    this.keeping = null;
  }

  /** What the server says to the next Sync: { sqlstate }, "" where it commits. */
  answer() {
    if (this.server.destroyed) return Promise.resolve({ sqlstate: "closed" });
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  serverSent(chunk) {
    if (this.keeping) this.keeping.push(chunk);
    else if (!this.deaf && this.client.writable) this.client.write(chunk);
    for (const message of this.messagesOf(chunk)) {
      if (message.type === "E") this.sqlstate ??= sqlstateOf(message.bytes);
      if (message.type === "Z") this.finish({ sqlstate: this.sqlstate ?? "" });
    }
  }

  // The answer to an SSLRequest is one byte, and no message.
  messagesOf(chunk) {
    if (!this.greeted) {
      this.greeted = true;
      if (chunk.length === 1 && chunk.toString() === "N") {
        this.greeted = false;
        return [];
      }
    }
    return this.fromServer.push(chunk);
  }

  finish(answer) {
    this.sqlstate = undefined;
    for (const resolve of this.waiting.splice(0)) resolve(answer);
  }

  cut() {
    reset(this.client);
    reset(this.server);
  }
}

export class PgProxy {
  /** `decide({ first })` names the action for a pipeline whose first statement is `first`; nothing said: "pass". */
  static async start(t, { port, decide = () => "pass", split = 0, pause = () => 100 }) {
    const proxy = new PgProxy();
    Object.assign(proxy, { port, decide, split, pause, log: [], failures: [], passages: new Set(), heldPassage: null });
    proxy.listener = net.createServer((client) => {
      const passage = new Passage(proxy, client);
      proxy.passages.add(passage);
      passage.server.on("close", () => proxy.passages.delete(passage));
    });
    proxy.listener.listen(0, "127.0.0.1");
    await once(proxy.listener, "listening");
    t.after(() => proxy.stop());
    return proxy;
  }

  /** The connection string by way of the proxy. */
  via(url) {
    const changed = new URL(url);
    changed.port = `${this.listener.address().port}`;
    changed.search = "?sslmode=disable&gssencmode=disable";
    return changed.href;
  }

  count(action) {
    return this.log.filter((pipeline) => pipeline.action === action).length;
  }

  async stop() {
    for (const passage of this.passages) passage.cut();
    await new Promise((resolve) => this.listener.close(resolve));
  }
}
