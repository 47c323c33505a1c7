-- Drops the oldest entries of a room, but never the newest one. An entry with a time in the future has an unknown age; it
-- goes with a later one that is old.
--
-- KEYS  log
-- ARGV  time in ms before which entries go, time now
-- Returns the number of dropped entries, and 1 if there may be more to drop (else 0).
local room_log = open_log()
local before, now = tonumber(ARGV[1]), tonumber(ARGV[2])
-- Entries of one read, and reads.
local COUNT, READS = 200, 50
local from, kept, more = nil, nil, 0
for _ = 1, READS do
  local found = room_log.entries(from, nil, COUNT, false)
  local last, ended = 0, false
  for index, entry in ipairs(found) do
    local time = tonumber(entry[2][4])
    if time < before then
      last = index
    elseif time <= now then
      ended = true
      break
    end
  end
  if last > 0 then
    kept = found[math.min(last + 1, #found)]
    more = (last == COUNT) and 1 or 0
    break
  end
  if ended or #found < COUNT then break end
  from = room_log.seq_of(found[#found]) + 1
end
if not kept then return {0, 0} end
local dropped = redis.call('XTRIM', KEYS[1], 'MINID', kept[1]) + room_log.forget_before(room_log.seq_of(kept))
return {dropped, dropped > 0 and more or 0}
