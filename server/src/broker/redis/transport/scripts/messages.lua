-- Reads messages of a room with their changes, in one direction.
--
-- KEYS  log, meta (hash)
-- ARGV  messages within retention, 1 for the newest before a seq (0: the oldest from a seq on), that seq ('': the end of the
--       log), the largest seq ('': that of the head), the number of messages, the seq of a message to read its direct
--       replies and it only ('': all messages; 'p': the pinned ones), the user that reads
-- Returns epoch, seq and id of the head, settings, the oldest seq within retention and the log, and the messages: each with
-- seq, id, time, frame, state, number of replies, and emoji of the user. Nothing if the log has no entry.
local room_log = open_log()
local last = room_log.entries(nil, nil, 1, true)[1]
if not last then return {} end
local descending, count, filter, user = ARGV[2] == '1', tonumber(ARGV[5]), ARGV[6], ARGV[7]
local stored = redis.call('HMGET', KEYS[2], 'epoch', 'settings', 'changed')
local epoch, settings, changed = stored[1], stored[2], stored[3]
if not epoch then changed = redis.call('EXISTS', room_log.key('others'), room_log.key('moved'), room_log.key('answers')) > 0 end
local head = room_log.seq_of(last)
local oldest = math.max(room_log.oldest_kept(head, tonumber(ARGV[1])), room_log.seq_of(room_log.entries(nil, nil, 1, false)[1]))
local low, high = oldest, math.min(head, tonumber(ARGV[4]) or head)
if descending then
  high = math.min(high, (tonumber(ARGV[3]) or head + 1) - 1)
else
  low = math.max(low, tonumber(ARGV[3]) or low)
end

-- The seqs that are not messages, between two seqs.
local function others_between(from, to)
  local others = {}
  if changed then
    for _, other in ipairs(redis.call('ZRANGE', room_log.key('others'), from, to, 'BYSCORE')) do
      others[tonumber(string.match(other, '^%d+'))] = true
    end
  end
  return others
end

-- Seqs of at most `count` messages, in the direction.
local function seqs_of_all()
  local seqs, STRIDE = {}, 256
  while low <= high and #seqs < count do
    if descending then
      local from = math.max(low, high - STRIDE + 1)
      local others = others_between(from, high)
      for seq = high, from, -1 do
        if not others[seq] and #seqs < count then seqs[#seqs + 1] = seq end
      end
      high = from - 1
    else
      local to = math.min(high, low + STRIDE - 1)
      local others = others_between(low, to)
      for seq = low, to do
        if not others[seq] and #seqs < count then seqs[#seqs + 1] = seq end
      end
      low = to + 1
    end
  end
  return seqs
end

local function seqs_of_thread(message)
  local seqs = {}
  if message < oldest or message > head or others_between(message, message)[message] then return seqs end
  local is_within = message >= low and message <= high
  if is_within and not descending then seqs[1] = message end
  local function member(seq) return room_log.padded(message) .. ':' .. room_log.padded(seq) end
  local least, most = member(low), member(math.max(high, 0))
  local answers
  if descending then
    answers = redis.call('ZRANGE', room_log.key('answers'), '[' .. most, '[' .. least, 'BYLEX', 'REV', 'LIMIT', 0, count)
  else
    answers = redis.call('ZRANGE', room_log.key('answers'), '[' .. least, '[' .. most, 'BYLEX', 'LIMIT', 0, count)
  end
  for _, answer in ipairs(answers) do seqs[#seqs + 1] = tonumber(string.match(answer, ':(%d+)$')) end
  if is_within and descending then seqs[#seqs + 1] = message end
  for index = #seqs, count + 1, -1 do seqs[index] = nil end
  return seqs
end

local function pinned_seqs()
  local pins
  if descending then pins = redis.call('ZRANGE', room_log.key('pins'), high, low, 'BYSCORE', 'REV', 'LIMIT', 0, count)
  else pins = redis.call('ZRANGE', room_log.key('pins'), low, high, 'BYSCORE', 'LIMIT', 0, count) end
  local seqs = {}
  for index, seq in ipairs(pins) do seqs[index] = tonumber(seq) end
  return seqs
end

local seqs
if filter == '' then seqs = seqs_of_all()
elseif filter == 'p' then seqs = pinned_seqs()
else seqs = seqs_of_thread(tonumber(filter)) end

-- Entries with consecutive seqs are read together.
local messages, first = {}, 1
while first <= #seqs do
  local step, to = descending and -1 or 1, first
  while seqs[to + 1] == seqs[to] + step do to = to + 1 end
  local from, till = math.min(seqs[first], seqs[to]), math.max(seqs[first], seqs[to])
  for _, entry in ipairs(room_log.entries(from, till, to - first + 1, descending)) do
    local seq, fields = string.match(entry[1], '^%d+'), entry[2]
    local state, replies, row = '', 0, ''
    if changed then
      state = redis.call('HGET', room_log.key('states'), seq) or ''
      replies = redis.call('HGET', room_log.key('replies'), seq) or 0
      if state ~= '' then row = redis.call('HGET', room_log.key('reacted:' .. seq), user) or '' end
    end
    messages[#messages + 1] = {seq, fields[2], fields[4], fields[6], state, replies, row}
  end
  first = to + 1
end
return {epoch or '', head, last[2][2], settings or '', oldest, messages}
