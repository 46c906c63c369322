#!/usr/bin/env python3
"""Kaon's DTLS against that of others, both roles, both versions, over paths that lose: lines of "ok", "fail" or "skip", name
and detail. The libraries' cells: libraries.py.

    tests/interop/dtls/run.py [--full] [WORD...]     only cases with one of the words in their name
    tests/interop/dtls/run.py --ml-kem               those that want a libcrypto with ML-KEM (see tests/mlkem)

KAON_DTLS_PEER and KAON_DTLS_DRIVER name Kaon's programs; those of others are built under build/interop.
"""

import argparse
import dataclasses
import json
import os
import random
import re
import selectors
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import libraries

ROOT = Path(__file__).resolve().parents[3]
KAON = Path(os.environ.get("KAON_DTLS_PEER", ROOT / "build/release/tests/interop/dtls/interop_dtls"))
PION = ROOT / "build/interop/dtls-pion"
SECONDS = 90


def cases(full):
    """Name, version, what Pion is, and what Case has besides."""
    mtus, losses = (libraries.MTUS, libraries.LOSSES) if full else ((576, 1200), (0, 10))
    for version in ("1.3", "1.2"):
        for role in ("client", "server"):
            for mtu in mtus:
                for loss in losses:
                    yield f"dtls{version}.pion-{role}.mtu{mtu}.loss{loss}", Case(version, role, mtu, loss)
    for version in ("1.3", "1.2"):
        for mtu, loss in ((1200, 0), (256, 0), (576, 20)):
            yield f"dtls{version}.pion-client.cookies.mtu{mtu}.loss{loss}", Case(version, "client", mtu, loss, cookies=True)
    for role in ("client", "server"):
        for mtu, loss in ((1500, 0), (1200, 0), (576, 10)):
            yield f"dtls1.3.pion-{role}.ml-kem.mtu{mtu}.loss{loss}", Case("1.3", role, mtu, loss, hybrid=True)
    yield "dtls1.3.pion-client.ml-kem.cookies", Case("1.3", "client", hybrid=True, cookies=True)
    for role in ("client", "server"):
        yield f"dtls1.3.pion-{role}.key-updates", Case("1.3", role, updates=5)
    for version in ("1.3", "1.2"):
        for role in ("client", "server"):
            name = f"dtls{version}.pion-{role}.connection-ids"
            for pion, kaon in ((0, 8), (8, 0), (1, 255), (20, 20)):
                yield f"{name}.{pion}-{kaon}", Case(version, role, ids=(pion, kaon))
            yield f"{name}.loss", Case(version, role, 576, 20, ids=(8, 8))
            yield f"{name}.other-address", Case(version, role, ids=(8, 8), moves=True)
            yield f"{name}.return-routability", Case(version, role, ids=(8, 8), moves=True, rrc=True)
    for name, (suite, key) in SUITES.items():
        for role in ("client", "server"):
            yield f"dtls1.2.pion-{role}.{name}", Case("1.2", role, suite=suite, key=key)
            lossy = Case("1.2", role, 576, 10, suite=suite, key=key, ids=(8, 8))
            yield f"dtls1.2.pion-{role}.{name}.connection-ids.loss10", lossy
    for name, (suite, stacks) in PSK_SUITES.items():
        for stack in stacks:
            for role in ("client", "server"):
                yield f"dtls1.2.{stack}-{role}.psk.{name}", Case("1.2", role, suite=suite, stack=stack)
            if stack == "openssl":
                yield f"dtls1.2.openssl-client.cookies.{name}", Case("1.2", "client", suite=suite, stack=stack, cookies=True)


