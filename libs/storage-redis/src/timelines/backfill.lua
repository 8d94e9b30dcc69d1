-- KEYS: a timeline. ARGV: the version that it must hold, the version that it holds then, window, and the ids to merge.
local header = redis.call('LINDEX', KEYS[1], 0)
if not header or holds(header) ~= ARGV[1] then
    return 0
end
local there = redis.call('LRANGE', KEYS[1], 1, -1)
local ids, from = sorted(there, split(ARGV[4]), complete_from(header), tonumber(ARGV[3]))
rewrite(KEYS[1], make_header(from, ARGV[2], build(header)), ids, redis.call('PTTL', KEYS[1]))
return 1
