#!/bin/sh
# Configures a pod network without policies in a kind cluster: the ptp plugin of kind's node image, and a route to each node's pods.
# kubectl reads KUBECONFIG; the argument is the cluster's name.
set -eu
nodes=$(kind get nodes --name "$1")
pod_cidr() { kubectl get node "$1" -o 'jsonpath={.spec.podCIDR}'; }
address() { kubectl get node "$1" -o 'jsonpath={.status.addresses[?(@.type=="InternalIP")].address}'; }

for node in $nodes; do
  until [ -n "$(pod_cidr "$node")" ]; do sleep 1; done
done
for node in $nodes; do
  for other in $nodes; do
    [ "$node" = "$other" ] || docker exec "$node" ip route replace "$(pod_cidr "$other")" via "$(address "$other")"
  done
  docker exec -i "$node" tee /etc/cni/net.d/10-ptp.conflist >/dev/null <<END
{"cniVersion": "1.0.0", "name": "ptp", "plugins": [
  {"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local",
    "ranges": [[{"subnet": "$(pod_cidr "$node")"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
done
kubectl wait --for=condition=Ready node --all --timeout=120s
