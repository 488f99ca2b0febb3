"""Echo requests."""

import random
import select
import socket
import struct

from checksums import internet_checksum
from loop import loop
from sockets import family_of, open_socket


class Icmp:
    def __init__(self):
        self.waiting = {}
        self.sockets = {}

    def socket_of(self, family):
        if family not in self.sockets:
            protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
            sock = self.sockets[family] = open_socket(family, socket.SOCK_RAW, protocol)
            loop.watch(sock, select.EPOLLIN, lambda _: self.receive(family, sock))
        return self.sockets[family]

    def receive(self, family, sock):
        while True:
            try:
                data, peer = sock.recvfrom(2048)
            except OSError:
                return
            if family == socket.AF_INET:
                data = data[(data[0] & 15) * 4 :]
            if len(data) >= 16 and data[0] == (0 if family == socket.AF_INET else 129):
                action = self.waiting.get(data[8:16])
                if action:
                    action(peer[0])

    def send(self, address, key):
        family = family_of(address)
        head = struct.pack("!BBHHH", 8 if family == socket.AF_INET else 128, 0, 0, random.getrandbits(16), 1)
        checksum = internet_checksum(head + key) if family == socket.AF_INET else 0
        self.socket_of(family).sendto(head[:2] + struct.pack("!H", checksum) + head[4:] + key, (address, 0))
