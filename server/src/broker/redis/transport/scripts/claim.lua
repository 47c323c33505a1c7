-- Claims a publication: every instance receives it, and one passes it on. The n-th time that an instance receives a text
-- is the n-th time that it was published; the first instance with a number has it.
--
-- An instance that subscribed after the first publication does not know the number of the one that it receives. It takes
-- part when the text has not been passed on for a while: what it receives then is new.
--
-- KEYS  claims of this text (hash: number passed on, time of the first, time of the last, number received by instance)
-- ARGV  subscription of an instance, its age in ms, seconds to remember, ms within which all instances receive a
--       publication
-- Returns the number to pass on; 0 if another instance does.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local known = redis.call('HMGET', KEYS[1], 'passed', 'since', 'at', ARGV[1])
local passed, since, at, received = tonumber(known[1] or 0), tonumber(known[2] or now), known[3], known[4]
if not received then
  local late = passed > 0 and now - tonumber(ARGV[2]) >= since
  if late and now - tonumber(at) < tonumber(ARGV[4]) then return 0 end
  received = late and passed or 0
end
received = tonumber(received) + 1
redis.call('HSET', KEYS[1], 'since', since, ARGV[1], received)
if received > passed then redis.call('HSET', KEYS[1], 'passed', received, 'at', now) end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return received > passed and received or 0