# Suites with certificates that have to be asked for, and the kind of key. Pion has no CBC with AES-128 and SHA-1, and no
# encrypt_then_mac: with it the MAC comes first.
SUITES = {
    "ECDHE-ECDSA-AES128-CCM": (0xc0ac, "ecdsa"),
    "ECDHE-ECDSA-AES128-CCM8": (0xc0ae, "ecdsa"),
    "ECDHE-ECDSA-AES256-SHA": (0xc00a, "ecdsa"),
    "ECDHE-RSA-AES256-SHA": (0xc014, "rsa"),
}
# Number, and whose programs have it; nobody else's has TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256, and nobody's here those of
# RFC 8442 with CCM.
PSK_SUITES = {
    "PSK-AES128-GCM-SHA256": (0x00a8, ("pion", "openssl")),
    "PSK-AES128-CCM": (0xc0a4, ("pion", "openssl")),
    "PSK-AES128-CCM8": (0xc0a8, ("pion", "openssl")),
    "PSK-CHACHA20-POLY1305": (0xccab, ("pion", "openssl")),
    "ECDHE-PSK-CHACHA20-POLY1305": (0xccac, ("pion", "openssl")),
    "PSK-AES128-CBC-SHA256": (0x00ae, ("pion", "openssl")),
    "ECDHE-PSK-AES128-CBC-SHA256": (0xc037, ("pion", "openssl")),
}
WITHOUT_GROUP = [suite for name, (suite, _) in PSK_SUITES.items() if not name.startswith("ECDHE")]
PSK, IDENTITY = "5a" * 16, "kaon"


@dataclasses.dataclass
class Case:
    version: str
    role: str  # Pion's
    mtu: int = 1200
    loss: int = 0  # in percent
    updates: int = 0
    ids: tuple = None  # sizes of the connection ids of Pion and Kaon
    suite: int = 0  # one that has to be asked for
    key: str = ""  # of the certificates that go with it; with none, it is one of a pre-shared key
    stack: str = "pion"
    cookies: bool = False  # Kaon's server is behind a CookieGate
    hybrid: bool = False  # X25519MLKEM768, of Pion nothing else
    rrc: bool = False  # each follows the other only if it answers
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


def start_openssl(case, path):
    name = next(name for name, (suite, _) in PSK_SUITES.items() if suite == case.suite)
    # The tags of CCM8 are too short for the usual level.
    common = ["-dtls1_2", "-psk", PSK, "-psk_identity", IDENTITY, "-cipher", f"{name}:@SECLEVEL=0", "-use_srtp",
              "SRTP_AEAD_AES_128_GCM", "-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen", "56"]
    if case.role == "client":
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{path.port(0)}", "-bind",
                   f"127.0.0.1:{path.peers[0]}", *common]
    else:
        command = ["openssl", "s_server", "-accept", f"127.0.0.1:{path.peers[0]}", "-nocert", *common]
    return subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, bufsize=1)


def run_openssl_case(case):
    """Faults of one case against openssl s_client or s_server, who are told to say "bye"."""
    path = LossyPath(0, 1)
    kaon_role = "server" if case.role == "client" else "client"
    openssl = start_openssl(case, path)
    said = []
    reader = threading.Thread(target=lambda: [said.append(line) for line in openssl.stdout])
    reader.start()
    time.sleep(0.2)  # s_server has to be there first
    kaon = start(KAON, path, 1, kaon_role, "1.2", 1200, 0, "--suite", f"{case.suite:04x}",
                 *(["--cookies", "yes"] if case.cookies else []))
    try:
        end = time.monotonic() + SECONDS
        left = 5  # a server of ours ends when it has heard nothing for a second
        while kaon.poll() is None and openssl.poll() is None and time.monotonic() < end:
            # Asked to write before its handshake is over, s_server does not tell what came of it.
            if left > 0 and any("Keying material:" in line for line in said):
                left -= 1
                openssl.stdin.write("bye\n")
                openssl.stdin.flush()
            time.sleep(0.1)
        out, errors = kaon.communicate(timeout=SECONDS)
        openssl.stdin.write("Q\n")  # it writes out what it has to say when it ends by itself
        openssl.stdin.flush()
        try:
            openssl.wait(2)
        except subprocess.TimeoutExpired:
            openssl.kill()
        reader.join()
        if kaon.returncode != 0:
            yield f"Kaon ended with {kaon.returncode}: {errors.strip()}; OpenSSL: {''.join(said)[-300:].strip()}"
            return
        result = json.loads(out.splitlines()[-1])
        exported = re.search(r"Keying material: ([0-9A-F]+)", "".join(said))
        if result["suite"] != f"{case.suite:04x}":
            yield f"suite {result['suite']}"
        if result["profile"] != 7:
            yield f"SRTP profile {result['profile']}"
        if not exported or exported[1].lower() != result["exported"]:
            yield f"exported {result['exported']}, OpenSSL {exported and exported[1]}"
    except (subprocess.TimeoutExpired, BrokenPipeError) as error:
        yield f"{error}; OpenSSL: {''.join(said)[-300:].strip()}"
    finally:
        for process in (kaon, openssl):
            process.kill()
            process.wait()
        path.close()


