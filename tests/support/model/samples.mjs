// SPDX-License-Identifier: MIT
// What the sequences say: spellings of values, good and bad, from the standards. What each means is the model's to
// know. `{n}` becomes seven digits of the sequence's own, so that sequences do not meet; `{today}` and `{tomorrow}` days,
// `{x*65}` sixty-five x.

// Three addresses a sequence, each in several spellings: two users are bound to want the same one.
const emails = [
  ["ada@s{n}.example.com", "Ada@s{n}.example.com", "ada@S{n}.Example.COM", '"ada"@s{n}.example.com'],
  ["bob+x@b\u00fccher{n}.example", "bob+x@B\u00fccher{n}.example", "BOB+X@b\u00fccher{n}.example"],
  ['"c y"@s{n}.example.org', '"c\\ y"@s{n}.example.org', '"C Y"@s{n}.example.org'],
];
const phones = [
  ["+49301{n}1", "+49 (301) {n}-1", "+49.301.{n}.1"],
  ["+1555{n}", "+1-555-{n}", "+1 (555) {n}"],
];

const names = [
  ...["Ada", " Ada\u00a0", "Ad\u00e0", "Ada\u0300", "Zoe\u0308", "Zo\u00eb", "X", "\u{1f469}\u200d\u{1f680}"],
  ...["{e\u0301*64}", "\u0627\u062f\u0627", "\tAda\n", "O'Neil, Jr.", "{\u{1f600}*64}"],
];
const noNames = ["A\nB", "A\u0007", "A\u0085B", "\u001bA", "{x*65}", "{\u{1f600}*65}"];

/** By field: [good, bad]. Fields may be empty where the proto says so; the sequences see to that. */
export const samples = {
  firstName: [names, [...noNames, "", "   ", "\u3000"]],
  lastName: [[...names, "Lovelace", "  "], noNames],
  email: [
    emails.flat(),
    [
      ...["nobody", "@s{n}.example.com", "a@b", "a@@s{n}.example.com", "a b@s{n}.example.com", "a.@s{n}.example.com"],
      ...[
        "a..b@s{n}.example.com",
        "a@-s{n}.example.com",
        "a@s{n}.example.com.",
        "a@[127.0.0.1]",
        "\u00e4@s{n}.example.com",
      ],
      ...["{a*65}@s{n}.example.com", "a@{b*64}.example.com", "a@{b.*126}com"],
      ...['"a@s{n}.example.com', "a@s{n}_.example.com", " ada@s{n}.example.com"],
    ],
  ],
  phone: [
    phones.flat(),
    [
      "12",
      "+0301{n}",
      "0049301{n}",
      "+49 30 x{n}",
      "+123456",
      "+1234567890123456",
      "+49301{n}1 ",
      "+",
      "++49301{n}",
      "\uff0b49301{n}",
    ],
  ],
  languageCode: [
    [
      "en",
      "EN-gb",
      "zh-hant-tw",
      "de-ch-1996",
      "i-klingon",
      "x-Lumin",
      "sl-rozaj-biske",
      "en-a-bbb-x-a-ccc",
      "es-419",
      "sgn-BE-FR",
      "zh-yue-HK",
    ],
    [
      "de_DE",
      "e",
      "en-",
      "-en",
      "en--US",
      "123",
      "abcdefghi",
      "de-1996-1996",
      "en-a-bbb-a-ccc",
      "en-a",
      "en-x",
      "\u0434\u0435",
    ],
  ],
  bio: [
    ["Counts\r\nengines.", "Counts\nengines.", " spaces stay ", "{e\u0301*500}", "\u{1f600}", "Sings."],
    ["{x*501}", "a\tb", "a\rb", "\u0007", "a\u007f"],
  ],
  birthDate: [
    ["1900-01-01", "1915-12-10", "2000-02-29", "2024-02-29", "{today}"],
    [
      "1899-12-31",
      "1900-02-29",
      "2023-02-29",
      "2023-13-01",
      "2023-00-10",
      "2023-01-00",
      "2023-04-31",
      "20000101",
      "2000-1-1",
      "{tomorrow}",
      "2999-01-01",
      "2000-01-01Z",
    ],
  ],
  avatarUrl: [
    [
      ...[
        "https://example.com/a.png",
        "HTTPS://CDN.Example.com/A%20b?x=Y/?#Z",
        "https://[2001:DB8::1]:8443/x",
        "https://example.com",
      ],
      ...["https://example.com:443/a;b=c,d", "https://example.com/{x*2028}"],
    ],
    [
      ...[
        "http://example.com/",
        "https://u@example.com/",
        "https:///x",
        "https://example.com/\u00fc",
        "https://example.com/%zz",
      ],
      ...[
        "https://example.com/{x*2029}",
        "ftp://example.com",
        "https://example.com/a b",
        "https://example.com:99999/",
        "example.com/x",
      ],
    ],
  ],
  reason: [
    ["spam", " spam ", "Zoe\u0308 said so", "{\u00e9*200}"],
    ["", "  ", "a\nb", "{x*201}"],
  ],
  viewerId: [
    ["{viewer0}", "{viewer1}", "{viewer2}"],
    ["", "x", "{VIEWER0}", "{viewer0}0", "00000000000000000000000000000000"],
  ],
};

export const visibilities = [
  "VISIBILITY_EVERYONE",
  "VISIBILITY_CONTACTS",
  "VISIBILITY_NOBODY",
  "VISIBILITY_UNSPECIFIED",
];
export const settings = ["email", "phone", "birthDate", "bio", "avatar", "profileViews"];

export const noPaths = ["nickname", "user_id", "privacy_settings.nothing", "first_name.x", "version"];

// What cannot be decoded, and what the refusal must name: [name, bytes or text, field].
export const unreadable = [
  ["no protobuf", Buffer.from([0xff, 0xff, 0xff]), "payload"],
  ["a group", Buffer.from([0x13, 0x14]), "payload"],
  ["a length beyond the end", Buffer.from([0x12, 0x7f, 0x41]), "payload"],
  ["JSON cut off", Buffer.from('{"userId":"'), "payload"],
  ["JSON with an unknown field", Buffer.from('{"nothing":1}'), "nothing"],
  ["JSON with a field twice", Buffer.from('{"userId":"","user_id":""}'), "user_id"],
  ["JSON with a number for a text", Buffer.from('{"userId":7}'), "user_id"],
  ["a NUL in JSON", Buffer.from('{"userId":"\\u0000"}'), "user_id"],
  ["bad UTF-8", Buffer.from([0x0a, 0x02, 0xc3, 0x28]), "user_id"],
  ["a NUL", Buffer.from([0x0a, 0x02, 0x41, 0x00]), "user_id"],
];
