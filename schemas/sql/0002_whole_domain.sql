-- SPDX-License-Identifier: MIT
-- The rest of a user, and who looked at it.

-- Empty texts: nothing known. `privacy` packs the six settings, two bits each (1 everyone, 2 contacts, 3 nobody), in the
-- order e-mail, phone, birth date, bio, avatar, profile views; 3439 are the defaults, which is what the events of users
-- from before there were settings fold to. `blocked_*` and `block_reason` say something only of a blocked user (status
-- 4), `blocked_until_ns` 0 that the block has no end of its own.
ALTER TABLE lumin.users
  ADD COLUMN language_code text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN bio text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN birth_date text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN avatar_url text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN privacy integer NOT NULL DEFAULT 3439,
  ADD COLUMN profile_views bigint NOT NULL DEFAULT 0,
  ADD COLUMN status_before_block smallint NOT NULL DEFAULT 0,
  ADD COLUMN block_reason text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN blocked_until_ns bigint NOT NULL DEFAULT 0;

-- A deleted user has no settings.
UPDATE lumin.users SET privacy = 0 WHERE status = 5;

-- Who looked at a user's profile, how often, and when last. The sum of a user's counts is users.profile_views.
CREATE TABLE lumin.profile_views (
  user_id uuid NOT NULL,
  viewer_id uuid NOT NULL,
  last_viewed_ns bigint NOT NULL,
  view_count bigint NOT NULL CHECK (view_count > 0),
  CONSTRAINT profile_views_pkey PRIMARY KEY (user_id, viewer_id)
) WITH (fillfactor = 80);
