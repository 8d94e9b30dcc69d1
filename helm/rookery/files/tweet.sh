#!/bin/sh
# tweet.sh NAME: with the services of the release NAME, one account follows another and reads its tweet. Both accounts are
# deleted in the end. Needs nothing but busybox.

set -eu
name=$1
now=$(date +%s)
token=

# request METHOD SERVICE PATH [BODY]: prints the answer's body; fails unless it is 2xx.
request() {
  body=${4:-}
  answer=$({
    printf '%s %s HTTP/1.1\r\nHost: rookery\r\nConnection: close\r\n' "$1" "$3"
    [ -z "$token" ] || printf 'Authorization: Bearer %s\r\n' "$token"
    printf 'Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' "${#body}" "$body"
  } | nc -w 10 "$name-$2" 8080)
  case $answer in
    'HTTP/1.1 2'*) printf '%s\n' "$answer" | tail -n 1 ;;
    *) printf '%s %s was answered:\n%s\n' "$1" "$3" "$answer" >&2; return 1 ;;
  esac
}

# field NAME: its first value in the JSON that comes in; fails where there is none.
field() {
  value=$(grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4)
  [ -n "$value" ] && echo "$value"
}

# sign_up HANDLE: prints a token.
sign_up() {
  credentials="{\"handle\":\"$1\",\"password\":\"only for a test\"}"
  token=
  request POST follow-graph /v1/users "$credentials" > /dev/null || return
  request POST follow-graph /v1/sessions "$credentials" | field token
}

author=$(sign_up "a$now")
reader=$(sign_up "r$now")
echo "signed up a$now and r$now"

token=$author
author_id=$(request GET follow-graph /v1/users/me | field id)
token=$reader
request PUT follow-graph "/v1/users/me/following/$author_id" > /dev/null
token=$author
tweet=$(request POST tweet-ingest /v1/tweets '{"text":"Hello from helm test"}' | field id)
echo "posted $tweet"

# It is there within 5 s, if the fan-out isn't busy.
token=$reader
tries=0
until request GET timeline-read /v1/timelines/home | grep -q "\"id\":\"$tweet\""; do
  tries=$((tries + 1))
  [ "$tries" -lt 30 ] || { echo "it is not in its follower's home timeline" >&2; exit 1; }
  sleep 1
done
echo "read it in its follower's home timeline"

for token in "$author" "$reader"; do
  request DELETE follow-graph /v1/users/me > /dev/null
done
