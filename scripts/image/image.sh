#!/bin/sh
# npm run image -- OUT.tar [--tag REPOSITORY:TAG]: builds the image of this checkout for this machine's architecture, on Debian, without a container engine.
set -eu
usage() {
  echo 'usage: npm run image -- OUT.tar [--tag REPOSITORY:TAG]' >&2
  exit 2
}
out='' tag=''
while [ $# -gt 0 ]; do
  case $1 in
    --tag) [ $# -gt 1 ] || usage; tag=$2; shift 2 ;;
    -*) usage ;;
    *) [ -z "$out" ] || usage; out=$1; shift ;;
  esac
done
[ -n "$out" ] || usage
here=$(dirname "$0")
: "${tag:=ghcr.io/postern-dev/postern:$("$here/../../node_modules/.bin/node" -p 'require("./package.json").version')}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sh "$here/rootfs.sh" "$work/rootfs"
sh "$here/pack.sh" "$work/rootfs" "$out" "$tag"
echo "$out: $tag, $(du -m "$out" | cut -f 1) MB"
