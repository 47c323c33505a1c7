-- Drops the oldest entries of a room, but never the newest one.
--
-- KEYS  log
-- ARGV  time in ms before which entries are dropped
-- Returns 1 if there may be more to drop.
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if not first or tonumber(first[2][4]) >= tonumber(ARGV[1]) then return 0 end
local entries = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 200)
local kept = entries[#entries][1]
for _, entry in ipairs(entries) do
  if tonumber(entry[2][4]) >= tonumber(ARGV[1]) then
    kept = entry[1]
    break
  end
end
redis.call('XTRIM', KEYS[1], 'MINID', kept)
return (#entries == 200 and kept == entries[200][1]) and 1 or 0
