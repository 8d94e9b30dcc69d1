-- KEYS: a timeline.
library().remove(KEYS[1])
return 1
