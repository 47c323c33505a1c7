-- Common part of the scripts that read or write the log of a room. KEYS[1] is the log in each of them.
--
-- The log is the stream and the entries that were moved out of it: Redis keeps a text that is removed from a stream as long
-- as its block has another entry, so a deletion moves a whole block to a sorted set. A script reads entries with `entries`
-- and `entry_at` only.
--
-- The functions are made when a script calls `open_log`: a plain message needs none of them.

-- Entries that are kept for each message that is kept.
local ENTRIES_PER_MESSAGE = 4

local function open_log()
  local room = {}

  -- Another key of the room.
  function room.key(name) return string.sub(KEYS[1], 1, -4) .. name end

  function room.seq_of(entry) return tonumber(string.match(entry[1], '^%d+')) end

  -- A seq in members of the set of answers, so that their order is that of the seqs.
  function room.padded(seq) return string.format('%016d', seq) end

  -- At most `count` entries between two seqs, inclusive (nil: no bound), as XRANGE or XREVRANGE return them. A seq is a number or
  -- a text.
  function room.entries(low, high, count, descending)
    if type(low) == 'number' then low = string.format('%d', low) end
    if type(high) == 'number' then high = string.format('%d', high) end
    local from, to, found, moved = low and low .. '-0' or '-', high and high .. '-0' or '+', nil, nil
    if descending then
      found = redis.call('XREVRANGE', KEYS[1], to, from, 'COUNT', count)
      moved = redis.call('ZRANGE', room.key('moved'), high or '+inf', low or '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, count)
    else
      found = redis.call('XRANGE', KEYS[1], from, to, 'COUNT', count)
      moved = redis.call('ZRANGE', room.key('moved'), low or '-inf', high or '+inf', 'BYSCORE', 'LIMIT', 0, count)
    end
    if #moved == 0 then return found end
    local merged, next_found = {}, 1
    for _, text in ipairs(moved) do
      local seq, id, time, frame = string.match(text, '^(%d+) (%S+) (%d+) (.*)$')
      while found[next_found] and descending == (room.seq_of(found[next_found]) > tonumber(seq)) do
        merged[#merged + 1], next_found = found[next_found], next_found + 1
      end
      merged[#merged + 1] = {seq .. '-0', {'i', id, 't', time, 'f', frame}}
    end
    for index = next_found, #found do merged[#merged + 1] = found[index] end
    for index = #merged, count + 1, -1 do merged[index] = nil end
    return merged
  end

  function room.entry_at(seq) return room.entries(seq, seq, 1, false)[1] end

  -- The oldest seq within a retention of so many messages, in a log with this head.
  function room.oldest_kept(head, messages)
    local high = head - messages + 1
    if high <= 1 then return 1 end
    if redis.call('EXISTS', room.key('others')) == 0 then return high end
    local low = math.max(1, head - ENTRIES_PER_MESSAGE * messages + 1)
    while low < high do
      local middle = math.floor((low + high) / 2)
      local count = head - middle + 1 - redis.call('ZCOUNT', room.key('others'), middle, head)
      if count <= messages then high = middle else low = middle + 1 end
    end
    return low
  end

  -- Removes what belongs to entries before a seq, which the stream does not have any more. Returns the number of those that
  -- were moved out of it.
  function room.forget_before(seq)
    local before = string.format('(%d', seq)
    local count = redis.call('ZREMRANGEBYSCORE', room.key('moved'), '-inf', before)
    redis.call('ZREMRANGEBYSCORE', room.key('pins'), '-inf', before)
    for _, other in ipairs(redis.call('ZRANGE', room.key('others'), '-inf', before, 'BYSCORE')) do
      -- The message that a dropped entry changes was dropped before.
      local target = string.match(other, ':(%d+)$')
      if target then
        redis.call('HDEL', room.key('states'), target)
        redis.call('UNLINK', room.key('reacted:' .. target))
      end
      redis.call('ZREM', room.key('others'), other)
    end
    for _, answer in ipairs(redis.call('ZRANGE', room.key('answers'), '-', '(' .. room.padded(seq), 'BYLEX')) do
      redis.call('HDEL', room.key('replies'), string.format('%d', tonumber(string.match(answer, '^%d+'))))
      redis.call('ZREM', room.key('answers'), answer)
    end
    return count
  end

  -- Removes everything that entries have changed.
  function room.forget_all()
    for _, other in ipairs(redis.call('ZRANGE', room.key('others'), 0, -1)) do
      local target = string.match(other, ':(%d+)$')
      if target then redis.call('UNLINK', room.key('reacted:' .. target)) end
    end
    for _, name in ipairs({'moved', 'others', 'states', 'answers', 'replies', 'pins'}) do redis.call('UNLINK', room.key(name)) end
  end

  return room
end
