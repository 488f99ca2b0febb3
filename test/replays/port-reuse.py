"""Opens and closes connections from one source port, again and again. Arguments: `serve PORT`, or `reuse ADDRESS PORT SOURCE-PORT COUNT`.

Each connection carries one byte each way. Every second one ends with a reset, so that both ends forget it at once; of the others the server
closes first, so that the client's port is free while the server still waits (TIME_WAIT)."""

import errno
import json
import socket
import struct
import sys
import threading
import time


def serve(port):
    listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("::", port))
    listener.listen(64)
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def answer(connection):
    try:
        asked = connection.recv(1)
        connection.sendall(asked)
        if asked == b"c":
            connection.shutdown(socket.SHUT_WR)
        while connection.recv(1):
            pass
    except OSError:
        pass
    connection.close()


def connect(family, address, port, source):
    deadline = time.monotonic() + 15
    while True:
        client = socket.socket(family)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.settimeout(15)
        try:
            client.bind(("", source))
            client.connect((address, port))
            return client
        except OSError as error:
            client.close()
            # The client's own kernel waits for the acknowledgement of its last FIN.
            if error.errno != errno.EADDRNOTAVAIL or time.monotonic() > deadline:
                raise
        time.sleep(0.001)


def reuse(address, port, source, count):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    failed, longest, last = {}, 0.0, time.monotonic()
    for number in range(count):
        kind = b"r" if number % 2 == 0 else b"c"
        try:
            client = connect(family, address, port, source)
            client.sendall(kind)
            if client.recv(1) != kind:
                raise OSError(0, "no answer")
            if kind == b"c" and client.recv(1) != b"":
                raise OSError(0, "no end")
        except OSError as error:
            name = str(error)
            failed[name] = failed.get(name, 0) + 1
        else:
            if kind == b"r":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        now = time.monotonic()
        longest, last = max(longest, now - last), now
        if (number + 1) % 100 == 0:
            print(json.dumps({"done": number + 1}), flush=True)
    print(json.dumps({"failed": failed, "longestMs": round(longest * 1000)}), flush=True)


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    reuse(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
