-- SPDX-License-Identifier: MIT
-- The read tables made anew beside the live ones, and put in their place. What an operator added to a live table, such as
-- an index, a storage parameter or a right, is carried over.

CREATE FUNCTION lumin.rebuild_begin() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  live record;
BEGIN
  DROP TABLE IF EXISTS lumin.users_rebuilt, lumin.identifiers_rebuilt;
  CREATE TABLE lumin.users_rebuilt (LIKE lumin.users INCLUDING ALL EXCLUDING INDEXES);
  CREATE TABLE lumin.identifiers_rebuilt (LIKE lumin.identifiers INCLUDING ALL EXCLUDING INDEXES);
  FOR live IN
    SELECT relname, array_to_string(reloptions, ', ') AS options
      FROM pg_class WHERE oid IN ('lumin.users'::regclass, 'lumin.identifiers'::regclass) AND reloptions IS NOT NULL
  LOOP
    EXECUTE format('ALTER TABLE lumin.%I SET (%s)', live.relname || '_rebuilt', live.options);
  END LOOP;
END $$;

-- Indexes come after the rows: made at once they cost less.
CREATE FUNCTION lumin.rebuild_index() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  live record;
BEGIN
  FOR live IN
    SELECT t.relname AS table_name, i.relname AS index_name, pg_get_indexdef(i.oid) AS definition
      FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
     WHERE x.indrelid IN ('lumin.users'::regclass, 'lumin.identifiers'::regclass)
  LOOP
    -- "CREATE [UNIQUE] INDEX <name> ON lumin.<table> USING ...": names of both stand once before USING.
    EXECUTE regexp_replace(live.definition, '^(CREATE (?:UNIQUE )?INDEX )(.*?) ON (.*?) USING ',
                           format('\1%I ON lumin.%I USING ', live.index_name || '_rebuilt',
                                  live.table_name || '_rebuilt'));
  END LOOP;
END $$;

-- Under the lock that the caller holds.
CREATE FUNCTION lumin.rebuild_swap() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  live record;
  given record;
BEGIN
  FOR given IN
    SELECT t.relname AS table_name, a.privilege_type, a.is_grantable,
           CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee
      FROM pg_class t, aclexplode(t.relacl) a
     WHERE t.oid IN ('lumin.users'::regclass, 'lumin.identifiers'::regclass) AND a.grantee <> t.relowner
  LOOP
    EXECUTE format('GRANT %s ON lumin.%I TO %s%s', given.privilege_type, given.table_name || '_rebuilt', given.grantee,
                   CASE WHEN given.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
  END LOOP;
  CREATE TEMP TABLE rebuild_indexes ON COMMIT DROP AS
    SELECT t.relname AS table_name, i.relname AS index_name, x.indisprimary AS is_primary
      FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
     WHERE x.indrelid IN ('lumin.users'::regclass, 'lumin.identifiers'::regclass);
  DROP TABLE lumin.users, lumin.identifiers;
  ALTER TABLE lumin.users_rebuilt RENAME TO users;
  ALTER TABLE lumin.identifiers_rebuilt RENAME TO identifiers;
  FOR live IN SELECT * FROM pg_temp.rebuild_indexes LOOP
    IF live.is_primary THEN
      EXECUTE format('ALTER TABLE lumin.%I ADD CONSTRAINT %I PRIMARY KEY USING INDEX %I', live.table_name,
                     live.index_name, live.index_name || '_rebuilt');
    ELSE
      EXECUTE format('ALTER INDEX lumin.%I RENAME TO %I', live.index_name || '_rebuilt', live.index_name);
    END IF;
  END LOOP;
END $$;
