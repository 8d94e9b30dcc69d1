-- KEYS: a timeline. ARGV: the build's id; the ids that it found; the id that they are complete above, whether there is none,
-- and the version that they hold; the shape of a timeline. Answers whether it was this build's turn.
local timeline = library()
local coverage = {floor = ARGV[3], is_whole = ARGV[4] == '1', holds = ARGV[5]}
return timeline.install(KEYS[1], ARGV[1], coverage, ARGV[2], timeline.shape(ARGV[6], ARGV[7])) and 1 or 0
