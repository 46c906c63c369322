"""A TURN server between clients and a peer: what one relayed packet costs it."""

import json
import signal
import socket
import subprocess
import tempfile
import time

from base import Bench, Unavailable
from machine import cpu_seconds
from peers import BUILD

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
                "packets_per_second_of_a_client": 540}

    def summary(self, arguments):
        return (f"{arguments.count or 50} clients, each 270 packets of 1,200 bytes a second to a peer and as many back, in bursts of "
                "9 (one UDP_SEGMENT send) or one by one; the server's CPU per relayed packet")

    def run(self, peer, arguments):
        rows = {}
        with tempfile.TemporaryDirectory() as folder:
            for name, (burst, way) in LOADS.items():
                self.measure(peer, arguments, folder, f"{name}_", burst, way, rows)
        return rows

    def measure(self, peer, arguments, folder, name, burst, way, rows):
        ip = address()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((ip, 0))
            port = probe.getsockname()[1]
        server = subprocess.Popen(peer.turn_command(ip, port, folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(1)
            load = subprocess.Popen([BUILD / "benchmarks/turn_load", f"{ip}:{port}", str(arguments.count or 50),
                                     str(max(1, int(arguments.seconds))), str(burst), way], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if load.stdout.readline().strip() != "ready":
                raise Unavailable(load.communicate()[1].strip() or "the load did not begin")
            before, begun = cpu_seconds(server.pid), time.monotonic()
            output, _ = load.communicate("go\n", timeout=arguments.seconds + 30)
            cpu, passed = cpu_seconds(server.pid) - before, time.monotonic() - begun
            counts = json.loads(output)
        finally:
            server.send_signal(signal.SIGKILL)
            server.wait()
        received = max(1, counts["received"])
        rows[f"{name}us_per_packet"] = (cpu * 1e6 / received, "us")
        rows[f"{name}cpu"] = (100 * cpu / passed, "%")
        rows[f"{name}loss"] = (100 * (1 - counts["received"] / counts["sent"]), "%")
