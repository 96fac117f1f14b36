// SPDX-License-Identifier: MIT
// Many users at once, put into the tables as the service would have written them (`lumin-user rebuild --check` finds no
// difference), their events as if they had been published and had left the stream.

export const eventsEach = 3;

// Bodies as protobuf writes them: texts of less than 128 bytes, each behind its tag and its length.
const text = (field, value) =>
  `decode(lpad(to_hex(${field * 8 + 2}), 2, '0') || lpad(to_hex(octet_length(${value})), 2, '0'), 'hex') || ${value}::bytea`;

/** Ends of blocks, in seconds: one that is over, one that is not; and as field `until` of user_blocked. */
const over = 1_700_000_100;
const far = 4_102_444_800;

function until(seconds) {
  const bytes = [];
  for (let rest = seconds; rest > 0; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | (rest >= 128 ? 128 : 0));
  const time = Buffer.from([8, ...bytes]);
  return `${text(1, "'spam'")} || '\\x${Buffer.from([18, time.length, ...time]).toString("hex")}'::bytea`;
}

/** What a user's third event is, and what it makes of one that is PENDING: status, event, body, end of the block. */
const lives = {
  pending: [1, 9, "NULL", 0],
  active: [2, 5, "''::bytea", 0],
  deactivated: [3, 6, "''::bytea", 0],
  blocked: [4, 7, text(1, "'spam'"), 0],
  blocked_once: [4, 7, until(over), over],
  blocked_until: [4, 7, until(far), far],
  deleted: [5, 4, "''::bytea", 0],
};

/** Of twenty users, by number. */
const mixed = `CASE i % 20 WHEN 0 THEN 'pending' WHEN 1 THEN 'pending' WHEN 2 THEN 'deactivated' WHEN 3 THEN 'blocked'
                           WHEN 4 THEN CASE i / 20 % 2 WHEN 0 THEN 'blocked_once' ELSE 'blocked_until' END
                           WHEN 5 THEN 'deleted' ELSE 'active' END`;

/** Each user is created, renamed and given a bio; or, of `statuses`, brought to one of them instead of the bio. */
export const fill = (users, { statuses = false } = {}) => `
  CREATE TEMP TABLE lives (life text, status int, type int, body bytea, until_s bigint);
  INSERT INTO lives VALUES ${Object.entries(lives)
    .map(([life, [status, type, body, end]]) => `('${life}', ${status}, ${type}, ${body}, ${end})`)
    .join(", ")};
  CREATE TEMP TABLE drawn AS
    SELECT i, md5(i::text)::uuid AS user_id, (i % 32)::int AS partition, 'user' || i || '@example.com' AS email,
           'First' || i AS first_name, 'A few words about number ' || i AS bio, l.*
      FROM generate_series(1, ${users}) i JOIN lives l ON l.life = ${statuses ? mixed : "'pending'"};
  INSERT INTO lumin.events (user_id, version, partition, position, type, time_ns, command_id, body)
    SELECT d.user_id, v, partition, row_number() OVER (PARTITION BY partition ORDER BY v, i),
           CASE v WHEN 1 THEN 1 WHEN 2 THEN 2 ELSE d.type END, 1700000000000000000 + i * 1000 + v, gen_random_uuid(),
           CASE v WHEN 1 THEN ${text(1, "'Ada'")} || ${text(3, "email")}
                  WHEN 2 THEN ${text(1, "first_name")}
                  ELSE coalesce(d.body, ${text(1, "bio")}) END
      FROM drawn d, generate_series(1, ${eventsEach}) v;
  INSERT INTO lumin.users (user_id, version, status, first_name, last_name, email, email_key, phone, email_verified,
                           phone_verified, bio, privacy, status_before_block, block_reason, blocked_until_ns, created_ns,
                           updated_ns)
    SELECT user_id, ${eventsEach}, status, CASE status WHEN 5 THEN '' ELSE first_name END, '',
           CASE status WHEN 5 THEN '' ELSE email END, CASE status WHEN 5 THEN '' ELSE email END, '', false, false,
           CASE life WHEN 'pending' THEN bio ELSE '' END, CASE status WHEN 5 THEN 0 ELSE 3439 END,
           CASE status WHEN 4 THEN 1 ELSE 0 END, CASE status WHEN 4 THEN 'spam' ELSE '' END, until_s * 1000000000,
           1700000000000000000 + i * 1000 + 1, 1700000000000000000 + i * 1000 + ${eventsEach} FROM drawn;
  INSERT INTO lumin.identifiers SELECT 1, email, user_id FROM drawn WHERE status <> 5;
  UPDATE lumin.partitions p SET event_position = e.last, relayed_position = e.last FROM (
    SELECT partition, max(position) AS last FROM lumin.events GROUP BY 1) e WHERE e.partition = p.partition;
  DROP TABLE drawn, lives;`;

/** The user that everybody looks at, and that changes its bio after every fourth look. */
export const known = { userId: "5ca1ab1e-0000-4000-8000-000000000001", viewers: 100_000, changes: 25_000 };
known.version = 2 + known.viewers + known.changes;

const partition = 0;

/** That user: behind all others in creation, its events behind theirs in a partition. */
export const fillKnown = () => `
  CREATE TEMP TABLE looks AS
    SELECT v AS version, CASE WHEN v = 1 THEN 1 WHEN v = 2 THEN 5 WHEN v % 5 = 0 THEN 9 ELSE 16 END AS type,
           md5('viewer' || v)::uuid::text AS viewer, 'Looked at ' || v || ' times' AS bio,
           1750000000000000000 + v * 1000::bigint AS time_ns
      FROM generate_series(1, ${known.version}) v;
  INSERT INTO lumin.events (user_id, version, partition, position, type, time_ns, command_id, body)
    SELECT '${known.userId}', version, ${partition}, p.event_position + version, type, time_ns, gen_random_uuid(),
           CASE type WHEN 1 THEN ${text(1, "'Ada'")} || ${text(3, "'known@example.com'")} WHEN 5 THEN ''::bytea
                     WHEN 9 THEN ${text(1, "bio")} ELSE ${text(1, "viewer")} END
      FROM looks, lumin.partitions p WHERE p.partition = ${partition};
  INSERT INTO lumin.users (user_id, version, status, first_name, last_name, email, email_key, phone, email_verified,
                           phone_verified, bio, profile_views, created_ns, updated_ns)
    SELECT '${known.userId}', max(version), 2, 'Ada', '', 'known@example.com', 'known@example.com', '', false, false,
           (SELECT bio FROM looks WHERE type = 9 ORDER BY version DESC LIMIT 1), count(*) FILTER (WHERE type = 16),
           min(time_ns), max(time_ns) FROM looks;
  INSERT INTO lumin.identifiers VALUES (1, 'known@example.com', '${known.userId}');
  INSERT INTO lumin.profile_views SELECT '${known.userId}', viewer::uuid, time_ns, 1 FROM looks WHERE type = 16;
  UPDATE lumin.partitions
     SET event_position = event_position + ${known.version}, relayed_position = event_position + ${known.version}
   WHERE partition = ${partition};
  DROP TABLE looks;`;

export const settle = "VACUUM ANALYZE lumin.events, lumin.users, lumin.identifiers, lumin.profile_views";
