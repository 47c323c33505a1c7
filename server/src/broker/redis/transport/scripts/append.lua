-- Appends a message: deduplicates it, gives it the next seq, stores it and announces it, in one step.
--
-- KEYS  log (stream, `seq-0` -> i: id, t: time, f: frame), meta (hash), two generations of known digests (hashes)
-- ARGV  channel, digest, id, time in ms, the frame before its seq, the frame after it, entries to keep, 1 if the room's
--       name is one for a new room (else 0), 1 if the age of a message does not make it unknown, since a clock is in doubt
--       (else 0), the limit on the rooms that the sender founds (0: none), the key of their count (hash), the limit on all
--       rooms (0: none), the key of all rooms (set), the room, the key of the rooms with an entry (set)
-- Returns 1 for a duplicate (else 0), epoch, seq, id and time; or alone the reason why there is no new room: 2 its name,
-- 3 the sender has founded too many, 4 there are too many.
--
-- The keys of counts are of other slots than those of the room. They are used for a new room only, and with one node.
--
-- Everything that may fail comes before the first write: a script that fails half-way is not rolled back.
local log, meta = KEYS[1], KEYS[2]
local channel, digest, id, time, keep = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[7]
-- Time during which a message is known, in ms; least number of known ones; lifetime of a generation in seconds, an hour
-- longer than needed; and size from which a generation is a table: a search of a list takes longer.
local WINDOW, GENERATION, LIFETIME, LIST = 86400000, 10000, 90000, 32

local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local epoch = redis.call('HGET', meta, 'epoch')
local head, previous, previous_time = 0, '', 0
local clock = redis.call('TIME')
local server_time = clock[1] * 1000 + math.floor(clock[2] / 1000)
if last then
  head, previous, previous_time = tonumber(string.match(last[1], '^%d+')), last[2][2], tonumber(last[2][4])
end

local function generation_of(seq)
  if math.floor((seq - 1) / GENERATION) % 2 == 0 then return KEYS[3], KEYS[4] end
  return KEYS[4], KEYS[3]
end

-- If one of the two is gone, the log continues with another epoch, and no lost message is known.
local anew = not last or not epoch
local young, old = generation_of(head + 1)
if last then
  local known = redis.call('HGET', young, digest) or redis.call('HGET', old, digest)
  if known then
    local seq, then_time, then_id = string.match(known, '^(%d+):(%d+):(.*)$')
    -- One clock that is ahead does not make a message unknown.
    local age = math.min(time, server_time) - tonumber(then_time)
    if tonumber(seq) <= head and (ARGV[9] == '1' or age <= WINDOW) then
      -- The record has the later of two times; the entry has its own.
      local entry = redis.call('XRANGE', log, seq .. '-0', seq .. '-0')[1]
      if entry and entry[2][2] == then_id then then_time = entry[2][4] end
      -- A log without an epoch has the id of its newest entry as its epoch.
      return {1, epoch or previous, seq, then_id, then_time}
    end
  end
end

local founds, of_user, since = not last and not epoch, 0, ARGV[4]
if founds then
  if ARGV[8] == '0' then return {2} end
  local most_of_user, most, refusal = tonumber(ARGV[10]), tonumber(ARGV[12]), nil
  if most > 0 and redis.call('SCARD', ARGV[15]) >= most then refusal = 4 end
  if most_of_user > 0 then
    local before = redis.call('HMGET', ARGV[11], 'n', 't')
    if before[1] and math.abs(time - tonumber(before[2])) < WINDOW then
      of_user, since = tonumber(before[1]), before[2]
    end
    if not refusal and of_user >= most_of_user then refusal = 3 end
  end
  if refusal then
    if redis.call('EXISTS', channel .. ':members') == 0 then redis.call('SREM', ARGV[13], ARGV[14]) end
    return {refusal}
  end
end

local seq = head + 1
if anew then epoch = id end
local number, frame
local function add()
  number = string.format('%d', seq)
  frame = ARGV[5] .. number .. ARGV[6]
  if seq == 1 then frame = string.sub(frame, 1, -2) .. ',"epoch":"' .. epoch .. '"}' end
  return redis.pcall('XADD', log, 'MAXLEN', '~', keep, number .. '-0', 'i', id, 't', ARGV[4], 'f', frame)
end
local added = add()
local cut = type(added) == 'table' and added.err and string.find(added.err, 'equal or smaller')
if cut then
  -- Entries were deleted at the end. With another epoch their seqs are assigned again, without a hole.
  anew, epoch = true, id
  if last then redis.call('XSETID', log, last[1], 'MAXDELETEDID', last[1]) else redis.call('UNLINK', log) end
  added = add()
end
if type(added) == 'table' and added.err then return added end

if anew then redis.call('HSET', meta, 'epoch', epoch) end
if founds then
  -- A message that was refused meanwhile may have removed it.
  redis.call('SADD', ARGV[13], ARGV[14])
  redis.call('SADD', ARGV[15], ARGV[14])
  if ARGV[10] ~= '0' then
    redis.call('HSET', ARGV[11], 'n', of_user + 1, 't', since)
    redis.call('EXPIRE', ARGV[11], WINDOW / 1000)
  end
end
if not last or cut then
  redis.call('UNLINK', young, old)
elseif (seq - 1) % GENERATION == 0 then
  redis.call('UNLINK', young)
end
redis.call('HSET', young, digest, number .. ':' .. string.format('%d', math.max(time, server_time)) .. ':' .. id)
-- A value that is too long for a list makes it a table.
if (seq - 1) % GENERATION == LIST then redis.call('HSET', young, '', string.rep('-', 65)) end
-- Once in ten minutes is often enough.
if not last or cut or (seq - 1) % GENERATION == 0 or math.floor(time / 600000) ~= math.floor(previous_time / 600000) then
  redis.call('EXPIRE', young, LIFETIME)
end
redis.call('SPUBLISH', channel, 'e\n' .. epoch .. '\n' .. number .. '\n' .. id .. '\n' .. previous .. '\n' .. frame)
return {0, epoch, number, id, ARGV[4]}
