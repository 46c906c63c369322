#!/usr/bin/env python3
"""One side of a bulk transfer over the kernel's TCP with CUBIC, in the protocol of benchmarks/README.md: tcp_peer.py offer|answer
[OPTIONS, not looked at]. The answering side listens, and tells the other where through descriptor 3."""

import json
import resource
import socket
import sys
import threading
import time

SIGNALS = 3
# More than any path here holds, so that the window of congestion control alone decides.
BUFFER = 64 << 20
# As root beyond the system's limit, which stands in /proc/sys/net/core.
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
CHUNK = bytes(65536)


class Side:
    def __init__(self):
        self.sent = self.received = 0
        self.stopped = False

    def tell(self, **words):
        print(json.dumps(words), flush=True)

    def listen(self, signals):
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        server.bind(("0.0.0.0", 0))
        server.listen(1)
        # The one address that both have a route to.
        mine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        mine.connect(("10.78.0.1", 9))
        signals.sendall(f"{mine.getsockname()[0]} {server.getsockname()[1]}\n".encode())
        connection, _ = server.accept()
        block = bytearray(1 << 18)
        while count := connection.recv_into(block):
            self.received += count

    def open(self, signals):
        start = time.monotonic()
        address, port = signals.makefile().readline().split()
        self.connection = socket.socket()
        self.connection.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, BUFFER)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
        self.connection.connect((address, int(port)))
        self.tell(event="open", ms=(time.monotonic() - start) * 1000)

    def send(self):
        while not self.stopped:
            self.connection.sendall(CHUNK)
            self.sent += len(CHUNK)

    def sample(self):
        used = resource.getrusage(resource.RUSAGE_SELF)
        self.tell(event="sample", cpu_s=used.ru_utime + used.ru_stime, sent_bytes=self.sent, sent_units=self.sent // len(CHUNK),
                  received_bytes=self.received, received_units=self.received // len(CHUNK), packets=0)


def main():
    side = Side()
    signals = socket.socket(fileno=SIGNALS)
    if sys.argv[1] == "answer":
        threading.Thread(target=side.listen, args=(signals,), daemon=True).start()
    side.tell(event="ready")
    for line in sys.stdin:
        word = line.split()[0]
        if word == "open":
            side.open(signals)
        elif word == "send":
            threading.Thread(target=side.send, daemon=True).start()
        elif word == "sample":
            side.sample()
        elif word == "stop":
            side.stopped = True
        elif word == "quit":
            break


if __name__ == "__main__":
    main()
