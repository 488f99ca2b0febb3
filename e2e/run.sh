#!/bin/sh
# npm run e2e: on the cluster of KUBECONFIG, or else in a lab of its own, which wants root and Debian (e2e/README.md).
set -eu
cd "$(dirname "$0")/.."
[ -n "${KUBECONFIG-}" ] || sh scripts/setup.sh lab
export PATH="$PWD/node_modules/.bin:$PATH:/usr/sbin:/sbin"
exec mocha 'e2e/*.test.ts' "$@"
