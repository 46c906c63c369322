#!/usr/bin/env python3
"""Kaon's DTLS against Pion's, both roles, both versions, over a path that loses: lines of "ok" or "fail", name and detail.

    tests/interop/dtls/run.py [--full] [WORD...]     only cases with one of the words in their name

KAON_DTLS_PEER names Kaon's program; Pion's is built under build/interop.
"""

import argparse
import dataclasses
import json
import os
import random
import selectors
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
KAON = Path(os.environ.get("KAON_DTLS_PEER", ROOT / "build/release/tests/interop/dtls/interop_dtls"))
PION = ROOT / "build/interop/dtls-pion"
SECONDS = 90


def cases(full):
    """Name, version, what Pion is, and what Case has besides."""
    mtus, losses = ((256, 576, 900, 1200, 1500), (0, 10, 30, 50)) if full else ((576, 1200), (0, 10))
    for version in ("1.3", "1.2"):
        for role in ("client", "server"):
            for mtu in mtus:
                for loss in losses:
                    yield f"dtls{version}.pion-{role}.mtu{mtu}.loss{loss}", Case(version, role, mtu, loss)
    for role in ("client", "server"):
        yield f"dtls1.3.pion-{role}.key-updates", Case("1.3", role, updates=5)
    for version in ("1.3", "1.2"):
        for role in ("client", "server"):
            name = f"dtls{version}.pion-{role}.connection-ids"
            for pion, kaon in ((0, 8), (8, 0), (1, 255), (20, 20)):
                yield f"{name}.{pion}-{kaon}", Case(version, role, ids=(pion, kaon))
            yield f"{name}.loss", Case(version, role, 576, 20, ids=(8, 8))
            yield f"{name}.other-address", Case(version, role, ids=(8, 8), moves=True)


@dataclasses.dataclass
class Case:
    version: str
    role: str  # Pion's
    mtu: int = 1200
    loss: int = 0  # in percent
    updates: int = 0
    ids: tuple = None  # sizes of the connection ids of Pion and Kaon
    moves: bool = False  # both sides are seen from another address in the middle


