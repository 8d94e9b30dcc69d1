-- KEYS: a build under way. ARGV: its id, and how long it is waited for.
redis.call('DEL', KEYS[1])
redis.call('RPUSH', KEYS[1], make_header(string.rep('\0', 8), string.rep('\0', 8), ARGV[1]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
