-- SPDX-License-Identifier: MIT
-- The fence (guarantee 5) with the counters: where a stream was read again from its beginning, a partition comes to stand
-- at an input position a second time, and there a lane that had slept since the first, as owner once more after a
-- failover that lost the take-over, would set them back. Its number of a dead command, or of an event, would then be
-- one that is taken, and the partition stand still for good.
CREATE OR REPLACE FUNCTION lumin.fence(
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
     AND p.input_seq = b.old_seq AND p.input_ts = b.old_ts
     AND p.event_position <= b.event_position AND p.dead_position <= b.dead_position;
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
