-- KEYS: tweets. ARGV: the lease that must lie in their places, for how long they are kept, and for each what to put.
for at = 1, #KEYS do
    if redis.call('GET', KEYS[at]) == ARGV[1] then
        redis.call('SET', KEYS[at], ARGV[at + 2], 'PX', ARGV[2])
    end
end
return 1
