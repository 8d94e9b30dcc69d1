-- KEYS: for each follower its timeline and its build under way. ARGV: window, slack, then for each follower its ids,
-- ascending. Answers for each whether it has either.
local window, slack = tonumber(ARGV[1]), tonumber(ARGV[2])

local function insert(key, blob)
    local header = redis.call('LINDEX', key, 0)
    if not header then
        return false
    end
    local last = redis.call('LINDEX', key, -1)
    local first = string.sub(blob, 1, 8)
    local is_empty = #last ~= 8
    if (is_empty and not less(first, complete_from(header))) or (not is_empty and less(last, first)) then
        trim(key, header, append(key, split(blob)), window, slack)
        return true
    end
    -- Late arrivals go where they belong; repetitions and what is below the mark change nothing.
    local there = redis.call('LRANGE', key, 1, -1)
    local ids, from = sorted(there, split(blob), complete_from(header), window + slack)
    if #ids ~= #there or from ~= complete_from(header) then
        rewrite(key, make_header(from, holds(header), build(header)), ids, redis.call('PTTL', key))
    end
    return true
end

local answers = {}
for at = 1, #KEYS, 2 do
    local blob = ARGV[2 + (at + 1) / 2]
    local built, building = insert(KEYS[at], blob), insert(KEYS[at + 1], blob)
    answers[#answers + 1] = (built or building) and 1 or 0
end
return answers
