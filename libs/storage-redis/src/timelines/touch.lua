-- KEYS: a timeline. ARGV: the time in seconds, and for how long it is kept.
if redis.call('EXISTS', KEYS[1]) == 1 then
    redis.call('SETRANGE', KEYS[1], 8, struct.pack('>I4', ARGV[1]))
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    redis.call('PEXPIRE', 'u' .. string.sub(KEYS[1], 2), ARGV[2])
end
return 1
