-- Says that an instance lives.
--
-- KEYS  beats (hash: instance -> counter)
-- ARGV  instance, 1 if it is new (0: it was there before)
-- Returns all beats as they are now, by turns instance and counter; nothing if others have given this one up.
if ARGV[2] == '0' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return {} end
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
return redis.call('HGETALL', KEYS[1])
