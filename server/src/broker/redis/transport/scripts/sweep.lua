-- Drops the oldest entries of a room, but never the newest one. An entry with a time in the future has an unknown age; it
-- goes with a later one that is old.
--
-- KEYS  log
-- ARGV  time in ms before which entries go, time now
-- Returns the number of dropped entries, and 1 if there may be more to drop (else 0).
local before, now = tonumber(ARGV[1]), tonumber(ARGV[2])
-- Entries of one read, and reads.
local COUNT, READS = 200, 50
local from, kept, more = '-', nil, 0
for _ = 1, READS do
  local entries = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', COUNT)
  local last, ended = 0, false
  for index, entry in ipairs(entries) do
    local time = tonumber(entry[2][4])
    if time < before then
      last = index
    elseif time <= now then
      ended = true
      break
    end
  end
  if last > 0 then
    kept = entries[math.min(last + 1, #entries)][1]
    more = (last == COUNT) and 1 or 0
    break
  end
  if ended or #entries < COUNT then break end
  from = '(' .. entries[#entries][1]
end
if not kept then return {0, 0} end
local dropped = redis.call('XTRIM', KEYS[1], 'MINID', kept)
return {dropped, dropped > 0 and more or 0}
