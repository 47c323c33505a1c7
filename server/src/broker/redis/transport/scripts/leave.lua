-- Removes a user from a room on an instance. If it is on no other instance, the members receive a leave.
--
-- KEYS  as in enter.lua
-- ARGV  channel, instance, user, reason
-- Returns 1 if the user left (else 0), and the number of members.
local changed = 0
if redis.call('SREM', KEYS[2], ARGV[3]) == 1 then
  if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('SREM', KEYS[3], ARGV[2]) end
  if tonumber(redis.call('ZINCRBY', KEYS[1], -1, ARGV[3])) <= 0 then
    redis.call('ZREM', KEYS[1], ARGV[3])
    changed = 1
  end
end
local count = redis.call('ZCARD', KEYS[1])
if changed == 1 then
  local version = redis.call('HINCRBY', KEYS[4], 'people', 1)
  redis.call('SPUBLISH', ARGV[1], table.concat({'l', version, count, ARGV[4], ARGV[3]}, '\n'))
end
return {changed, count}
