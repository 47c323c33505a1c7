-- Computes the oldest entry within a retention.
--
-- KEYS  log
-- ARGV  the seq of the head, messages to keep
-- Returns its seq.
local room_log = open_log()
return room_log.oldest_kept(tonumber(ARGV[1]), tonumber(ARGV[2]))
