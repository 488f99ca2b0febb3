"""What runs in every pod, node and outside host of the lab.

It answers on the declared ports with the identity it was given, and sends probes to others. Commands come as JSON lines on stdin,
answers leave as JSON lines on stdout, each with the `id` of its command. It ends when stdin does, so it never outlives its lab.

Protocols:
  TCP   the server says `IDENTITY\n`; a client that goes on with `flow ID SIZE RATE\n` streams numbered records, and gets as many back
  UDP   any datagram is answered with the identity; datagrams that start with FLOW_MAGIC are counted, and sent back if they ask for it
  SCTP  INIT and INIT-ACK by hand on a raw socket (RFC 9260 section 3.3), as kernels may lack SCTP; the identity travels as the state cookie
  ICMP  echo, answered by the kernel of the target
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