def run_case(case):
    """Faults of one case."""
    version, role, mtu, updates = case.version, case.role, case.mtu, case.updates
    # The client's first data: in 1.2 its Finished stands behind records in the clear, in 1.3 it begins a datagram.
    mover = (0 if role == "client" else 1, 1 if version == "1.2" else 2)
    path = LossyPath(case.loss, mtu + case.loss, mover if case.moves else None)
    suite = ["--suite", f"0x{case.suite:04x}"] if case.suite else []
    if case.key:
        suite += ["--key", case.key]
    ids = [["--cid", str(size)] for size in case.ids] if case.ids else [[], []]
    others = []
    try:
        client_updates = lambda of: updates if of == "client" else 0  # noqa: E731
        pion = start(PION, path, 0, role, version, mtu, client_updates(role), *ids[0], *suite,
                     *(["--hybrid"] if case.hybrid else []), *(["--rrc"] if case.rrc else []))
        others.append(pion)
        fingerprint = json.loads(pion.stdout.readline())["fingerprint"].replace(" ", ":")
        kaon_role = "server" if role == "client" else "client"
        kaon = start(KAON, path, 1, kaon_role, version, mtu, client_updates(kaon_role), "--fingerprint", fingerprint,
                     *ids[1], *suite, *(["--cookies", "yes"] if case.cookies else []),
                     *(["--key-exchange", "post-quantum"] if case.hybrid else []),
                     *(["--rrc", "yes"] if case.rrc else []))
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
        group = "0000" if case.suite in WITHOUT_GROUP else "11ec" if case.hybrid else "001d"
        if results[1]["group"] != group:
            yield f"group {results[1]['group']}"
        if case.rrc and results[1]["paths_checked"] == 0:
            yield "Kaon followed without a check"
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


def tell(verdict, name, detail=""):
    print(verdict, name, detail, sep="\t", flush=True)


def run_processes(chosen):
    """The cases with Pion and with OpenSSL's programs; whether all are well."""
    if shutil.which("go") is None:
        tell("skip", "pion", "go is not installed")
        return True
    PION.parent.mkdir(parents=True, exist_ok=True)
    built = subprocess.run(["go", "build", "-o", PION, "."], cwd=Path(__file__).parent / "pion", text=True,
                           capture_output=True, check=False)
    if built.returncode != 0:
        tell("fail", "pion.build", built.stderr.replace("\n", " | "))
        return False
    good = True
    for name, case in chosen:
        faults = list(run_openssl_case(case) if case.stack == "openssl" else run_case(case))
        good = good and not faults
        tell("fail" if faults else "ok", name, " | ".join(faults))
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--ml-kem", action="store_true")
    parser.add_argument("words", nargs="*", metavar="WORD")
    arguments = parser.parse_args()
    wanted = lambda name: not arguments.words or any(word in name for word in arguments.words)  # noqa: E731
    in_memory = [] if arguments.ml_kem else [cell for cell in libraries.cells(arguments.full) if wanted(cell.name)]
    processes = [case for case in cases(arguments.full) if case[1].hybrid == arguments.ml_kem and wanted(case[0])]
    good = not in_memory or libraries.run_cells(in_memory, tell)
    good = (not processes or run_processes(processes)) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
