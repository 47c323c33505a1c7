-- Appends an entry: deduplicates it, compares what the decision to store it was made on, gives it the next seq, stores it and
-- announces it, in one step.
--
-- KEYS  log (stream, `seq-0` -> i: id, t: time, f: frame), meta (hash), two generations of known digests (hashes)
-- ARGV  1 channel, digest, id, time in ms, the frame before its seq, the frame after it, messages to keep, 1 if the room's
--       name is one for a new room (else 0), 1 if the age of a message does not make it unknown, since a clock is in doubt
--       (else 0), 10 the limit on the rooms that the sender founds (0: none), the key of their count (hash), the limit on all
--       rooms (0: none), the key of all rooms (set), the room, the key of the rooms with an entry (set),
--       16 the seq of the message that it answers or changes (0: none), the kind ('': a message, e: edit, d: delete,
--       r: reaction, p: pin, s: settings of the room), the id of the entry that made the settings of the decision ('': none).
--       Of a message to a room with settings: 19 interval of slow mode in ms (0: none), sender, least time since the sender's
--       newest message in ms (0: any), 1 if the rules refuse it (else 0).
--       Of other kinds: 19 messages within retention, sender, id of the entry that made the state of the decision, the new
--       state or settings (JSON), 23 of a reaction: the emoji of the sender; of a pin: 1 or 0; of a deletion: the seq that its
--       target answers (0: none), 24 of a pin: the number of pins of the decision; of a deletion: seqs and frames that
--       replace the deleted ones ...
-- Returns 1 for a duplicate (else 0), epoch, seq, id and time. Alone the reason why there is no new room: 2 its name,
-- 3 the sender has founded too many, 4 there are too many. Alone 6 if the rules refuse it. Or the present view, if it is not
-- that of the decision: 5, epoch, the seq of the head, the settings, and of a message the time since the sender's newest one in
-- ms (-1: unknown); of other kinds the target, its state, the sender's emoji on it, the number of pins, and the edits to delete.
--
-- The keys of counts are of other slots than those of the room. They are used for a new room only, and with one node.
--
-- Everything that may fail comes before the first write: a script that fails half-way is not rolled back.
local log, meta = KEYS[1], KEYS[2]
local channel, digest, id, time, keep = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[7]
local of, kind = tonumber(ARGV[16]), ARGV[17]
-- Time during which a message is known, in ms; least number of known ones; lifetime of a generation in seconds, an hour
-- longer than needed; and size from which a generation is a table: a search of a list takes longer.
local WINDOW, GENERATION, LIFETIME, LIST = 86400000, 10000, 90000, 32
-- Entries after which what belongs to dropped ones is removed.
local FORGET = 64

local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local stored = redis.call('HMGET', meta, 'epoch', 'settings', 'changed')
local epoch, settings, changed = stored[1], last and stored[2], last and stored[3]
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
      local entry = open_log().entry_at(seq)
      if entry and entry[2][2] == then_id then then_time = entry[2][4] end
      -- A log without an epoch has the id of its newest entry as its epoch.
      return {1, epoch or previous, seq, then_id, then_time}
    end
  end
end

-- A room that was added to the set of all rooms for a refused entry.
local function unlist()
  if not last and not epoch and redis.call('EXISTS', channel .. ':members') == 0 then
    redis.call('SREM', ARGV[13], ARGV[14])
  end
end

local set_by = settings and string.match(settings, '^%d+ (%S+)') or ''
local fits, view = ARGV[18] == set_by, nil
local room_log = kind ~= '' and open_log()
local target, state, slow_mode = nil, '', nil
if kind == '' then
  if fits and set_by ~= '' then
    if ARGV[22] == '1' then return {6} end
    if ARGV[19] ~= '0' then
      slow_mode = channel .. ':slow:' .. ARGV[20]
      local at = ARGV[21] ~= '0' and redis.call('GET', slow_mode)
      local since = at and math.max(0, server_time - tonumber(at))
      if since and since < tonumber(ARGV[21]) then view = {5, epoch or previous, head, settings, since} end
    end
  end
  if not fits or of > head then view = {5, epoch or previous, head, settings or '', -1} end
