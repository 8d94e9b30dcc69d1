-- What the scripts know of a timeline. The text of src/timelines.rs says how it lies in Redis.
--
-- Ids and numbers are strings of eight bytes, big-endian. They are compared as two halves: Lua's numbers hold 53 bits, and
-- its comparison of strings asks the locale. A sequence is ids one after the other, ascending, none twice.

local call, sub, rep = redis.call, string.sub, string.rep
local pack, unpack = struct.pack, struct.unpack

local FORMAT, HEADER, BLOCK = 1, 56, 32
local BUILT, BUILDING, WHOLE = 1, 2, 4
local ZERO = rep('\0', 8)
-- Above every id: in the place of the newest it keeps pushes from simply appending.
local GUARD = '\127' .. rep('\255', 7)

local function less(a, b)
    local a_high, a_low = unpack('>I4I4', a)
    local b_high, b_low = unpack('>I4I4', b)
    return a_high < b_high or (a_high == b_high and a_low < b_low)
end

local function before(id)
    local high, low = unpack('>I4I4', id)
    if low > 0 then
        return pack('>I4I4', high, low - 1)
    end
    return pack('>I4I4', high - 1, 4294967295)
end

local function now_ms()
    local time = call('TIME')
    return time[1] * 1000 + (time[2] - time[2] % 1000) / 1000
end

local function has(flags, flag)
    return flags % (flag * 2) >= flag
end

local function with(flags, flag, on)
    if has(flags, flag) == on then
        return flags
    end
    return flags + (on and flag or -flag)
end

-- How many ids of the sequence are below `id`; the first `from` are known to be.
local function count_below(ids, id, from)
    local high, low = unpack('>I4I4', id)
    local function is_below(place)
        local a_high, a_low = unpack('>I4I4', ids, place * 8 + 1)
        return a_high < high or (a_high == high and a_low < low)
    end
    local known, reach, count = from, 1, #ids / 8
    while known + reach <= count and is_below(known + reach - 1) do
        known, reach = known + reach, reach * 2
    end
    local ends = math.min(known + reach - 1, count)
    while known < ends do
        local middle = math.floor((known + ends) / 2)
        if is_below(middle) then
            known = middle + 1
        else
            ends = middle
        end
    end
    return known
end

