"""The event loop."""

import heapq
import select
import time


class Loop:
    """One thread: file descriptors by epoll, timers by a heap."""

    def __init__(self):
        self.epoll = select.epoll()
        self.handlers = {}
        self.timers = []
        self.serial = 0

    def watch(self, fd, events, handler):
        fd = fd if isinstance(fd, int) else fd.fileno()
        if fd in self.handlers:
            self.epoll.modify(fd, events)
        else:
            self.epoll.register(fd, events)
        self.handlers[fd] = handler

    def close(self, sock):
        fd = sock.fileno()
        if fd < 0:
            return
        if self.handlers.pop(fd, None):
            self.epoll.unregister(fd)
        sock.close()

    def after(self, delay, action):
        self.serial += 1
        heapq.heappush(self.timers, (time.monotonic() + delay, self.serial, action))

    def run(self):
        while True:
            now = time.monotonic()
            while self.timers and self.timers[0][0] <= now:
                heapq.heappop(self.timers)[2]()
            timeout = max(0, self.timers[0][0] - time.monotonic()) if self.timers else -1
            for fd, events in self.epoll.poll(timeout):
                handler = self.handlers.get(fd)
                if handler:
                    handler(events)


loop = Loop()
