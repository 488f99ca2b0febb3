"""Sends Ethernet frames from a pod's interface, and hears which arrive elsewhere.

    send JSON…      each {"hex"}: sent by eth0 as it is
    hear INTERFACE  prints `hears`, then the token of each frame that the interface gets, once: from before any filter, so in a pod
    take            the same for datagrams that reach a socket on port 7001, of DHCP, of a tunnel or of ICMP, in a node: what was not filtered

A token is 16 bytes of hex digits between < and > somewhere in the frame. The last two end with stdin.
"""

import re
import select
import socket
import struct
import sys

ETH_P_ALL = 3
TOKEN = re.compile(rb"<([0-9a-f]{16})>")
# From linux/if_packet.h.
PACKET_OUTGOING = 4
PACKET_ADD_MEMBERSHIP = 1
PACKET_MR_PROMISC = 1
SOL_PACKET = 263


def send(frames):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind(("eth0", 0))
    for frame in frames:
        sock.send(bytes.fromhex(frame))


def hear(socks):
    print("hears", flush=True)
    while True:
        ready, _, _ = select.select([sys.stdin, *socks], [], [])
        for sock in ready:
            if sock is sys.stdin:
                if not sys.stdin.buffer.read1(1024):
                    return
                continue
            try:
                data, sender = sock.recvfrom(65536)
            except OSError:
                # The interface has gone.
                return
            if sock.family == socket.AF_PACKET and sender[2] == PACKET_OUTGOING:
                continue
            for token in TOKEN.findall(data):
                print(token.decode(), flush=True)


def tapped(interface):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.bind((interface, ETH_P_ALL))
    # A bridge shows itself only what is for it, unless it is asked.
    asked = struct.pack("iHH8s", socket.if_nametoindex(interface), PACKET_MR_PROMISC, 0, b"")
    sock.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, asked)
    return sock


def bound(family, port):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(("", port))
    return sock


verb, *rest = sys.argv[1:]
if verb == "send":
    send(rest)
elif verb == "hear":
    hear([tapped(rest[0])])
else:
    both = (socket.AF_INET, socket.AF_INET6)
    datagrams = [bound(family, port) for family in both for port in (7001, 4789, 6081)]
    # GRE, IPIP, 6in4; ICMP.
    tunnels = [socket.socket(family, socket.SOCK_RAW, protocol) for family in both for protocol in (47, 4, 41)]
    icmp = [socket.socket(socket.AF_INET, socket.SOCK_RAW, 1), socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58)]
    hear([*datagrams, bound(socket.AF_INET, 67), *tunnels, *icmp])
