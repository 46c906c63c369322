"""A TURN server between clients and a peer: what one relayed packet costs it."""

import contextlib
import json
import socket
import subprocess
import tempfile
import time

from base import Bench, Unavailable
from machine import cpu_seconds, resident_kib
from peers import BUILD

ALLOCATIONS = 10_000
# What is measured: packets sent at once, and how they travel.
LOADS = {"channel_bursts": (9, "channels"), "channel_single": (1, "channels"), "indication_single": (1, "indications")}


def address():
    """The one of the bench's namespace, else loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("10.9.9.1", 0))
        except OSError:
            return "127.0.0.1"
    return "10.9.9.1"


class Turn(Bench):
    name = "turn"

    def settings(self, arguments):
        return {"clients": arguments.count or 50, "seconds": arguments.seconds, "payload": 1200,
                "packets_per_second_of_a_client": 540, "allocations": arguments.count or ALLOCATIONS}

    def summary(self, arguments):
        return (f"{arguments.count or 50} clients, each 270 packets of 1,200 bytes a second to a peer and as many back, in bursts of "
                "9 (one UDP_SEGMENT send) or one by one; the server's CPU per relayed packet, its memory per allocation")

    def run(self, peer, arguments):
        rows = {}
        for name, (burst, way) in LOADS.items():
            self.relay(peer, arguments, f"{name}_", burst, way, rows)
        if peer.name != "floor":
            self.allocate(peer, arguments.count or ALLOCATIONS, rows)
        return rows

    def relay(self, peer, arguments, name, burst, way, rows):
        seconds = max(1, int(arguments.seconds))
        with running(peer, str(arguments.count or 50), str(seconds), str(burst), way) as (server, load):
            before, begun = cpu_seconds(server.pid), time.monotonic()
            output, _ = load.communicate("go\n", timeout=seconds + 30)
            cpu, passed = cpu_seconds(server.pid) - before, time.monotonic() - begun
            counts = json.loads(output)
        received = max(1, counts["received"])
        rows[f"{name}us_per_packet"] = (cpu * 1e6 / received, "us")
        rows[f"{name}cpu"] = (100 * cpu / passed, "%")
        rows[f"{name}loss"] = (100 * (1 - counts["received"] / counts["sent"]), "%")

    def allocate(self, peer, count, rows):
        with running(peer, str(count), "hold") as (server, load):
            before, cpu = resident_kib(server.pid), cpu_seconds(server.pid)
            load.stdin.write("go\n")
            load.stdin.flush()
            hear_ready(load)
            rows["allocation_kib"] = ((resident_kib(server.pid) - before) / count, "KiB")
            rows["allocation_us"] = ((cpu_seconds(server.pid) - cpu) * 1e6 / count, "us")
            load.stdin.close()


def hear_ready(load):
    if load.stdout.readline().strip() != "ready":
        raise Unavailable(load.stderr.read().strip() or "the load did not begin")


@contextlib.contextmanager
def running(peer, *load_arguments):
    """The peer's server and the load, which waits for a line."""
    ip = address()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((ip, 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(peer.turn_command(ip, port, folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        load = None
        try:
            time.sleep(1)
            load = subprocess.Popen([BUILD / "benchmarks/turn_load", f"{ip}:{port}", *load_arguments], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            hear_ready(load)
            yield server, load
        finally:
            for child in (load, server):
                if child is not None:
                    child.kill()
                    child.wait()