else
  local oldest = room_log.oldest_kept(head, tonumber(ARGV[19]))
  local row, pins, edits, seq = '', 0, {}, string.format('%d', of)
  local is_within = of >= oldest and of <= head
  if is_within and redis.call('ZCOUNT', room_log.key('others'), of, of) == 0 then target = room_log.entry_at(of) end
  if target then
    state = redis.call('HGET', room_log.key('states'), seq) or ''
    if kind == 'r' then row = redis.call('HGET', room_log.key('reacted:' .. seq), ARGV[20]) or '' end
    if kind == 'p' then pins = redis.call('ZCOUNT', room_log.key('pins'), oldest, '+inf') end
  end
  if kind ~= 's' then
    local made_by = target and (string.match(state, '^%d+ (%S+)') or target[2][2])
    fits = fits and made_by == ARGV[21] and (kind ~= 'p' or ARGV[24] == string.format('%d', pins))
  end
  if not fits then
    if kind == 'd' then
      for edit in string.gmatch(string.match(state, '^%d+ %S+ %d+ (%S+)') or '', '%d+') do
        edits[#edits + 1] = room_log.entry_at(edit)
      end
    end
    view = {5, epoch or previous, head, settings or '', target or {}, state, row, pins, edits}
  end
end
if view then
  unlist()
  return view
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
    unlist()
    return {refusal}
  end
end

local seq = head + 1
if anew then epoch = id end
local trim, limit = 'MAXLEN', keep
if anew and last then
  -- The mark was lost with the epoch.
  local room = open_log()
  changed = redis.call('EXISTS', room.key('others'), room.key('moved'), room.key('answers')) > 0
end
if kind ~= '' or of > 0 or changed then
  room_log = room_log or open_log()
  if not stored[3] then
    -- A Redis that is full refuses this before the first removal.
    local marked = redis.pcall('HSET', meta, 'changed', 1)
    if type(marked) == 'table' and marked.err then return marked end
  end
  changed = '1'
  local messages = tonumber(keep)
  local most = math.min(messages + redis.call('ZCARD', room_log.key('others')), ENTRIES_PER_MESSAGE * messages)
  trim, limit = 'MINID', string.format('%d', math.max(0, seq - most + 1))
end
if kind == 'd' then
  -- Moves an entry out of the stream.
  local function move(entry, frame)
    local seq, fields = string.match(entry[1], '^%d+'), entry[2]
    redis.call('ZADD', room_log.key('moved'), seq, table.concat({seq, fields[2], fields[4], frame or fields[6]}, ' '))
    redis.call('XDEL', log, entry[1])
  end

  -- The number of blocks of the stream.
  local function blocks()
    local facts = redis.call('XINFO', 'STREAM', log)
    for index = 1, #facts, 2 do
      if facts[index] == 'radix-tree-keys' then return facts[index + 1] end
    end
  end

  -- Moves entries before or after a seq out of the stream, until a block is free.
  local function free_block(seq, after)
    local count = blocks()
    local bound = string.format('(%d-0', seq)
    while blocks() == count do
      local entry
      if after then entry = redis.call('XRANGE', log, bound, '+', 'COUNT', 1)[1]
      else entry = redis.call('XREVRANGE', log, bound, '-', 'COUNT', 1)[1] end
      if not entry then return end
      move(entry)
    end
  end

  -- Gives an entry another frame, and removes the former one from Redis. The block of the entry is free after a block on
  -- either side of it: then it is one of them, or between them.
  local function replace(seq, frame)
    local entry = redis.call('XRANGE', log, seq .. '-0', seq .. '-0')[1]
    if entry then
      local count = blocks()
      move(entry, frame)
      if blocks() == count then
        free_block(seq, true)
        free_block(seq, false)
      end
    else
      entry = room_log.entry_at(seq)
      redis.call('ZREMRANGEBYSCORE', room_log.key('moved'), seq, seq)
      if entry then redis.call('ZADD', room_log.key('moved'), seq, table.concat({seq, entry[2][2], entry[2][4], frame}, ' ')) end
    end
  end

  for index = 24, #ARGV, 2 do replace(ARGV[index], ARGV[index + 1]) end
end
local number, frame
local function add()
  number = string.format('%d', seq)
  frame = ARGV[5] .. number .. ARGV[6]
  if seq == 1 then frame = string.sub(frame, 1, -2) .. ',"epoch":"' .. epoch .. '"}' end
  return redis.pcall('XADD', log, trim, '~', limit, number .. '-0', 'i', id, 't', ARGV[4], 'f', frame)
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

if not last then
  -- A log that was lost has left what its entries have changed.
  redis.call('HDEL', meta, 'settings')
  open_log().forget_all()
elseif cut then
  for _, name in ipairs({'others', 'moved', 'pins'}) do
    redis.call('ZREMRANGEBYSCORE', open_log().key(name), number, '+inf')
  end
end
if changed then
  local made = number .. ' ' .. id .. ' ' .. ARGV[4] .. ' '
  local target_seq = string.format('%d', of)
  if kind == '' then
    if of > 0 and room_log.entry_at(of) then
      redis.call('ZADD', room_log.key('answers'), 0, room_log.padded(of) .. ':' .. room_log.padded(seq))
      redis.call('HINCRBY', room_log.key('replies'), target_seq, 1)
    end
  elseif kind == 's' then
    redis.call('ZADD', room_log.key('others'), number, number)
    redis.call('HSET', meta, 'settings', made .. ARGV[22])
  else
    redis.call('ZADD', room_log.key('others'), number, number .. ':' .. target_seq)
    local edited = string.match(state, '^%d+ %S+ %d+ (%S+)') or '-'
    if kind == 'e' then edited = (edited == '-' and '' or edited .. ',') .. number end
    redis.call('HSET', room_log.key('states'), target_seq, made .. edited .. ' ' .. ARGV[22])
    local reacted = room_log.key('reacted:' .. target_seq)
    if kind == 'r' then
      if ARGV[23] == '' then redis.call('HDEL', reacted, ARGV[20]) else redis.call('HSET', reacted, ARGV[20], ARGV[23]) end
    elseif kind == 'p' then
      local pins = room_log.key('pins')
      if ARGV[23] == '1' then redis.call('ZADD', pins, target_seq, target_seq) else redis.call('ZREM', pins, target_seq) end
    elseif kind == 'd' then
      redis.call('UNLINK', reacted)
      redis.call('ZREM', room_log.key('pins'), target_seq)
      local answered = tonumber(ARGV[23])
      if redis.call('ZSCORE', room_log.key('answers'), room_log.padded(answered) .. ':' .. room_log.padded(of)) then
        redis.call('HINCRBY', room_log.key('replies'), string.format('%d', answered), -1)
      end
    end
  end
  if seq % FORGET == 0 then
    local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
    room_log.forget_before(math.min(room_log.seq_of(first), math.max(1, tonumber(limit))))
  end
end
if slow_mode then redis.call('SET', slow_mode, server_time, 'PX', ARGV[19]) end
redis.call('SPUBLISH', channel, 'e\n' .. epoch .. '\n' .. number .. '\n' .. id .. '\n' .. previous .. '\n' .. frame)
return {0, epoch, number, id, ARGV[4]}
