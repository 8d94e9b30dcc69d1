-- KEYS: a timeline and its build under way. ARGV: the build's id, complete_from, holds, window, how long it is kept, and
-- the ids that were found. Answers whether it was this build.
local header = redis.call('LINDEX', KEYS[2], 0)
if not header or build(header) ~= ARGV[1] then
    return 0
end
local from = ARGV[2]
if less(from, complete_from(header)) then
    from = complete_from(header)
end
local pushed = redis.call('LRANGE', KEYS[2], 1, -1)
local ids, complete = sorted(split(ARGV[6]), pushed, from, tonumber(ARGV[4]))
rewrite(KEYS[1], make_header(complete, ARGV[3], ARGV[1]), ids, ARGV[5])
redis.call('DEL', KEYS[2])
return 1
