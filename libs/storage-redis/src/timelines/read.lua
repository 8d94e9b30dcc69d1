-- KEYS: a timeline, and its reader's version. ARGV: below, limit, and, now and then, how long both are kept from now on.
-- Answers the version, the header, whether there are more ids below the last, and the ids, oldest first.
local version = redis.call('GET', KEYS[2])
local header = redis.call('LINDEX', KEYS[1], 0)
if not header then
    return {version, false, 0}
end
if ARGV[3] then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
local below, limit = ARGV[1], tonumber(ARGV[2])
local last = redis.call('LINDEX', KEYS[1], -1)
local ends = redis.call('LLEN', KEYS[1]) - 1
if #last == 8 and not less(last, below) then
    -- The place of the last id below it; 0 is the header's.
    local low, high = 0, ends
    while low < high do
        local middle = math.ceil((low + high) / 2)
        if less(redis.call('LINDEX', KEYS[1], middle), below) then
            low = middle
        else
            high = middle - 1
        end
    end
    ends = low
end
local begins = math.max(1, ends - limit + 1)
local ids = {}
if ends >= begins then
    ids = redis.call('LRANGE', KEYS[1], begins, ends)
end
return {version, header, begins > 1 and ends > 0 and 1 or 0, table.concat(ids)}
