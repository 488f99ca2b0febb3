"""Answers on the declared ports."""

import errno
import select
import socket
import struct

from flow import BURST, FLOW_HEADER, FLOW_MAGIC, FlowEnd, TcpFlow
from icmp import Icmp
from loop import loop
from sctp import Sctp
from sockets import IP_PKTINFO, IPV6_RECVPKTINFO, enlarge_receive_buffer, open_socket


class Server:
    def __init__(self):
        self.identity = b""
        self.flows = {}
        self.sctp = Sctp()
        self.icmp = Icmp()

    def serve(self, identity, ports):
        self.identity = self.sctp.identity = identity.encode()
        for each in ports:
            protocol, port = each["protocol"], each["port"]
            if protocol == "SCTP":
                self.sctp.ports.add(port)
            else:
                for family in (socket.AF_INET, socket.AF_INET6):
                    self.listen(family, protocol, port)

    def listen(self, family, protocol, port):
        kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
        try:
            sock = open_socket(family, kind)
        except OSError as error:
            if error.errno == errno.EAFNOSUPPORT:
                return
            raise
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1 if protocol == "TCP" else 0)
        sock.bind(("", port))
        if protocol == "TCP":
            sock.listen(4096)
            loop.watch(sock, select.EPOLLIN, lambda _: self.accept(sock))
            return
        enlarge_receive_buffer(sock)
        # The answer must leave from the requested address: a host may have several.
        if family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
        loop.watch(sock, select.EPOLLIN, lambda _: self.datagrams(sock))

    def datagrams(self, sock):
        for _ in range(BURST):
            try:
                data, ancillary, _, peer = sock.recvmsg(65536, 64)
                if data[:4] == FLOW_MAGIC and len(data) >= FLOW_HEADER.size:
                    _, flow, echo, number = FLOW_HEADER.unpack_from(data)
                    self.flow(flow.decode()).tally.count(number)
                    if not echo:
                        continue
                    answer = FLOW_HEADER.pack(FLOW_MAGIC, flow, 0, number) + data[FLOW_HEADER.size :]
                else:
                    answer = self.identity
                sock.sendmsg([answer], [local_address(item) for item in ancillary], 0, peer)
            except BlockingIOError:
                return
            except OSError:
                continue

    def flow(self, key):
        if key not in self.flows:
            self.flows[key] = FlowEnd()
        return self.flows[key]

    def accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                sock.send(self.identity + b"\n")
            except OSError:
                sock.close()
                continue
            loop.watch(sock, select.EPOLLIN, lambda _, sock=sock: self.greeted(sock))

    def greeted(self, sock):
        """Handles the first line of a client, or EOF."""
        try:
            data = sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        line, end, rest = data.partition(b"\n")
        words = line.split()
        if not end or len(words) != 4 or words[0] != b"flow":
            loop.close(sock)
            return
        flow = self.flows[words[1].decode()] = TcpFlow(sock, int(words[2]))
        loop.watch(sock, select.EPOLLIN, flow.readable)
        flow.take(rest)
        flow.pace(float(words[3]), flow.send_record)


def local_address(item):
    """Turns the destination of a request into the source of the answer. Routing picks the interface."""
    level, kind, value = item
    if kind == IP_PKTINFO and level == socket.IPPROTO_IP:
        return level, kind, struct.pack("@i4s4s", 0, value[8:12], bytes(4))
    return level, kind, value[:16] + struct.pack("@i", 0)
