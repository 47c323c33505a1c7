-- Compares the members of a room with the users of its instances, and corrects the members.
--
-- KEYS  members (sorted set: number of instances of a user), instances (set), meta
-- ARGV  channel, prefix of the key of an instance's users, instances that run ...
-- Returns the number of corrected members and instances.
local listed, counts = {}, {}
for i = 3, #ARGV do listed[ARGV[i]] = false end
for _, instance in ipairs(redis.call('SMEMBERS', KEYS[2])) do listed[instance] = true end
local found, lost = {}, {}
for instance, is_listed in pairs(listed) do
  -- In the slot of KEYS[1]: they share its hash tag.
  local users = redis.call('SMEMBERS', ARGV[2] .. instance)
  for _, user in ipairs(users) do counts[user] = (counts[user] or 0) + 1 end
  if #users > 0 and not is_listed then found[#found + 1] = instance end
  if #users == 0 and is_listed then lost[#lost + 1] = instance end
end
local wrong, changed = {}, false
local members = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 1, #members, 2 do
  local user, right = members[i], counts[members[i]] or 0
  counts[user] = nil
  if tonumber(members[i + 1]) ~= right then wrong[#wrong + 1] = {user, right} end
  changed = changed or right == 0
end
for user, right in pairs(counts) do
  wrong[#wrong + 1], changed = {user, right}, true
end
local version = changed and redis.call('HINCRBY', KEYS[3], 'people', 1)
for _, instance in ipairs(found) do redis.call('SADD', KEYS[2], instance) end
for _, instance in ipairs(lost) do redis.call('SREM', KEYS[2], instance) end
for _, correction in ipairs(wrong) do
  redis.call('ZREM', KEYS[1], correction[1])
  if correction[2] > 0 then redis.call('ZINCRBY', KEYS[1], correction[2], correction[1]) end
end
if changed then redis.call('SPUBLISH', ARGV[1], 'm\n' .. version) end
return #wrong + #found + #lost
