#!/bin/sh
# Installs what `npm run lab` (setup.sh lab), `npm test` (setup.sh test) or `npm run bench` (setup.sh bench) lack: npm packages from the lockfile, and Debian
# packages. It runs before Node 24 is there; when nothing is missing it says nothing and takes no time.
set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin

fail() {
  echo "postern: $1" >&2
  exit 2
}

# The first package that the distribution has, or else the first, for apt-get to say that there is no such package.
choose() {
  for package in "$@"; do
    if [ "$package" = none ] || [ -n "$(apt-cache madison "$package")" ]; then
      echo "$package"
      return
    fi
  done
  echo "$1"
}

# npm writes this file at the end of an installation, so it is also missing after one that was cut short.
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
  echo 'postern: installing npm packages from the lockfile'
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
fi
# The lockfile brings Node 24 for x64 and arm64; elsewhere the machine's own must do.
[ -x node_modules/.bin/node ] || node -e '
  const [major, minor] = process.versions.node.split(".").map(Number);
  process.exit(major > 24 || (major === 24 && minor >= 12) ? 0 : 1);
' || fail 'needs Node 24.12 or newer on this processor'

# A line a tool: how to see it, then the Debian packages that bring it. The first that the distribution has is taken; `none`
# at the end: where it has none, go on without (Ubuntu has no kubectl).
tools='
nft                  nftables
ip                   iproute2
/usr/lib/cni/bridge  containernetworking-plugins
/usr/bin/python3     python3
iptables             iptables
socat                socat
'
[ "${1-}" = test ] && tools="$tools
conntrack            conntrack
tcpdump              tcpdump
ethtool              ethtool
kubectl              kubectl kubernetes-client none
"

[ "${1-}" = bench ] && tools="$tools
cc                   gcc
/usr/include/stdio.h libc6-dev
"

missing=$(echo "$tools" | while read -r tool packages; do
  [ -z "$tool" ] || command -v "$tool" >/dev/null || [ -e "node_modules/.without${tool##*/}" ] || echo "$tool $packages"
done)
[ -n "$missing" ] || exit 0
names=$(echo "$missing" | while read -r _ package _; do printf ' %s' "$package"; done)
command -v apt-get >/dev/null || fail "please install (this machine has no apt-get):$names"
[ "$(id -u)" = 0 ] || fail "please run as root, or install first:$names"

echo "postern: installing with apt-get:$names"
apt-get update -qq || echo 'postern: apt-get update failed; trying with the package lists at hand' >&2
wanted=$(echo "$missing" | while read -r tool packages; do
  # shellcheck disable=SC2086 # a list of words
  package=$(choose $packages)
  if [ "$package" = none ]; then
    echo "postern: this distribution has no $tool; the tests that need it are skipped" >&2
    touch "node_modules/.without${tool##*/}"
  else
    echo "$package"
  fi
done)
[ -n "$wanted" ] || exit 0
# shellcheck disable=SC2086 # a list of words
DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes apt-get install -y -qq -o DPkg::Lock::Timeout=120 --no-install-recommends $wanted >/dev/null
