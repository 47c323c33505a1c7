-- Replaces the users of an instance in a room: by none if the instance is gone, by its current ones after an outage. Each leave is
-- announced separately, all joins together.
--
-- KEYS  as in enter.lua
-- ARGV  channel, instance, reason, users ...
local is, was = {}, {}
for i = 4, #ARGV do is[ARGV[i]] = true end
local gone, came = {}, false
for _, user in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  was[user] = true
  if not is[user] then gone[#gone + 1] = user end
end
for _, user in ipairs(gone) do
  redis.call('SREM', KEYS[2], user)
  if tonumber(redis.call('ZINCRBY', KEYS[1], -1, user)) <= 0 then
    redis.call('ZREM', KEYS[1], user)
    local version = redis.call('HINCRBY', KEYS[4], 'people', 1)
    local count = redis.call('ZCARD', KEYS[1])
    redis.call('SPUBLISH', ARGV[1], table.concat({'l', version, count, ARGV[3], user}, '\n'))
  end
end
for user in pairs(is) do
  if not was[user] then
    redis.call('SADD', KEYS[2], user)
    if tonumber(redis.call('ZINCRBY', KEYS[1], 1, user)) == 1 then came = true end
  end
end
if next(is) then redis.call('SADD', KEYS[3], ARGV[2]) else redis.call('SREM', KEYS[3], ARGV[2]) end
if came then
  redis.call('SPUBLISH', ARGV[1], 'm\n' .. redis.call('HINCRBY', KEYS[4], 'people', 1))
end
return #gone
