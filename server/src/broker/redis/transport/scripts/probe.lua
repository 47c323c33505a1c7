-- Tries whether Redis takes what is written, and brings what is said.
--
-- KEYS  a key of the instance that tries
-- ARGV  channel, number, seconds after which the key goes
-- Returns nothing of interest: an error where it refuses.
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return redis.call('SPUBLISH', ARGV[1], ARGV[2])
