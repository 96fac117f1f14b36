-- SPDX-License-Identifier: MIT
-- Another number of partitions.
--
-- Each change makes a new layout: users belong to other partitions, and the events get positions above all that there
-- were. What the event stream holds with a position up to `position_base` was published under an earlier layout: where
-- it stands now, its id tells.

ALTER TABLE lumin.settings
  ADD COLUMN layout integer NOT NULL DEFAULT 0,
  ADD COLUMN position_base bigint NOT NULL DEFAULT 0;

-- Of the process: one that counts partitions as they were before takes none.
ALTER TABLE lumin.workers ADD COLUMN layout integer NOT NULL DEFAULT 0;

-- The changes that were made. As long as one is not finished workers take no partitions; until it is rewritten it can
-- be given up. Commands up to `command_seq` are decided, and go from the stream with it.
CREATE TABLE lumin.repartitions (
  repartition_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  partitions_before integer NOT NULL,
  partitions integer NOT NULL CHECK (partitions BETWEEN 1 AND 1024),
  begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  rewritten_at timestamptz,
  finished_at timestamptz,
  command_seq bigint NOT NULL DEFAULT 0,
  command_ts bigint NOT NULL DEFAULT 0,
  events bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX repartitions_one_at_a_time ON lumin.repartitions ((true)) WHERE finished_at IS NULL;

-- As before, but of workers of this layout alone.
CREATE OR REPLACE FUNCTION lumin.lane_shares() RETURNS TABLE (worker_id uuid, lane integer, held bigint, share bigint)
LANGUAGE sql AS $$
  WITH live AS (
    SELECT w.worker_id, l.lane, count(p.partition) AS held
      FROM lumin.workers w
      JOIN lumin.settings s ON s.layout = w.layout
      JOIN generate_series(0, 63) AS l(lane) ON (w.lanes >> l.lane) & 1 = 1
      LEFT JOIN lumin.partitions p ON p.owner = w.worker_id AND p.lane = l.lane
     WHERE w.lease_until > clock_timestamp()
     GROUP BY w.worker_id, l.lane),
  worker AS (
    SELECT v.worker_id, count(*) AS lanes, count(*) OVER () AS workers,
           row_number() OVER (ORDER BY sum(v.held) DESC, v.worker_id) AS place
      FROM live v GROUP BY v.worker_id),
  portion AS (
    SELECT w.worker_id, w.lanes, t.partitions / w.workers + (w.place <= t.partitions % w.workers)::integer AS share
      FROM worker w, (SELECT count(*) AS partitions FROM lumin.partitions) t)
  SELECT v.worker_id, v.lane, v.held,
         s.share / s.lanes
           + (row_number() OVER (PARTITION BY v.worker_id ORDER BY v.held DESC, v.lane) <= s.share % s.lanes)::integer
    FROM live v JOIN portion s ON s.worker_id = v.worker_id
$$;

-- As before, and not while a repartition is not finished.
CREATE OR REPLACE FUNCTION lumin.takes_are_open() RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT NOT EXISTS (SELECT FROM lumin.repairs r WHERE r.finished_at IS NULL)
     AND NOT EXISTS (SELECT FROM lumin.repartitions r WHERE r.finished_at IS NULL)
$$;

-- As before, and of this layout.
CREATE OR REPLACE FUNCTION lumin.may_own(p_worker uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT FROM lumin.workers w JOIN lumin.settings s ON s.layout = w.layout
                  WHERE w.worker_id = p_worker AND w.lease_until > clock_timestamp())
$$;

-- As before; 2 instead of 1: the worker is of an earlier layout, and will never take a partition again.
CREATE OR REPLACE FUNCTION lumin.renew_lease(p_worker uuid, p_ms integer, p_lanes bigint) RETURNS SETOF integer
LANGUAGE plpgsql AS $$
DECLARE
  before record;
BEGIN
  SELECT w.lanes, w.layout INTO before FROM lumin.workers w WHERE w.worker_id = p_worker FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  UPDATE lumin.workers SET lease_until = clock_timestamp() + p_ms * interval '1 ms', lanes = p_lanes
   WHERE worker_id = p_worker;
  IF before.lanes <> p_lanes THEN
    PERFORM pg_notify('lumin_partitions', '');
  END IF;
  RETURN NEXT CASE WHEN EXISTS (SELECT FROM lumin.settings s WHERE s.layout <> before.layout) THEN 2 ELSE 1 END;
END $$;

-- The events once more beside the live table, with the partitions of pg_temp.places and positions above p_base; a user's
-- keep their order, since their times never go back and neither do their positions. Then in the place of the live one.
-- What an operator added to it, such as an index, a storage parameter or a right, is carried over.
CREATE FUNCTION lumin.renumber_events(p_base bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  live record;
  options text;
  remark text;
  renumbered bigint;
BEGIN
  CREATE TABLE lumin.events_renumbered (LIKE lumin.events INCLUDING ALL EXCLUDING INDEXES);
  SELECT array_to_string(c.reloptions, ', '), obj_description(c.oid) INTO options, remark
    FROM pg_class c WHERE c.oid = 'lumin.events'::regclass;
  IF options IS NOT NULL THEN
    EXECUTE format('ALTER TABLE lumin.events_renumbered SET (%s)', options);
  END IF;
  IF remark IS NOT NULL THEN
    EXECUTE format('COMMENT ON TABLE lumin.events_renumbered IS %L', remark);
  END IF;
  INSERT INTO lumin.events_renumbered (user_id, version, partition, position, type, time_ns, command_id, actor,
                                       traceparent, tracestate, body)
  SELECT e.user_id, e.version, p.partition,
         p_base + row_number() OVER (PARTITION BY p.partition ORDER BY e.time_ns, e.partition, e.position),
         e.type, e.time_ns, e.command_id, e.actor, e.traceparent, e.tracestate, e.body
    FROM lumin.events e LEFT JOIN pg_temp.places p ON p.user_id = e.user_id;
  GET DIAGNOSTICS renumbered = ROW_COUNT;
  CREATE TEMP TABLE renumber_indexes ON COMMIT DROP AS
    SELECT i.relname AS name, x.indisprimary AS is_primary, pg_get_indexdef(i.oid) AS definition
      FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = 'lumin.events'::regclass;
  FOR live IN SELECT * FROM pg_temp.renumber_indexes LOOP
    -- "CREATE [UNIQUE] INDEX <name> ON lumin.events USING ...": names of both stand once before USING.
    EXECUTE regexp_replace(live.definition, '^(CREATE (?:UNIQUE )?INDEX )(.*?) ON (.*?) USING ',
                           format('\1%I ON lumin.events_renumbered USING ', live.name || '_renumbered'));
  END LOOP;
  FOR live IN
    SELECT a.privilege_type, a.is_grantable,
           CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee
      FROM pg_class t, aclexplode(t.relacl) a WHERE t.oid = 'lumin.events'::regclass AND a.grantee <> t.relowner
  LOOP
    EXECUTE format('GRANT %s ON lumin.events_renumbered TO %s%s', live.privilege_type, live.grantee,
                   CASE WHEN live.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
  END LOOP;
  DROP TABLE lumin.events;
  ALTER TABLE lumin.events_renumbered RENAME TO events;
  FOR live IN SELECT * FROM pg_temp.renumber_indexes LOOP
    IF live.is_primary THEN
      EXECUTE format('ALTER TABLE lumin.events ADD CONSTRAINT %I PRIMARY KEY USING INDEX %I', live.name,
                     live.name || '_renumbered');
    ELSE
      EXECUTE format('ALTER INDEX lumin.%I RENAME TO %I', live.name || '_renumbered', live.name);
    END IF;
  END LOOP;
  RETURN renumbered;
END $$;

-- All that changes with the layout, in the caller's transaction and behind its locks. The places in both streams are
-- their ends. Epochs and the positions of dead commands go on above all that there were: what an earlier owner still
-- does meets the fence, and no message id comes again.
CREATE FUNCTION lumin.change_layout(
  p_partitions integer, p_command_seq bigint, p_command_ts bigint, p_event_seq bigint, p_event_ts bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  base bigint;
  next_epoch bigint;
  dead bigint;
  renumbered bigint;
BEGIN
  SELECT max(event_position), max(epoch) + 1, max(dead_position) INTO base, next_epoch, dead FROM lumin.partitions;
  renumbered := lumin.renumber_events(base);
  DELETE FROM lumin.partitions;
  INSERT INTO lumin.partitions (partition, epoch, input_seq, input_ts, event_position, relayed_position,
                                event_stream_seq, event_stream_ts, dead_position, dead_relayed)
  SELECT n, next_epoch, p_command_seq, p_command_ts, base + coalesce(e.count, 0), base + coalesce(e.count, 0),
         p_event_seq, p_event_ts, dead, dead
    FROM generate_series(0, p_partitions - 1) AS n
    LEFT JOIN (SELECT partition, count(*) AS count FROM lumin.events GROUP BY partition) e ON e.partition = n;
  DELETE FROM lumin.void_positions;
  UPDATE lumin.settings SET partitions = p_partitions, position_base = base, layout = layout + 1;
  UPDATE lumin.repartitions
     SET rewritten_at = clock_timestamp(), command_seq = p_command_seq, command_ts = p_command_ts, events = renumbered
   WHERE finished_at IS NULL;
  RETURN renumbered;
END $$;
