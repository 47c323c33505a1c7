-- Records a heartbeat of an instance.
--
-- KEYS  beats (hash: instance -> counter)
-- ARGV  instance, 1 for a new one (else 0)
-- Returns all counters as instance and counter in turn; nothing if the others have evicted this instance.
if ARGV[2] == '0' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return {} end
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
return redis.call('HGETALL', KEYS[1])
