-- KEYS: a timeline. ARGV: ids; the version that it must hold and the one that it holds then; the shape of a timeline.
local timeline = library()
return timeline.backfill(KEYS[1], ARGV[1], ARGV[2], ARGV[3], timeline.shape(ARGV[4], ARGV[5])) and 1 or 0
