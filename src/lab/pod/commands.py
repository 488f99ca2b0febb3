"""Commands of the lab: JSON lines in, JSON lines out."""

import json
import select
import socket
import sys

from flow import BURST, FLOW_HEADER, FLOW_MAGIC, FlowEnd, TcpFlow
from loop import loop
from probe import Probe
from sockets import enlarge_receive_buffer, error_name, family_of, open_socket


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
        # The deadline starts here, because sending the first attempt may take long on a busy machine.
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
        enlarge_receive_buffer(sock)
        sock.connect((command["address"], command["port"]))
        flow = self.opened[command["flow"]] = FlowEnd(sock)
        key, echo = command["flow"].encode(), 1 if command["echo"] else 0
        padding = bytes(max(0, command["size"] - FLOW_HEADER.size))

        def send():
            try:
                sock.send(FLOW_HEADER.pack(FLOW_MAGIC, key, echo, flow.sent) + padding)
                flow.sent += 1
            except OSError:
                # An ICMP error for an earlier packet, or a full buffer: the kernel did not send this packet.
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
