-- Reads the entries that were replaced when messages were deleted.
--
-- KEYS  log
-- ARGV  seqs of the deleted messages ...
-- Returns for each message its entries, ascending: the message and its edits. Each has the form of XRANGE.
local room_log = open_log()
local answers = {}
for index, seq in ipairs(ARGV) do
  local state = redis.call('HGET', room_log.key('states'), seq) or ''
  local replaced = {room_log.entry_at(seq)}
  for edit in string.gmatch(string.match(state, '^%d+ %S+ %d+ (%S+)') or '', '%d+') do
    replaced[#replaced + 1] = room_log.entry_at(edit)
  end
  answers[index] = replaced
end
return answers
