"""Sends to many at once, and counts what comes from whom. It runs in a pod from before the pod has a network.

The argument is JSON: {"id", "port", "targets": [{"address", "udp", "tcp", "eager", "talk"}]}; `udp` and `tcp` are how many milliseconds
lie between two packets, or two attempts to connect; a target without one is not sent that. An `eager` one gets datagrams as fast as
may be until one has left, and for half a second after. With `talk`, a connection that stands is spoken on at every `tcp`. Datagrams go
from `port` to `port`, and calls from the one above it to `port`: between two addresses they are the same 5-tuples always, whoever
has them.

A line is printed once it sends. On stdin: `report`, or `targets JSON`; each is answered by a report. It ends when stdin does.
Packets carry who sent them: a report says what came (`udp4`, `tcp6`, …), by sender. Segments of TCP are counted as well, by address
and by a raw socket, so that those that no connection takes are seen.
"""

import errno
import json
import os
import select
import socket
import struct
import sys
import time

MAGIC = b"PFLD"
HEADER = struct.Struct("!4s40sQ")
SO_RCVBUFFORCE = 33
SYN, RST, ACK = 2, 4, 16
EAGER = 0.002


def number_of(family):
    return "4" if family == socket.AF_INET else "6"


class Flood:
    def __init__(self, config):
        self.id = config["id"].encode()
        self.port = config["port"]
        self.epoll = select.epoll()
        self.handlers = {}
        self.seen = {}
        self.segments = {}
        self.sent = {}
        self.established = {}
        self.first_sent = None
        self.number = 0
        self.datagrams = {family: self.open_datagrams(family) for family in (socket.AF_INET, socket.AF_INET6)}
        for family in self.datagrams:
            self.listen(family)
            self.count_segments(family)
        self.targets = {}
        self.set_targets(config["targets"])

    def watch(self, sock, handler):
        self.epoll.register(sock, select.EPOLLIN)
        self.handlers[sock.fileno()] = handler

    def forget(self, sock):
        if sock.fileno() in self.handlers:
            self.epoll.unregister(sock)
            del self.handlers[sock.fileno()]
        sock.close()

    def bound(self, family, kind, port):
        sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Calls share a port.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("", port))
        return sock

    def open_datagrams(self, family):
        sock = self.bound(family, socket.SOCK_DGRAM, self.port)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self.watch(sock, lambda: self.datagram(sock, "udp" + number_of(family)))
        return sock

    def datagram(self, sock, how):
        while True:
            try:
                data, _ = sock.recvfrom(2048)
            except BlockingIOError:
                return
            except OSError:
                # What an earlier packet was answered with.
                continue
            if data[:4] == MAGIC:
                self.came(HEADER.unpack_from(data)[1].rstrip(b"\0").decode(), how)

    def came(self, who, how):
        now = time.time()
        entry = self.seen.setdefault(who, {"first": now, "last": now, "counts": {}})
        entry["counts"][how] = entry["counts"].get(how, 0) + 1
        entry["last"] = now

    def listen(self, family):
        sock = self.bound(family, socket.SOCK_STREAM, self.port)
        sock.listen(512)

        def accept():
            try:
                connection, _ = sock.accept()
            except OSError:
                return
            connection.setblocking(False)
            self.watch(connection, lambda: self.greeted(connection, "tcp" + number_of(family)))

        self.watch(sock, accept)

    def greeted(self, sock, how):
        """Kept open: the next pod of that address may find it so."""
        try:
            data = sock.recv(2048)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            return self.forget(sock)
        self.came(data.split(b"\n")[0].decode(errors="replace"), how)
        try:
            sock.send(b"hello\n")
        except OSError:
            self.forget(sock)

    def count_segments(self, family):
        sock = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_TCP)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)

        def segment():
            while True:
                try:
                    data, peer = sock.recvfrom(2048)
                except OSError:
                    return
                if family == socket.AF_INET:
                    data = data[(data[0] & 15) * 4 :]
                if len(data) < 14 or struct.unpack_from("!H", data, 2)[0] not in (self.port, self.port + 1):
                    continue
                # The node resets a connection whose entry is gone (S5.18): that is no packet of a pod.
                if data[13] & RST:
                    continue
                kind = "opening" if data[13] & (SYN | ACK) == SYN else "other"
                entry = self.segments.setdefault(peer[0], {"opening": 0, "other": 0})
                entry[kind] += 1

        self.watch(sock, segment)

    def set_targets(self, targets):
        for target in self.targets.values():
            if target["connection"]:
                self.forget(target["connection"])
        now = time.monotonic()
        self.targets = {
            each["address"]: {**each, "connection": None, "next-udp": now, "next-tcp": now} for each in targets
        }

    def pace(self, target, how, now):
        """Whether it is time, and when next."""
        if target.get(how) is None or now < target["next-" + how]:
            return False
        eager = how == "udp" and target.get("eager") and (self.first_sent is None or time.time() < self.first_sent + 0.5)
        target["next-" + how] = now + (EAGER if eager else target[how] / 1000)
        return True

    def send(self, now):
        for target in self.targets.values():
            address = target["address"]
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            if self.pace(target, "udp", now):
                self.number += 1
                try:
                    self.datagrams[family].sendto(HEADER.pack(MAGIC, self.id, self.number), (address, self.port))
                    self.first_sent = self.first_sent or time.time()
                    self.sent[address] = self.sent.get(address, 0) + 1
                except OSError:
                    # It has no address yet, or is told what became of an earlier packet.
                    pass
            if self.pace(target, "tcp", now):
                self.connect(target, family)

    def connect(self, target, family):
        """Anew from the same port, unless it is connected."""
        address = target["address"]
        sock = target["connection"]
        if sock is not None:
            state = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
            if state == 1:
                return self.established_with(target, sock)
            self.forget(sock)
        target["connection"] = None
        try:
            sock = self.bound(family, socket.SOCK_STREAM, self.port + 1)
        except OSError:
            return
        # Whoever has the address by then knows nothing of the connection.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2000)
        error = sock.connect_ex((address, self.port))
        if error not in (0, errno.EINPROGRESS):
            sock.close()
            return
        target["connection"] = sock

    def established_with(self, target, sock):
        """Says who it is until that is answered."""
        try:
            if sock.recv(64):
                self.established[target["address"]] = self.established.get(target["address"], 0) + 1
        except BlockingIOError:
            pass
        except OSError:
            return
        if target["address"] not in self.established or target.get("talk"):
            try:
                sock.send(self.id + b"\n")
            except OSError:
                pass

    def pause(self):
        """Until something is due, in seconds."""
        due = [target["next-" + how] for target in self.targets.values() for how in ("udp", "tcp") if how in target]
        return max(0, min(due) - time.monotonic()) if due else -1

    def report(self):
        return {
            "firstSent": self.first_sent,
            "sent": self.sent,
            "seen": self.seen,
            "segments": self.segments,
            "established": self.established,
        }

    def command(self, line):
        word, _, rest = line.partition(" ")
        if word == "targets":
            self.set_targets(json.loads(rest))
        print(json.dumps(self.report()), flush=True)

    def run(self):
        pending = ""
        print("floods", flush=True)
        self.epoll.register(0, select.EPOLLIN)
        while True:
            self.send(time.monotonic())
            for fd, _ in self.epoll.poll(self.pause()):
                if fd != 0:
                    handler = self.handlers.get(fd)
                    if handler:
                        handler()
                    continue
                data = os.read(0, 1 << 16).decode()
                if not data:
                    return
                *lines, pending = (pending + data).split("\n")
                for line in lines:
                    self.command(line)


Flood(json.loads(sys.argv[1])).run()
