-- Records a heartbeat of an instance.
--
-- KEYS  beats (hash: instance -> counter), versions (hash: instance -> version of its program)
-- ARGV  instance, 1 for a new one (else 0), version
-- Returns all counters as instance and counter in turn, and 1 if each instance has a version (else 0); no counters if the
-- others have evicted this instance.
if ARGV[2] == '0' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return {{}, 0} end
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
if ARGV[2] == '1' then redis.call('HSET', KEYS[2], ARGV[1], ARGV[3]) end
local counters, known, all = redis.call('HGETALL', KEYS[1]), {}, 1
for _, instance in ipairs(redis.call('HKEYS', KEYS[2])) do known[instance] = true end
for index = 1, #counters, 2 do
  if not known[counters[index]] then all = 0 end
end
return {counters, all}
