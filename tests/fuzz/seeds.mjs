// SPDX-License-Identifier: MIT
// Inputs for the fuzz targets to begin with, and words that mutations are made of: what is well-formed, and what is
// known to be awkward. Messages and names are taken from the protos, so that a new method needs no line here.
//   node tests/fuzz/seeds.mjs build/fuzz/corpus tests/fuzz/dictionaries
import fs from "node:fs";
import path from "node:path";
import protobuf from "protobufjs";
import { protos, prefix } from "../support/wire.mjs";
import { repository } from "../support/processes.mjs";

const user = "aa010203-0405-4607-8809-0a0b0c0d0001";
const command = "cc010203-0405-4607-8809-0a0b0c0d0001";
const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

// ---- messages, filled by their descriptors

const samples = protobuf.loadSync(path.join(repository, "tests/unit/codec/sample.proto")).root;
const typesOf = (root, name) => root.lookup(name).nestedArray.filter((type) => type instanceof protobuf.Type);
const types = [...typesOf(protos, prefix), ...typesOf(samples, "lumin.sample")].map((type) => type.resolve());

const texts = {
  user_id: user, viewer_id: user, command_id: command, email: "Ada@example.com", phone: "+4930123456",
  first_name: "Zo\u00eb", last_name: "\u0141ukasz", language_code: "pt-BR", bio: "Sings.\n\u{1f469}",
  birth_date: "1915-12-10", avatar_url: "https://a.example/ada.png?x=%20#y", reason: "spam",
};

const scalars = { string: "text", bytes: Buffer.from([0, 255, 7]), bool: true, double: -1.5e-7, float: 0.1 };
const protoName = (field) => field.name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function valueOf(field, depth) {
  const type = field.resolvedType;
  if (type instanceof protobuf.Enum) return Object.values(type.values)[1];
  if (type === null) return texts[protoName(field)] ?? scalars[field.type] ?? 7;
  if (type.name === "Timestamp") return { seconds: 1700000000, nanos: 123456789 };
  if (type.name === "FieldMask") return { paths: ["first_name", "privacy_settings.email"] };
  return depth < 2 ? filled(type, depth + 1) : {};
}

function filled(type, depth = 0) {
  const fields = type.fieldsArray.map((field) => field.resolve()).filter((field) => !field.partOf || depth % 2 === 0);
  const chosen = fields.filter((field) => !field.partOf || field.partOf.fieldsArray[0] === field);
  return Object.fromEntries(
    chosen.map((field) => [field.name, field.repeated ? [valueOf(field, depth), valueOf(field, depth)] : valueOf(field, depth)]),
  );
}

const bytesOf = (type, fields = filled(type)) => type.encode(type.fromObject(fields)).finish();

function jsonOf(type, fields = filled(type)) {
  const shown = type.toObject(type.fromObject(fields), { longs: String, enums: String, bytes: String });
  const plain = (key, value) => {
    if (value?.seconds !== undefined) return "2023-11-14T22:13:20.123456789Z";
    return value?.paths ? "firstName,privacySettings.email" : value;
  };
  return JSON.stringify(shown, plain);
}

const typeOf = (name) => types.find((type) => type.name === name);
const replyOf = (type) =>
  protos.lookupService(`${prefix}.QueryService`).methodsArray.find((m) => m.resolvedRequestType === type).resolvedResponseType;
const methodName = (type) => type.name.replace(/(?!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
const queries = protos.lookupService(`${prefix}.QueryService`).methodsArray.map((m) => m.resolve().resolvedRequestType);
const commands = protos.lookupService(`${prefix}.CommandService`).methodsArray.map((m) => m.resolve().resolvedRequestType);

const rows = fs.readFileSync(path.join(repository, "include/lumin/domain/events.def"), "utf8");
const events = [...rows.matchAll(/^EVENT\([A-Z_]+, (\d+), ([a-z_]+)\)/gm)].map(([, number, name]) => [Number(number), name]);

// ---- inputs by target; a text is its UTF-8

const joined = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));
const u64 = (number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(number));
  return bytes;
};