-- Both sequences in one, and whether that is more than the first.
local function merge(ids, others)
    if others == '' then
        return ids, false
    end
    if ids == '' or less(sub(ids, -8), sub(others, 1, 8)) then
        return ids .. others, true
    end
    local pieces, taken, known, is_more = {}, 0, 0, false
    for at = 1, #others, 8 do
        local id = sub(others, at, at + 7)
        known = count_below(ids, id, known)
        if sub(ids, known * 8 + 1, known * 8 + 8) ~= id then
            pieces[#pieces + 1] = sub(ids, taken * 8 + 1, known * 8)
            pieces[#pieces + 1] = id
            taken, is_more = known, true
        end
    end
    pieces[#pieces + 1] = sub(ids, taken * 8 + 1)
    return table.concat(pieces), is_more
end

-- The part of a sequence that is above `floor`.
local function above(ids, floor)
    if ids == '' or less(floor, sub(ids, 1, 8)) then
        return ids
    end
    local place = count_below(ids, floor, 0)
    if sub(ids, place * 8 + 1, place * 8 + 8) == floor then
        place = place + 1
    end
    return sub(ids, place * 8 + 1)
end

local timeline = {}

local function of_kind(kind, key)
    return kind .. sub(key, 2)
end

-- The shape of a timeline: how many ids its newest part keeps at least, and how many blocks there may be below.
local function shape(newest, blocks)
    return {newest = tonumber(newest), blocks = tonumber(blocks)}
end

-- That of what a build collects: all in one part, since it is not kept for long.
local function shape_of_collected(of)
    return {newest = of.newest + of.blocks * BLOCK, blocks = 0}
end

local function parse(key, text)
    local format, flags, first, blocks, _, touched = unpack('>BBHHHI4', text)
    if format ~= FORMAT then
        error({err = 'FORMAT of a timeline is ' .. format})
    end
    local is_guarded = has(flags, BUILDING) or not has(flags, BUILT)
    return {
        key = key,
        flags = flags, first = first, blocks = blocks, touched = touched,
        holds = sub(text, 17, 24), build = sub(text, 25, 32), version = sub(text, 33, 40),
        created = sub(text, 41, 48), floor = sub(text, 49, 56),
        newest = sub(text, HEADER + 1, is_guarded and -9 or -1),
    }
end

-- What lies there and was never a timeline, somebody else has put there: it goes, and the timeline counts as lost.
function timeline.load(key)
    local text = redis.pcall('GET', key)
    if type(text) == 'string' and #text >= HEADER and text:byte() >= FORMAT and text:byte() < FORMAT + 16 then
        return parse(key, text)
    end
    if text then
        call('DEL', key)
    end
    return nil
end

function timeline.new(key, kept_ms)
    local now = now_ms()
    return {
        key = key, kept_ms = kept_ms,
        flags = 0, first = 0, blocks = 0, touched = math.floor(now / 1000),
        holds = ZERO, build = ZERO, version = ZERO, created = pack('>I8', now), floor = ZERO,
        newest = '',
    }
end

local function header(of)
    local numbers = pack('>BBHHHI4I4', FORMAT, of.flags, of.first, of.blocks, 0, of.touched, 0)
    return numbers .. of.holds .. of.build .. of.version .. of.created .. of.floor
end

local function raise_floor(of, floor)
    of.floor, of.flags = floor, with(of.flags, WHOLE, false)
end

-- Writes header and newest part.
local function write(of)
    local is_guarded = has(of.flags, BUILDING) or not has(of.flags, BUILT)
    local text = header(of) .. of.newest .. (is_guarded and GUARD or '')
    if of.kept_ms then
        call('SET', of.key, text, 'PX', of.kept_ms)
        of.kept_ms = nil
    else
        call('SET', of.key, text, 'KEEPTTL')
    end
end

-- All ids. Where the blocks have been lost without the newest part, what is left is complete from its first id on.
local function all_ids(of)
    if of.blocks == 0 then
        return of.newest
    end
    local ring = call('GET', of_kind('u', of.key))
    if not ring or #ring ~= of.blocks * BLOCK * 8 then
        raise_floor(of, before(sub(of.newest, 1, 8)))
        return of.newest
    end
    local split = of.first * BLOCK * 8
    return sub(ring, split + 1) .. sub(ring, 1, split) .. of.newest
end

-- Lays the ids out anew. Of what is too much the oldest go, and the mark rises.
local function lay_out(of, ids, in_shape)
    local count = #ids / 8
    local blocks = 0
    if count >= in_shape.newest + BLOCK then
        blocks = math.min(math.floor((count - in_shape.newest) / BLOCK), in_shape.blocks)
        local surplus = count - blocks * BLOCK - in_shape.newest - BLOCK + 1
        if surplus > 0 then
            local dropped = math.ceil(surplus / BLOCK) * BLOCK
            raise_floor(of, sub(ids, dropped * 8 - 7, dropped * 8))
            ids = sub(ids, dropped * 8 + 1)
        end
    end
    local below = of_kind('u', of.key)
    if blocks > 0 then
        local ttl_ms = of.kept_ms or call('PTTL', of.key)
        call('SET', below, sub(ids, 1, blocks * BLOCK * 8), 'PX', math.max(ttl_ms, 1))
    elseif of.blocks > 0 then
        call('DEL', below)
    end
    of.first, of.blocks, of.newest = 0, blocks, sub(ids, blocks * BLOCK * 8 + 1)
    write(of)
end

-- The newest part has grown by a block or more: where the blocks are at their number, its oldest block takes the place
-- of the oldest of all.
local function spill(of, in_shape)
    local count = #of.newest / 8
    if of.blocks > 0 and of.blocks == in_shape.blocks and count < in_shape.newest + 2 * BLOCK then
        local below, at = of_kind('u', of.key), of.first * BLOCK * 8
        local dropped = call('GETRANGE', below, at + BLOCK * 8 - 8, at + BLOCK * 8 - 1)
        if #dropped == 8 then
            call('SETRANGE', below, at, sub(of.newest, 1, BLOCK * 8))
            raise_floor(of, dropped)
            of.first, of.newest = (of.first + 1) % of.blocks, sub(of.newest, BLOCK * 8 + 1)
            return write(of)
        end
    end
    lay_out(of, all_ids(of), in_shape)
end

function timeline.spill(key, in_shape)
    spill(timeline.load(key), in_shape)
end

-- Puts ids where they belong. What is there already, or not above the mark, changes nothing.
local function put(of, ids, in_shape)
    ids = above(ids, of.floor)
    if ids == '' then
        return
    end
    if of.blocks > 0 and less(ids, of.newest) then
        local known = all_ids(of)
        local merged, is_more = merge(known, above(ids, of.floor))
        if is_more then
            lay_out(of, merged, in_shape)
        end
        return
    end
    local merged, is_more = merge(of.newest, ids)
    if is_more then
        of.newest = merged
        if #merged / 8 >= in_shape.newest + BLOCK then
            spill(of, in_shape)
        else
            write(of)
        end
    end
end

-- What a build under way collects, if it is still there. If it is not, the build is given up.
local function collected(of)
    local build = timeline.load(of_kind('b', of.key))
    if build and build.build == of.build then
        return build
    end
    of.flags, of.build = with(of.flags, BUILDING, false), ZERO
    write(of)
    return nil
end

-- Pushes that are no mere appending; answers whether there is a timeline.
function timeline.push(key, ids, in_shape)
    local of = timeline.load(key)
    if not of then
        return false
    end
    if has(of.flags, BUILDING) then
        local build = collected(of)
        if build then
            put(build, ids, shape_of_collected(in_shape))
        end
    end
    if has(of.flags, BUILT) then
        put(of, ids, in_shape)
    end
    return has(of.flags, BUILT) or has(of.flags, BUILDING)
end

function timeline.begin_build(key, build, collect_ms, kept_ms)
    local of = timeline.load(key) or timeline.new(key, kept_ms)
    of.flags, of.build = with(of.flags, BUILDING, true), build
    write(of)
    local collecting = timeline.new(of_kind('b', key), collect_ms)
    collecting.flags, collecting.build = BUILT, build
    write(collecting)
end

function timeline.install(key, build, coverage, ids, in_shape)
    local of = timeline.load(key)
    if not of or not has(of.flags, BUILDING) or of.build ~= build then
        return false
    end
    local pushed = collected(of)
    if not pushed then
        return false
    end
    local floor, is_whole = coverage.floor, coverage.is_whole
    if less(floor, pushed.floor) then
        floor, is_whole = pushed.floor, false
    end
    of.flags = with(with(with(of.flags, BUILT, true), BUILDING, false), WHOLE, is_whole)
    of.build, of.holds, of.floor = ZERO, coverage.holds, floor
    lay_out(of, above(merge(ids, pushed.newest), floor), in_shape)
    call('DEL', pushed.key)
    return true
end

function timeline.backfill(key, ids, gathered_for, holds, in_shape)
    local of = timeline.load(key)
    if not of or not has(of.flags, BUILT) or of.holds ~= gathered_for.holds then
        return false
    end
    -- First, since it may find that blocks are lost, as whoever gathered has.
    local known = all_ids(of)
    if less(of.floor, gathered_for.floor) then
        return false
    end
    of.holds = holds
    local merged, is_more = merge(known, above(ids, of.floor))
    if is_more then
        lay_out(of, merged, in_shape)
    else
        write(of)
    end
    return true
end

-- The version stays.
function timeline.remove(key)
    local of = timeline.load(key)
    if not of then
        return
    end
    call('DEL', of_kind('u', key), of_kind('b', key))
    if of.version == ZERO then
        call('DEL', key)
    else
        of.flags, of.first, of.blocks, of.newest = 0, 0, 0, ''
        of.holds, of.build, of.floor = ZERO, ZERO, ZERO
        write(of)
    end
end

function timeline.announce(key, version, kept_ms)
    local of = timeline.load(key) or timeline.new(key, kept_ms)
    if less(of.version, version) then
        of.version = version
        write(of)
    end
end

timeline.shape = shape
return timeline
