"""The program of every pod, node and outside host of the lab.

It answers on the declared ports with its identity, and sends probes. It reads commands as JSON lines from stdin and writes answers as
JSON lines to stdout, each with the `id` of its command. It exits when stdin closes, so it never outlives its lab.

Protocols:
  TCP   the server sends `IDENTITY\n`; if the client sends `flow ID SIZE RATE\n`, both stream numbered records
  UDP   the server answers any datagram with its identity; it counts datagrams that start with FLOW_MAGIC, and echoes them on request
  SCTP  INIT and INIT-ACK on a raw socket (RFC 9260 section 3.3), because kernels may lack SCTP; the state cookie carries the identity
  ICMP  echo; the target's kernel answers
"""

import os
import resource
import select

from commands import Commands
from loop import loop
from server import Server


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
