#!/bin/sh
# Packs a root file system into a tar for `ctr images import` and `docker load`, without a container engine. The result is reproducible.
set -eu
[ $# = 3 ] || { echo 'usage: pack.sh ROOTFS OUT.tar REPOSITORY:TAG' >&2; exit 2; }
case $(uname -m) in x86_64) architecture=amd64 ;; aarch64) architecture=arm64 ;; *) architecture=$(uname -m) ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
epoch='--mtime=@0 --owner=0 --group=0 --numeric-owner --sort=name --format=ustar'
digest() { sha256sum "$1" | cut -d ' ' -f 1; }

mkdir "$work/image"
# shellcheck disable=SC2086 # a list of words
tar $epoch -C "$1" -cf "$work/image/layer.tar" .
layer=$(digest "$work/image/layer.tar")
# Environment and entry point as in the Dockerfile.
cat >"$work/config" <<END
{"architecture":"$architecture","os":"linux","created":"1970-01-01T00:00:00Z",
"config":{"Entrypoint":["/usr/bin/postern"],"Env":["PATH=/usr/bin:/usr/sbin","MALLOC_ARENA_MAX=1","MALLOC_MMAP_THRESHOLD_=131072"]},
"rootfs":{"type":"layers","diff_ids":["sha256:$layer"]}}
END
config=$(digest "$work/config").json
mv "$work/config" "$work/image/$config"
echo "[{\"Config\":\"$config\",\"RepoTags\":[\"$3\"],\"Layers\":[\"layer.tar\"]}]" >"$work/image/manifest.json"
# shellcheck disable=SC2086
tar $epoch -C "$work/image" -cf "$2" manifest.json "$config" layer.tar
