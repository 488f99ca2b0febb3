"""SCTP on a raw socket (RFC 9260), because kernels may lack SCTP."""

import random
import select
import socket
import struct

from checksums import crc32c
from loop import loop
from sockets import IP_PKTINFO, IPV6_PKTINFO, IPV6_RECVPKTINFO, open_socket

SCTP = 132


def sctp_packet(source_port, port, verification_tag, chunk):
    head = struct.pack("!HHI", source_port, port, verification_tag)
    # The only little-endian field of SCTP (RFC 9260 appendix A).
    return head + struct.pack("<I", crc32c(head + bytes(4) + chunk)) + chunk


def init_chunk(kind, tag, cookie=b""):
    parameters = b""
    if cookie:
        parameters = struct.pack("!HH", 7, 4 + len(cookie)) + cookie
    length = 20 + len(parameters)
    return struct.pack("!BBHIIHHI", kind, 0, length, tag, 65536, 1, 1, tag) + parameters + bytes(-length % 4)


class Sctp:
    """Client and server of INIT and INIT-ACK, with one raw socket per family. While the raw socket is open, the kernel does not
    answer with ICMP protocol unreachable."""

    def __init__(self):
        self.identity = None
        self.ports = set()
        self.waiting = {}
        self.sockets = {}
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                sock = open_socket(family, socket.SOCK_RAW, SCTP)
            except OSError:
                continue
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
            self.sockets[family] = sock
            loop.watch(sock, select.EPOLLIN, lambda _, family=family, sock=sock: self.receive(family, sock))

    def receive(self, family, sock):
        while True:
            try:
                data, ancillary, _, peer = sock.recvmsg(2048, 64)
            except OSError:
                return
            if family == socket.AF_INET:
                local, data = data[16:20], data[(data[0] & 15) * 4 :]
            else:
                local = next((value[:16] for _, kind, value in ancillary if kind == IPV6_PKTINFO), bytes(16))
            if len(data) < 32 or struct.unpack("<I", data[8:12])[0] != crc32c(data[:8] + bytes(4) + data[12:]):
                continue
            source_port, port, verification_tag = struct.unpack("!HHI", data[:8])
            kind, _, length, tag = struct.unpack("!BBHI", data[12:20])
            if kind == 1 and verification_tag == 0 and port in self.ports:
                chunk = init_chunk(2, random.getrandbits(32) | 1, self.identity)
                try:
                    self.send(family, peer[0], sctp_packet(port, source_port, tag, chunk), local)
                except OSError:
                    pass  # No way back, or an output hook that says no: as an answer that was lost.
            elif kind == 2 and verification_tag in self.waiting:
                cookie = data[36 : 12 + length] if data[32:34] == b"\0\7" else b""
                self.waiting[verification_tag](cookie)

    def send(self, family, address, packet, source=None):
        ancillary = []
        if source and family == socket.AF_INET:
            ancillary = [(socket.IPPROTO_IP, IP_PKTINFO, struct.pack("@i4s4s", 0, source, bytes(4)))]
        elif source:
            ancillary = [(socket.IPPROTO_IPV6, IPV6_PKTINFO, source + struct.pack("@i", 0))]
        self.sockets[family].sendmsg([packet], ancillary, 0, (address, 0))
