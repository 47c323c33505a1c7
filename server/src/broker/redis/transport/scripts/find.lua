-- Finds members whose names begin with a prefix, in upper or lower case. The members are in the order of their scores, and
-- those with the same score in the order of their bytes: each score is searched on its own. From a name that does not match,
-- a search goes on at the next place where a match may be.
--
-- KEYS  members (sorted set: number of instances of a user)
-- ARGV  limit of members for each score, limit of places without a match, and for each character of the prefix its forms in
--       the order of their bytes, with a line break between them
-- Returns the number of members, 1 if a limit was reached (else 0), and members.
local forms = {}
for i = 3, #ARGV do
  forms[i - 2] = {}
  for form in string.gmatch(ARGV[i], '[^\n]+') do table.insert(forms[i - 2], form) end
end
-- The order of two strings: negative, 0 or positive. That of Lua depends on the locale.
local function compare(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x - y end
  end
  return #a - #b
end
-- The first forms of the characters from this one on.
local function first_from(nth)
  local text = {}
  for i = nth, #forms do text[#text + 1] = forms[i][1] end
  return table.concat(text)
end
-- The next text after the name that may begin with the prefix; true if the name does, false if there is none.
local function place_of(name)
  local at, offsets, matches = 1, {}, true
  for i = 1, #forms do
    offsets[i], matches = at, false
    for _, form in ipairs(forms[i]) do
      if string.sub(name, at, at + #form - 1) == form then at, matches = at + #form, true break end
    end
    if not matches then break end
  end
  if matches then return true end
  for i = #offsets, 1, -1 do
    local rest = string.sub(name, offsets[i])
    for _, form in ipairs(forms[i]) do
      -- No form of a character is the beginning of another one.
      if compare(form, rest) > 0 then
        return string.sub(name, 1, offsets[i] - 1) .. form .. first_from(i + 1)
      end
    end
  end
  return false
end
-- The first rank from `low` to `high` whose member is not before a place.
local function seek(low, high, options, is_before)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local member = redis.call('ZRANGE', KEYS[1], middle, middle, unpack(options))
    if is_before(member[1], member[2]) then low = middle + 1 else high = middle end
  end
  return low
end
local most, skips = tonumber(ARGV[1]), tonumber(ARGV[2])
local count, found, is_part = redis.call('ZCARD', KEYS[1]), {}, 0
local from = 0
while from < count and is_part == 0 do
  local score = tonumber(redis.call('ZRANGE', KEYS[1], from, from, 'WITHSCORES')[2])
  local stop = seek(from, count, {'WITHSCORES'}, function(_, other) return tonumber(other) <= score end)
  local function rank_of(place, low)
    return seek(low, stop, {}, function(name) return compare(name, place) < 0 end)
  end
  -- More and more names are read at once while they match.
  local rank, of_score, step = rank_of(first_from(1), from), 0, 1
  while rank < stop and of_score < most do
    local last = math.min(rank + step, rank + most - of_score, stop) - 1
    step = math.min(2 * step, 64)
    for _, name in ipairs(redis.call('ZRANGE', KEYS[1], rank, last)) do
      local place = place_of(name)
      if place == true then
        found[#found + 1], of_score, rank = name, of_score + 1, rank + 1
      else
        if not place then
          rank = stop
        elseif skips == 0 then
          is_part, rank = 1, stop
        else
          skips, rank, step = skips - 1, rank_of(place, rank + 1), 1
        end
        break
      end
    end
  end
  from = stop
end
return {count, is_part, found}
