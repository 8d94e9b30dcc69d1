-- KEYS: a version. ARGV: the version that is announced, and how long it is kept.
local known = redis.call('GET', KEYS[1])
if known and not less(known, ARGV[1]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1
