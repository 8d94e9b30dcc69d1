#!/usr/bin/env bash
# Takes away what k8s/up.sh has made: the kind cluster, or with --existing the release and its namespace (NAMESPACE).

set -euo pipefail

namespace=${NAMESPACE:-rookery}

case "${1:-}" in
  '') kind delete cluster --name rookery ;;
  --existing)
    : "${KUBECONFIG:?names no cluster}"
    helm uninstall rookery --namespace "$namespace" --ignore-not-found --wait
    kubectl delete namespace "$namespace" --ignore-not-found
    ;;
  *)
    echo 'k8s/down.sh [--existing]' >&2
    exit 64
    ;;
esac
