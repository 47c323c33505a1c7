-- Removes a room that nobody is in and that has no entry within the retention. Any other room stays in the sets of rooms.
--
-- KEYS  log, meta, members (sorted set), instances (set), two generations of known digests (hashes)
-- ARGV  channel, time in ms before which the last entry of a removed room is (0: no room with an entry is removed), the
--       key of all rooms (set), the room, the key of the rooms with an entry (set)
-- Returns 2 if the room had a log and is removed, 1 if it had none and is removed, 0 if it stays.
--
-- The keys of the sets are of another slot than those of the room, as in append.lua.
local room_log = open_log()
local log, meta, rooms, room, founded = KEYS[1], KEYS[2], ARGV[3], ARGV[4], ARGV[5]
local newest = room_log.entries(nil, nil, 2, true)
local people = tonumber(redis.call('HGET', meta, 'people')) or 0
-- A set of another type is an error before the first write.
redis.call('SCARD', rooms)
redis.call('SCARD', founded)
local stays = redis.call('EXISTS', KEYS[3], KEYS[4]) > 0 or #newest > 1
if newest[1] and not stays then
  -- A sweep leaves the newest entry. A known digest is of a message that may be sent again.
  stays = tonumber(newest[1][2][4]) >= tonumber(ARGV[2]) or redis.call('EXISTS', KEYS[5], KEYS[6]) > 0
end
if stays then
  redis.call('SADD', rooms, room)
  redis.call(newest[1] and 'SADD' or 'SREM', founded, room)
  return 0
end
local had_log = redis.call('EXISTS', log) == 1
-- An instance that still follows the room reads its state.
if had_log then redis.call('SPUBLISH', ARGV[1], 'm\n' .. string.format('%.0f', people + 1)) end
redis.call('SREM', rooms, room)
redis.call('SREM', founded, room)
redis.call('UNLINK', log, meta, KEYS[5], KEYS[6])
room_log.forget_all()
return had_log and 2 or 1
