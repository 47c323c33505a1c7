-- Computes the oldest entry within a retention.
--
-- KEYS  log
-- ARGV  the seq of the head, messages to keep
-- Returns its seq.
return oldest_kept(tonumber(ARGV[1]), tonumber(ARGV[2]))
