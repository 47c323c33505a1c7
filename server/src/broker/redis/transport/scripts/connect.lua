-- Counts a connection of a user, unless the user has too many on all instances.
--
-- KEYS  beats (hash: live instances), connections of each instance (hash), connections of this one by user (hash)
-- ARGV  prefix of the key of an instance's connections, instance, user, the user's connections on this instance with this
--       one, all connections on this instance with this one, the limit for a user (0: none)
-- Returns the number of connections on all instances; 0 if the connection was not counted.
local of_user, instances = tonumber(ARGV[4]), redis.call('HKEYS', KEYS[1])
local most = tonumber(ARGV[6])
if most > 0 then
  for _, instance in ipairs(instances) do
    -- In the slot of KEYS[1]: they share its hash tag.
    if instance ~= ARGV[2] then
      of_user = of_user + (tonumber(redis.call('HGET', ARGV[1] .. instance, ARGV[3]) or 0) or 0)
    end
  end
  if of_user > most then return 0 end
end
redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[5])
-- An evicted instance does not count.
local all = tonumber(ARGV[5])
for _, instance in ipairs(instances) do
  if instance ~= ARGV[2] then all = all + (tonumber(redis.call('HGET', KEYS[2], instance) or 0) or 0) end
end
return all
