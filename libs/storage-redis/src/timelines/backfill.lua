-- KEYS: a timeline. ARGV: ids; the version that it must hold, and the id below which it must not reach; the version that it
-- holds then; the shape of a timeline.
local timeline = library()
local gathered_for = {holds = ARGV[2], floor = ARGV[3]}
return timeline.backfill(KEYS[1], ARGV[1], gathered_for, ARGV[4], timeline.shape(ARGV[5], ARGV[6])) and 1 or 0
