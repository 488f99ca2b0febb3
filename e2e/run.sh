#!/bin/sh
# npm run e2e: runs on the cluster of KUBECONFIG, else in its own lab, which needs root and Debian (e2e/README.md).
set -eu
cd "$(dirname "$0")/.."
[ -n "${KUBECONFIG-}" ] || sh scripts/setup.sh lab
export PATH="$PWD/node_modules/.bin:$PATH:/usr/sbin:/sbin"
exec mocha 'e2e/*.test.ts' "$@"