const partitionOf = (id, partitions) => {
  let hash = 2166136261;
  for (const byte of Buffer.from(id)) hash = Math.imul(hash ^ byte, 16777619) >>> 0;
  return hash % partitions;
};
const subjectOf = (method) => `${prefix}.command.${partitionOf(user, 32)}.${method}.${user}`;

const headerBlock = (headers) =>
  `NATS/1.0\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
const allHeaders = {
  "Lumin-Command-Id": command, "Nats-Msg-Id": "order 7", "Lumin-Expected-Version": "7", "Lumin-Actor": "ops",
  "Lumin-Reply-To": `${prefix}.reply.a.b`, "Content-Type": "application/json; charset=utf-8",
  Accept: "text/html, application/*", traceparent: trace, tracestate: "vendor=1",
};
const badHeaders = {
  "Lumin-Command-Id": "7", "Lumin-Expected-Version": "one", "Lumin-Actor": "\u00c5nna", "Lumin-Reply-To": "$JS.API.>",
  traceparent: trace.replace(/[1-9a-f]/g, "0"), tracestate: "a\tb",
};

const streamInfo = {
  type: "io.nats.jetstream.api.v1.stream_info_response", total: 0, created: "2026-11-21T22:20:14.123456789Z",
  config: {
    name: "S", subjects: ["a.>"], retention: "limits", max_consumers: -1, max_msgs: 1000, max_bytes: -1,
    max_age: 1000000000, discard: "new", storage: "file", num_replicas: 1, duplicate_window: 1000000000,
    allow_direct: false, subject_transform: { src: "b.>", dest: "a.>" },
  },
  state: {
    messages: 3, bytes: 120, first_seq: 5, first_ts: "2026-11-21T22:20:14Z", last_seq: 7,
    last_ts: "0001-01-01T00:00:00Z", num_subjects: 2, consumer_count: 1,
  },
  cluster: { leader: "n1" },
};
const storedMessage = {
  message: {
    subject: "a.b", seq: 7, time: "2026-11-21T22:20:14.5+01:00", data: "AAEC",
    hdrs: Buffer.from(headerBlock({ "ce-sequence": "7" })).toString("base64"),
  },
};
const consumerInfo = {
  stream_name: "S", name: "l_r_1", delivered: { consumer_seq: 3, stream_seq: 9 }, ack_floor: {}, num_pending: 4,
};
const apiError = { error: { code: 404, err_code: 10037, description: "no message found" } };

const lines = (headers) => Object.entries(headers).map(([name, value]) => `${name}:${value}\n`).join("");
const eventType = (name) => types.find((type) => methodName(type) === name);
const eventHeaders = (name) => ({
  "ce-type": `${prefix}.${name}`, "ce-time": "2026-11-21T22:20:14.5Z", "ce-subject": user, "ce-sequence": "7", "ce-id": `${user}:7`,
  "ce-partition": "3", "ce-position": "9", "Lumin-Command-Id": command, "Lumin-Actor": "ops", traceparent: trace,
});
const deadHeaders = {
  ...allHeaders, "Lumin-Dead-Reason": "INTERNAL", "Lumin-Dead-Message": "x", "Lumin-Dead-Field": "y", "Lumin-Partition": "3",
};

const inputs = {
  email: [
    "ada@example.com", '"ada lovelace"@Example.COM', '"a\\"b"@x.yz', "a.b+c@xn--bcher-kva.example", "a@b\u00fccher.example",
    "a@\uff45xample.com", "a@[127.0.0.1]", "a@b", "a..b@c.de", "a@fa\u00df.de", "a@\u0627\u0628.\u0645\u0635\u0631",
    `${"a".repeat(64)}@${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(58)}.e`, '""@a.bc', "a@b-.cd", "a@1.2",
  ],
  phone: ["+4930123456", "+1 (415) 555-01.23", "+123456789012345", "+0123456", "+-1234567", "+1234567-", "004930123456"],
  name: [
    "Ada", " \u00a0Zo\u0065\u0308\u3000", "\u1100\u1161\u11a8", "a\u0301\u0316", "\u202eabc", "\u2028", "a\tb", "",
    "\u0915\u094d\u200d\u0937", "\u{1f469}\u200d\u{1f52c}", "x".repeat(64), "\u00e9".repeat(65), "\u0344\u0958\ufb1d",
  ],
  bio: ["Sings.\r\nDances.\n", "a\rb", "\u0085", "\u0065\u0301".repeat(500), "x".repeat(501), " reason ", "", "\u2028"],
  language_code: [
    "en", "PT-br", "zh-hant-tw", "de-CH-1901-x-y", "sl-rozaj-biske-nedis", "en-a-bbb-x-a-ccc", "i-klingon", "en-GB-oed",
    "zh-cmn-Hans-CN", "x-whatever", "de-419-DE", "a-DE", "en-a-bbb-a-ccc", "de-1901-1901", "zh-gan-yue-nan",
  ],
  birth_date: ["1915-12-10", "2000-02-29", "1900-02-29", "1899-12-31", "2023-11-14", "2023-11-15", "1970-13-01"].map(
    (text) => joined(u64(1700000000000000000n), text),
  ),
  avatar_url: [
    "https://example.com/ada.png", "HTTPS://[2001:DB8::1]:443/?q=%20#f", "https://[v1.a:b]/", "https://u@h/", "http://h/",
    "https://[::ffff:192.0.2.1]", "https://h:65536/", "https://\u00fc.de/", "https://h/%zz", "https://h:/a;b=c,d/@:",
  ],
  block_until: [
    "2026-11-21T22:20:14.123Z", "2016-12-31t23:59:60z", "1677-09-21T00:12:43.145224192Z", "2262-04-11T23:47:16.854775807Z",
    "2024-02-29T00:00:00-23:59", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
  ].map((text) => joined(u64(1700000000000000000n), u64(1800000000n), [0, 0, 0, 7], text)),
  event: types.filter((type) => protos.lookup(`${prefix}.${type.name}`)).flatMap((type) => {
    const row = events.find(([, name]) => name === methodName(type));
    return row ? [joined([row[0]], bytesOf(type)), Buffer.from([row[0]])] : [];
  }),
  json_read: types.flatMap((type) => [`${type.name}\n${jsonOf(type)}`, `${type.name}\n{}`]).concat(
    [
      '{"anInt32":1.50e1,"aUint64":"18446744073709551615","aDouble":"-Infinity","aBool":null}', '{"colour":-3}',
      '{"aString":"\\ud83d\\ude00\\u0000"}', '{"inner":{"inner":{"inner":{"text":"\\u00e9\\/"}}}}', '{"a_mask":"a,b.cD"}',
      '{"someBytes":"_-8=","choiceText":"a","choiceNumber":"1"}', '{"int32s":[1,2,3,],"x":1}', ' {"aTime" : "x"} x',
    ].map((text) => `Sample\n${text}`),
  ),
  json_write: types.map((type) => joined(`${type.name}\n`, bytesOf(type))),
  command: commands.flatMap((type) => [
    joined(`${subjectOf(methodName(type))}\n`, headerBlock({ "Lumin-Command-Id": command }), bytesOf(type)),
    joined(`${subjectOf(methodName(type))}\n`, headerBlock(allHeaders), jsonOf(type)),
    joined(`${subjectOf(methodName(type))}\n`, headerBlock(badHeaders)),
  ]).concat([
    `${prefix}.command.x.create.${user}\n{}`, `${prefix}.command.1.fly.${user}\nNATS/1.0\r\n\r\n`, `${prefix}.command\n`,
  ]),
  header: [
    headerBlock(allHeaders), headerBlock(badHeaders), "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 7\r\n\r\n",
    headerBlock({ Accept: "*/*", "Content-Type": "APPLICATION/JSON", "Lumin-Expected-Version": "007" }),
    "NATS/1.0\r\nAccept:\r\nAccept:x\r\n", "HTTP/1.1\r\n\r\n",
  ],
  subject: [
    `${prefix}.rpc.get`, `${prefix}.rpc.get.${user}`, `${prefix}.rpc..`, `${prefix}.reply.a`, `${prefix}.event.x.y`,
    "_INBOX.a.b", "_INBOX_lumin_worker.x", "$JS.API.INFO", "a.*", "a.>", "a..b", "a b", user, user.toUpperCase(),
    "$JS.ACK.S.lane_abc_r_1.1.7.3.1700000000000000000.4", "$JS.ACK.hub.hash.S.lane_abc_s_2.1.7.3.1700000000000000000.4.x",
  ],
  pub_ack: [
    '{"stream":"LUMIN_USER_EVENTS", "seq":1}', '{"stream":"S", "domain":"hub", "seq":7,"duplicate": true}',
    '{"seq":7,"stream":"S","batch":"b"}', '{"stream":"S","seq":7,"duplicate":false}', '{"stream":"\\u0053","seq":0}',
    '{"stream":"S","seq":9223372036854775808}', '{"type":"x","error":{"code":400,"err_code":10071,"description":"d"}}',
  ],
  js_answer: [streamInfo, storedMessage, consumerInfo, apiError].map((answer) => JSON.stringify(answer)),
  pull_status: [
    [100, "Idle Heartbeat\n7\n9"], [100, "Idle Heartbeat\n\n"], [404, "No Messages\n\n"], [408, "Request Timeout\n\n"],
    [409, "Exceeded MaxWaiting\n\n"], [409, "Consumer Deleted\n\n"], [409, "Message Size Exceeds MaxBytes\n\n"], [503, "\n\n"],
  ].map(([code, rest]) => joined([code >> 8, code & 255], rest)),
  config: [
    fs.readFileSync(path.join(repository, "config.yaml")), "lane: {batch: 12, memory: 1GiB}\n---\n", "a: &x 1\nb: *x\n",
    "log:\n  level: debug\n\0lane.batch=12\nworker.name=a\u2028b\n", "\0nats.url=nats://u:p@h\npostgres.url=host=h password=p\n",
    "worker:\n  name: \"\\u0085\\x07\"\n", "nats: [1]\n", "? x\n: y\n", "!!map {}\n", "streams: {storage: memory}",
  ],
  config_mask: ["\0h:4222,nats://v:q@b", "\x01h/d?password=x&a=b:c@d", "\x03 host=h password = 'a\\'b' x", "\x04", "\x06"],
  luminctl: [
    `create\n--first-name\nAda\n--email=ada@example.com\n--privacy-settings.email\nnobody\n--async`, "get\n--user-id\n" + user,
    `update\n--update-mask\nbio,first-name\n--bio=\n--json`, "block\n--until=1677-09-21T00:12:43.145224192Z\n--reason\nx",
    'create\n--data\n{"firstName":"Ada"}', "help\ncreate", "events\n--from=new\n--follow\n--count\n3",
    "dead\nreplay\n7\n9", "dead\nlist\n--json", "export\n--json", "partitions", "get-many\n--user-ids\na\n--user-ids=b",  "--version", "crate",
     "delete\n--timeout=5m\n--server\nnats://u:p@h,b\n--user\na\n--password\nb", "record-profile-view\n--viewer-id=x",
  ],
  reply: [
    ...queries.map((type) => joined(`!${methodName(type)}\n\n\n`, bytesOf(replyOf(type)))),
    joined("get\n\n\n", bytesOf(typeOf("User"))), joined("+get\n\n\n", bytesOf(typeOf("User"))),
    joined("create\n\n\n", bytesOf(typeOf("Outcome"))), `+create\n\n\n${jsonOf(typeOf("Outcome"))}`,
    joined("create\n409\nEMAIL_TAKEN: taken\n", bytesOf(typeOf("Outcome"))),
    joined("get\n404\nno such user\n", bytesOf(typeOf("Error"))), joined("+get\n504\nlate\n", bytesOf(typeOf("Error"))),
    "get\n500\n\x1b[31m\n\xff",
  ],
  stream_item: ["+", "!", "-"].flatMap((how) => [
    ...events.map(([, name]) => joined(`e${how}\n${prefix}.event.${name}.${user}\n${lines(eventHeaders(name))}\n`, bytesOf(eventType(name)))),
    joined(`d${how}\n${prefix}.dead.create.${user}\n${lines(deadHeaders)}\n`, bytesOf(typeOf("Create"))),
    `e${how}\nx\nce-type:\x1b[31m\n\n\xff`, `d${how}\n.\nContent-Type:application/json\n\n{"a":1}`,
  ]),
  pipeline: [
    '1a-0 create {"firstName":"Ada","email":"ada@example.com","phone":"+15550100123"}\n1b10 change_email {"email":"b@example.com"}\n\n' +
      '2c-0 create {"firstName":"Eve","email":"ada@example.com"}\n1d-0 activate {}\n1--0 record_profile_view {"viewerId":"' + user +
      '"}\n1e-0 block {"reason":"spam","until":"2023-11-20T00:00:00Z"}\n\n1f-9 update {"updateMask":"firstName,bio","firstName":"X","bio":"y"}\n' +
      '1a-0 delete {}\n1g-0 delete {}\n3h-0 upsert {"firstName":"U","phone":"+15550100123"}\n',
    '1a-0 create {"firstName":"Ada","email":"a@b.cd"}\n1b-5 change_bio {"bio":"x"}\n1c-b change_bio {"bio":"y"}\n\n' +
      '1d-0 block {"reason":"x","until":"2023-11-20T00:00:00Z"}\n1e-c activate {}\n1f-9 change_bio {"bio":"z"}\n',
    ...commands.map((type) => `1a-0 create {"firstName":"A","phone":"+15550100123"}\n1bx0 ${methodName(type)} ${jsonOf(type)}\n`),
  ],
  query: queries.flatMap((type) => [
    joined(`+${methodName(type)}\n`, [0xff], bytesOf(type)), `${methodName(type)}\n\x35${jsonOf(type)}`,
    `+${methodName(type)}\n\x39{}`, `${methodName(type)}\n\x02{"userId":"${user}"}`,
    `${methodName(type)}\n\x3f{"userId":"${user}","limit":2,"pageToken":"AAAA"}`,
  ]).concat(['get_at\n\x31{"version":"2"}', '+get_at\n\x31{"time":"2023-11-14T22:13:19Z"}', '+get_many\n\x01{"userIds":[]}']),
  feed: [Buffer.from([0, 2, 4, 4, 5, 8, 60, 0xc4, 5, 8, 200, 2, 6, 6, 6, 8, 90, 1, 8, 3]), Buffer.from([0, 2, 4, 0xc5, 3, 8, 10])],
  cursor: [
    joined([0, 0, 0, 1, 1, 4, 4, 7, 0, 7, 0, 11, 2, 8, 0, 12, 40, 2, 9, 12, 200, 1, 1, 4, 5, 0]), Buffer.from([0, 5, 9, 1, 1, 9, 2, 9]),
  ],
  relay: [
    Buffer.from([0, 0, 0, 4, 1, 1, 3, 10, 2, 0, 1, 3, 10, 18, 0, 1, 3, 200, 34, 0, 1, 7, 6, 14]), Buffer.from([0, 32, 3, 1, 98, 0, 1, 3, 1]),
  ],
};

// ---- dictionaries

const names = new Set(types.flatMap((type) => type.fieldsArray.map((field) => field.name)));
const enums = new Set(types.flatMap((type) => type.fieldsArray.flatMap((field) => Object.keys(field.resolve().resolvedType?.values ?? {}))));
const jsonWords = [
  ...[...names].map((name) => `"${name}":`), ...[...enums].map((name) => `"${name}"`), "null", "true", "false", "\\u0000", "\\ud83d",
  "\\ude00", '"NaN"', '"-Infinity"', "1e400", "-0", "18446744073709551616", '"2026-11-21T22:20:14.123Z"', '"firstName,bio"', "{", "}", "[", "]",
];
const headerNames = [...Object.keys(allHeaders).map((name) => `\r\n${name}: `), "NATS/1.0\r\n", "\r\n\r\n"];
const deadNames = [...new Set(fs.readFileSync(path.join(repository, "src/cli/dead_item.c"), "utf8").match(/(?<=")[A-Z][A-Za-z]+(-[A-Za-z]+)+(?=")/g))];
const flags = [...names].map((name) => `\n--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}\n`);
const keys = fs.readFileSync(path.join(repository, "config.yaml"), "utf8").split("\n").filter((line) => /^ *[a-z_]+:/.test(line));
const dictionaries = {
  json_read: [...jsonWords, ...types.map((type) => `${type.name}\n`)],
  json_write: types.map((type) => `${type.name}\n`),
  command: [...headerNames, ...jsonWords, ...commands.map((type) => `.${methodName(type)}.`), user, trace],
  header: headerNames,
  pipeline: [...jsonWords, ...commands.map((type) => `\n1a-0 ${methodName(type)} `), user, "+15550100123", "a@b.cd", "2023-11-20T00:00:00Z"],
  config: [
    ...keys.map((line) => `${line}\n`), "&a ", "*a", "!!str ", "---\n", "...\n", "%YAML 1.1\n", "|\n", ">-\n", "\\u0085", "\u0085", "\u2028",
    "\ufeff", "{", "}", "[", "]", "~", "KiB", "ms",
  ],
  query: [...jsonWords, ...queries.map((type) => `${methodName(type)}\n`), user],
  luminctl: [...[...commands, ...queries].map((type) => methodName(type).replaceAll("_", "-")), ...flags, "--data\n", "--timeout\n", "--json\n", ...jsonWords],
  email: ["@", "xn--", '"', "\\", "\u00df", "\u3002", "\u200d", ".example.com"],
  avatar_url: ["https://", "[", "]", "::", "%20", "@", ":443", "v1."],
  stream_item: [...deadNames.map((name) => `\n${name}:`), ...Object.keys(eventHeaders("x")).map((name) => `\n${name}:`), "\x1b[31m", "\u202e"],
  js_answer: [...JSON.stringify([streamInfo, storedMessage, consumerInfo, apiError]).matchAll(/"[a-z_]+":/g)].map(([key]) => key),
  pub_ack: ['"stream":', '"seq":', '"domain":', '"duplicate":', '"error":', '"code":', "true", "9223372036854775807"],
};

// In libFuzzer's form: printable ASCII as it is, any other byte as \xHH.
const quoted = (word) =>
  `"${[...Buffer.from(word)].map((byte) => (byte < 32 || byte > 126 || byte === 34 || byte === 92 ? `\\x${byte.toString(16).padStart(2, "0")}` : String.fromCharCode(byte))).join("")}"`;

const [corpus, dictionaryFolder] = process.argv.slice(2);
for (const [target, list] of Object.entries(inputs)) {
  fs.mkdirSync(path.join(corpus, target), { recursive: true });
  list.forEach((input, i) => fs.writeFileSync(path.join(corpus, target, `seed-${i}`), input));
}
fs.mkdirSync(dictionaryFolder, { recursive: true });
for (const [target, words] of Object.entries(dictionaries)) {
  fs.writeFileSync(path.join(dictionaryFolder, `${target}.dict`), `${[...new Set(words)].map(quoted).join("\n")}\n`);
}
