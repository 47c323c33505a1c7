-- Writes and publishes the number of a probe.
--
-- KEYS  a key of the instance
-- ARGV  channel, number, lifetime of the key in seconds
-- The result does not matter, except an error if Redis refuses.
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return redis.call('SPUBLISH', ARGV[1], ARGV[2])
