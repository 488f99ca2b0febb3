"""What runs in every pod, node and outside host of the lab.

It answers on the declared ports with the identity it was given, and sends probes to others. Commands come as JSON lines on stdin,
answers leave as JSON lines on stdout, each with the `id` of its command. It ends when stdin does, so it never outlives its lab.

Protocols:
  TCP   the server says `IDENTITY\n`; a client that goes on with `flow ID SIZE RATE\n` streams numbered records, and gets as many back
  UDP   any datagram is answered with the identity; datagrams that start with FLOW_MAGIC are counted, and sent back if they ask for it
  SCTP  INIT and INIT-ACK by hand on a raw socket (RFC 9260 section 3.3), as kernels may lack SCTP; the identity travels as the state cookie
  ICMP  echo, answered by the kernel of the target
"""

import errno
import heapq
import json
import os
import random
import resource
import select
import socket
import struct
import sys
import time

IP_PKTINFO = 8
IPV6_RECVPKTINFO = 49
IPV6_PKTINFO = 50
SO_RCVBUFFORCE = 33
SCTP = 132
RECEIVE_BUFFER = 32 << 20
FLOW_MAGIC = b"PFLW"
FLOW_HEADER = struct.Struct("!4s12sBxxxQ")
RECORD_NUMBER = struct.Struct("!Q")
TICK = 0.001
BURST = 64


class Loop:
    """One thread: file descriptors by epoll, timers by a heap."""

    def __init__(self):
        self.epoll = select.epoll()
        self.handlers = {}
        self.timers = []
        self.serial = 0

    def watch(self, fd, events, handler):
        fd = fd if isinstance(fd, int) else fd.fileno()
        if fd in self.handlers:
            self.epoll.modify(fd, events)
        else:
            self.epoll.register(fd, events)
        self.handlers[fd] = handler

    def close(self, sock):
        fd = sock.fileno()
        if fd < 0:
            return
        if self.handlers.pop(fd, None):
            self.epoll.unregister(fd)
        sock.close()

    def after(self, delay, action):
        self.serial += 1
        heapq.heappush(self.timers, (time.monotonic() + delay, self.serial, action))

    def run(self):
        while True:
            now = time.monotonic()
            while self.timers and self.timers[0][0] <= now:
                heapq.heappop(self.timers)[2]()
            timeout = max(0, self.timers[0][0] - time.monotonic()) if self.timers else -1
            for fd, events in self.epoll.poll(timeout):
                handler = self.handlers.get(fd)
                if handler:
                    handler(events)


loop = Loop()


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def open_socket(family, kind, protocol=0):
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
    if family == socket.AF_INET6 and kind != socket.SOCK_RAW:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return sock


def error_name(error):
    return errno.errorcode.get(error.errno, str(error.errno))


# Checksums


def crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ 0x82F63B78 if byte & 1 else byte >> 1
        table.append(byte)
    return table


