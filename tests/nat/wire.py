"""What passes a router's interface, and packets put there: `python3 wire.py INTERFACE` in the router's namespace. Every UDP packet
is a line of JSON on standard output, {"at": monotonic seconds, "from": [IP, port], "to": [IP, port], "data": hex}; a line on
standard input of the same form without "at" is sent to the host behind that interface."""

import asyncio
import json
import select
import socket
import struct
import sys
import time
from pathlib import Path

COOKIE = 0x2112A442
REQUEST, SUCCESS, ERROR = 0x0001, 0x0101, 0x0111
USERNAME = 0x0006


class Wire:
    """The other end of the program: packets as dictionaries in `packets`."""

    def __init__(self, process):
        self.process, self.packets = process, []
        self.reader = asyncio.create_task(self.read())

    @classmethod
    async def tap(cls, lab, node, interface):
        process = await asyncio.create_subprocess_exec(*lab.inside(node), sys.executable, __file__, interface,
                                                       stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        await process.stdout.readline()
        return cls(process)

    async def read(self):
        async for line in self.process.stdout:
            self.packets.append(json.loads(line))

    def send(self, source, destination, data):
        line = {"from": source, "to": destination, "data": data}
        self.process.stdin.write(json.dumps(line).encode() + b"\n")

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.process.kill()
        await self.process.wait()
        await self.reader


class Stun:
    """A packet's STUN message; `type` is None if it is none."""

    def __init__(self, packet):
        data = bytes.fromhex(packet["data"])
        self.type, self.username = None, ""
        if len(data) < 20 or data[0] > 3 or int.from_bytes(data[4:8], "big") != COOKIE:
            return
        self.type, self.transaction = int.from_bytes(data[:2], "big"), data[8:20]
        at = 20
        while at + 4 <= len(data):
            kind, size = struct.unpack_from("!HH", data, at)
            if kind == USERNAME:
                self.username = data[at + 4:at + 4 + size].decode()
            at += 4 + (size + 3) // 4 * 4


def parse(frame):
    if frame[0] >> 4 != 4 or frame[9] != socket.IPPROTO_UDP:
        return None
    start = (frame[0] & 15) * 4
    ports = struct.unpack_from("!HH", frame, start)
    size = struct.unpack_from("!H", frame, start + 4)[0]
    ends = [[socket.inet_ntoa(frame[at:at + 4]), port] for at, port in zip((12, 16), ports)]
    return {"at": time.monotonic(), "from": ends[0], "to": ends[1], "data": frame[start + 8:start + size].hex()}


def checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def build(packet):
    """An IPv4 packet without a UDP checksum, which is none's duty (RFC 768)."""
    data = bytes.fromhex(packet["data"])
    ends = b"".join(socket.inet_aton(packet[end][0]) for end in ("from", "to"))
    header = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(data), 0, 0, 64, socket.IPPROTO_UDP, 0) + ends
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return header + struct.pack("!HHHH", packet["from"][1], packet["to"][1], 8 + len(data), 0) + data


def hardware_address(ip):
    for line in Path("/proc/net/arp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[0] == ip:
            return bytes.fromhex(fields[3].replace(":", ""))
    raise LookupError(ip)


def main():
    interface = sys.argv[1]
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    tap.bind((interface, 3))
    print("ready", flush=True)
    while True:
        readable = select.select([tap, sys.stdin], [], [])[0]
        if tap in readable and (packet := parse(tap.recv(65536))):
            print(json.dumps(packet), flush=True)
        if sys.stdin in readable:
            line = sys.stdin.readline()
            if not line:
                return
            packet = json.loads(line)
            tap.sendto(build(packet), (interface, 0x0800, 0, 0, hardware_address(packet["to"][0])))


if __name__ == "__main__":
    main()
