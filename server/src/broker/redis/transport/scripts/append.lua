-- Orders a message: deduplicates it, gives it the next number, stores it and announces it, all in one step.
--
-- KEYS  log (stream, `seq-0` -> i: id, t: time, f: frame), meta (hash), two generations of what is known (hashes)
-- ARGV  channel, digest, id, time in ms, the frame before its seq, the frame after it, entries to keep
-- Returns 1 if it was known (0 if not), epoch, number, id and time.
--
-- All that may fail is read before the first write: a script that fails half-way is not rolled back.
local log, meta = KEYS[1], KEYS[2]
local channel, digest, id, time, keep = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[7]
-- For how long a message is known, in ms; how many are known at least; for how many seconds a generation is kept, which
-- is an hour longer than it is needed; and from how many on it is a table: to look through a list takes longer.
local WINDOW, GENERATION, PATIENCE, LIST = 86400000, 10000, 90000, 32

local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local epoch = redis.call('HGET', meta, 'epoch')
local head, previous, previous_time = 0, '', 0
if last then
  head, previous, previous_time = tonumber(string.match(last[1], '^%d+')), last[2][2], tonumber(last[2][4])
end

local function generation_of(seq)
  if math.floor((seq - 1) / GENERATION) % 2 == 0 then return KEYS[3], KEYS[4] end
  return KEYS[4], KEYS[3]
end

-- Where one of the two is gone, the log goes on under another name, and nothing of what was lost is known.
local anew = not last or not epoch
local young, old = generation_of(head + 1)
if last then
  local known = redis.call('HGET', young, digest) or redis.call('HGET', old, digest)
  if known then
    local seq, then_time, then_id = string.match(known, '^(%d+):(%d+):(.*)$')
    if tonumber(seq) <= head and time - tonumber(then_time) <= WINDOW then
      -- A log without a name is shown under that of its newest entry.
      return {1, epoch or previous, seq, then_id, then_time}
    end
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
  -- Somebody took entries off the end. The log has another name, so their numbers are given again: it has no hole.
  anew, epoch = true, id
  if last then redis.call('XSETID', log, last[1], 'MAXDELETEDID', last[1]) else redis.call('UNLINK', log) end
  added = add()
end
if type(added) == 'table' and added.err then return added end

if anew then redis.call('HSET', meta, 'epoch', epoch) end
if not last or cut then
  redis.call('UNLINK', young, old)
elseif (seq - 1) % GENERATION == 0 then
  redis.call('UNLINK', young)
end
redis.call('HSET', young, digest, number .. ':' .. ARGV[4] .. ':' .. id)
-- A value that is too long for a list makes it a table.
if (seq - 1) % GENERATION == LIST then redis.call('HSET', young, '', string.rep('-', 65)) end
-- Once in ten minutes is often enough.
if not last or cut or (seq - 1) % GENERATION == 0 or math.floor(time / 600000) ~= math.floor(previous_time / 600000) then
  redis.call('EXPIRE', young, PATIENCE)
end
redis.call('SPUBLISH', channel, 'e\n' .. epoch .. '\n' .. number .. '\n' .. id .. '\n' .. previous .. '\n' .. frame)
return {0, epoch, number, id, ARGV[4]}
