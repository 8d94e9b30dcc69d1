#!/usr/bin/env bash
# Tries a new version of one service on a part of its load, and rolls back by itself.
#
#   k8s/canary.sh try SERVICE [--tag TAG] [--set KEY=VALUE]... [--migrate] [OPTION...]
#   k8s/canary.sh abort SERVICE       takes away what a canary has left that was killed
#
# SERVICE is tweet-ingest, fan-out, timeline-read or follow-graph; --tag and --set (config.SECTION.KEY or resources…) say what
# is new. Pods of it are started beside the others and get more and more of the load, by steps. After each step their /metrics
# are compared with those of the other pods (canary-judge.awk). If all was good, all pods become new; if not, the new ones
# go, and this says why. Requests are shared out by weights if the chart's httpRoute is on, else by numbers of pods, as the
# tweets that fan-out takes always are. Needs kubectl, helm, jq, curl and awk.
#
#   --migrate            the database's schema first becomes that of TAG, which the pods of before can work with
#   --steps "5 25 50 100"  percent of the load
#   --step-seconds 120   how long each is watched
#   --enough 100         requests (for fan-out: tweets) without which a step says nothing
#   --patience 1200      seconds after which a step with too little load ends it all
#   --timeout 5m         for pods to be ready
#
# RELEASE (rookery), NAMESPACE (rookery) and CHART (the one beside this script) say which release.
#
# Exit codes: 0 all pods are new; 1 it was bad and is rolled back; 2 it could not be said (too little load, or a command
# failed), and it is rolled back; 3 the rollback failed too: see what helm says, and run `abort`; 64 wrong usage, nothing was
# done; 130 it was interrupted (Ctrl-C, SIGTERM) and is rolled back.

# shellcheck disable=SC2016 # The variables of jq are none of the shell's.

set -euo pipefail
shopt -s nullglob
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

release=${RELEASE:-rookery}
namespace=${NAMESPACE:-rookery}
chart=${CHART:-$here/../helm/rookery}
steps='5 25 50 100' step_seconds=120 enough=100 patience=1200 timeout=5m
tag='' migrate='' settings=()
look_seconds=10

# Whether anybody reads it must not matter.
say() { printf 'canary: %s\n' "$*" || true; }

usage() {
  [[ -z ${1:-} ]] || printf 'canary: %s\n\n' "$1" >&2
  sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 64
}

