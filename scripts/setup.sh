#!/bin/sh
# Installs missing npm packages from the lockfile and missing Debian packages for `npm run lab` (setup.sh lab), `npm test` (setup.sh test),
# `npm run bench` (setup.sh bench) or `npm run vm` (setup.sh vm). It must not need Node 24. If nothing is missing, it prints nothing.
set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin

fail() {
  echo "postern: $1" >&2
  exit 2
}

# Prints the first package that the distribution has, else the first, so that apt-get reports it as missing.
choose() {
  for package in "$@"; do
    if [ "$package" = none ] || [ -n "$(apt-cache madison "$package")" ]; then
      echo "$package"
      return
    fi
  done
  echo "$1"
}

# npm writes this file at the end of an installation, so it is also missing after an interrupted one.
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
  echo 'postern: installing npm packages from the lockfile'
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
fi
# The lockfile has Node 24 for x64 and arm64. Other architectures use the machine's Node.
[ -x node_modules/.bin/node ] || node -e '
  const [major, minor] = process.versions.node.split(".").map(Number);
  process.exit(major > 24 || (major === 24 && minor >= 12) ? 0 : 1);
' || fail 'needs Node 24.12 or newer on this processor'

# One line per tool: the test for it, then alternative Debian packages. `none` at the end means that the tool is optional (Ubuntu has
# no kubectl).
tools='
nft                  nftables
ip                   iproute2
/usr/lib/cni/bridge  containernetworking-plugins
/usr/bin/python3     python3
iptables             iptables
socat                socat
'
[ "${1-}" = test ] && tools="$tools
cc                   gcc
/usr/include/stdio.h libc6-dev
busybox              busybox busybox-static
conntrack            conntrack
tcpdump              tcpdump
ethtool              ethtool
kubectl              kubectl kubernetes-client none
chromium             chromium none
"

[ "${1-}" = bench ] && tools="$tools
conntrack            conntrack
cc                   gcc
/usr/include/stdio.h libc6-dev
openssl              openssl
chromium             chromium none
"

[ "${1-}" = vm ] && tools="$tools
qemu-system-x86_64   qemu-system-x86
/usr/share/qemu/linuxboot_dma.bin qemu-system-data
/bin/busybox         busybox-static
cpio                 cpio
modprobe             kmod
xz                   xz-utils
zstd                 zstd
/usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
conntrack            conntrack
tcpdump              tcpdump
ethtool              ethtool
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
