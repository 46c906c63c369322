"""The UDP port under garbage: dropped and counted, memory flat, nothing amplified, no flood in the log."""

import hashlib
import hmac
import os
import random
import socket
import struct
import time
import zlib
from pathlib import Path

from kaon import PUBLISH, offer, until

from cases.whip import attribute

DATAGRAMS = 1_000_000
WARM_UP = 50_000
MIB = 1 << 20
COOKIE = 0x2112A442


def stun(method=0x0001, attributes=b"", transaction=None):
    return struct.pack("!HHI", method, len(attributes), COOKIE) + (transaction or os.urandom(12)) + attributes


def attribute_of(kind, value):
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def signed(message, password):
    """The message with MESSAGE-INTEGRITY and FINGERPRINT (RFC 8489 §14.5, §14.7)."""
    length = len(message) - 20
    message = message[:2] + struct.pack("!H", length + 24) + message[4:]
    message += attribute_of(0x0008, hmac.new(password.encode(), message, hashlib.sha1).digest())
    message = message[:2] + struct.pack("!H", length + 32) + message[4:]
    return message + attribute_of(0x8028, struct.pack("!I", zlib.crc32(message) ^ 0x5354554E))


def binding(answer, password=None):
    """A connectivity check as the publisher of PUBLISH would send it."""
    username = f"{attribute(answer, 'ice-ufrag')}:{attribute(offer(PUBLISH), 'ice-ufrag')}".encode()
    message = stun(attributes=attribute_of(0x0006, username) + attribute_of(0x0024, struct.pack("!I", 1845501695)) +
                   attribute_of(0x802A, os.urandom(8)))
    return signed(message, password) if password else message


def noise(answer, rng):
    """One of every kind of packet that must not do anything."""
    check = binding(answer, "p" * 24)
    dtls = b"\x16\xfe\xfd" + bytes(8) + struct.pack("!H", 100) + b"\x01" + rng.randbytes(99)
    rtp = b"\x80\x60" + rng.randbytes(10)
    rtcp = b"\x80\xc9\x00\x01" + rng.randbytes(4)
    return [rng.randbytes(rng.randrange(1, 1400)), b"", b"\0", check, check[:rng.randrange(1, len(check))], binding(answer),
            stun(), stun(0x0101), stun(0x0111), stun(0x0003), stun(attributes=rng.randbytes(32)), dtls,
            dtls[:rng.randrange(1, len(dtls))], rtp + rng.randbytes(200), rtcp, rtcp + rng.randbytes(300),
            b"\x40\x00" + rng.randbytes(60), stun(0x0001, attribute_of(0x0006, rng.randbytes(300)))]


def sender():
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * MIB)
    made.setblocking(False)
    return made


def received(source):
    """Bytes that have come back to a sender."""
    total = 0
    while True:
        try:
            total += len(source.recv(65536))
        except (BlockingIOError, ConnectionError):
            return total


def waiting(port):
    """Bytes in the kernel's queues of this UDP port, and datagrams it has dropped."""
    queued = dropped = 0
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].split(":")[1], 16) == port:
            queued += int(fields[4].split(":")[1], 16)
            dropped += int(fields[12])
    return queued, dropped


def flood(kaon, answer, count, sources, rng):
    """Sends about `count` datagrams, not faster than the server reads them: bytes sent and received."""
    address = ("127.0.0.1", kaon.udp_port)
    sent = back = done = 0
    while done < count:
        packets = [packet for _ in range(20) for packet in noise(answer, rng)]
        for source in sources:
            for packet in packets:
                try:
                    sent += source.sendto(packet, address)
                except BlockingIOError:
                    pass
            back += received(source)
        done += len(packets) * len(sources)
        while waiting(kaon.udp_port)[0] > 2 * MIB:
            time.sleep(0.001)
    until(lambda: waiting(kaon.udp_port)[0] == 0, "an empty receive queue")
    return sent, back + sum(received(source) for source in sources)


def test_million_of_datagrams_leave_memory_flat_and_are_neither_amplified_nor_logged(kaon):
    rng = random.Random(1)
    answer = kaon.publish().body
    sources = [sender() for _ in range(16)]
    flood(kaon, answer, WARM_UP, sources, rng)
    logged, memory, dropped = len(kaon.errors()), kaon.memory(), waiting(kaon.udp_port)[1]
    start = time.monotonic()
    sent, back = flood(kaon, answer, DATAGRAMS, sources, rng)
    seconds = time.monotonic() - start
    grown = kaon.memory() - memory
    lost = waiting(kaon.udp_port)[1] - dropped
    assert grown < 2 * MIB, f"memory grew by {grown} bytes"
    assert back <= sent, f"{back} bytes for {sent}"
    assert lost < DATAGRAMS / 4, f"the kernel dropped {lost}: this test proves nothing"
    assert len(kaon.errors()) - logged < 4096, kaon.errors()[-2000:]
    counted = sum(kaon.api("status")["drops"].values())
    assert counted > DATAGRAMS / 2, f"only {counted} are counted: {kaon.api('status')['drops']}"
    kaon.publish("other")
    for source in sources:
        source.close()
    return f"{DATAGRAMS / seconds / 1000:.0f} k/s, memory {grown / 1024:+.0f} KiB, {back} bytes back for {sent}"


def test_no_reply_is_larger_than_its_request(kaon):
    rng = random.Random(2)
    answer = kaon.publish().body
    for packet in [one for _ in range(5) for one in noise(answer, rng)]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
            source.connect(("127.0.0.1", kaon.udp_port))
            source.settimeout(0.02)
            source.send(packet)
            back = 0
            try:
                while True:
                    back += len(source.recv(65536))
            except TimeoutError:
                pass
        assert back <= len(packet), f"{back} bytes for {len(packet)}: {packet[:40].hex()}"


def test_authenticated_check_is_answered_and_others_get_no_success(kaon):
    answer = kaon.publish().body
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
        source.connect(("127.0.0.1", kaon.udp_port))
        source.settimeout(2)

        def replies(packet, seconds):
            source.send(packet)
            source.settimeout(seconds)
            try:
                while True:
                    reply = source.recv(2000)
                    if reply[8:20] == packet[8:20]:
                        yield struct.unpack("!H", reply[:2])[0]
            except TimeoutError:
                pass

        assert 0x0101 not in replies(binding(answer), 0.2), "answered a check without integrity"
        assert 0x0101 not in replies(binding(answer, "wrong" * 5), 0.2), "answered a check of a wrong password"
        assert 0x0101 in replies(binding(answer, attribute(answer, "ice-pwd")), 2), "no answer to a good check"
        # The same once more is a retransmission, not an attack.
        assert 0x0101 in replies(binding(answer, attribute(answer, "ice-pwd")), 2)
