-- Makes uploaded keys the log of a room, unless it has a log.
--
-- KEYS  log, meta, two generations of known digests; the uploaded log and generations
-- ARGV  epoch, first and last seq of the upload, lifetime of a generation in seconds
-- Returns 1; 0 if the room has a log or a part of the upload has expired.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local first = redis.call('XRANGE', KEYS[5], '-', '+', 'COUNT', 1)[1]
local last = redis.call('XREVRANGE', KEYS[5], '+', '-', 'COUNT', 1)[1]
if not first or first[1] ~= ARGV[2] .. '-0' or last[1] ~= ARGV[3] .. '-0' then return 0 end
redis.call('HSET', KEYS[2], 'epoch', ARGV[1])
for i = 3, 4 do
  redis.call('UNLINK', KEYS[i])
  if redis.call('EXISTS', KEYS[i + 3]) == 1 then
    redis.call('RENAME', KEYS[i + 3], KEYS[i])
    redis.call('EXPIRE', KEYS[i], ARGV[4])
  end
end
redis.call('RENAME', KEYS[5], KEYS[1])
redis.call('PERSIST', KEYS[1])
return 1
