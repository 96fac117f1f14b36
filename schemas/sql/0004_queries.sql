-- SPDX-License-Identifier: MIT
-- What queries read by.

-- Where a user stands as far as it does not depend on the time of the question: its status, or for a user whose block
-- has an end 10 and the status before it. Whoever is on shelf 12 is ACTIVE or BLOCKED, by blocked_until_ns.
CREATE FUNCTION lumin.shelf(status smallint, status_before_block smallint, blocked_until_ns bigint) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
  'SELECT CASE WHEN status = 4 AND blocked_until_ns <> 0 THEN 10 + status_before_block ELSE status END';

-- The order of `list`. Nothing in it changes but with the status, so that other changes do not touch the index.
CREATE INDEX users_by_creation ON lumin.users
  (lumin.shelf(status, status_before_block, blocked_until_ns), created_ns, user_id, blocked_until_ns);

-- A page of `list`: users of some statuses (bits 1 << status) as of p_time_ns, behind a place in the order of creation.
-- Each shelf is read by the index in that order, and all together no further than the page needs, so that it costs the
-- same however many users there are. The planner is held to that, since it knows neither how many are wanted nor how
-- many there will be. On the shelves of blocks with an end, those that are wanted lie on one side of p_time_ns.
CREATE FUNCTION lumin.list_users(
  p_statuses integer, p_time_ns bigint, p_after_ns bigint, p_after_id uuid, p_until_ns bigint, p_most integer
) RETURNS TABLE (
  user_id uuid, version bigint, status smallint, first_name text, last_name text, email text, email_key text, phone text,
  email_verified boolean, phone_verified boolean, language_code text, bio text, birth_date text, avatar_url text,
  privacy integer, profile_views bigint, status_before_block smallint, block_reason text, blocked_until_ns bigint,
  created_ns bigint, updated_ns bigint
) LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
    SELECT user_id, version, status, first_name, last_name, email, email_key, phone, email_verified,
           phone_verified, language_code, bio, birth_date, avatar_url, privacy, profile_views,
           status_before_block, block_reason, blocked_until_ns, created_ns, updated_ns FROM (
    (SELECT * FROM lumin.users
      WHERE p_statuses & 2 <> 0 AND lumin.shelf(status, status_before_block, blocked_until_ns) = 1
        AND (created_ns, user_id) > (p_after_ns, p_after_id) AND created_ns < p_until_ns
      ORDER BY created_ns, user_id)
    UNION ALL
    (SELECT * FROM lumin.users
      WHERE p_statuses & 4 <> 0 AND lumin.shelf(status, status_before_block, blocked_until_ns) = 2
        AND (created_ns, user_id) > (p_after_ns, p_after_id) AND created_ns < p_until_ns
      ORDER BY created_ns, user_id)
    UNION ALL
    (SELECT * FROM lumin.users
      WHERE p_statuses & 8 <> 0 AND lumin.shelf(status, status_before_block, blocked_until_ns) = 3
        AND (created_ns, user_id) > (p_after_ns, p_after_id) AND created_ns < p_until_ns
      ORDER BY created_ns, user_id)
    UNION ALL
    (SELECT * FROM lumin.users
      WHERE p_statuses & 16 <> 0 AND lumin.shelf(status, status_before_block, blocked_until_ns) = 4
        AND (created_ns, user_id) > (p_after_ns, p_after_id) AND created_ns < p_until_ns
      ORDER BY created_ns, user_id)
    UNION ALL
    (SELECT * FROM lumin.users
      WHERE p_statuses & 32 <> 0 AND lumin.shelf(status, status_before_block, blocked_until_ns) = 5
        AND (created_ns, user_id) > (p_after_ns, p_after_id) AND created_ns < p_until_ns
      ORDER BY created_ns, user_id)
    UNION ALL
    (SELECT * FROM lumin.users
      WHERE p_statuses & 18 <> 0 AND lumin.shelf(status, status_before_block, blocked_until_ns) = 11
        AND (created_ns, user_id) > (p_after_ns, p_after_id) AND created_ns < p_until_ns
        AND blocked_until_ns > CASE WHEN p_statuses & 2 <> 0 THEN 0 ELSE p_time_ns END
        AND blocked_until_ns <= CASE WHEN p_statuses & 16 <> 0 THEN 9223372036854775807 ELSE p_time_ns END
      ORDER BY created_ns, user_id)
    UNION ALL
    (SELECT * FROM lumin.users
      WHERE p_statuses & 20 <> 0 AND lumin.shelf(status, status_before_block, blocked_until_ns) = 12
        AND (created_ns, user_id) > (p_after_ns, p_after_id) AND created_ns < p_until_ns
        AND blocked_until_ns > CASE WHEN p_statuses & 4 <> 0 THEN 0 ELSE p_time_ns END
        AND blocked_until_ns <= CASE WHEN p_statuses & 16 <> 0 THEN 9223372036854775807 ELSE p_time_ns END
      ORDER BY created_ns, user_id)
    UNION ALL
    (SELECT * FROM lumin.users
      WHERE p_statuses & 24 <> 0 AND lumin.shelf(status, status_before_block, blocked_until_ns) = 13
        AND (created_ns, user_id) > (p_after_ns, p_after_id) AND created_ns < p_until_ns
        AND blocked_until_ns > CASE WHEN p_statuses & 8 <> 0 THEN 0 ELSE p_time_ns END
        AND blocked_until_ns <= CASE WHEN p_statuses & 16 <> 0 THEN 9223372036854775807 ELSE p_time_ns END
      ORDER BY created_ns, user_id)
    ) AS listed
   ORDER BY created_ns, user_id LIMIT p_most;
END $$;

-- The order of `list_profile_views`.
CREATE INDEX profile_views_by_time ON lumin.profile_views (user_id, last_viewed_ns, viewer_id);
