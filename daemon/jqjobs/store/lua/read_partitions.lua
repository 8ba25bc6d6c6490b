--: include core partitions
-- Which partitions a queue has.
-- KEYS[1] the meta key of its home   ARGV[1] now (not used)
-- Returns what is set (jobs/partitions.py), or nil
-- First write: none
return partitions_of(prefix(KEYS[1])) or false
