"""Non-blocking sockets, and constants that the socket module lacks."""

import errno
import socket

IP_PKTINFO = 8
IPV6_RECVPKTINFO = 49
IPV6_PKTINFO = 50
SO_RCVBUFFORCE = 33
RECEIVE_BUFFER = 32 << 20


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def open_socket(family, kind, protocol=0):
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
    if family == socket.AF_INET6 and kind != socket.SOCK_RAW:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return sock


def error_name(error):
    return errno.errorcode.get(error.errno, str(error.errno))


def enlarge_receive_buffer(sock):
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:
        # Without CAP_NET_ADMIN (in a pod of a real cluster), net.core.rmem_max limits the size.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
