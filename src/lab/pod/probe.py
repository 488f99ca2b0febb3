"""Probes of other pods, nodes and hosts."""

import random
import select
import socket
import struct

from loop import loop
from sctp import init_chunk, sctp_packet
from sockets import error_name, family_of, open_socket


class Probe:
    """Sends one request per attempt and takes the first answer. Calls `finish(identity, error)` once."""

    def __init__(self, server, spec, finish):
        self.server = server
        self.spec = spec
        self.finish = finish
        self.done = False
        self.error = "timeout"
        self.sockets = []
        self.cleanups = []
        self.send = {"TCP": self.connect, "UDP": self.datagram, "SCTP": self.init, "icmp": self.echo}[spec["protocol"]]

    def attempt(self):
        if self.done:
            return
        try:
            self.send()
        except OSError as error:
            self.error = error_name(error)

    def answer(self, identity):
        if not self.done:
            self.end(identity.decode(errors="replace") if isinstance(identity, bytes) else identity, None)

    def end(self, identity, error):
        if self.done:
            return
        self.done = True
        for sock in self.sockets:
            loop.close(sock)
        for cleanup in self.cleanups:
            cleanup()
        self.finish(identity, error)

    def destination(self):
        return self.spec["address"], self.spec["port"]

    def connect(self):
        sock = open_socket(family_of(self.spec["address"]), socket.SOCK_STREAM)
        # Closes with a reset: thousands of probes would leave as many sockets in TIME_WAIT.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sockets.append(sock)
        received = bytearray()

        def readable(_):
            try:
                data = sock.recv(4096)
            except BlockingIOError:
                return
            except OSError as error:
                self.error = error_name(error)
                return loop.close(sock)
            received.extend(data)
            if b"\n" in received:
                self.answer(bytes(received).partition(b"\n")[0])
            elif not data:
                self.error = "EOF"
                loop.close(sock)

        try:
            sock.connect(self.destination())
        except BlockingIOError:
            pass
        loop.watch(sock, select.EPOLLIN, readable)

    def datagram(self):
        if not self.sockets:
            sock = open_socket(family_of(self.spec["address"]), socket.SOCK_DGRAM)
            self.sockets.append(sock)
            sock.connect(self.destination())

            def readable(_):
                try:
                    self.answer(sock.recv(4096))
                except BlockingIOError:
                    pass
                except OSError as error:
                    self.error = error_name(error)

            loop.watch(sock, select.EPOLLIN, readable)
        self.sockets[0].send(b"?")

    def init(self):
        sctp = self.server.sctp
        if not self.cleanups:
            self.tag = random.getrandbits(32) | 1
            self.source_port = random.randrange(20000, 60000)
            sctp.waiting[self.tag] = self.answer
            self.cleanups.append(lambda: sctp.waiting.pop(self.tag))
        address, port = self.destination()
        sctp.send(family_of(address), address, sctp_packet(self.source_port, port, 0, init_chunk(1, self.tag)))

    def echo(self):
        icmp = self.server.icmp
        if not self.cleanups:
            self.key = random.randbytes(8)
            icmp.waiting[self.key] = self.answer
            self.cleanups.append(lambda: icmp.waiting.pop(self.key))
        icmp.send(self.spec["address"], self.key)
