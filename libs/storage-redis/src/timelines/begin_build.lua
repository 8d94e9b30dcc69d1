-- KEYS: a timeline. ARGV: the build's id, for how long it collects, and for how long a timeline is kept.
library().begin_build(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
return 1
