-- Adds a user to a room on an instance. If it was on no other instance, the members receive a join.
--
-- KEYS  members (sorted set: number of instances of a user), users of this instance (set), instances (set), meta
-- ARGV  channel, instance, user, limit of members in the join, limit of members in the result
-- Returns 1 if the user joined (else 0), the number of members, the presence version, and members.
local changed = 0
if redis.call('SADD', KEYS[2], ARGV[3]) == 1 then
  redis.call('SADD', KEYS[3], ARGV[2])
  if tonumber(redis.call('ZINCRBY', KEYS[1], 1, ARGV[3])) == 1 then changed = 1 end
end
local count, version = redis.call('ZCARD', KEYS[1]), redis.call('HGET', KEYS[4], 'people') or 0
if changed == 1 then
  version = redis.call('HINCRBY', KEYS[4], 'people', 1)
  local named = redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[4]) - 1)
  redis.call('SPUBLISH', ARGV[1],
    table.concat({'j', version, count, ARGV[3], table.concat(named, '\n')}, '\n'))
end
local most = tonumber(ARGV[5])
return {changed, count, version, most > 0 and redis.call('ZRANGE', KEYS[1], 0, most - 1) or {}}
