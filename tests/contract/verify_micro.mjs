#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// verify_micro.mjs - checks that a running service follows the NATS Services API (ADR-32 "micro") with the
// official JavaScript client (@nats-io/services ServiceClient over @nats-io/transport-node), plus the stricter
// rules of the JSON schemas by which the `nats` CLI accepts or drops an answer.
//
//   npm install @nats-io/services @nats-io/transport-node
//   node verify_micro.mjs --server nats://127.0.0.1:4222 --name users [--instances 2] [--version 1.2.3]
//        [--creds FILE | --user USER --password PASSWORD] [--inbox-prefix _INBOX] [--endpoint NAME=SUBJECT ...]     every named endpoint must be there, on that subject
//        [--error-subject SUBJ --error-payload-hex HEX --error-code 400]   this request must be refused
//        [--queue q] [--json]
// exit 0: every check passed; 1: at least one failed; 2: could not run.
import { connect, credsAuthenticator, headers as mkHeaders } from "@nats-io/transport-node";
import { Svcm, ServiceError } from "@nats-io/services";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: o } = parseArgs({
  options: {
    server: { type: "string", default: process.env.NATS_URL ?? "nats://127.0.0.1:4222" },
    name: { type: "string" }, instances: { type: "string", default: "1" }, version: { type: "string" },
    creds: { type: "string", default: process.env.NATS_CREDS },
    user: { type: "string", default: process.env.NATS_USER }, password: { type: "string", default: process.env.NATS_PASSWORD },
    "inbox-prefix": { type: "string", default: "_INBOX" }, queue: { type: "string", default: "q" },
    endpoint: { type: "string", multiple: true, default: [] },
    "error-subject": { type: "string" }, "error-payload-hex": { type: "string", default: "" },
    "error-code": { type: "string" }, json: { type: "boolean", default: false },
  },
});
if (!o.name) { console.error("--name is required"); process.exit(2); }

const results = [];
const check = (ok, what, detail = "") => { results.push({ ok: !!ok, what, detail: ok ? "" : String(detail) }); return !!ok; };

const NAME = /^[A-Za-z0-9_-]+$/;
const SEMVER = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$/;
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const isObj = (v) => v !== null && typeof v === "object" && !Array.isArray(v);
const isMeta = (v) => isObj(v) && Object.values(v).every((x) => typeof x === "string");
const isCount = (v) => Number.isInteger(v) && v >= 0;
const isSubject = (v) => typeof v === "string" && v !== "" && !/\s/.test(v) && v.split(".").every((t, i, a) => t !== "" && (t !== ">" || i === a.length - 1));

function identity(verb, r, where) {
  check(r.type === `io.nats.micro.v1.${verb}_response`, `${where}: type`, JSON.stringify(r.type));
  check(r.name === o.name && NAME.test(r.name ?? ""), `${where}: name`, JSON.stringify(r.name));
  check(typeof r.id === "string" && NAME.test(r.id), `${where}: id is one subject token`, JSON.stringify(r.id));
  check(typeof r.version === "string" && SEMVER.test(r.version), `${where}: version is SemVer`, JSON.stringify(r.version));
  if (o.version) check(r.version === o.version, `${where}: version is ${o.version}`, r.version);
  check(isMeta(r.metadata), `${where}: metadata is an object of strings`, JSON.stringify(r.metadata));
}
function info(r, where) {
  identity("info", r, where);
  check(typeof r.description === "string", `${where}: description is a string`, JSON.stringify(r.description));
  if (!check(Array.isArray(r.endpoints) && r.endpoints.length > 0, `${where}: endpoints is a non-empty array`, JSON.stringify(r.endpoints))) return;
  for (const e of r.endpoints) {
    check(NAME.test(e.name ?? ""), `${where}: endpoint name (no dots: ${NAME})`, JSON.stringify(e.name));
    check(isSubject(e.subject), `${where}: endpoint ${e.name} subject`, JSON.stringify(e.subject));
    check(e.queue_group === o.queue, `${where}: endpoint ${e.name} queue_group is "${o.queue}"`, JSON.stringify(e.queue_group));
    check(e.metadata === undefined || e.metadata === null || isMeta(e.metadata), `${where}: endpoint ${e.name} metadata`, JSON.stringify(e.metadata));
  }
  for (const want of o.endpoint) {
    const [n, s] = want.split("=");
    check(r.endpoints.some((e) => e.name === n && (s === undefined || e.subject === s)), `${where}: endpoint ${want} is declared`);
  }
}
function stats(r, where) {
  identity("stats", r, where);
  check(RFC3339.test(r.started ?? "") && !Number.isNaN(Date.parse(r.started)), `${where}: started is RFC 3339`, JSON.stringify(r.started));
  check(/Z$/.test(r.started ?? ""), `${where}: started is in UTC`, r.started);
  if (!check(Array.isArray(r.endpoints) && r.endpoints.length > 0, `${where}: endpoints is a non-empty array`, JSON.stringify(r.endpoints))) return;
  for (const e of r.endpoints) {
    const w = `${where}: endpoint ${e.name}`;
    check(NAME.test(e.name ?? ""), `${w} name`, JSON.stringify(e.name));
    check(isSubject(e.subject), `${w} subject`, JSON.stringify(e.subject));
    check(e.queue_group === o.queue, `${w} queue_group`, JSON.stringify(e.queue_group));
    for (const k of ["num_requests", "num_errors", "processing_time", "average_processing_time"]) {
      check(isCount(e[k]), `${w} ${k} is a whole number >= 0`, JSON.stringify(e[k]));
    }
    // ADR-32 lets it be absent, the nats CLI's schema does not: always send it, "" when there was none.
    check(typeof e.last_error === "string", `${w} last_error is a string (nats CLI drops the answer without it)`, JSON.stringify(e.last_error));
    check(e.data === undefined || isObj(e.data), `${w} data, where sent, is an object`, JSON.stringify(e.data));
    if (isCount(e.num_requests) && e.num_requests > 0 && isCount(e.processing_time)) {
      const avg = e.processing_time / e.num_requests;
      check(Math.abs(avg - e.average_processing_time) <= 1, `${w} average_processing_time = processing_time / num_requests`, `${avg} != ${e.average_processing_time}`);
    }
  }
}

