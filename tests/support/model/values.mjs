// SPDX-License-Identifier: MIT
// The values of docs/methods.md, from the standards that it names: what a caller writes becomes the one spelling that
// is kept, or `bad`. Part of the model (model.mjs): no line of it is the service's.
import net from "node:net";
import { domainToASCII } from "node:url";

export const bad = Symbol("bad");

const characters = (text) => [...text].length;
const trimmed = (text) => text.normalize("NFC").replace(/^\p{White_Space}+|\p{White_Space}+$/gu, "");
const hasControl = (text) => /\p{Cc}/u.test(text);

/** A line of `least` to `most` characters. */
function line(text, least, most) {
  const value = trimmed(text);
  const fits = characters(value) >= least && characters(value) <= most;
  return fits && !hasControl(value) ? value : bad;
}

function bio(text) {
  const value = text.normalize("NFC").replaceAll("\r\n", "\n");
  return characters(value) <= 500 && !hasControl(value.replaceAll("\n", "")) ? value : bad;
}

// ---- e-mail: RFC 5321, section 4.1.2

const atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const dotString = new RegExp(`^${atom}(\\.${atom})*$`);
const mailbox = /^("(?:[ !#-[\]-~]|\\[ -~])*"|[^"@]+)@([^@]+)$/;

// "joe"@ is joe@: quotes only where there must be some.
function localPart(text) {
  if (!text.startsWith('"')) return dotString.test(text) ? text : bad;
  const bare = text.slice(1, -1).replace(/\\(.)/g, "$1");
  return dotString.test(bare) ? bare : `"${bare.replace(/["\\]/g, "\\$&")}"`;
}

function domainName(text) {
  const ascii = (/^[\x21-\x7e]+$/.test(text) ? text : domainToASCII(text)).toLowerCase();
  const labels = ascii.split(".");
  const fine = labels.every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label));
  return fine && labels.length > 1 ? ascii : bad;
}

function email(text) {
  const parts = mailbox.exec(text);
  if (!parts || parts[1].length > 64) return bad;
  const [local, domain] = [localPart(parts[1]), domainName(parts[2])];
  if (local === bad || domain === bad) return bad;
  const address = `${local}@${domain}`;
  return address.length <= 254 ? address : bad;
}

// ---- the others

function phone(text) {
  const digits = text.replace(/(?<=\d)[ .()-]+(?=\d)/g, "");
  return /^\+[1-9]\d{6,14}$/.test(digits) ? digits : bad;
}

// RFC 5646, section 2.1
const irregular = new Set(
  `en-gb-oed i-ami i-bnn i-default i-enochian i-hak i-klingon i-lux i-mingo i-navajo i-pwn i-tao i-tay i-tsu
  sgn-be-fr sgn-be-nl sgn-ch-de`.split(/\s+/),
);
const languageTag = new RegExp(
  "^(?:(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|\\d{3}))?" +
    "(?<variants>(?:-(?:[a-z\\d]{5,8}|\\d[a-z\\d]{3}))*)(?<extensions>(?:-[a-wyz\\d](?:-[a-z\\d]{2,8})+)*)" +
    "(?:-x(?:-[a-z\\d]{1,8})+)?|x(?:-[a-z\\d]{1,8})+)$",
);
const unique = (list) => new Set(list).size === list.length;

function languageCode(text) {
  const lower = text.toLowerCase();
  const found = languageTag.exec(lower);
  if (text.length > 255 || (!found && !irregular.has(lower))) return bad;
  const { variants = "", extensions = "" } = found?.groups ?? {};
  const singletons = extensions.split("-").filter((subtag) => subtag.length === 1);
  return unique(variants.split("-")) && unique(singletons) ? inCanonicalCase(lower) : bad;
}

// Section 2.1.1: two letters large and four with a capital, but at the beginning and behind a singleton.
function inCanonicalCase(tag) {
  const subtags = tag.split("-");
  const single = subtags.findIndex((subtag) => subtag.length === 1);
  const cased = (subtag, i) => {
    if (i === 0 || (single >= 0 && i > single)) return subtag;
    if (subtag.length === 2) return subtag.toUpperCase();
    return subtag.length === 4 ? subtag[0].toUpperCase() + subtag.slice(1) : subtag;
  };
  return subtags.map(cased).join("-");
}

function birthDate(text, { day: today }) {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return bad;
  const date = new Date(`${text}T00:00:00Z`);
  const real = !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
  return real && text >= "1900-01-01" && text <= today ? text : bad;
}

// RFC 3986, appendix A
const pchar = "(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})";
const httpsUrl = new RegExp(
  `^https://(?<host>${pchar}+|\\[(?<ip>[0-9A-Fa-f:.]+)\\])(?::(?<port>\\d*))?` +
    `(?:/(?:${pchar}|[:@/])*)?(?:\\?(?:${pchar}|[:@/?])*)?(?:#(?:${pchar}|[:@/?])*)?$`,
  "i",
);

function avatarUrl(text) {
  const found = text.length <= 2048 && httpsUrl.exec(text);
  if (!found) return bad;
  const { host, ip, port } = found.groups;
  if ((ip && !net.isIPv6(ip)) || Number(port ?? 0) > 65535) return bad;
  return `https://${host.toLowerCase()}${text.slice("https://".length + host.length)}`;
}

/** One parser a field: (text, { day } of the command) => the value, or `bad`. */
export const parse = {
  firstName: (text) => line(text, 1, 64),
  lastName: (text) => line(text, 0, 64),
  email,
  phone,
  languageCode,
  bio,
  birthDate,
  avatarUrl,
  reason: (text) => line(text, 1, 200),
  viewerId: (text) => (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text) ? text : bad),
};
