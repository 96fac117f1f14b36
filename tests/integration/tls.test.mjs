// SPDX-License-Identifier: MIT
// TLS to NATS: the whole way over it; and where the server cannot be trusted, or trusts nobody, a worker says so, goes on
// trying with pauses, and never says a word in the clear.
import assert from "node:assert/strict";
import fs from "node:fs";
import net from "node:net";
import test, { after } from "node:test";
import { authority } from "../support/certificates.mjs";
import { NatsServer, Rig, eventually, freePort, request } from "../support/servers.mjs";

const rig = await Rig.start({ after }, { name: "tls", nats: false });
const folder = rig.place.folder("certificates");
const [ours, others] = [authority(folder, "ours"), authority(folder, "others")];
const local = ["DNS:localhost", "IP:127.0.0.1"];
const client = ours.issue("client", local);
const stranger = others.issue("stranger", local);
const elsewhere = ours.issue("elsewhere", ["DNS:elsewhere.example.com"]);

const secured = ({ cert, key }) => ({
  tls: `{ cert_file: "${cert}", key_file: "${key}", ca_file: "${ours.ca}", verify: true, timeout: 5 }`,
});
const serverCertificate = ours.issue("server", local);
const impostor = others.issue("server", local);
rig.place.give(folder);

/** Passes bytes on, and keeps what clients say first. */
async function listener(t, port) {
  const said = [];
  const server = net.createServer((socket) => {
    const behind = net.connect(port, "127.0.0.1");
    const mine = { bytes: Buffer.alloc(0) };
    said.push(mine);
    socket.on("data", (bytes) => (mine.bytes = Buffer.concat([mine.bytes, bytes]).subarray(0, 64)));
    for (const [from, to] of [
      [socket, behind],
      [behind, socket],
    ]) {
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
  });
  const own = await freePort();
  await new Promise((resolve) => server.listen(own, "127.0.0.1", resolve));
  t.after(() => server.close());
  return { port: own, said };
}

/** A handshake's first record, or nothing at all. */
const isSilentOrSecret = ({ bytes }) => bytes.length === 0 || (bytes[0] === 0x16 && bytes[1] === 0x03);

rig.nats = await NatsServer.start(rig.place, { settings: secured(serverCertificate), tls: client });
rig.nats.host = "localhost"; // the name that clients check; it goes on listening where it does
await rig.setup();

const tlsUrl = (port) => ({ NATS_URL: `nats://localhost:${port}` });

/** Lines of a log with that event. */
const linesOf = (name, event) =>
  fs.readFileSync(rig.place.log(name), "utf8").split("\n").filter((line) => line.includes(` ${event} `));

/** That so many more attempts come, with pauses between them. */
async function goesOnTrying(wire, more) {
  const count = wire.said.length;
  const begin = Date.now();
  await eventually(() => wire.said.length >= count + more, { timeout: 30_000, what: "more attempts" });
  return ((wire.said.length - count) * 1000) / (Date.now() - begin);
}

test("setup, worker, luminctl and a gateway talk over TLS alone", async (t) => {
  const wire = await listener(t, rig.nats.port);
  const env = tlsUrl(wire.port);
  const worker = await rig.worker({ name: "trusting", env });
  const gateway = await rig.connect("gateway");
  const created = await request(gateway, "create", { firstName: "Ada", email: "ada@example.com" });
  assert.equal(created.code, 0, created.reason);
  const { userId } = created.as("Outcome");
  const shown = await rig.must("luminctl", ["get", "--user-id", userId, "--json"], { role: "gateway", env });
  assert.match(shown.stdout, /"Ada"/);
  const connections = wire.said.length;
  assert.ok(connections > 4, `${connections} connections`);
  for (const { bytes } of wire.said) assert.deepEqual([bytes[0], bytes[1]], [0x16, 0x03]);

  // The server comes back with a certificate that nobody vouches for.
  await rig.nats.restart({ settings: secured(impostor) });
  const unavailable = () => linesOf("trusting", "nats_unavailable");
  await eventually(() => unavailable().length >= 2, { timeout: 30_000, what: "a line of each lane" });
  await goesOnTrying(wire, 8);
  for (const line of unavailable()) assert.match(line, /reason="?(SSL|Connection|No server|Timeout)/);
  assert.ok(unavailable().length <= 8, `${unavailable().length} lines`);
  assert.ok(wire.said.every(isSilentOrSecret));
  await rig.nats.restart({ settings: secured(serverCertificate) });
  await eventually(() => rig.health(), { timeout: 30_000, what: "a healthy worker" });
  assert.equal(await worker.stop(), 0);
});

/** A worker that begins and cannot connect: says why, once; tries again with pauses; and says nothing in the clear. */
async function refused(t, name, { port, env, reason }) {
  const wire = await listener(t, port);
  const worker = await rig.worker({ name, wait: false, env: { ...tlsUrl(wire.port), ...env?.(wire.port) } });
  const lines = () => linesOf(name, "server_awaited");
  await eventually(() => lines().length > 0, { timeout: 30_000, what: `${name}: why it does not begin` });
  const perSecond = await goesOnTrying(wire, 4);
  assert.ok(perSecond < 15, `${perSecond} attempts a second`);
  assert.equal(lines().length, 1);
  assert.match(lines()[0], reason);
  assert.ok(wire.said.every(isSilentOrSecret), `${name}: said in the clear`);
  assert.ok(worker.alive, "it goes on trying");
  await worker.stop();
}

test("a server of another authority is not believed", (t) =>
  refused(t, "wrong-ca", { port: rig.nats.port, env: () => ({ NATS_CA: others.ca }), reason: /SSL .*certificate/ }));

test("a server that does not believe the worker is not talked to", (t) =>
  refused(t, "stranger", {
    port: rig.nats.port,
    env: () => ({ NATS_CERT: stranger.cert, NATS_KEY: stranger.key }),
    reason: /reason="?[A-Z]/,
  }));

test("a server by another name is not believed", async (t) => {
  const server = await NatsServer.start(rig.place, { name: "elsewhere", settings: secured(elsewhere) });
  t.after(() => server.stop());
  await refused(t, "another-name", { port: server.port, reason: /SSL .*mismatch/ });
});

test("a server without TLS is not talked to, whether an authority or the URL asks for it", async (t) => {
  const server = await NatsServer.start(rig.place, { name: "plain" });
  t.after(() => server.stop());
  await refused(t, "plain-ca", { port: server.port, reason: /Secure/ });
  const url = (port) => ({ NATS_URL: `tls://localhost:${port}`, NATS_CA: "", NATS_CERT: "", NATS_KEY: "" });
  await refused(t, "plain-url", { port: server.port, env: url, reason: /Secure/ });
  const wire = await listener(t, server.port);
  const asked = await rig.run("luminctl", ["probe"], { role: "gateway", env: url(wire.port) });
  assert.equal(asked.code, 4, asked.stderr);
  assert.match(asked.stderr, /offers no TLS/);
  assert.ok(wire.said.length > 0 && wire.said.every(isSilentOrSecret));
});
