-- Reads the state of a room. Raises its presence version to one after that of the caller, if Redis has lost changes.
--
-- KEYS  log, meta, members (sorted set), instances (set), users of the calling instance (set)
-- ARGV  channel, a seq, the presence version of the caller (0: none), prefix of the key of an instance's users
-- Returns epoch, seq, id and time of the newest entry ('', 0, '', 0: none), the id of the entry with the given seq
-- ('': none), the presence version, the number of members, of members on the calling instance, the instances, and the
-- least and the largest number of members that the users of the instances allow.
local room_log = open_log()
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local people = redis.call('HGET', KEYS[2], 'people') or '0'
if tonumber(people) < tonumber(ARGV[3]) and (last or redis.call('EXISTS', KEYS[4]) == 1) then
  -- Redis has lost changes, and would assign their versions again: it continues after that of the caller. A removed room
  -- stays removed.
  people = string.format('%.0f', ARGV[3] + 1)
  redis.call('HSET', KEYS[2], 'people', people)
  redis.call('SPUBLISH', ARGV[1], 'm\n' .. people)
end
local count = redis.call('ZCARD', KEYS[3])
local here, instances = redis.call('SCARD', KEYS[5]), redis.call('SMEMBERS', KEYS[4])
local least, most = here, 0
for _, instance in ipairs(instances) do
  -- In the slot of KEYS[1]: they share its hash tag.
  local users = redis.call('SCARD', ARGV[4] .. instance)
  least, most = math.max(least, users), most + users
end
if not last then return {'', '0', '', '0', '', people, count, here, instances, least, most} end
local epoch = redis.call('HGET', KEYS[2], 'epoch') or ''
local seq, there = string.match(last[1], '^%d+'), ''
if seq == ARGV[2] then
  there = last[2][2]
elseif ARGV[2] ~= '0' then
  local entry = room_log.entry_at(ARGV[2])
  if entry then there = entry[2][2] end
end
return {epoch, seq, last[2][2], last[2][4], there, people, count, here, instances, least, most}
