#!/bin/sh
# Compiles the CNI plugin into the file OUT: static, because it runs on nodes of any distribution.
set -eu
[ $# = 1 ] || { echo 'usage: cni.sh OUT' >&2; exit 2; }
command -v cc >/dev/null || { echo 'cni.sh: no cc: please install gcc and libc6-dev' >&2; exit 2; }
cc -std=c11 -D_DEFAULT_SOURCE -O2 -static -s -Wall -Wextra -Wconversion -Werror -o "$1" "$(dirname "$0")/../../src/cni/postern-cni.c"
