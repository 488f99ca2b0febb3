"""Reads packets of a queue (NFQUEUE) and keeps them: `count` on standard input prints how many wait, `release` lets them go.

Argument: the number of the queue. linux/netfilter/nfnetlink_queue.h"""

import errno
import os
import select
import socket
import struct
import sys

NETLINK_NETFILTER = 12
QUEUE = 3 << 8
PACKET, VERDICT, CONFIG = 0, 1, 2
ERROR = 2
CFG_CMD, CFG_PARAMS = 1, 2
PACKET_HDR, VERDICT_HDR = 1, 2
ACCEPT = 1

queue = int(sys.argv[1])
netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
netlink.bind((0, 0))


def send(kind, attribute, value, flags=0):
    data = struct.pack("=HH", 4 + len(value), attribute) + value
    data += bytes(-len(data) % 4)
    message = struct.pack("=BB", 0, 0) + struct.pack("!H", queue) + data
    netlink.send(struct.pack("=IHHII", 16 + len(message), QUEUE | kind, 1 | flags, 0, 0) + message)


def ids(data):
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        if kind == QUEUE | PACKET:
            at = 20
            while at + 4 <= length:
                size, attribute = struct.unpack_from("=HH", data, at)
                if attribute == PACKET_HDR:
                    yield struct.unpack_from("!I", data, at + 4)[0]
                at += (size + 3) & ~3
        elif kind == ERROR:
            code = -struct.unpack_from("=i", data, 16)[0]
            # A packet that is gone can have no verdict.
            if code not in (0, errno.ENOENT):
                raise OSError(code, "netlink")
        data = data[(length + 3) & ~3 :]


# Bind, and have of each packet its head alone; the kernel confirms.
send(CONFIG, CFG_CMD, struct.pack("!BBH", 1, 0, 0), 4)
list(ids(netlink.recv(1 << 16)))
send(CONFIG, CFG_PARAMS, struct.pack("!IB", 0, 1), 4)
list(ids(netlink.recv(1 << 16)))
print("ready", flush=True)

held = []
while True:
    for ready in select.select([netlink, sys.stdin], [], [])[0]:
        if ready is netlink:
            held.extend(ids(netlink.recv(1 << 16)))
            continue
        asked = os.read(0, 100).decode().strip()
        if asked == "":
            sys.exit()
        print(len(held), flush=True)
        if asked == "release":
            for each in held:
                send(VERDICT, VERDICT_HDR, struct.pack("!II", ACCEPT, each))
            held = []