arguments() {
  (($# >= 2)) || usage
  action=$1 service=$2
  shift 2
  [[ $action == try || $action == abort ]] || usage "there is no $action"
  [[ $service =~ ^(tweet-ingest|fan-out|timeline-read|follow-graph)$ ]] || usage "there is no service $service"
  while (($#)); do
    case $1 in
      --migrate) migrate=yes; shift; continue ;;
      --tag | --set | --steps | --step-seconds | --enough | --patience | --timeout) (($# >= 2)) || usage "$1 what?" ;;
      *) usage "what is $1?" ;;
    esac
    case $1 in
      --tag) tag=$2 ;;
      --set) settings+=("$2") ;;
      --steps) steps=$2 ;;
      --step-seconds) step_seconds=$2 ;;
      --enough) enough=$2 ;;
      --patience) patience=$2 ;;
      --timeout) timeout=$2 ;;
    esac
    shift 2
  done
  [[ $action == abort || -n $tag || ${#settings[@]} -gt 0 ]] || usage 'what is new? --tag or --set say it'
  [[ -z $migrate || -n $tag ]] || usage '--migrate needs --tag'
  [[ $steps =~ ^[1-9][0-9]*(\ [1-9][0-9]*)*$ && $step_seconds$enough$patience =~ ^[0-9]+$ ]] || usage 'numbers, please'
  local program step
  for step in $steps; do
    ((step <= 100)) || usage "$step percent?"
  done
  for program in kubectl helm jq curl awk; do
    command -v "$program" > /dev/null || usage "$program is needed and not there"
  done
}

# --- Interruption. A signal only sets a flag, which is looked at between calls: what is under way comes to its end first.

interrupted='' settled=yes has_requests=''
trap 'interrupted=yes' INT TERM HUP
trap '' PIPE

# Whatever else ends the script does not leave a canary behind.
at_the_end() {
  local status=$?
  if [[ -z $settled ]]; then
    trap 'rm -rf "$work"' EXIT
    [[ -z $interrupted ]] || roll_back 130 'it was interrupted'
    roll_back 2 "a command failed ($status)"
  fi
  rm -rf "$work"
}

# Runs a command that Ctrl-C in a terminal does not reach, in a process group of its own.
undisturbed() {
  set -m
  "$@" &
  set +m
  local pid=$! status
  while true; do
    status=0
    wait "$pid" || status=$?
    kill -0 "$pid" 2> /dev/null || return "$status"
  done
}

pause() {
  sleep "$1" &
  wait $! || true
}

# --- The release.

kube() { kubectl --namespace "$namespace" "$@"; }

values() { helm get values "$release" --namespace "$namespace" --output json "$@" | jq '. // {}'; }

# Upgrades the release to the values in $work/values.json and waits until that serves.
upgrade() {
  undisturbed helm upgrade "$release" "$chart" --namespace "$namespace" --reset-values --values "$work/values.json" \
    --wait --timeout "$timeout" "$@" > "$work/helm" 2>&1
}

# Changes the release's values, as they are now, by a jq program: $s is the service, $was are the values of before. 1: what it
# upgraded to does not serve; 2: it could not say what to upgrade to.
change() {
  if ! { values > "$work/current.json" \
    && jq --arg s "$service" --argjson w "${weight:-0}" --argjson r "${replicas:-1}" --slurpfile was "$work/before.json" \
      "$1" "$work/current.json" > "$work/values.json"; }; then
    echo "the release's values could not be read" > "$work/helm"
    return 2
  fi
  upgrade "${@:2}" || return 1
}

selector() { printf 'app.kubernetes.io/instance=%s,app.kubernetes.io/component=%s' "$release" "$1"; }

# Helm knows only of revisions that were deployed: what one has made that failed, or was killed, stays unless it is rolled back.
# One that is pending may be somebody else's, unless it is what `abort` is for.
undo_failed() {
  local status
  status=$(helm status "$release" --namespace "$namespace" --output json | jq --raw-output .info.status) || status=unknown
  if [[ $status == failed || ($status == pending-* && $action == abort) ]]; then
    undisturbed helm rollback "$release" --namespace "$namespace" --wait --timeout "$timeout" > "$work/helm" 2>&1 || true
  fi
}

# Takes the canary away, and ends with a code and a reason. Nothing else that was changed meanwhile is undone.
roll_back() {
  # Nothing ends it before its end.
  trap '' INT TERM HUP
  set +e
  settled=yes
  say "ROLLING BACK: $2"
  evidence
  undo_failed
  # Requests first, so that none is on its way when the pods end.
  if [[ -n $has_requests ]]; then change '.services[$s].canary.weight = 0' || true; fi
  if change '.services[$s] = ($was[0].services[$s] // {}) | .migration.tag = ($was[0].migration.tag // "")'; then
    if [[ $action == abort ]]; then
      say "the canary is gone; all pods of $service are as the release's values say"
    else
      say "rolled back: all pods of $service are as before"
    fi
    exit "$1"
  fi
  say "THE ROLLBACK FAILED: $(tail -n 3 "$work/helm")"
  exit 3
}

# What the canary's pods say of themselves, if anything.
evidence() {
  kube get pods --selector "$(selector "$service"),rookery/track=canary" || true
  kube logs --selector "$(selector "$service"),rookery/track=canary" --tail 5 --prefix || true
}

unless_interrupted() {
  [[ -z $interrupted ]] || roll_back 130 'it was interrupted'
}

# --- Looking.

# Writes /metrics of a pod to a file. By a forwarded port, which no NetworkPolicy is in the way of.
metrics_of() {
  local pod=$1 file=$2 pid port='' tries=0
  : > "$file.port"
  # Not by a function: killing the shell that runs one would leave kubectl behind.
  kubectl --namespace "$namespace" port-forward "pod/$pod" :8081 > "$file.port" 2> /dev/null &
  pid=$!
  until port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' "$file.port") && [[ -n $port ]]; do
    if ((++tries > 100)) || ! kill -0 "$pid" 2> /dev/null; then break; fi
    sleep 0.1
  done
  # A pod that has just gone or come is not compared.
  if [[ -n $port ]] && curl --silent --fail --max-time 10 "http://127.0.0.1:$port/metrics" > "$file.part"; then
    mv "$file.part" "$file"
  fi
  kill "$pid" 2> /dev/null || true
  wait "$pid" 2> /dev/null || true
  rm -f "$file.part" "$file.port"
}

# Looks at all ready pods of the release: before or after.
look() {
  local pod component track jobs=()
  rm -rf "${work:?}/$1"
  mkdir -p "$work/$1"/{stable,canary,other}
  while read -r pod component track; do
    [[ $component == "$service" ]] || track=other
    metrics_of "$pod" "$work/$1/$track/$pod" &
    jobs+=($!)
  done < <(kube get pods --selector "app.kubernetes.io/instance=$release,rookery/track" --output json | jq --raw-output '
    .items[] | select(.metadata.deletionTimestamp == null and any(.status.conditions[]?; .type == "Ready" and .status == "True"))
    | [.metadata.name, .metadata.labels["app.kubernetes.io/component"], .metadata.labels["rookery/track"]] | join(" ")')
  ((${#jobs[@]} == 0)) || wait "${jobs[@]}" || true
}

restarts() {
  kube get pods --selector "$(selector "$service"),rookery/track=canary" --output json \
    | jq '[.items[].status.containerStatuses[]?.restartCount] | add // 0'
}

# Watches a step until there is enough to say. Ends it all where that is nothing good.
watch_step() {
  local begun=$SECONDS judgement figures ended
  look before
  while true; do
    pause "$look_seconds"
    unless_interrupted
    look after
    # Where all requests go to the canary there is nobody beside it: compare with how stable was at the step before.
    if [[ -n $routed && $weight == 100 ]]; then
      rm -rf "$work"/{before,after}/stable
      cp -R "$work/reference/before/stable" "$work/before/"
      cp -R "$work/reference/after/stable" "$work/after/"
    fi
    judgement=$(awk -v unit="$unit" -v enough="$enough" -f "$here/canary-judge.awk" \
      "$work"/before/*/* "$work"/after/*/* < /dev/null)
    figures=${judgement%%$'\n'*} judgement=${judgement#*$'\n'}
    ended=$(restarts) || roll_back 2 'its pods could not be asked for'
    ((ended == 0)) || roll_back 1 'its container has ended and was started again'
    case $judgement in
      bad:*) say "$figures"; roll_back 1 "${judgement#bad: }" ;;
      good:*) if ((SECONDS - begun >= step_seconds)); then say "$figures"; break; fi ;;
      few:*) if ((SECONDS - begun >= patience)); then say "$figures"; roll_back 2 "${judgement#few: }"; fi ;;
    esac
  done
  rm -rf "$work/reference"
  mkdir "$work/reference"
  cp -R "$work/before" "$work/after" "$work/reference/"
}

# --- What it does.

# How many pods a share of the load takes: as much of the others' number as it goes to them, or so many that they are that
# share of all, at most half.
pods_for() {
  local stable=$1 percent=$2 pods
  if [[ -n $routed ]] || ((percent == 100)); then
    pods=$(((stable * percent + 99) / 100))
  else
    pods=$(((stable * percent + 99 - percent) / (100 - percent)))
    ((pods <= stable)) || pods=$stable
  fi
  echo $((pods > 0 ? pods : 1))
}

start() {
  local options=(--set "services.$service.canary.mode=weights" --set-string "services.$service.canary.tag=$tag") setting
  for setting in "${settings[@]}"; do
    options+=(--set "services.$service.canary.$setting")
  done
  [[ -z $migrate ]] || options+=(--set-string "migration.tag=$tag")
  say "starting ${service}${tag:+ with $tag}${settings[*]:+ with ${settings[*]}}"
  change . "${options[@]}" || roll_back $? "it does not become ready: $(tail -n 1 "$work/helm")"
  unless_interrupted
}

try() {
  local stable
  for weight in $steps; do
    stable=$(kube get "$deployment" --output 'jsonpath={.spec.replicas}')
    replicas=$(pods_for "$stable" "$weight")
    if [[ -n $routed ]]; then
      say "$weight % of requests go to it, $replicas pods"
      has_requests=yes
      change '.services[$s].canary += {weight: $w, replicas: $r}' || roll_back $? "$(tail -n 1 "$work/helm")"
    else
      say "for $weight % of the load, $replicas of $((stable + replicas)) pods are its"
      change '.services[$s].canary += {replicas: $r}' || roll_back $? "$(tail -n 1 "$work/helm")"
    fi
    unless_interrupted
    watch_step
  done
}

# All pods become as the canary's, which serves meanwhile; then it goes.
promote() {
  say "all was good: all pods of $service become new"
  change '.services[$s] |= ((.canary // {}) as $c | if ($c.tag // "") != "" then .tag = $c.tag else . end
    | if $c.config then .config = ((.config // {}) * $c.config) else . end
    | if $c.resources then .resources = ((.resources // {}) * $c.resources) else . end)' \
    || roll_back $? "not all pods could become new: $(tail -n 1 "$work/helm")"
  unless_interrupted
  change 'del(.services[$s].canary, .migration.tag)' || roll_back $? "the canary could not be removed: $(tail -n 1 "$work/helm")"
  settled=yes
  say "done: all pods of $service are new"
}

main() {
  arguments "$@"
  work=$(mktemp -d)
  trap at_the_end EXIT
  if [[ $action == abort ]]; then
    values | jq --arg s "$service" 'del(.services[$s].canary, .migration.tag)' > "$work/before.json"
    has_requests=$(values | jq --raw-output --arg s "$service" 'if .services[$s].canary.weight then "yes" else "" end')
    roll_back 0 'as you say'
  fi
  values > "$work/before.json"
  deployment=$(kube get deployment --selector "$(selector "$service")" --output name)
  [[ $(wc -w <<< "$deployment") == 1 ]] || usage "there is no $service, or a canary of it already: $deployment"
  unit=requests routed=''
  [[ $service != fan-out ]] || unit=tweets
  if [[ $service != fan-out && $(values --all | jq '.httpRoute.enabled') == true ]]; then routed=yes; fi
  [[ -z $routed || ${steps%% *} != 100 ]] || usage 'with a first step of 100 percent there is nobody to compare with'
  settled=
  start
  try
  promote
}

main "$@"
