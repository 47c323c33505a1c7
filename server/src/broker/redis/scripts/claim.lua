-- Every instance hears what a program publishes: this says which of them passes it on. The n-th time that an instance
-- hears a text is the n-th time that it was published; who comes first with a number has it.
--
-- KEYS  what is known of this text (hash: how many were passed on, and heard by each instance)
-- ARGV  subscription of an instance, seconds to remember, milliseconds within which a text is the same publication for
--       an instance that has heard none yet
-- Returns the number that is passed on; 0: another one does it.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local passed = tonumber(redis.call('HGET', KEYS[1], 'passed') or 0)
local heard = redis.call('HGET', KEYS[1], ARGV[1])
if not heard then
  local at = tonumber(redis.call('HGET', KEYS[1], 'at') or 0)
  heard = (passed > 0 and now - at < tonumber(ARGV[3])) and passed - 1 or passed
end
heard = tonumber(heard) + 1
redis.call('HSET', KEYS[1], ARGV[1], heard)
if heard > passed then redis.call('HSET', KEYS[1], 'passed', heard, 'at', now) end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return heard > passed and heard or 0
