#!/bin/sh
# npm run e2e:kind: creates a kind cluster, installs image and chart of this checkout, runs the e2e suite. Needs docker, kind, kubectl and helm.
# KEEP=1 keeps the cluster with Postern; `kind get kubeconfig --name postern-e2e` prints its kubeconfig.
set -eu
cd "$(dirname "$0")/../.."
name=postern-e2e
work=$(mktemp -d)
export KUBECONFIG="$work/kubeconfig"
finish() {
  [ -n "${KEEP-}" ] || kind delete cluster --name $name
  rm -rf "$work"
}
trap finish EXIT

[ -e node_modules/.package-lock.json ] || npm ci --ignore-scripts --no-audit --no-fund
docker build --tag postern:e2e .
kind create cluster --name $name --config e2e/kind/cluster.yaml
sh e2e/kind/network.sh $name
kind load docker-image postern:e2e --name $name
kubectl create namespace postern-system
kubectl label namespace postern-system pod-security.kubernetes.io/enforce=privileged
helm install postern charts/postern --namespace postern-system --wait --set image.repository=postern --set image.tag=e2e
[ -n "${KEEP-}" ] || export E2E_UNINSTALL=1
npm run e2e
