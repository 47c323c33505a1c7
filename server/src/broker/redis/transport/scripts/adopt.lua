-- Makes uploaded keys the log of a room, and what its entries have changed, unless the room has a log.
--
-- KEYS  log, meta, two generations of known digests; the uploaded log and generations
-- ARGV  epoch, first and last seq of the upload, lifetime of a generation in seconds, number of entries that are not messages,
--       number of replies
-- Returns 1; 0 if the room has a log or a part of the upload has expired.
local room_log = open_log()
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local first = redis.call('XRANGE', KEYS[5], '-', '+', 'COUNT', 1)[1]
local last = redis.call('XREVRANGE', KEYS[5], '+', '-', 'COUNT', 1)[1]
if not first or first[1] ~= ARGV[2] .. '-0' or last[1] ~= ARGV[3] .. '-0' then return 0 end
local upload = string.sub(KEYS[5], 1, -4)
local others = redis.call('ZRANGE', upload .. 'others', 0, -1)
if #others ~= tonumber(ARGV[5]) or redis.call('ZCARD', upload .. 'answers') ~= tonumber(ARGV[6]) then return 0 end
local settings = redis.call('HGET', upload .. 'meta', 'settings')
room_log.forget_all()
redis.call('HDEL', KEYS[2], 'settings', 'changed')
redis.call('HSET', KEYS[2], 'epoch', ARGV[1])
if ARGV[5] ~= '0' or ARGV[6] ~= '0' then redis.call('HSET', KEYS[2], 'changed', 1) end
if settings then redis.call('HSET', KEYS[2], 'settings', settings) end
for i = 3, 4 do
  redis.call('UNLINK', KEYS[i])
  if redis.call('EXISTS', KEYS[i + 3]) == 1 then
    redis.call('RENAME', KEYS[i + 3], KEYS[i])
    redis.call('EXPIRE', KEYS[i], ARGV[4])
  end
end
local function adopt(name)
  if redis.call('EXISTS', upload .. name) == 0 then return end
  redis.call('RENAME', upload .. name, room_log.key(name))
  redis.call('PERSIST', room_log.key(name))
end
for _, name in ipairs({'others', 'states', 'answers', 'replies', 'pins', 'log'}) do adopt(name) end
for _, other in ipairs(others) do
  local target = string.match(other, ':(%d+)$')
  if target then adopt('reacted:' .. target) end
end
redis.call('UNLINK', upload .. 'meta')
return 1
