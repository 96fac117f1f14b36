-- SPDX-License-Identifier: MIT
-- The tables of the write path. Times that decisions rest on are nanoseconds since 1970 (a stream's timestamps have
-- that grain, timestamptz has not). Ids, keys and texts are compared by bytes (COLLATE "C").

-- What was fixed at setup; a worker whose configuration differs does not start.
CREATE TABLE lumin.settings (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  partitions integer NOT NULL CHECK (partitions BETWEEN 1 AND 1024),
  prefix text NOT NULL
);

-- A worker is one process start. Its lease is its word that it is alive, by the database's clock.
CREATE TABLE lumin.workers (
  worker_id uuid PRIMARY KEY,
  name text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  lease_until timestamptz NOT NULL
) WITH (fillfactor = 50);

-- One row a partition: who owns it, how far its input is committed, how far its events are relayed.
CREATE TABLE lumin.partitions (
  partition integer PRIMARY KEY,
  owner uuid,
  epoch bigint NOT NULL DEFAULT 0,
  owned_since timestamptz,
  backend_pid integer,
  backend_start timestamptz,
  input_seq bigint NOT NULL DEFAULT 0,
  input_ts bigint NOT NULL DEFAULT 0,
  event_position bigint NOT NULL DEFAULT 0,
  relayed_position bigint NOT NULL DEFAULT 0,
  event_stream_seq bigint NOT NULL DEFAULT 0,
  event_stream_ts bigint NOT NULL DEFAULT 0,
  dead_position bigint NOT NULL DEFAULT 0,
  dead_relayed bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- The truth. (user_id, version) keeps versions dense together with the users' version check; (partition, position) is
-- the order of the relay.
CREATE TABLE lumin.events (
  user_id uuid NOT NULL,
  version bigint NOT NULL CHECK (version > 0),
  partition integer NOT NULL,
  position bigint NOT NULL CHECK (position > 0),
  type smallint NOT NULL,
  time_ns bigint NOT NULL,
  command_id uuid NOT NULL,
  actor text COLLATE "C",
  traceparent text COLLATE "C",
  tracestate text COLLATE "C",
  body bytea NOT NULL,
  CONSTRAINT events_pkey PRIMARY KEY (user_id, version)
);
CREATE UNIQUE INDEX events_by_position ON lumin.events (partition, position);

-- The fold of each user's events.
CREATE TABLE lumin.users (
  user_id uuid CONSTRAINT users_pkey PRIMARY KEY,
  version bigint NOT NULL,
  status smallint NOT NULL,
  first_name text COLLATE "C" NOT NULL,
  last_name text COLLATE "C" NOT NULL,
  email text COLLATE "C" NOT NULL,
  email_key text COLLATE "C" NOT NULL,
  phone text COLLATE "C" NOT NULL,
  email_verified boolean NOT NULL,
  phone_verified boolean NOT NULL,
  created_ns bigint NOT NULL,
  updated_ns bigint NOT NULL
) WITH (fillfactor = 80);

-- Who holds an e-mail (kind 1) or a phone (kind 2): guarantee 7 is this primary key.
CREATE TABLE lumin.identifiers (
  kind smallint NOT NULL,
  key text COLLATE "C" NOT NULL,
  user_id uuid NOT NULL,
  CONSTRAINT identifiers_pkey PRIMARY KEY (kind, key)
);

-- What became of each command: guarantee 2 is this primary key.
CREATE TABLE lumin.outcomes (
  command_id uuid CONSTRAINT outcomes_pkey PRIMARY KEY,
  user_id uuid NOT NULL,
  content_hash bytea NOT NULL,
  status smallint NOT NULL,
  version bigint NOT NULL,
  stream_seq bigint NOT NULL,
  stream_ts bigint NOT NULL,
  error bytea
);

-- Commands that could not be applied, with all that is needed to send them again.
CREATE TABLE lumin.dead_commands (
  partition integer NOT NULL,
  dead_position bigint NOT NULL,
  stream_seq bigint NOT NULL,
  stream_ts bigint NOT NULL,
  command_id uuid NOT NULL,
  method text COLLATE "C" NOT NULL,
  user_token text COLLATE "C" NOT NULL,
  reason text COLLATE "C" NOT NULL,
  headers bytea NOT NULL,
  payload bytea NOT NULL,
  PRIMARY KEY (partition, dead_position)
);

-- Commands that expired unread: an alarm, and a failed verify, until an operator acknowledges it.
CREATE TABLE lumin.lost_ranges (
  partition integer NOT NULL,
  first_seq bigint NOT NULL,
  last_seq bigint NOT NULL,
  found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  acknowledged_at timestamptz,
  PRIMARY KEY (partition, first_seq, last_seq)
);

-- Raises unless as many rows were found as expected: a pipelined statement that matched too few would commit all the
-- same. LU003 user at another version, LU004 identifier of another holder.
CREATE FUNCTION lumin.expect(expected bigint, actual bigint, code text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF expected <> actual THEN
    RAISE EXCEPTION 'expected % rows, found %', expected, actual USING ERRCODE = code;
  END IF;
END $$;

-- The fence (guarantee 5): the first statement of every batch. Moves each partition from where the batch began to where
-- it ends, for the owner and epoch that the lane believes in, or raises: LU001 not owner, LU002 position moved.
CREATE FUNCTION lumin.fence(
  p_owner uuid, p_partition integer[], p_epoch bigint[],
  p_old_seq bigint[], p_old_ts bigint[], p_new_seq bigint[], p_new_ts bigint[],
  p_event_position bigint[], p_relayed_position bigint[], p_event_stream_seq bigint[], p_event_stream_ts bigint[],
  p_dead_position bigint[], p_dead_relayed bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  moved bigint;
BEGIN
  UPDATE lumin.partitions AS p
     SET input_seq = b.new_seq, input_ts = b.new_ts,
         event_position = b.event_position, relayed_position = b.relayed_position,
         event_stream_seq = b.event_stream_seq, event_stream_ts = b.event_stream_ts,
         dead_position = b.dead_position, dead_relayed = b.dead_relayed
    FROM unnest(p_partition, p_epoch, p_old_seq, p_old_ts, p_new_seq, p_new_ts, p_event_position, p_relayed_position,
                p_event_stream_seq, p_event_stream_ts, p_dead_position, p_dead_relayed)
      AS b(partition, epoch, old_seq, old_ts, new_seq, new_ts, event_position, relayed_position,
           event_stream_seq, event_stream_ts, dead_position, dead_relayed)
   WHERE p.partition = b.partition AND p.owner = p_owner AND p.epoch = b.epoch
     AND p.input_seq = b.old_seq AND p.input_ts = b.old_ts;
  GET DIAGNOSTICS moved = ROW_COUNT;
  IF moved = cardinality(p_partition) THEN
    RETURN;
  END IF;
  PERFORM FROM unnest(p_partition, p_epoch) AS b(partition, epoch)
     LEFT JOIN lumin.partitions p ON p.partition = b.partition AND p.owner = p_owner AND p.epoch = b.epoch
    WHERE p.partition IS NULL;
  IF FOUND THEN
    RAISE EXCEPTION 'not owner' USING ERRCODE = 'LU001';
  END IF;
  RAISE EXCEPTION 'position moved' USING ERRCODE = 'LU002';
END $$;

-- Takes free partitions, and those whose owner's lease has run out, of one lane of a worker that is alive itself; and
-- those that are its own but not among the ones it holds: it had given them up, or the answer to a take was lost, and
-- nobody else would ever take them. A row under commit is locked and passed over: it is not expired.
CREATE FUNCTION lumin.take_partitions(p_owner uuid, p_lane integer, p_lanes integer, p_held integer[])
RETURNS SETOF lumin.partitions LANGUAGE sql AS $$
  WITH candidate AS (
    SELECT p.partition
      FROM lumin.partitions p
     WHERE p.partition % p_lanes = p_lane
       AND (p.owner = p_owner AND p.partition <> ALL (p_held)
            OR NOT EXISTS (SELECT FROM lumin.workers w
                            WHERE w.worker_id = p.owner AND w.lease_until > clock_timestamp()))
       AND EXISTS (SELECT FROM lumin.workers me
                    WHERE me.worker_id = p_owner AND me.lease_until > clock_timestamp())
     ORDER BY p.partition
       FOR UPDATE OF p SKIP LOCKED)
  UPDATE lumin.partitions p
     SET owner = p_owner, epoch = epoch + 1, owned_since = clock_timestamp(), backend_pid = pg_backend_pid(),
         backend_start = (SELECT a.backend_start FROM pg_stat_activity a WHERE a.pid = pg_backend_pid())
    FROM candidate c
   WHERE p.partition = c.partition
  RETURNING p.*
$$;

-- After a lost connection: a new epoch for what is still mine. It waits for a commit still in flight, so that what it
-- returns is the truth about it, and fences off a batch that is still on its way.
CREATE FUNCTION lumin.retake_partitions(p_owner uuid, p_partition integer[])
RETURNS SETOF lumin.partitions LANGUAGE sql AS $$
  UPDATE lumin.partitions p
     SET epoch = epoch + 1, backend_pid = pg_backend_pid(),
         backend_start = (SELECT a.backend_start FROM pg_stat_activity a WHERE a.pid = pg_backend_pid())
   WHERE p.owner = p_owner AND p.partition = ANY (p_partition)
  RETURNING p.*
$$;

-- Frees the rows that a stopped process holds locked in a half-sent batch: no timeout of the server ends that state.
-- For partitions whose owner's lease ran out at least one lease ago and whose row is still locked.
CREATE FUNCTION lumin.end_stuck_backends(p_lease interval) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  stuck record;
  ended integer := 0;
BEGIN
  FOR stuck IN
    SELECT p.partition, p.backend_pid, p.backend_start
      FROM lumin.partitions p JOIN lumin.workers w ON w.worker_id = p.owner
     WHERE w.lease_until + p_lease < clock_timestamp()
  LOOP
    PERFORM FROM lumin.partitions p WHERE p.partition = stuck.partition FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
      PERFORM pg_terminate_backend(a.pid)
         FROM pg_stat_activity a
        WHERE a.pid = stuck.backend_pid AND a.backend_start = stuck.backend_start AND a.pid <> pg_backend_pid();
      IF FOUND THEN
        ended := ended + 1;
      END IF;
    END IF;
  END LOOP;
  RETURN ended;
END $$;