CRC32C = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ CRC32C[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def internet_checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


# SCTP by hand


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
    """Both ends of the first half of an association, in each family on one raw socket. Started with the process: from then
    on the kernel does not refuse the protocol with an ICMP error."""

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


# Flows


class Tally:
    """Which numbers have arrived."""

    def __init__(self):
        self.seen = bytearray()
        self.received = self.distinct = self.highest = 0
        self.last = None

    def count(self, number):
        self.received += 1
        self.last = time.monotonic()
        byte, bit = number >> 3, 1 << (number & 7)
        if byte >= len(self.seen):
            self.seen.extend(bytes(byte - len(self.seen) + 4096))
        if not self.seen[byte] & bit:
            self.seen[byte] |= bit
            self.distinct += 1
            if number >= self.highest:
                self.highest = number + 1


class FlowEnd:
    """One end of a flow: numbers what it sends, tallies what comes."""

    def __init__(self, sock=None):
        self.sock = sock
        self.sent = 0
        self.tally = Tally()
        self.closed = None
        self.pacing = None
        self.resume = lambda: None

    def stats(self):
        tally = self.tally
        return {
            "sent": self.sent,
            "received": tally.received,
            "distinct": tally.distinct,
            "highest": tally.highest,
            "idleMs": None if tally.last is None else round((time.monotonic() - tally.last) * 1000),
            "closed": self.closed,
        }

    def pace(self, rate, send):
        """Calls `send` `rate` times a second, in bursts a receiver can take. Time that was lost is not made up for."""
        tick = max(TICK, 1 / rate)
        state = self.pacing = {"due": 0.0, "last": time.monotonic()}
        self.resume = lambda: self.pace(rate, send)

        def step():
            if self.pacing is not state or self.closed:
                return
            now = time.monotonic()
            state["due"] = min(state["due"] + (now - state["last"]) * rate, BURST)
            state["last"] = now
            while state["due"] >= 1:
                state["due"] -= 1
                send()
            loop.after(tick, step)

        step()


class TcpFlow(FlowEnd):
    """Records of one size that begin with their number."""

    def __init__(self, sock, size):
        super().__init__(sock)
        self.size = size
        self.incoming = bytearray()
        self.outgoing = bytearray()

    def send_record(self):
        # What the socket does not take is kept, within bounds: a flow may be stalled for long.
        if len(self.outgoing) < 1 << 20:
            self.outgoing += RECORD_NUMBER.pack(self.sent) + bytes(self.size - 8)
            self.sent += 1
        self.flush()

    def flush(self):
        try:
            while self.outgoing:
                del self.outgoing[: self.sock.send(self.outgoing)]
        except BlockingIOError:
            pass
        except OSError as error:
            self.close(error_name(error))

    def take(self, data):
        self.incoming += data
        whole = len(self.incoming) // self.size * self.size
        for start in range(0, whole, self.size):
            self.tally.count(RECORD_NUMBER.unpack_from(self.incoming, start)[0])
        del self.incoming[:whole]

    def readable(self, _):
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            return self.close(error_name(error))
        if not data:
            return self.close("EOF")
        self.take(data)

    def close(self, reason):
        self.closed = self.closed or reason
        loop.close(self.sock)


# Servers


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
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        # The answer must leave from the address that was asked, of which a host may have several.
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
        """The first line of a client, or its end."""
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
    """Turns "arrived at" into "leave from", and leaves the interface to routing."""
    level, kind, value = item
    if kind == IP_PKTINFO and level == socket.IPPROTO_IP:
        return level, kind, struct.pack("@i4s4s", 0, value[8:12], bytes(4))
    return level, kind, value[:16] + struct.pack("@i", 0)


# Probes


class Probe:
    """Asks once a try, and takes the first answer of any try. `finish(identity, error)` is called once."""

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
        # A reset at the end leaves no TIME_WAIT, of which thousands of probes would leave as many.
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


# Commands


class Commands:
    def __init__(self, server):
        self.server = server
        self.opened = {}

    def serve(self, command, reply):
        self.server.serve(command["identity"], command["ports"])
        reply()

    def probe(self, command, reply):
        specs, tries, deadline = command["probes"], command["tries"], command["deadlineMs"] / 1000
        results = [None] * len(specs)
        left = [len(specs)]

        def finisher(index):
            def finish(identity, error):
                results[index] = {"identity": identity} if error is None else {"error": error}
                left[0] -= 1
                if left[0] == 0:
                    reply(results=results)

            return finish

        if not specs:
            return reply(results=[])
        probes = [Probe(self.server, spec, finisher(index)) for index, spec in enumerate(specs)]

        def attempt_all():
            for probe in probes:
                probe.attempt()

        def end_all():
            for probe in probes:
                probe.end(None, probe.error)

        attempt_all()
        # From here, not from before the first try: on a busy machine that may itself take long.
        for number in range(1, tries):
            loop.after(deadline * number / tries, attempt_all)
        loop.after(deadline, end_all)

    def open(self, command, reply):
        if command["protocol"] == "TCP":
            self.open_tcp(command, reply)
        else:
            self.open_udp(command, reply)

    def open_tcp(self, command, reply):
        sock = open_socket(family_of(command["address"]), socket.SOCK_STREAM)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        flow = self.opened[command["flow"]] = TcpFlow(sock, command["size"])
        greeting = bytearray()
        answered = []

        def answer(**fields):
            if not answered:
                answered.append(True)
                reply(**fields)

        def greeted(_):
            try:
                data = sock.recv(4096)
            except BlockingIOError:
                return
            except OSError as error:
                flow.close(error_name(error))
                return answer(error=flow.closed)
            greeting.extend(data)
            identity, end, rest = bytes(greeting).partition(b"\n")
            if end:
                loop.watch(sock, select.EPOLLIN, flow.readable)
                flow.outgoing += ("flow %s %d %g\n" % (command["flow"], command["size"], command["rate"])).encode()
                flow.take(rest)
                flow.pace(command["rate"], flow.send_record)
                answer(identity=identity.decode(errors="replace"))
            elif not data:
                flow.close("EOF")
                answer(error="EOF")

        def give_up():
            if not answered:
                flow.close("timeout")
                answer(error="timeout")

        try:
            sock.connect((command["address"], command["port"]))
        except BlockingIOError:
            pass
        loop.watch(sock, select.EPOLLIN, greeted)
        loop.after(command["deadlineMs"] / 1000, give_up)

    def open_udp(self, command, reply):
        sock = open_socket(family_of(command["address"]), socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        sock.connect((command["address"], command["port"]))
        flow = self.opened[command["flow"]] = FlowEnd(sock)
        key, echo = command["flow"].encode(), 1 if command["echo"] else 0
        padding = bytes(max(0, command["size"] - FLOW_HEADER.size))

        def send():
            try:
                sock.send(FLOW_HEADER.pack(FLOW_MAGIC, key, echo, flow.sent) + padding)
                flow.sent += 1
            except OSError:
                # An ICMP error of an earlier packet, or a full buffer: this one was not sent.
                pass

        def readable(_):
            for _ in range(BURST):
                try:
                    data = sock.recv(65536)
                except BlockingIOError:
                    return
                except OSError:
                    continue
                if data[:4] == FLOW_MAGIC:
                    flow.tally.count(FLOW_HEADER.unpack_from(data)[3])

        loop.watch(sock, select.EPOLLIN, readable)
        flow.pace(command["rate"], send)
        reply()

    def stats(self, command, reply):
        key = command["flow"]
        client, server = self.opened.get(key), self.server.flows.get(key)
        reply(client=client and client.stats(), server=server and server.stats())

    def pause(self, command, reply):
        for flow in (self.opened.get(command["flow"]), self.server.flows.get(command["flow"])):
            if flow:
                flow.pacing = None
        self.stats(command, reply)

    def resume(self, command, reply):
        for flow in (self.opened.get(command["flow"]), self.server.flows.get(command["flow"])):
            if flow:
                flow.resume()
        self.stats(command, reply)

    def close(self, command, reply):
        self.pause(command, reply)
        for flows in (self.opened, self.server.flows):
            flow = flows.pop(command["flow"], None)
            if flow and flow.sock:
                flow.closed = flow.closed or "closed"
                loop.close(flow.sock)

    def run(self, line):
        command = json.loads(line)

        def reply(**fields):
            sys.stdout.write(json.dumps({"id": command["id"], **fields}) + "\n")
            sys.stdout.flush()

        try:
            getattr(self, command["op"])(command, reply)
        except OSError as error:
            reply(error=error_name(error))


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    commands = Commands(Server())
    pending = bytearray()

    def readable(_):
        data = os.read(0, 1 << 20)
        if not data:
            os._exit(0)
        pending.extend(data)
        *lines, rest = bytes(pending).split(b"\n")
        pending[:] = rest
        for line in lines:
            commands.run(line)

    loop.watch(0, select.EPOLLIN, readable)
    loop.run()


main()
