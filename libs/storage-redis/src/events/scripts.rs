//! What Redis does in one step.
//!
//! Each script works on the keys of one partition (or on one key), which are in one slot of a cluster.

/// `KEYS`: stream. `ARGV`: group. Answers Redis's clock in milliseconds, the first entry that was never delivered ("" when
/// there is none) and the number of entries that were delivered and are not acknowledged.
pub(super) const STATE: &str = r"
local time = redis.call('TIME')
local last, pending = '0-0', 0
if redis.call('EXISTS', KEYS[1]) == 1 then
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local group = {}
    for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
    if group['name'] == ARGV[1] then
      last, pending = group['last-delivered-id'], group['pending']
    end
  end
end
local first = redis.call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', 1)[1]
return {time[1] * 1000 + math.floor(time[2] / 1000), first and first[1] or '', pending}
";

/// `KEYS`: stream. `ARGV`: group, milliseconds. Cuts off what lies below the oldest entry that is not acknowledged, be it
/// delivered or not, and forgets consumers that hold nothing and have been silent for so long. Answers how many entries
/// went.
pub(super) const TIDY: &str = r"
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local known = false
local last
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
  if group['name'] == ARGV[1] then known, last = true, group['last-delivered-id'] end
end
if not known then return 0 end
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #flat, 2 do consumer[flat[i]] = flat[i + 1] end
  if consumer['pending'] == 0 and consumer['idle'] > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer['name'])
  end
end
local cut = redis.call('XPENDING', KEYS[1], ARGV[1])[2]
if not cut then
  local first = redis.call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', 1)[1]
  cut = first and first[1] or last
end
return redis.call('XTRIM', KEYS[1], 'MINID', '~', cut)
";

/// `KEYS`: stream, hash of what was set aside. `ARGV`: group, then id, name and description of each entry. Moves those
/// that are still delivered and not acknowledged; answers how many.
pub(super) const SET_ASIDE: &str = r"
local moved = 0
for i = 2, #ARGV, 3 do
  if redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) == 1 then
    redis.call('XDEL', KEYS[1], ARGV[i])
    redis.call('HSET', KEYS[2], ARGV[i + 1], ARGV[i + 2])
    moved = moved + 1
  end
end
return moved
";

/// `KEYS`: stream, hash of what was set aside. `ARGV`: a name, then the fields of its event if it is to be published.
/// Answers whether it was there.
pub(super) const REPLAY: &str = r"
if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then return 0 end
if #ARGV > 1 then redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2)) end
return 1
";

/// `KEYS`: lock. `ARGV`: token, milliseconds. Takes the lock, or keeps it; answers whether it is held.
pub(super) const HOLD: &str = r"
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
";

/// `KEYS`: lock. `ARGV`: token. Lets go of the lock, if it is held.
pub(super) const LET_GO: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
";
