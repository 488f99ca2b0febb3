"""Long connections with numbered packets."""

import struct
import time

from loop import loop
from sockets import error_name

FLOW_MAGIC = b"PFLW"
FLOW_HEADER = struct.Struct("!4s12sBxxxQ")
RECORD_NUMBER = struct.Struct("!Q")
TICK = 0.001
BURST = 64


class Tally:
    """The set of received numbers."""

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
    """One end of a flow: numbers sent packets, counts received ones."""

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
        """Calls `send` `rate` times per second, in small bursts. Does not catch up after a delay."""
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
        # Keeps data that the socket does not accept, up to a limit, because a flow may stall for long.
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
