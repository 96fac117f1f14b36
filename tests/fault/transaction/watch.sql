-- SPDX-License-Identifier: MIT
-- What the tests record of each write: who wrote, in which transaction, and for whom. Rows come in the order of the
-- writes, since a partition's row is locked from the fence to the commit.
CREATE SCHEMA watch;

CREATE TABLE watch.writes (
  id bigserial PRIMARY KEY,
  what text NOT NULL,       -- a table, or what was done to a row of partitions
  partition integer,        -- of partitions and events
  transaction bigint NOT NULL DEFAULT txid_current(),
  pid integer NOT NULL DEFAULT pg_backend_pid(),
  holder_pid integer,       -- the backend that took the partition last
  owner uuid,
  epoch bigint,
  input_seq bigint,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION watch.partition_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO watch.writes (what, partition, holder_pid, owner, epoch, input_seq)
  VALUES (CASE WHEN NEW.epoch <> OLD.epoch THEN 'take' WHEN NEW.owner IS DISTINCT FROM OLD.owner THEN 'release'
          ELSE 'fence' END, NEW.partition, NEW.backend_pid, NEW.owner, NEW.epoch, NEW.input_seq);
  RETURN NULL;
END $$;
CREATE TRIGGER watch AFTER UPDATE ON lumin.partitions FOR EACH ROW EXECUTE FUNCTION watch.partition_updated();

CREATE FUNCTION watch.events_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO watch.writes (what, partition) SELECT DISTINCT 'events', partition FROM fresh;
  RETURN NULL;
END $$;
CREATE TRIGGER watch AFTER INSERT ON lumin.events
  REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION watch.events_inserted();

CREATE FUNCTION watch.table_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO watch.writes (what) VALUES (TG_TABLE_NAME);
  RETURN NULL;
END $$;
CREATE TRIGGER watch AFTER INSERT OR UPDATE OR DELETE ON lumin.users
  FOR EACH STATEMENT EXECUTE FUNCTION watch.table_written();
CREATE TRIGGER watch AFTER INSERT OR UPDATE OR DELETE ON lumin.identifiers
  FOR EACH STATEMENT EXECUTE FUNCTION watch.table_written();
CREATE TRIGGER watch AFTER INSERT OR UPDATE OR DELETE ON lumin.outcomes
  FOR EACH STATEMENT EXECUTE FUNCTION watch.table_written();
CREATE TRIGGER watch AFTER INSERT OR UPDATE OR DELETE ON lumin.dead_commands
  FOR EACH STATEMENT EXECUTE FUNCTION watch.table_written();
