-- Orders a message: deduplicates it, gives it the next number, stores it and announces it, all in one step.
--
-- KEYS  log (stream, `seq-0` -> i: id, t: time, f: frame), meta (hash), two generations of what is known (hashes)
-- ARGV  channel, digest, id, time in ms, the frame up to its number, the frame after it without its last brace,
--       entries to keep (0: all), window of deduplication in ms, entries of a generation, seconds to keep one
-- Returns 1 if it was known (0 if not), epoch, number, id and time.
--
-- All that may fail is read before the first write: a script that fails half-way is not rolled back.
local log, meta = KEYS[1], KEYS[2]
local channel, digest, id, time = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local keep, window, generation, patience = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), ARGV[10]

local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local epoch = redis.call('HGET', meta, 'epoch')
local head, previous, previous_time = 0, '', 0
if last then
  head, previous, previous_time = tonumber(string.match(last[1], '^%d+')), last[2][2], tonumber(last[2][4])
end

local function generation_of(seq)
  if math.floor((seq - 1) / generation) % 2 == 0 then return KEYS[3], KEYS[4] end
  return KEYS[4], KEYS[3]
end

-- Where one of the two is gone, the log goes on under another name, and nothing of a lost log is known.
local anew = not last or not epoch
local young, old = generation_of(head + 1)
if last then
  local known = redis.call('HGET', young, digest) or redis.call('HGET', old, digest)
  if known then
    local seq, then_time, then_id = string.match(known, '^(%d+):(%d+):(.*)$')
    if tonumber(seq) <= head and time - tonumber(then_time) <= window then
      return {1, epoch or '', seq, then_id, then_time}
    end
  end
end

local seq = head + 1
if anew then epoch = id end
local function frame()
  local json = ARGV[5] .. string.format('%.0f', seq) .. ARGV[6]
  if seq == 1 then json = json .. ',"epoch":"' .. epoch .. '"' end
  return json .. '}'
end
local function add()
  local number = string.format('%.0f-0', seq)
  if keep == 0 then return redis.pcall('XADD', log, number, 'i', id, 't', ARGV[4], 'f', frame()) end
  return redis.pcall('XADD', log, 'MAXLEN', '~', keep, number, 'i', id, 't', ARGV[4], 'f', frame())
end
local added = add()
if added.err and string.find(added.err, 'equal or smaller') then
  -- Somebody took entries off the end: their numbers are not given again, and the log has another name.
  local info = redis.call('XINFO', 'STREAM', log)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then seq = tonumber(string.match(info[i + 1], '^%d+')) + 1 end
  end
  anew, epoch = true, id
  young, old = generation_of(seq)
  added = add()
end
if type(added) == 'table' and added.err then return added end

if anew then redis.call('HSET', meta, 'epoch', epoch) end
if not last then
  redis.call('UNLINK', young, old)
elseif (seq - 1) % generation == 0 then
  redis.call('UNLINK', young)
end
local number = string.format('%.0f', seq)
redis.call('HSET', young, digest, number .. ':' .. ARGV[4] .. ':' .. id)
-- Once in ten minutes is often enough for something that is kept for an hour longer than it is needed.
if not last or (seq - 1) % generation == 0 or math.floor(time / 600000) ~= math.floor(previous_time / 600000) then
  redis.call('EXPIRE', young, patience)
end
redis.call('SPUBLISH', channel, 'e\n' .. epoch .. '\n' .. number .. '\n' .. id .. '\n' .. previous .. '\n' .. frame())
return {0, epoch, number, id, ARGV[4]}
