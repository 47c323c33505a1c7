-- Every instance hears what a program publishes: this says which of them passes it on. The n-th time that an instance
-- hears a text is the n-th time that it was published; who comes first with a number has it.
--
-- Who listens only since the text was first heard does not know which time it hears. It takes part when the text has
-- not been passed on for a while: what it hears then is new.
--
-- KEYS  what is known of this text (hash: how many were passed on, since when, when the last, heard by each instance)
-- ARGV  subscription of an instance, milliseconds for which it listens, seconds to remember, milliseconds within which
--       all instances hear a publication
-- Returns the number that is passed on; 0: another one does it.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local known = redis.call('HMGET', KEYS[1], 'passed', 'since', 'at', ARGV[1])
local passed, since, at, heard = tonumber(known[1] or 0), tonumber(known[2] or now), known[3], known[4]
if not heard then
  local late = passed > 0 and now - tonumber(ARGV[2]) >= since
  if late and now - tonumber(at) < tonumber(ARGV[4]) then return 0 end
  heard = late and passed or 0
end
heard = tonumber(heard) + 1
redis.call('HSET', KEYS[1], 'since', since, ARGV[1], heard)
if heard > passed then redis.call('HSET', KEYS[1], 'passed', heard, 'at', now) end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return heard > passed and heard or 0
