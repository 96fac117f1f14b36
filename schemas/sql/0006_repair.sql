-- SPDX-License-Identifier: MIT
-- What a repair leaves behind, and the alarms of partitions.

-- Positions that no event has: a repair found them neither on the event stream nor among the commands. Nobody has seen
-- an event there.
CREATE TABLE lumin.void_positions (
  partition integer NOT NULL,
  first_position bigint NOT NULL,
  last_position bigint NOT NULL,
  found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (partition, first_position),
  CHECK (last_position >= first_position)
);

-- The repairs that were made, each noted before it changes anything. As long as one is not finished workers take no
-- partitions: what it has half done nobody sees, and it is gone on with when it is run again. `skipped_seq` is where it
-- left the command stream; NULL: the commands are read on.
CREATE TABLE lumin.repairs (
  repair_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('adopt', 'discard')),
  begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz,
  skipped_seq bigint,
  events bigint NOT NULL DEFAULT 0
);

-- What is wrong with a partition, by the name of its log line, as its owner sees it; NULL: nothing.
ALTER TABLE lumin.partitions
  ADD COLUMN alarm text COLLATE "C",
  ADD COLUMN alarm_since timestamptz;

-- Whether workers may take partitions at all.
CREATE FUNCTION lumin.takes_are_open() RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT NOT EXISTS (SELECT FROM lumin.repairs r WHERE r.finished_at IS NULL)
$$;

-- Whether this process may own partitions: it is alive.
CREATE FUNCTION lumin.may_own(p_worker uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT FROM lumin.workers w WHERE w.worker_id = p_worker AND w.lease_until > clock_timestamp())
$$;

-- As before, but nothing while takes are not open.
CREATE OR REPLACE FUNCTION lumin.take_share(p_owner uuid, p_lane integer, p_held integer[]) RETURNS SETOF lumin.partitions
LANGUAGE sql AS $$
  WITH room AS MATERIALIZED (
    SELECT greatest(s.share - s.held, 0) AS count FROM lumin.lane_shares() s
     WHERE s.worker_id = p_owner AND s.lane = p_lane
       AND lumin.takes_are_open()),
  astray AS (
    SELECT p.partition
      FROM lumin.partitions p
     WHERE p.owner = p_owner AND p.lane = p_lane AND p.partition <> ALL (p_held) AND EXISTS (SELECT FROM room)
       FOR UPDATE OF p SKIP LOCKED),
  free AS (
    SELECT p.partition
      FROM lumin.partitions p
     WHERE NOT EXISTS (SELECT FROM lumin.workers w
                        WHERE w.worker_id = p.owner AND w.lease_until > clock_timestamp())
     ORDER BY p.partition
     LIMIT coalesce((SELECT r.count FROM room r), 0)
       FOR UPDATE OF p SKIP LOCKED)
  UPDATE lumin.partitions p
     SET owner = p_owner, lane = p_lane, epoch = epoch + 1, owned_since = clock_timestamp(),
         backend_pid = pg_backend_pid(),
         backend_start = (SELECT a.backend_start FROM pg_stat_activity a WHERE a.pid = pg_backend_pid())
    FROM (SELECT partition FROM astray UNION ALL SELECT partition FROM free) c
   WHERE p.partition = c.partition
  RETURNING p.*
$$;

-- Takes partitions from whoever has them, for a program that is alive. It waits for a commit under way, and fences off
-- the rest of what their owner does.
CREATE FUNCTION lumin.seize_partitions(p_owner uuid, p_lane integer, p_partition integer[])
RETURNS SETOF lumin.partitions LANGUAGE sql AS $$
  WITH wanted AS (
    SELECT p.partition FROM lumin.partitions p
     WHERE p.partition = ANY (p_partition) AND lumin.may_own(p_owner)
     ORDER BY p.partition
       FOR UPDATE OF p)
  UPDATE lumin.partitions p
     SET owner = p_owner, lane = p_lane, epoch = epoch + 1, owned_since = clock_timestamp(),
         backend_pid = pg_backend_pid(),
         backend_start = (SELECT a.backend_start FROM pg_stat_activity a WHERE a.pid = pg_backend_pid())
    FROM wanted w
   WHERE p.partition = w.partition
  RETURNING p.*
$$;

-- Gives them back to the workers, who look for them.
CREATE FUNCTION lumin.return_partitions(p_owner uuid) RETURNS void LANGUAGE sql AS $$
  UPDATE lumin.partitions SET owner = NULL, lane = NULL, owned_since = NULL, epoch = epoch + 1
   WHERE owner = p_owner;
  SELECT pg_notify('lumin_partitions', '');
$$;
