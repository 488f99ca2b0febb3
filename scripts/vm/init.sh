#!/bin/sh
# The first process of a virtual machine. The machine's files are the lower layer of its root: what it writes is gone when it ends.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r module; do
  insmod "/modules/$module" || echo "insmod $module failed"
done </modules/order

mount -t 9p -o trans=virtio,version=9p2000.L,msize=500000,cache=loose,ro machine /lower
mount -t tmpfs -o size=70% upper /upper
mkdir /upper/upper /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/upper,workdir=/upper/work root /newroot

mount -t proc proc /newroot/proc
mount -t sysfs sysfs /newroot/sys
mount -t cgroup2 cgroup /newroot/sys/fs/cgroup
mount -t devtmpfs dev /newroot/dev
mkdir -p /newroot/dev/pts /newroot/dev/shm
mount -t devpts pts /newroot/dev/pts
mount -t tmpfs shm /newroot/dev/shm
mount -t tmpfs run /newroot/run
mkdir -p /newroot/run/vm
mount -t 9p -o trans=virtio,version=9p2000.L,msize=500000 out /newroot/run/vm
exec switch_root /newroot /run/vm/start
