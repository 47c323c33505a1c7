-- Writes and publishes the number of a probe, unless a key that every new connection needs has another type.
--
-- KEYS  a key of the instance, beats (hash), connections of each instance (hash), open rooms of this instance (set)
-- ARGV  channel, number, lifetime of the key in seconds, prefix of the key of an instance's connections
-- The result does not matter, except an error if Redis refuses. It names the key of another type.
local function look(command, key, ...)
  local answer = redis.pcall(command, key, ...)
  if type(answer) == 'table' and answer.err then return {err = answer.err .. ' (' .. key .. ')'} end
  return nil, answer
end
local fault, instances = look('HKEYS', KEYS[2])
fault = fault or look('HEXISTS', KEYS[3], '') or look('SCARD', KEYS[4])
if fault then return fault end
for _, instance in ipairs(instances) do
  -- In the slot of KEYS[1]: they share its hash tag.
  fault = look('HEXISTS', ARGV[4] .. instance, '')
  if fault then return fault end
end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return redis.call('SPUBLISH', ARGV[1], ARGV[2])
