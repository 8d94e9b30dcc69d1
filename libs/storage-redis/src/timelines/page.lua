-- KEYS: a timeline. ARGV: the id to go below, and how many ids. Answers nothing where there is no timeline.
return library().page(KEYS[1], ARGV[1], tonumber(ARGV[2]))
