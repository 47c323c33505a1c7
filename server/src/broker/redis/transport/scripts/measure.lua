-- Counts the entries of a room, and those beyond the retention. Reads a few entries, not all: times ascend, but for those
-- of a clock that was set.
--
-- KEYS  log
-- ARGV  time in ms before which entries go, messages to keep
-- Returns the number of entries, and the number of those to drop.
local room_log = open_log()
local first, last = room_log.entries(nil, nil, 1, false)[1], room_log.entries(nil, nil, 1, true)[1]
if not first then return {0, 0} end
local oldest, stop = room_log.seq_of(first), room_log.seq_of(last) + 1
local from, to = math.max(oldest, room_log.oldest_kept(stop - 1, tonumber(ARGV[2]))), stop
while from < to do
  local middle = math.floor((from + to) / 2)
  local entry = room_log.entries(middle, nil, 1, false)[1]
  if tonumber(entry[2][4]) < tonumber(ARGV[1]) then from = room_log.seq_of(entry) + 1 else to = middle end
end
return {stop - oldest, from - oldest}
