# Judges a canary by two looks at /metrics of each pod of a release. k8s/canary.sh runs it:
#
#   awk -v unit=requests -v enough=100 -f k8s/canary-judge.awk FOLDER/{before,after}/{stable,canary,other}/POD
#
# stable and canary are pods of the service that is tried, other are those of other services. Prints a line of figures, then a
# verdict and why: "good", "bad" or "few" (too little was done to say). What counts is what was done between the looks.

BEGIN {
  unit = unit ? unit : "requests"     # What is counted of the service: requests, or tweets.
  enough = enough ? enough : 100      # With fewer of them nothing is said in the canary's favour …
  certain = 10                        # … and with so many failures something is said against it all the same.
  more_failed = 0.01                  # Share of requests that may fail beyond stable's,
  all_failed = 0.05                   # and however many fail in stable.
  slower = 2                          # How many times stable's 99th percentile …
  noticed = 0.1                       # … from so many seconds on: what is below is good enough.
  late = 5                            # Seconds within which 99 % of tweets reach their last follower.
  old = 30                            # Seconds that the oldest event may have waited.
  more_skipped = 0.1                  # Share of deliveries that may be skipped beyond stable's.
}

FNR == 1 {
  parts = split(FILENAME, path, "/")
  pod = path[parts]; track = path[parts - 1]; look = path[parts - 2]
  if (look == "before") was_there[pod] = 1
}

/^#/ { next }

{
  name = $1
  sub(/[{].*/, "", name)
  if (look == "before") {
    seen[pod, substr($0, 1, length($0) - length($NF))] = $NF
    next
  }
  # Of a pod that has come meanwhile it is not known what it did since; a canary's is new.
  if (!(pod in was_there) && (track != "canary" || name ~ /^rookery_(books|audit)_/)) next
  # A process that was started anew counts from 0.
  before = seen[pod, substr($0, 1, length($0) - length($NF))] + 0
  done = $NF >= before ? $NF - before : $NF
  if (/^http_server_request_duration_seconds_/ && !/http_route="\/(healthz|readyz|metrics)"/) {
    if (name ~ /_count$/) {
      sum[track, "requests"] += done
      if (/http_response_status_code="5/) sum[track, "failed"] += done
    } else if (name ~ /_bucket$/) bucket(track, "requests")
  }
  else if (name == "rookery_tweets_fanned_out_total") sum[track, "tweets"] += done
  else if (name == "rookery_delivery_seconds_bucket") bucket(track, "deliveries")
  else if (name == "rookery_deliveries_total") {
    sum[track, "dealt"] += done
    if (/outcome="skipped"/) sum[track, "skipped"] += done
  }
  else if (name == "rookery_backlog_oldest_seconds") { if ($NF > oldest) oldest = $NF }
  else if (name == "rookery_deliveries_unaccounted_total") sum[track, "unaccounted"] += done
  else if (name == "rookery_books_difference_total") { if (done > unbalanced) unbalanced = done }
  else if (name ~ /^rookery_audit_(missing|extra)_total$/) differences += done
}

function bucket(track, what,    bound, i) {
  match($0, /le="[^"]*"/)
  bound = substr($0, RSTART + 4, RLENGTH - 5)
  bound = bound == "+Inf" ? 1e9 : bound + 0
  buckets[track, what, bound] += done
  if ((what, bound) in known) return
  known[what, bound] = 1
  for (i = ++count[what]; i > 1 && bounds[what, i - 1] > bound; i--) bounds[what, i] = bounds[what, i - 1]
  bounds[what, i] = bound
}

# The 99th percentile as Prometheus computes it: within a bucket in proportion.
function p99(track, what,    i, rank, bound, below, lower) {
  rank = 0.99 * buckets[track, what, 1e9]
  for (i = 1; i <= count[what]; i++) {
    bound = bounds[what, i]
    if (buckets[track, what, bound] >= rank) break
    below = buckets[track, what, bound]; lower = bound
  }
  if (bound == 1e9) return lower + 0
  return rank > below ? lower + (bound - lower) * (rank - below) / (buckets[track, what, bound] - below) : lower + 0
}

function share(track, part, whole) {
  return sum[track, whole] ? sum[track, part] / sum[track, whole] : 0
}

function milliseconds(seconds) { return sprintf("%.0f ms", seconds * 1000) }
function percent(part) { return sprintf("%.1f %%", part * 100) }

function verdict(word, why) { print word ": " why; exit }

function figures(track,    text) {
  text = sprintf("%s %d %s", track, sum[track, unit], unit)
  if (sum[track, "requests"])
    text = text sprintf(", %s failed, p99 %s", percent(share(track, "failed", "requests")), milliseconds(p99(track, "requests")))
  if (sum[track, "dealt"])
    text = text sprintf(", %d deliveries, %s skipped, p99 %s", sum[track, "dealt"], percent(share(track, "skipped", "dealt")), milliseconds(p99(track, "deliveries")))
  return text
}

END {
  print figures("stable") "; " figures("canary")
  n = sum["canary", unit]
  compared = sum["stable", unit] >= enough

  # The books: of this version, of all together, and what audits say, who compare timelines with tweets, whoever wrote them.
  if (sum["canary", "unaccounted"] > 0)
    verdict("bad", sum["canary", "unaccounted"] " of its deliveries were expected, and neither written nor skipped")
  if (unbalanced > 0) verdict("bad", "the books do not balance any more, by " unbalanced)
  if (differences > 0) verdict("bad", "audits found " differences " entries of stored timelines missing or too many")
  skipped = share("canary", "skipped", "dealt")
  if (n >= enough && compared && skipped > share("stable", "skipped", "dealt") + more_skipped)
    verdict("bad", percent(skipped) " of its deliveries were skipped, of stable's " percent(share("stable", "skipped", "dealt")))
  if (oldest > old) verdict("bad", sprintf("the oldest event has waited for %.0f s", oldest))

  failed = share("canary", "failed", "requests")
  if (n >= enough || sum["canary", "failed"] >= certain) {
    if (compared && failed > share("stable", "failed", "requests") + more_failed)
      verdict("bad", percent(failed) " of its requests failed, of stable's " percent(share("stable", "failed", "requests")))
    if (failed > all_failed)
      verdict("bad", percent(failed) " of its requests failed" (compared ? ", as many as stable's" : ""))
  }
  if (n < enough) verdict("few", sprintf("%d %s are too few to say anything, %d are enough", n, unit, enough))
  if (!compared) verdict("few", sprintf("%d %s of stable's are too few to compare with, %d are enough", sum["stable", unit], unit, enough))

  slow = p99("canary", "requests")
  usual = p99("stable", "requests")
  if (slow > noticed && slow > slower * usual) verdict("bad", "its p99 is " milliseconds(slow) ", stable's " milliseconds(usual))
  if (p99("canary", "deliveries") > late)
    verdict("bad", "its deliveries have a p99 of " milliseconds(p99("canary", "deliveries")) ", " late " s are promised")
  verdict("good", n " " unit)
}
