-- Removes what is left of a room without an entry and a member.
--
-- KEYS  log, meta, instances (set)
-- Returns 1 if it was removed.
if redis.call('EXISTS', KEYS[1], KEYS[3]) > 0 then return 0 end
redis.call('UNLINK', KEYS[2])
return 1
