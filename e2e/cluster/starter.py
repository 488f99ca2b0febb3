"""Runs in a starting pod. From its first instruction on, it sends to a denied and an allowed port of each witness, until all witnesses
have answered on the allowed port. Prints how long that took, and the number of packets to denied ports."""

import json
import select
import socket
import struct
import sys
import time

begin = time.monotonic()
# As in src/lab/pod/flow.py: magic, flow, whether to send it back, number.
header = struct.Struct("!4s12sBxxxQ")
at_least, at_most, pause = 0.5, 60, 0.001

forbidden, allowed, forbidden_port, allowed_port, *witnesses = sys.argv[1:]
sockets = {}
for address in witnesses:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sockets[sock] = address
answered = {}
number = 0


def send(sock, flow, echo, port):
    try:
        sock.sendto(header.pack(b"PFLW", flow.encode(), echo, number), (sockets[sock], int(port)))
        return 1
    except OSError:
        return 0


sent = 0
while True:
    now = time.monotonic() - begin
    if now > at_most or (now > at_least and len(answered) == len(sockets)):
        break
    for sock in sockets:
        sent += send(sock, forbidden, 0, forbidden_port)
        send(sock, allowed, 1, allowed_port)
    number += 1
    for sock in select.select(list(sockets), [], [], pause)[0]:
        try:
            if sock.recvfrom(65536)[1][1] == int(allowed_port):
                answered.setdefault(sockets[sock], time.monotonic() - begin)
        except OSError:
            pass

told = {"sent": sent, "answeredMs": {address: round(after * 1000) for address, after in answered.items()}}
with open("/dev/termination-log", "w") as log:
    json.dump(told, log)
