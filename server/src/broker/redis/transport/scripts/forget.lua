-- Forgets what is left of a room in which there was never an entry and is nobody.
--
-- KEYS  log, meta, instances (set)
-- Returns 1 if it is forgotten.
if redis.call('EXISTS', KEYS[1], KEYS[3]) > 0 then return 0 end
redis.call('UNLINK', KEYS[2])
return 1
