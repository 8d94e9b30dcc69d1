-- KEYS: timelines, each once. ARGV: for each its ids, then the shape of a timeline. Answers for each whether it exists.
--
-- Nearly every id is newer than all, and is appended: two looks at a timeline's last bytes. A timeline with a build under
-- way, or without any, ends in what is above every id.
local call, unpack = redis.call, struct.unpack
local newest_kept, blocks = ARGV[#KEYS + 1], ARGV[#KEYS + 2]
local full = 56 + (newest_kept + 32) * 8
local timeline, shape
local answers = {}
for at = 1, #KEYS do
    local key, ids = KEYS[at], ARGV[at]
    local answer = '1'
    local last = call('GETRANGE', key, -8, -1)
    if #last < 8 then
        answer = '0'
    else
        local last_high, last_low = unpack('>I4I4', last)
        local high, low = unpack('>I4I4', ids)
        local is_newer = last_high < high or (last_high == high and last_low < low)
        if not is_newer or call('APPEND', key, ids) >= full then
            timeline = timeline or library()
            shape = shape or timeline.shape(newest_kept, blocks)
            if is_newer then
                timeline.spill(key, shape)
            elseif not timeline.push(key, ids, shape) then
                answer = '0'
            end
        end
    end
    answers[at] = answer
end
return table.concat(answers)