let nc;
try {
  nc = await connect({ servers: o.server.split(","), name: "verify_micro", timeout: 5000, maxReconnectAttempts: 2,
    inboxPrefix: o["inbox-prefix"], ...(o.user ? { user: o.user, pass: o.password } : {}),
    ...(o.creds ? { authenticator: credsAuthenticator(readFileSync(o.creds)) } : {}) });
} catch (err) { console.error(`cannot connect to ${o.server}: ${err.message}`); process.exit(2); }

const client = new Svcm(nc).client({ strategy: "timer", maxWait: 1200 });
const collect = async (verb, ...a) => { const out = []; for await (const r of await client[verb](...a)) out.push(r); return out; };
const want = Number(o.instances);
const shape = { ping: (r, w) => identity("ping", r, w), info, stats };
const seen = {};
try {
  for (const verb of ["ping", "info", "stats"]) {
    let all = [];
    try { all = await collect(verb); } catch (e) { check(false, `$SRV.${verb.toUpperCase()} is answered with JSON`, e.message); }
    const mine = all.filter((r) => r.name === o.name);
    check(mine.length === want, `$SRV.${verb.toUpperCase()}: ${want} answer(s) from ${o.name}`, `${mine.length} came`);
    let named = [];
    try { named = await collect(verb, o.name); } catch (e) { check(false, `$SRV.${verb.toUpperCase()}.${o.name} is answered with JSON`, e.message); }
    check(named.length === want, `$SRV.${verb.toUpperCase()}.${o.name}: ${want} answer(s)`, `${named.length} came`);
    check(new Set(named.map((r) => r.id)).size === named.length, `$SRV.${verb.toUpperCase()}.${o.name}: ids differ`, named.map((r) => r.id).join());
    for (const r of named) {
      shape[verb](r, `${verb.toUpperCase()} ${r.id}`);
      let one = [];
      try { one = await collect(verb, o.name, r.id); } catch (e) { check(false, `$SRV.${verb.toUpperCase()}.${o.name}.${r.id} is answered`, e.message); }
      check(one.length === 1 && one[0].id === r.id, `$SRV.${verb.toUpperCase()}.${o.name}.${r.id}: that instance alone answers`, `${one.length} came`);
    }
    seen[verb] = named;
  }
  const ids = (v) => (seen[v] ?? []).map((r) => r.id).sort().join();
  check(ids("ping") === ids("info") && ids("info") === ids("stats"), "PING, INFO and STATS name the same instances", `${ids("ping")} | ${ids("info")} | ${ids("stats")}`);
  for (const i of seen.info ?? []) {
    const s = (seen.stats ?? []).find((x) => x.id === i.id);
    const key = (x) => (x?.endpoints ?? []).map((e) => `${e.name} ${e.subject} ${e.queue_group}`).sort().join("\n");
    check(key(i) === key(s), `${i.id}: INFO and STATS list the same endpoints`);
  }
  // an unknown instance must not be answered: the server says 503 (no responders) at once
  const none = await nc.request(`$SRV.PING.${o.name}.NOSUCHID`, undefined, { timeout: 1500 }).then(() => "answered", (e) => e.message);
  check(/no responders/i.test(none), "$SRV.PING.<name>.<unknown id> has no responders", none);

  if (o["error-subject"]) {
    const total = (ss) => ss.flatMap((s) => s.endpoints ?? []).filter((e) => e.subject === o["error-subject"]).reduce((a, e) => [a[0] + e.num_requests, a[1] + e.num_errors], [0, 0]);
    const before = total(await collect("stats", o.name));
    const h = mkHeaders(); h.set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    const m = await nc.request(o["error-subject"], Buffer.from(o["error-payload-hex"], "hex"), { timeout: 3000, headers: h });
    check(ServiceError.isServiceError(m), "a bad request is answered with Nats-Service-Error-Code");
    const code = m.headers?.get("Nats-Service-Error-Code") ?? "";
    check(/^\d+$/.test(code), "Nats-Service-Error-Code parses as a number", JSON.stringify(code));
    if (o["error-code"]) check(code === o["error-code"], `Nats-Service-Error-Code is ${o["error-code"]}`, code);
    check((m.headers?.get("Nats-Service-Error") ?? "") !== "", "Nats-Service-Error holds a description");
    const after = total(await collect("stats", o.name));
    check(after[0] === before[0] + 1, "num_requests went up by one", `${before[0]} -> ${after[0]}`);
    check(after[1] === before[1] + 1, "num_errors went up by one", `${before[1]} -> ${after[1]}`);
    const withErr = (await collect("stats", o.name)).flatMap((s) => s.endpoints).find((e) => e.subject === o["error-subject"] && e.last_error);
    check(withErr, "last_error is set after the error");
  }
} finally { await nc.close(); }

const bad = results.filter((r) => !r.ok);
if (o.json) console.log(JSON.stringify(results, null, 1));
else for (const r of results) if (!r.ok) console.log(`not ok - ${r.what}${r.detail ? ` (${r.detail})` : ""}`);
console.log(`${results.length - bad.length} passed, ${bad.length} failed`);
process.exit(bad.length ? 1 : 0);
