"""A path that loses packets between two peers on this machine: each of their addresses is replaced by that of a socket here."""

import asyncio
import random
import re
import socket

HOST = re.compile(r"(candidate:\S+ 1 udp \d+ )(\d+\.\d+\.\d+\.\d+) (\d+)( typ host.*)", re.IGNORECASE)


class LossyPath:
    """To be used in `async with`; `change` is for session.run_pair(). Of the candidates those of this host over UDP and IPv4 pass."""

    def __init__(self, loss, seed=1):
        self.loss = loss
        self.random = random.Random(seed)
        self.sockets = {}
        self.passed = self.lost = 0

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for standing_in in self.sockets.values():
            asyncio.get_running_loop().remove_reader(standing_in)
            standing_in.close()

    def stand_in(self, address):
        """The socket that the other peer takes for `address`."""
        if address not in self.sockets:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            made.bind((address[0], 0))
            asyncio.get_running_loop().add_reader(made, self.forward, made, address)
            self.sockets[address] = made
        return self.sockets[address]

    def forward(self, standing_in, address):
        try:
            while True:
                packet, source = standing_in.recvfrom(65536)
                if self.random.random() < self.loss:
                    self.lost += 1
                    continue
                self.passed += 1
                self.stand_in(source).sendto(packet, address)
        except OSError:  # nothing more there, a full buffer, or a peer that has ended
            return

    def change(self, _, line):
        if "description" in line:
            description = line["description"]
            kept = [self.replaced(text) for text in description["sdp"].split("\r\n")]
            return {**line, "description": {**description, "sdp": "\r\n".join(text for text in kept if text is not None)}}
        if line.get("candidate"):
            text = self.replaced(line["candidate"]["candidate"])
            return {**line, "candidate": {**line["candidate"], "candidate": text}} if text else None
        return line

    def replaced(self, text):
        """The line with the address of a socket here; None for a candidate that does not pass."""
        if "candidate:" not in text:
            return text
        found = HOST.search(text)
        if not found:
            return None
        address, port = self.stand_in((found[2], int(found[3]))).getsockname()
        return f"{text[:found.start()]}{found[1]}{address} {port}{found[4]}"
