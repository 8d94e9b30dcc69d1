-- KEYS: a timeline. ARGV: the version, and for how long a timeline is kept.
library().announce(KEYS[1], ARGV[1], ARGV[2])
return 1
