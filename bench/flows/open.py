"""Makes the kernel track new connections between pods, so many a second, each with another port of the client.

Usage: open.py PODS PER_SECOND SECONDS KEPT_SECONDS
"""

import subprocess
import sys
import time

pods, per_second, seconds, kept = (int(word) for word in sys.argv[1:5])
rounds = 4


def line(number):
    client = number % pods
    server = (client + 1 + number // pods % (pods - 1)) % pods
    # These repeat after 550,000, and none is the answer of another.
    port = 10000 + number % 50000
    return (
        f"-I -p tcp -s 10.128.0.{client + 2} -d 10.128.0.{server + 2} --sport {port} --dport {8000 + server % 8}"
        f" -t {kept} --state TIME_WAIT -u SEEN_REPLY,ASSURED\n"
    )


begun = time.monotonic()
number = 0
for step in range(seconds * rounds):
    lines = [line(number + index) for index in range(per_second // rounds)]
    number += len(lines)
    # conntrack reads to the end before it begins. It stops where the table is full: the kernel removes what has expired a minute later.
    quiet = subprocess.DEVNULL
    subprocess.run(["conntrack", "-R", "-"], input="".join(lines), text=True, stdout=quiet, stderr=quiet)
    time.sleep(max(0, begun + (step + 1) / rounds - time.monotonic()))
