-- SPDX-License-Identifier: MIT
-- Partitions spread over the live workers and their lanes by themselves. Nobody assigns them: every lane looks at the
-- same two tables, takes what is free up to its share and gives up what is beyond it.
--
-- lumin.take_partitions and lumin.retake_partitions stay for workers of earlier builds that still run while this is
-- applied.

-- Bit i: lane i can take partitions, since it is connected to both servers and gets on. Written with the lease.
ALTER TABLE lumin.workers ADD COLUMN lanes bigint NOT NULL DEFAULT 0;

-- Of the owner.
ALTER TABLE lumin.partitions ADD COLUMN lane integer;

-- What each lane of a living worker holds, and what it shall hold: workers within one of each other, and the lanes of
-- a worker too. Where it does not come out even, who holds most already keeps one more, so that few partitions move.
CREATE FUNCTION lumin.lane_shares() RETURNS TABLE (worker_id uuid, lane integer, held bigint, share bigint)
LANGUAGE sql AS $$
  WITH live AS (
    SELECT w.worker_id, l.lane, count(p.partition) AS held
      FROM lumin.workers w
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

-- How many partitions a lane shall give up. One that is not able to serve gives up all that it holds, where another
-- worker is able; one that is able but not known as such keeps what it has.
CREATE FUNCTION lumin.lane_surplus(p_owner uuid, p_lane integer, p_able boolean) RETURNS integer LANGUAGE sql AS $$
  SELECT CASE
    WHEN p_able THEN coalesce((SELECT greatest(s.held - s.share, 0) FROM lumin.lane_shares() s
                                WHERE s.worker_id = p_owner AND s.lane = p_lane), 0)
    WHEN EXISTS (SELECT FROM lumin.lane_shares() s WHERE s.worker_id <> p_owner)
      THEN (SELECT count(*) FROM lumin.partitions p WHERE p.owner = p_owner AND p.lane = p_lane)
    ELSE 0
  END::integer
$$;

-- Takes partitions that are free, or whose owner's lease has run out, up to the lane's share; and those that are its
-- own but not among the ones it holds: it had given them up, or the answer to a take was lost, and nobody else would
-- ever take them. A row under commit is locked and passed over: it is not expired.
CREATE FUNCTION lumin.take_share(p_owner uuid, p_lane integer, p_held integer[]) RETURNS SETOF lumin.partitions
LANGUAGE sql AS $$
  WITH room AS MATERIALIZED (
    SELECT greatest(s.share - s.held, 0) AS count FROM lumin.lane_shares() s
     WHERE s.worker_id = p_owner AND s.lane = p_lane),
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

-- After a lost connection: a new epoch for what is still the lane's. It waits for a commit still in flight, so that what
-- it returns is the truth about it, and fences off a batch that is still on its way.
CREATE FUNCTION lumin.retake_share(p_owner uuid, p_lane integer, p_partition integer[])
RETURNS SETOF lumin.partitions LANGUAGE sql AS $$
  UPDATE lumin.partitions p
     SET epoch = epoch + 1, backend_pid = pg_backend_pid(),
         backend_start = (SELECT a.backend_start FROM pg_stat_activity a WHERE a.pid = pg_backend_pid())
   WHERE p.owner = p_owner AND p.lane = p_lane AND p.partition = ANY (p_partition)
  RETURNING p.*
$$;

-- Gives partitions up, and tells the lanes of all workers, who listen. A worker that is leaving counts no more when
-- shares are told.
CREATE FUNCTION lumin.release_share(p_owner uuid, p_lane integer, p_partition integer[], p_leaving boolean)
RETURNS void LANGUAGE sql AS $$
  UPDATE lumin.workers SET lanes = 0 WHERE p_leaving AND worker_id = p_owner AND lanes <> 0;
  UPDATE lumin.partitions SET owner = NULL, lane = NULL, owned_since = NULL, epoch = epoch + 1
   WHERE owner = p_owner AND lane = p_lane AND partition = ANY (p_partition);
  SELECT pg_notify('lumin_partitions', '');
$$;

-- Renews a lease, and tells the lanes of all workers where other lanes than before can take partitions. No row: the
-- worker has none.
CREATE FUNCTION lumin.renew_lease(p_worker uuid, p_ms integer, p_lanes bigint) RETURNS SETOF integer
LANGUAGE plpgsql AS $$
DECLARE
  before bigint;
BEGIN
  SELECT w.lanes INTO before FROM lumin.workers w WHERE w.worker_id = p_worker FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  UPDATE lumin.workers SET lease_until = clock_timestamp() + p_ms * interval '1 ms', lanes = p_lanes
   WHERE worker_id = p_worker;
  IF before <> p_lanes THEN
    PERFORM pg_notify('lumin_partitions', '');
  END IF;
  RETURN NEXT 1;
END $$;
