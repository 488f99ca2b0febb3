"""Holds UDP sockets open in a pod, and reads nothing: what arrives is counted by the kernel. Ends with its standard input."""

import socket
import sys

sockets = []
for family in (socket.AF_INET, socket.AF_INET6):
    receiver = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    receiver.bind(("", 9))
    sockets.append(receiver)
print("ready", flush=True)
sys.stdin.read()
