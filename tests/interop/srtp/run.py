#!/usr/bin/env python3
"""Kaon's SRTP and SRTCP against Pion's, every profile, both directions: lines of "ok" or "fail", name and detail.

    tests/interop/srtp/run.py [--full] [WORD...]     only cases with one of the words in their name

KAON_SRTP_PEER names Kaon's program; Pion's is built under build/interop.
"""

import argparse
import os
import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
KAON = Path(os.environ.get("KAON_SRTP_PEER", ROOT / "build/release/tests/interop/srtp/interop_srtp"))
PION = ROOT / "build/interop/srtp-pion"

# Number in the registry, bytes of key and salt, whether it encrypts.
PROFILES = {"aes128-cm-80": (1, 16, 14, True), "aes128-cm-32": (2, 16, 14, True), "aes256-cm-80": (3, 32, 14, True),
            "aes256-cm-32": (4, 32, 14, True), "null-80": (5, 16, 14, False), "null-32": (6, 16, 14, False),
            "aes128-gcm": (7, 16, 12, True), "aes256-gcm": (8, 32, 12, True)}
RTP_WINDOW = 1024


class Stack:
    """One program that seals and opens."""

    def __init__(self, name, program):
        self.name = name
        self.process = subprocess.Popen([program], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def say(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        verdict, _, rest = self.process.stdout.readline().rstrip("\n").partition(" ")
        if verdict not in ("ok", "error"):
            raise RuntimeError(f"{self.name} ended")
        return rest if verdict == "ok" else None

    def begin(self, profile, key, salt, cryptex, mki=b""):
        if self.say("session", str(profile), key.hex(), salt.hex(), cryptex, mki.hex()) is None:
            raise RuntimeError(f"{self.name} has no session")

    def carry_roc(self, rate):
        if self.say("roc", str(rate)) is None:
            raise RuntimeError(f"{self.name} carries no rollover counter")

    def add_key(self, mki, key, salt):
        if self.say("key", mki.hex(), key.hex(), salt.hex()) is None:
            raise RuntimeError(f"{self.name} does not take a key")

    def use_key(self, mki):
        if self.say("use", mki.hex()) is None:
            raise RuntimeError(f"{self.name} does not use the key")

    def seal(self, packet, kind="rtp"):
        sealed = self.say("seal", kind, packet.hex())
        return None if sealed is None else bytes.fromhex(sealed)

    def open(self, packet, kind="rtp"):
        opened = self.say("open", kind, packet.hex())
        return None if opened is None else bytes.fromhex(opened)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def rtp(rng, ssrc, sequence, size=40, sources=0, extension=None):
    """A packet; `extension` is None, or 1 or 2 for the form of its elements."""
    first = 0x80 | sources | (0x10 if extension else 0)
    packet = struct.pack("!BBHII", first, 0x80 * rng.getrandbits(1) | 96, sequence & 0xffff, rng.getrandbits(32), ssrc)
    packet += rng.randbytes(4 * sources)
    if extension:
        elements = b""
        for number in range(1, 1 + rng.randrange(4)):
            value = rng.randbytes(rng.randrange(1, 17))
            elements += (bytes([number << 4 | len(value) - 1]) if extension == 1 else bytes([number, len(value)])) + value
        elements += bytes(-len(elements) % 4)
        packet += struct.pack("!HH", 0xbede if extension == 1 else 0x1000, len(elements) // 4) + elements
    return packet + rng.randbytes(size)


def rtcp(rng, ssrc):
    """A receiver report, and often an application packet behind it."""
    packet = struct.pack("!BBHI", 0x80, 201, 1, ssrc)
    if rng.getrandbits(1):
        words = rng.randrange(8)
        packet += struct.pack("!BBHI", 0x80, 204, 2 + words, ssrc) + b"kaon" + rng.randbytes(4 * words)
    return packet


def as_opened(packet, cryptex):
    """What opening gives back: Cryptex leaves an empty extension behind sources that had none (RFC 9335 section 5.1)."""
    sources = packet[0] & 0x0f
    if not cryptex or not sources or packet[0] & 0x10:
        return packet
    at = 12 + 4 * sources
    return bytes([packet[0] | 0x10]) + packet[1:at] + bytes.fromhex("bede0000") + packet[at:]


def check_packets(sender, receiver, rng, cryptex, full):
    """Packets of all shapes, several streams, sequence numbers with gaps; both seal them to the same bytes."""
    sequences = {ssrc: rng.randrange(0x8000) for ssrc in (0, 1, 0xffffffff, rng.getrandbits(32))}
    for _ in range(2000 if full else 300):
        ssrc = rng.choice(list(sequences))
        sequences[ssrc] += rng.choice((1, 1, 1, 2, 50))
        packet = rtp(rng, ssrc, sequences[ssrc], rng.choice((0, 1, 15, 16, 17, 160, 1100)), rng.choice((0, 0, 1, 15)),
                     rng.choice((None, 1, 2)))
        sealed = sender.seal(packet)
        if sealed is None:
            yield f"{sender.name} does not seal {packet.hex()}"
            return
        if receiver.seal(packet) != sealed:
            yield f"{receiver.name} seals {packet.hex()} to other bytes"
        if receiver.open(sealed) != as_opened(packet, cryptex):
            yield f"{receiver.name} does not open {sealed.hex()} to {packet.hex()}"
            return


def check_rollover(sender, receiver, rng, cryptex, full):
    """Three times round the sequence numbers, with losses and packets out of order."""
    index = rng.randrange(0x8000)
    while index < 3.5 * 0x10000:
        batch = []
        for _ in range(4):
            index += rng.randrange(1, 40 if full else 200)  # within the window, four of them
            packet = rtp(rng, 7, index, extension=1)
            batch.append((sender.seal(packet), packet))
        for sealed, packet in rng.sample(batch, rng.randrange(5)):
            if receiver.open(sealed) != packet:
                yield f"near index {index}: {receiver.name} does not open what {sender.name} sealed"
                return


def check_replay(sender, receiver, rng, cryptex, full):
    """Each packet once, whatever order; nothing behind the window."""
    sealed = [sender.seal(rtp(rng, 9, 100 + i, extension=1)) for i in range(2 * RTP_WINDOW)]
    newest = sealed[RTP_WINDOW - 100:RTP_WINDOW]
    rng.shuffle(newest)
    for packet in newest:
        if receiver.open(packet) is None:
            yield f"{receiver.name} refuses a new packet"
    for packet in newest:
        if receiver.open(packet) is not None:
            yield f"{receiver.name} takes a packet twice"
    if receiver.open(sealed[-1]) is None:
        yield f"{receiver.name} refuses after a gap"
    if receiver.open(sealed[RTP_WINDOW - 200]) is not None:
        yield f"{receiver.name} takes a packet from behind the window"
    if receiver.open(sealed[RTP_WINDOW + 10]) is None:
        yield f"{receiver.name} refuses a packet within the window"


def check_damage(sender, receiver, rng, cryptex, full):
    """A flipped bit anywhere, a cut, plain packets: nothing is taken, and the packet itself still is."""
    packet = rtp(rng, 11, 500, 60, 2, 1)
    sealed = sender.seal(packet)
    for bit in range(0, 8 * len(sealed), 1 if full else 7):
        forged = bytearray(sealed)
        forged[bit // 8] ^= 1 << bit % 8
        if receiver.open(bytes(forged)) is not None:
            yield f"{receiver.name} takes a packet with bit {bit} flipped"
    for size in range(len(sealed)):
        if receiver.open(sealed[:size]) is not None:
            yield f"{receiver.name} takes a packet cut to {size} bytes"
    if receiver.open(packet) is not None:
        yield f"{receiver.name} takes a plain packet"
    if receiver.open(sealed) != packet:
        yield f"{receiver.name} does not take the packet itself"


def check_rtcp(sender, receiver, rng, cryptex, full):
    """Compound packets of several senders, each once."""
    for _ in range(1000 if full else 150):
        packet = rtcp(rng, rng.choice((1, 2, 0xdeadbeef)))
        sealed = sender.seal(packet, "rtcp")
        forged = bytearray(sealed)
        forged[rng.randrange(8, len(forged))] ^= 1 << rng.randrange(8)
        if receiver.open(bytes(forged), "rtcp") is not None:
            yield f"{receiver.name} takes forged RTCP"
        if receiver.open(sealed, "rtcp") != packet:
            yield f"{receiver.name} does not open {sealed.hex()} to {packet.hex()}"
            return
        if receiver.open(sealed, "rtcp") is not None:
            yield f"{receiver.name} takes RTCP twice"


CHECKS = {"packets": check_packets, "rollover": check_rollover, "replay": check_replay, "damage": check_damage,
          "rtcp": check_rtcp}


def cases():
    """Name, profile, who seals, whether with Cryptex, check."""
    for profile, (_, _, _, encrypts) in PROFILES.items():
        for sender in ("kaon", "pion"):
            for name, check in CHECKS.items():
                yield f"{profile}.{sender}-seals.{name}", profile, sender, False, check
                # Pion has no Cryptex with the NULL profiles, and SRTCP knows none.
                if encrypts and name != "rtcp":
                    yield f"{profile}.{sender}-seals.cryptex.{name}", profile, sender, True, check


def check_policies(stacks, profile):
    """Headers are taken encrypted only where that was agreed, and in the clear only where they may be."""
    number, key_size, salt_size, _ = PROFILES[profile]
    rng = random.Random(profile)
    key, salt = rng.randbytes(key_size), rng.randbytes(salt_size)
    for sender, receiver in (stacks, stacks[::-1]):
        for sends, takes in (("on", "off"), ("off", "required"), ("off", "on"), ("on", "required")):
            sender.begin(number, key, salt, sends)
            receiver.begin(number, key, salt, takes)
            wanted = (sends, takes) in (("off", "on"), ("on", "required"))
            for packet in (rtp(rng, 1, 1, extension=1), rtp(rng, 1, 2, sources=2, extension=2)):
                if (receiver.open(sender.seal(packet)) == packet) != wanted:
                    yield f"{sends} to {takes}: {receiver.name} {'refuses' if wanted else 'takes'} it"
            plain = rtp(rng, 1, 3)
            if receiver.open(sender.seal(plain)) != plain:
                yield f"{sends} to {takes}: {receiver.name} refuses what has nothing to hide"


def check_master_keys(stacks, profile):
    """Three master keys in turn, over rollovers, with identifiers of several sizes; one that only the sender has."""
    number, key_size, salt_size, encrypts = PROFILES[profile]
    for sender, receiver in (stacks, stacks[::-1]):
        for size in (1, 4, 128):
            rng = random.Random(f"{profile}{sender.name}{size}")
            keys = [(bytes([n]) * size, rng.randbytes(key_size), rng.randbytes(salt_size)) for n in range(4)]
            for stack in (sender, receiver):
                stack.begin(number, *keys[0][1:], "on" if encrypts and size == 4 else "off", keys[0][0])
                for key in keys[1:4 if stack is sender else 3]:
                    stack.add_key(*key)
            sequence = 30000
            for turn in range(12):
                sender.use_key(keys[turn % 3][0])
                for _ in range(20):
                    sequence += 700
                    packet = rtp(rng, 3, sequence, rng.randrange(60), extension=rng.choice((None, 1, 2)))
                    if receiver.open(sender.seal(packet)) != packet:
                        yield f"{receiver.name} does not open what {sender.name} sealed with key {turn % 3}, {size} bytes"
                        return
                    report = rtcp(rng, 3)
                    if receiver.open(sender.seal(report, "rtcp"), "rtcp") != report:
                        yield f"{receiver.name} does not open RTCP that {sender.name} sealed with key {turn % 3}"
                        return
            sender.use_key(keys[3][0])
            if receiver.open(sender.seal(rtp(rng, 3, sequence + 1))) is not None:
                yield f"{receiver.name} opens a packet of an unknown key"


def check_roc(stacks, profile):
    """RFC 4771: equal bytes; who joins after rollovers finds the counter with the first packet that carries it."""
    number, key_size, salt_size, encrypts = PROFILES[profile]
    for sender, receiver in (stacks, stacks[::-1]):
        for rate, mki, cryptex in ((1, b"", "off"), (10, b"", "off"), (3, b"key1", "on" if encrypts else "off")):
            rng = random.Random(f"{profile}{sender.name}{rate}")
            key, salt = rng.randbytes(key_size), rng.randbytes(salt_size)
            for stack in (sender, receiver):
                stack.begin(number, key, salt, cryptex, mki)
                stack.carry_roc(rate)
            index, found = 100, False
            while index < 5 * 0x10000:
                index += rng.randrange(1, 900)
                packet = rtp(rng, 7, index, rng.randrange(60), extension=rng.choice((None, 1)))
                sealed = sender.seal(packet)
                if index < 3 * 0x10000:
                    continue
                found = found or (index & 0xffff) % rate == 0
                opened = receiver.open(sealed)
                if (opened == packet) != found or (opened is not None and opened != packet):
                    yield f"rate {rate}, index {index}: {receiver.name} has {opened and opened.hex()} of {packet.hex()}"
                    return
                if found and receiver.open(sealed) is not None:
                    yield f"rate {rate}: {receiver.name} takes a packet twice"
                forged = bytearray(sealed)
                forged[-rng.randrange(1, 11)] ^= 1 << rng.randrange(8)
                if receiver.open(bytes(forged)) is not None:
                    yield f"rate {rate}: {receiver.name} takes a packet with another counter or tag"
            if not found:
                yield f"rate {rate}: no packet carried the counter"


def run_case(stacks, name, profile, sender, cryptex, check, full):
    number, key_size, salt_size, _ = PROFILES[profile]
    rng = random.Random(name)
    key, salt = rng.randbytes(key_size), rng.randbytes(salt_size)
    for stack in stacks:
        stack.begin(number, key, salt, "required" if cryptex else "off")
    yield from check(*(stacks if sender == stacks[0].name else stacks[::-1]), rng, cryptex, full)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("words", nargs="*", metavar="WORD")
    arguments = parser.parse_args()
    if shutil.which("go") is None:
        print("skip", "srtp", "go is not installed", sep="\t", flush=True)
        return 0
    PION.parent.mkdir(parents=True, exist_ok=True)
    built = subprocess.run(["go", "build", "-o", PION, "."], cwd=Path(__file__).parent / "pion", text=True,
                           capture_output=True, check=False)
    if built.returncode != 0:
        print("fail", "srtp.build", built.stderr.replace("\n", " | "), sep="\t", flush=True)
        return 1
    stacks = [Stack("kaon", KAON), Stack("pion", PION)]
    todo = [(name, lambda case=(name, *rest): run_case(stacks, *case, arguments.full)) for name, *rest in cases()]
    todo += [(f"{profile}.cryptex.policies", lambda p=profile: check_policies(stacks, p))
             for profile, (_, _, _, encrypts) in PROFILES.items() if encrypts]
    todo += [(f"{profile}.master-keys", lambda p=profile: check_master_keys(stacks, p)) for profile in PROFILES]
    todo += [(f"{profile}.rollover-counter", lambda p=profile: check_roc(stacks, p))
             for profile in PROFILES if not profile.endswith("-32")]
    failed = False
    for name, run in todo:
        if arguments.words and not any(word in name for word in arguments.words):
            continue
        faults = list(run())
        failed = failed or bool(faults)
        print("fail" if faults else "ok", name, " | ".join(faults[:5]), sep="\t", flush=True)
    for stack in stacks:
        stack.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
