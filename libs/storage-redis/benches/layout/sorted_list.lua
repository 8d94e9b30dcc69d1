-- A timeline is a list: a header, then ids, ascending, none twice. Ids are eight bytes, big-endian.
--
-- The header: format (1 byte), complete_from (8), holds (8), build (8). A build under way is a list of the same form under
-- a key of its own.

-- Lua's numbers hold 53 bits, and its comparison of strings asks the locale: ids are compared as two halves.
local function less(a, b)
    local a_high, a_low = struct.unpack('>I4I4', a)
    local b_high, b_low = struct.unpack('>I4I4', b)
    return a_high < b_high or (a_high == b_high and a_low < b_low)
end

local function next_id(id)
    local high, low = struct.unpack('>I4I4', id)
    if low == 4294967295 then
        return struct.pack('>I4I4', high + 1, 0)
    end
    return struct.pack('>I4I4', high, low + 1)
end

local function complete_from(header) return string.sub(header, 2, 9) end
local function holds(header) return string.sub(header, 10, 17) end
local function build(header) return string.sub(header, 18, 25) end
local function make_header(from, held, of_build) return '\1' .. from .. held .. of_build end

local function split(blob)
    local ids = {}
    for at = 1, #blob, 8 do
        ids[#ids + 1] = string.sub(blob, at, at + 7)
    end
    return ids
end

-- Appends in pieces: a call takes only so many arguments.
local function append(key, ids)
    local length = 0
    for at = 1, #ids, 1000 do
        length = redis.call('RPUSH', key, unpack(ids, at, math.min(at + 999, #ids)))
    end
    return length
end

-- The newest `window` of the ids that are not below `from`, ascending; and down to where they are complete.
local function sorted(some, others, from, window)
    local seen, ids = {}, {}
    for _, list in ipairs({some, others}) do
        for _, id in ipairs(list) do
            if not seen[id] and not less(id, from) then
                seen[id] = true
                ids[#ids + 1] = id
            end
        end
    end
    table.sort(ids, less)
    local cut = #ids - window
    if cut <= 0 then
        return ids, from
    end
    local kept = {}
    for at = cut + 1, #ids do
        kept[#kept + 1] = ids[at]
    end
    return kept, next_id(ids[cut])
end

local function rewrite(key, header, ids, ttl_ms)
    redis.call('DEL', key)
    redis.call('RPUSH', key, header)
    append(key, ids)
    redis.call('PEXPIRE', key, ttl_ms)
end

-- Beyond the window and its slack the oldest go, and the mark rises.
local function trim(key, header, length, window, slack)
    if length - 1 <= window + slack then
        return
    end
    local dropped = length - 1 - window
    local from = next_id(redis.call('LINDEX', key, dropped))
    redis.call('LPOP', key, dropped + 1)
    redis.call('LPUSH', key, make_header(from, holds(header), build(header)))
end
