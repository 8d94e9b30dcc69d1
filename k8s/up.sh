#!/usr/bin/env bash
# Rookery on Kubernetes, to try.
#
#   k8s/up.sh                              a kind cluster, images built here, a gateway, the chart
#   k8s/up.sh --existing [HELM OPTION...]  the chart alone, on the cluster that KUBECONFIG names. Images and a gateway are
#                                          there: --set image.repository=…, --set ingress.enabled=true, …
#
# Run again at any time: it makes what is missing and upgrades the rest. k8s/down.sh takes it away. NAMESPACE (rookery) is
# where it goes, URL where the gateway is.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

namespace=${NAMESPACE:-rookery}
url=${URL:-http://127.0.0.1:8080}
gateway_api=v1.4.0

need() {
  local program
  for program in "$@"; do
    command -v "$program" > /dev/null || { printf '%s is needed and not there\n' "$program" >&2; exit 1; }
  done
}

kind_cluster() {
  kind get clusters | grep -qx rookery || kind create cluster --config k8s/kind.yaml --wait 2m
  kubectl config use-context kind-rookery
}

images() {
  local service images=()
  for service in tweet-ingest fan-out timeline-read follow-graph; do
    docker build --target "$service" --tag "rookery/$service:dev" .
    images+=("rookery/$service:dev")
  done
  kind load docker-image --name rookery "${images[@]}"
}

gateway() {
  kubectl apply --server-side --filename \
    "https://github.com/kubernetes-sigs/gateway-api/releases/download/$gateway_api/standard-install.yaml"
  kubectl apply --filename k8s/gateway.yaml
  kubectl --namespace gateway rollout status deployment/traefik --timeout 5m
}

chart() {
  helm upgrade --install rookery helm/rookery --namespace "$namespace" --create-namespace --values k8s/values-trial.yaml \
    --wait --timeout 10m "$@"
  helm test rookery --namespace "$namespace" --logs
}

need kubectl helm
if [[ ${1:-} == --existing ]]; then
  : "${KUBECONFIG:?names no cluster}"
  chart "${@:2}"
elif (($# == 0)); then
  need kind docker
  kind_cluster
  images
  gateway
  chart --values k8s/values-kind.yaml
else
  sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 64
fi

cat << END

Rookery serves at $url. Try:

  curl $url/v1/users --json '{"handle": "ada", "password": "correct horse"}'
  curl $url/v1/openapi.json
  kubectl --namespace $namespace get pods
  cargo run -p load-tests --bin rookery-load -- --url $url    # a load; kill pods meanwhile
  k8s/down.sh${1:+ --existing}
END
