-- KEYS: the list of removals. ARGV: a life, for how long the list is kept, and the tweets that were removed.
-- Entries are "life:number:tweet", newest first; numbers go up by one within a life. A list that is not there begins a new
-- life, with an entry that removes nothing. Answers the newest entry.
local newest = redis.call('LINDEX', KEYS[1], 0)
local life, number = ARGV[1], 0
if newest then
    life, number = string.match(newest, '^(%d+):(%d+):')
else
    redis.call('LPUSH', KEYS[1], life .. ':0:0')
end
for at = 3, #ARGV do
    number = number + 1
    redis.call('LPUSH', KEYS[1], string.format('%s:%d:%s', life, number, ARGV[at]))
end
redis.call('LTRIM', KEYS[1], 0, 4095)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('LINDEX', KEYS[1], 0)
