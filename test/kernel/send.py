"""Sends packets that no client sends by itself. Arguments: the destination, then `KIND` or `KIND/PORT` each."""

import socket
import struct
import sys

destination = sys.argv[1]
family = socket.AF_INET6 if ":" in destination else socket.AF_INET
IPV6_DSTOPTS = 59
SYN, FIN, RST, ACK = 2, 1, 4, 16


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x82F63B78 if crc & 1 else crc >> 1
    return crc ^ 0xFFFFFFFF


def raw(protocol, payload):
    sock = socket.socket(family, socket.SOCK_RAW, protocol)
    sock.sendto(payload(sock) if callable(payload) else payload, (destination, 0))


def tcp(flags, port):
    def segment(sock):
        sock.connect((destination, 0))
        source = socket.inet_pton(family, sock.getsockname()[0])
        length = 20
        pseudo = source + socket.inet_pton(family, destination) + struct.pack("!HBBH", 0, 0, socket.IPPROTO_TCP, length)
        fields = [40000, port, 1000, 0, 5 << 4, flags, 1024, 0, 0]
        fields[7] = checksum(pseudo + struct.pack("!HHIIBBHHH", *fields))
        return struct.pack("!HHIIBBHHH", *fields)

    raw(socket.IPPROTO_TCP, segment)


def sctp_heartbeat(port):
    head = struct.pack("!HHI", 40000, port, 1)
    chunk = struct.pack("!BBHHH", 4, 0, 8, 1, 4)
    raw(132, head + struct.pack("<I", crc32c(head + bytes(4) + chunk)) + chunk)


def options(port):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    # PadN of four bytes; the kernel fills in the next header.
    sock.setsockopt(socket.IPPROTO_IPV6, IPV6_DSTOPTS, bytes([0, 0, 1, 4, 0, 0, 0, 0]))
    sock.sendto(b"?", (destination, port))


kinds = {
    # A plain GRE header that carries IPv4; an ESP header with its SPI and sequence number.
    "gre": lambda _: raw(47, struct.pack("!HH", 0, 0x0800) + bytes(20)),
    "esp": lambda _: raw(50, struct.pack("!II", 256, 1) + bytes(24)),
    "syn-fin": lambda port: tcp(SYN | FIN, port),
    "rst": lambda port: tcp(RST, port),
    "heartbeat": sctp_heartbeat,
    "options": options,
}

for word in sys.argv[2:]:
    kind, _, number = word.partition("/")
    kinds[kind](int(number or 0))
