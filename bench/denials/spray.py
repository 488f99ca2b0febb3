"""Sends COUNT datagrams to ADDRESS at RATE per second, each from another source port. Prints the number of sent datagrams."""

import socket
import sys
import time

address, count, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
PORTS = 60_000
sent = 0
sock = None
begin = time.monotonic()
for number in range(count):
    if number % PORTS == 0:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    if number % 100 == 0:
        time.sleep(max(0, begin + number / rate - time.monotonic()))
    try:
        sock.sendto(b"x", (address, 1024 + number % PORTS))
        sent += 1
    except OSError:
        pass
print(sent)
