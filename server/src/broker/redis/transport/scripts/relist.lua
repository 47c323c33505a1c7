-- Adds some of the rooms with an entry to the set of all rooms, which may lack them.
--
-- KEYS  all rooms (set), rooms with an entry (set)
-- ARGV  scan cursor, number of rooms
-- Returns the next scan cursor (0 at the end), and the number of added rooms.
local scanned = redis.call('SSCAN', KEYS[2], ARGV[1], 'COUNT', ARGV[2])
local rooms = scanned[2]
return {scanned[1], #rooms > 0 and redis.call('SADD', KEYS[1], unpack(rooms)) or 0}
