// SPDX-License-Identifier: MIT
// Faults that callers send: poison that no lane can apply, to see that it harms nobody else.
import { encode, eventually, headersOf, prefix } from "../../../support/servers.mjs";
import { partitionOf } from "../../../support/oracle.mjs";

/** Sends through a connection of its own, as soon as the server takes one; what is refused is refused. */
export async function sendAll(stage, role, messages) {
  const connect = () => stage.rig.nats.connect(role, { timeout: 2000 });
  const connection = await eventually(connect, { timeout: 30_000, every: 200, what: `a connection as ${role}` });
  try {
    const send = ({ subject, payload, headers = {} }) =>
      connection.request(subject, payload, { timeout: 2500, headers: headersOf(headers) }).catch((error) => error);
    return await Promise.all(messages.map(send));
  } finally {
    await connection.close().catch(() => {}); // the server may be gone by now
  }
}

const bytes = (text) => Buffer.from(text, "latin1");

const poisons = [
  (user) => ({ subject: `${prefix}.command.change_username.${user}`, payload: bytes("\xff\xff\xff") }),
  (user) => ({ subject: `${prefix}.command.change_username.${user}`, payload: bytes("\x12\x7f\x41") }),
  (user) => ({ subject: `${prefix}.command.change_bio.${user}`, payload: bytes('{"bio":"\\u0000"}') }),
  (user) => ({ subject: `${prefix}.command.no_such_method.${user}`, payload: Buffer.alloc(0) }),
  (user) => ({ subject: `${prefix}.command.probe.${user.toUpperCase()}`, payload: Buffer.alloc(0) }),
  (user) => ({
    subject: `${prefix}.command.${(partitionOf(user) + 1) % 32}.delete.${user}`, // past the mapping
    payload: Buffer.from(encode("Delete", { userId: user })),
  }),
];

const poison = {
  id: "F17",
  name: "poison",
  needs: [],
  weight: 1,
  short: true,
  async run({ stage, random, load }) {
    const victims = Array.from({ length: random.between(5, 30) }, () => random.pick(load.users.slots).id);
    await sendAll(stage, "command_publisher", victims.map((user) => random.pick(poisons)(user)));
    return `${victims.length} messages`;
  },
};

// PostgreSQL itself will not take what this user's commands lead to.
const dislike = `
  CREATE OR REPLACE FUNCTION watch.dislike() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF NEW.user_id = 'USER'::uuid THEN RAISE EXCEPTION 'not this one' USING ERRCODE = '22000'; END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER dislike BEFORE INSERT ON lumin.events FOR EACH ROW EXECUTE FUNCTION watch.dislike()`;

const poisonForPostgres = {
  id: "F17",
  name: "poison-for-postgres",
  needs: ["postgres"],
  weight: 1,
  short: true,
  async run({ stage, random }) {
    const user = random.uuid();
    await stage.asService(dislike.replace("USER", user));
    const message = () => ({
      subject: `${prefix}.command.create.${user}`,
      payload: Buffer.from(encode("Create", { userId: user, firstName: "P", email: `${user}@example.com` })),
      headers: { "Lumin-Command-Id": random.uuid() },
    });
    const dead = "SELECT count(*)::int AS count FROM lumin.dead_commands WHERE user_token = $1";
    const some = async () => (await stage.sql(dead, [user]))[0].count > 0;
    let found = false;
    for (let tries = 0; tries < 4 && !found; tries++) {
      await sendAll(stage, "command_publisher", [message(), message()]); // what is refused is refused
      found = await eventually(some, { timeout: 8000, every: 50 }).catch(() => false);
    }
    await stage.asService("DROP TRIGGER dislike ON lumin.events");
    return found ? "" : "none is dead";
  },
};

export const inputFaults = [poison, poisonForPostgres];