class LossyPath:
    """Two UDP ports between two programs: what comes in at one goes out at the other, or is lost. `mover` is a side
    and a number: both ports are others from that datagram on that it begins with a connection id."""

    def __init__(self, loss, seed, mover=None):
        self.ends = [self.new_end(), self.new_end()]
        self.peers = [free_port(), free_port()]
        self.loss, self.random, self.over, self.mover = loss, random.Random(seed), False, mover
        self.with_id, self.without_id = [0, 0], [0, 0]  # datagrams by side that begin with such a protected record
        self.thread = threading.Thread(target=self.carry)
        self.thread.start()

    @staticmethod
    def new_end():
        end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        end.bind(("127.0.0.1", 0))
        return end

    def port(self, side):
        return self.ends[side].getsockname()[1]

    def carry(self):
        with selectors.DefaultSelector() as ready:
            for side, end in enumerate(self.ends):
                ready.register(end, selectors.EVENT_READ, side)
            while not self.over:
                for key, _ in ready.select(0.05):
                    try:
                        packet = key.fileobj.recv(65536)
                    except ConnectionRefusedError:  # the program is not there yet, or no longer
                        continue
                    self.look(key.data, packet)
                    if self.mover is not None and self.with_id[self.mover[0]] == self.mover[1]:
                        self.mover = None
                        self.move(ready)
                    if self.random.random() * 100 >= self.loss:
                        other = 1 - key.data
                        try:
                            self.ends[other].sendto(packet, ("127.0.0.1", self.peers[other]))
                        except ConnectionRefusedError:
                            pass
                    if self.mover is None and key.fileobj not in self.ends:
                        break  # what else was ready is of the ports before

    def look(self, side, packet):
        first = packet[0] if packet else 0
        self.with_id[side] += first == 25 or first & 0xf0 == 0x30
        self.without_id[side] += first == 23 or first & 0xf0 == 0x20

    def move(self, ready):
        for side in range(2):
            ready.unregister(self.ends[side])
            self.ends[side].close()
            self.ends[side] = self.new_end()
            ready.register(self.ends[side], selectors.EVENT_READ, side)

    def close(self):
        self.over = True
        self.thread.join()
        for end in self.ends:
            end.close()


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(command, path, side, role, version, mtu, updates, *more):
    options = ["--role", role, "--version", version, "--mtu", str(mtu), "--updates", str(updates),
               "--port", str(path.peers[side]), "--to", str(path.port(side))]
    return subprocess.Popen([command, *options, *more], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def faults_of_ids(path, sizes):
    for side, name in enumerate(("Pion", "Kaon")):
        wanted = sizes[1 - side] > 0
        seen, other = path.with_id[side], path.without_id[side]
        if (seen > 0) != wanted or (wanted and other > 0):
            yield f"{name} sent {seen} datagrams with a connection id and {other} without"


def run_case(case):
    """Faults of one case."""
    version, role, mtu, updates = case.version, case.role, case.mtu, case.updates
    # The client's first data: in 1.2 its Finished stands behind records in the clear, in 1.3 it begins a datagram.
    mover = (0 if role == "client" else 1, 1 if version == "1.2" else 2)
    path = LossyPath(case.loss, mtu + case.loss, mover if case.moves else None)
    ids = [["--cid", str(size)] for size in case.ids] if case.ids else [[], []]
    others = []
    try:
        client_updates = lambda of: updates if of == "client" else 0  # noqa: E731
        pion = start(PION, path, 0, role, version, mtu, client_updates(role), *ids[0])
        others.append(pion)
        fingerprint = json.loads(pion.stdout.readline())["fingerprint"].replace(" ", ":")
        kaon_role = "server" if role == "client" else "client"
        kaon = start(KAON, path, 1, kaon_role, version, mtu, client_updates(kaon_role), "--fingerprint", fingerprint,
                     *ids[1])
        others.append(kaon)
        results = []
        for name, process in (("pion", pion), ("kaon", kaon)):
            out, errors = process.communicate(timeout=SECONDS)
            if process.returncode != 0:
                yield f"{name} ended with {process.returncode}: {errors.strip()}"
                return
            results.append(json.loads(out.splitlines()[-1]))
        for key in ("version", "suite", "profile", "exported"):
            if results[0][key] != results[1][key]:
                yield f"{key} differs: Pion has {results[0][key]}, Kaon {results[1][key]}"
        if results[1]["version"] != version:
            yield f"version {results[1]['version']}"
        if case.ids:
            yield from faults_of_ids(path, case.ids)
        if case.moves and path.mover is not None:
            yield "nothing came with a connection id, so nobody moved"
    except subprocess.TimeoutExpired:
        yield f"no end after {SECONDS} s"
    finally:
        for process in others:
            process.kill()
            process.wait()
        path.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("words", nargs="*", metavar="WORD")
    arguments = parser.parse_args()
    chosen = [case for case in cases(arguments.full)
              if not arguments.words or any(word in case[0] for word in arguments.words)]
    if shutil.which("go") is None:
        print("skip", "dtls", "go is not installed", sep="\t", flush=True)
        return 0
    PION.parent.mkdir(parents=True, exist_ok=True)
    built = subprocess.run(["go", "build", "-o", PION, "."], cwd=Path(__file__).parent / "pion", text=True,
                           capture_output=True, check=False)
    if built.returncode != 0:
        print("fail", "dtls.build", built.stderr.replace("\n", " | "), sep="\t", flush=True)
        return 1
    failed = False
    for name, case in chosen:
        faults = list(run_case(case))
        failed = failed or bool(faults)
        print("fail" if faults else "ok", name, " | ".join(faults), sep="\t", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
