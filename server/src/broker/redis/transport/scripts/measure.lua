-- Counts the entries of a room, and those beyond the retention. Reads a few entries, not all: times ascend, but for those
-- of a clock that was set.
--
-- KEYS  log
-- ARGV  time in ms before which entries go, entries to keep
-- Returns the number of entries, and the number of those to drop.
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if not first then return {0, 0} end
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local function seq(entry) return tonumber(string.match(entry[1], '^%d+')) end
local oldest, stop = seq(first), seq(last) + 1
local from, to = math.max(oldest, stop - tonumber(ARGV[2])), stop
while from < to do
  local middle = math.floor((from + to) / 2)
  local entry = redis.call('XRANGE', KEYS[1], string.format('%d-0', middle), '+', 'COUNT', 1)[1]
  if tonumber(entry[2][4]) < tonumber(ARGV[1]) then from = seq(entry) + 1 else to = middle end
end
return {stop - oldest, from - oldest}
