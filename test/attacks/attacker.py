"""Does what an attacker does, step by step. Reads a JSON list of steps from each line of stdin, prints a line with what they saw.
Sockets live as long as their list. What the kernel refuses is seen as the name of the error.

    {"do": "frame", "device", "hex"}                    sends a whole frame; needs CAP_NET_RAW
    {"do": "udp", "sport", "to", "port", "hex"}         sends from a socket that is opened once for each sport
    {"do": "hear", "sport", "ms"}                       what comes to it, in hex; null after that time
    {"do": "connect", "sport", "to", "port"}            begins a TCP connection, and hears no answer until "listen"
    {"do": "dial", "sport", "to", "port"}               begins a TCP connection as all do
    {"do": "listen", "sport", "ms"}                     from that time on it hears answers
    {"do": "greeting", "sport", "ms"}                   what the server says first; null if there is no connection by then
    {"do": "tell", "sport", "hex"}                      sends on that connection
    {"do": "pause", "ms"}                               leaves others the time to do something
    {"do": "raw", "protocol", "to", "hex"}              a packet by a raw socket, with a header of the kernel's; needs CAP_NET_RAW
    {"do": "join", "sport", "group", "device"}                   joins a multicast group

With the argument `plain` it first becomes user 65534 without any capability.
"""

import json
import os
import socket
import struct
import sys
import time

# From linux/in.h and linux/in6.h.
IP_MINTTL = 21
IPV6_MINHOPCOUNT = 73
MOST_HOPS = 255

if "plain" in sys.argv:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)

socks = {}


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def opened(kind, step):
    key = (kind, step["sport"])
    if key not in socks:
        sock = socket.socket(family_of(step["to"]), kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", step["sport"]))
        socks[key] = sock
    return socks[key]


def least_hops(sock, hops):
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT, hops)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_MINTTL, hops)


def frame(step):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((step["device"], 0))
        sock.send(bytes.fromhex(step["hex"]))


def destination(step):
    host, _, scope = step["to"].partition("%")
    if ":" not in host:
        return (host, step["port"])
    return (host, step["port"], 0, socket.if_nametoindex(scope) if scope else 0)


def udp(step):
    sock = opened(socket.SOCK_DGRAM, step)
    sock.sendto(bytes.fromhex(step["hex"]), destination(step))


def hear(step):
    sock = socks[(socket.SOCK_DGRAM, step["sport"])]
    sock.settimeout(step["ms"] / 1000)
    try:
        return sock.recv(65536).hex()
    except OSError:
        return None


def connect(step):
    least_hops(opened(socket.SOCK_STREAM, step), MOST_HOPS)
    dial(step)


def dial(step):
    sock = opened(socket.SOCK_STREAM, step)
    sock.setblocking(False)
    sock.connect_ex(destination(step))


def listen(step):
    time.sleep(step["ms"] / 1000)
    least_hops(socks[(socket.SOCK_STREAM, step["sport"])], 0)


def greeting(step):
    sock = socks[(socket.SOCK_STREAM, step["sport"])]
    deadline = time.monotonic() + step["ms"] / 1000
    while time.monotonic() < deadline:
        try:
            return sock.recv(64).decode().strip()
        except BlockingIOError:
            time.sleep(0.02)
        except OSError as error:
            if error.errno != 107:
                return None
            time.sleep(0.02)
    return None


def tell(step):
    socks[(socket.SOCK_STREAM, step["sport"])].send(bytes.fromhex(step["hex"]))


def pause(step):
    time.sleep(step["ms"] / 1000)


def raw(step):
    with socket.socket(family_of(step["to"]), socket.SOCK_RAW, step["protocol"]) as sock:
        sock.sendto(bytes.fromhex(step["hex"]), (step["to"], 0))


def join(step):
    family = family_of(step["group"])
    sock = opened(socket.SOCK_DGRAM, {**step, "to": step["group"]})
    group = socket.inet_pton(family, step["group"])
    index = socket.if_nametoindex(step["device"])
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("@I", index))
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + bytes(4) + struct.pack("@i", index))


verbs = {each.__name__: each for each in (frame, udp, hear, connect, dial, listen, greeting, tell, pause, raw, join)}


def seen(step):
    try:
        return verbs[step["do"]](step)
    except OSError as error:
        return error.strerror


for line in sys.stdin:
    print(json.dumps([seen(step) for step in json.loads(line)]), flush=True)
    for sock in socks.values():
        sock.close()
    socks.clear()
