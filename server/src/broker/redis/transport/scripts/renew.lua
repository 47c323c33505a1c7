-- Renews the turn of an instance to sweep, unless another one has it.
--
-- KEYS  turn (string: name of the instance)
-- ARGV  name of the instance, length of the turn in seconds
-- Returns 1 if the instance has the turn, else 0.
local holder = redis.call('SET', KEYS[1], ARGV[1], 'NX', 'GET', 'EX', ARGV[2])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
