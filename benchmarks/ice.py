"""ICE: how soon two agents have a path, and what its connections on one UDP port cost a server."""

import contextlib
import json
import subprocess
import time

import simulated
from base import Bench, Unavailable
from machine import cpu_seconds, resident_kib
from peers import BUILD
from turn import address

RTTS = (20, 100, 300)
CANDIDATES = (1, 4, 20)
RATE = 20_000  # datagrams a second, of ice_load
IDLE = 10  # seconds: two intervals of consent
SETTLE = 0.5  # seconds without another datagram


class Ice(simulated.Simulated):
    name = "ice"
    DRAWS = 100

    def settings(self, arguments):
        return {"rtts_ms": ",".join(map(str, RTTS)), "candidates_a_side": ",".join(map(str, CANDIDATES)), "losses_percent": "0,10",
                "connections": self.count(arguments), "runs": arguments.runs}

    @staticmethod
    def count(arguments):
        return arguments.count or 1000

    def summary(self, arguments):
        return ("round trips from knowing each other to a path on both sides: every pair works (any), the very last one (last), or those "
                "through translators (nat), Kaon in simulated time, Pion in its virtual network; CPU of a server for "
                f"{self.count(arguments)} connections")

    def run(self, peer, arguments):
        rows = {}
        self.paths(peer, rows)
        with running(peer, self.count(arguments), 1) as (server, load, cpu):
            hear(load, "ready")
            rows["connection_cpu_us"] = ((cpu_seconds(server.pid) - cpu) * 1e6 / self.count(arguments), "us")
        return rows

    def paths(self, peer, rows):
        if peer.name == "kaon":
            lists = [",".join(map(str, values)) for values in (RTTS, CANDIDATES)]
            told = simulated.run("sim_ice", "--rtts", lists[0], "--candidates", lists[1], "--draws", self.DRAWS, "--seed", self.seed(peer))
            for line in told.splitlines():
                case = json.loads(line)
                name = f"{case['reach']}_{case['rtt_ms']}ms_{case['candidates']}"
                if case["loss_percent"]:
                    rows[f"{name}_loss{case['loss_percent']}_p90"] = (case["both_rtts_p90"], "round trips")
                else:
                    rows[name] = (case["both_rtts"], "round trips")
            return
        for reach in ("any", "last"):
            for rtt in RTTS:
                for candidates in CANDIDATES:
                    done = subprocess.run([*peer.ice_path_command(), str(rtt), str(candidates), reach], text=True, capture_output=True)
                    # Who finds no path has no figure.
                    if done.returncode == 0:
                        rows[f"{reach}_{rtt}ms_{candidates}"] = (float(done.stdout), "round trips")


class Mux(Bench):
    name = "mux"
    COUNTS = (10, 100, 1000, 10_000)

    def counts(self, arguments):
        return [count for count in self.COUNTS if count <= (arguments.count or self.COUNTS[-1])]

    def settings(self, arguments):
        return {"connections": ",".join(map(str, self.counts(arguments))), "datagrams_per_second": RATE, "bytes": 100,
                "seconds": arguments.seconds, "runs": arguments.runs}

    def summary(self, arguments):
        return (f"up to {self.counts(arguments)[-1]} connections on one UDP port, each peer with a port of its own: {RATE} datagrams of "
                "100 bytes a second over connections drawn at random; the server's CPU per datagram and memory per connection; for Kaon "
                "also the lookup alone")

    def run(self, peer, arguments):
        rows, resident = {}, {}
        for count in self.counts(arguments):
            self.serve(peer, count, max(1, int(arguments.seconds)), resident, rows)
            if peer.name == "kaon":
                done = subprocess.run([BUILD / "benchmarks" / "mux_lookup", str(count)], text=True, capture_output=True, check=True)
                for metric, value in json.loads(done.stdout).items():
                    rows[f"{count}_lookup_{metric}"] = (value, "ns" if metric.endswith("ns") else "bytes")
        return rows

    @staticmethod
    def serve(peer, count, seconds, resident, rows):
        with running(peer, count, seconds) as (server, load, _):
            hear(load, "ready")
            # Consent goes on all the time and is not what is asked for.
            before = cpu_seconds(server.pid)
            time.sleep(IDLE)
            idle = (cpu_seconds(server.pid) - before) / IDLE
            resident[count] = resident_kib(server.pid)
            if len(resident) > 1:
                least = min(resident)
                rows[f"{count}_kib_per_connection"] = ((resident[count] - resident[least]) / (count - least), "KiB")
            rows[f"{count}_idle_cpu"] = (100 * idle, "%")
            before, begun = cpu_seconds(server.pid), time.monotonic()
            load.stdin.write("send\n")
            load.stdin.flush()
            sent = int(hear(load, "sent"))
            received = settled(server, sent)
            cpu = cpu_seconds(server.pid) - before - idle * (time.monotonic() - begun)
            if received == 0:
                raise Unavailable("nothing arrived")
            rows[f"{count}_datagram_us"] = (cpu * 1e6 / received, "us")
            rows[f"{count}_loss"] = (100 * (1 - received / sent), "%")


def settled(server, sent):
    """How many datagrams it has received once no more come: on a busy machine many wait in its socket when the last one leaves."""
    received = -1
    while True:
        server.stdin.write("count\n")
        server.stdin.flush()
        before, received = received, int(server.stdout.readline())
        if received in (sent, before):
            return received
        time.sleep(SETTLE)


def hear(load, word):
    """What follows a word that the load says, which ends by itself if nothing comes."""
    line = load.stdout.readline().split()
    if not line or line[0] != word:
        raise Unavailable(f"the load did not say '{word}': {load.stderr.read().strip()[-300:]}")
    return line[1] if len(line) > 1 else ""


@contextlib.contextmanager
def running(peer, count, seconds):
    """The peer's server with so many connections, and the load that begins to connect to them; the server's CPU before that."""
    ip = address()
    server = subprocess.Popen([*peer.ice_command(), ip, str(count)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    load = None
    try:
        port = server.stdout.readline().strip()
        credentials = [server.stdout.readline() for _ in range(count)]
        if not port or not credentials[-1]:
            raise Unavailable("the server did not begin")
        cpu = cpu_seconds(server.pid)
        load = subprocess.Popen([BUILD / "benchmarks/ice_load", ip, port, str(count), str(seconds)], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        load.stdin.writelines(credentials)
        load.stdin.flush()
        yield server, load, cpu
    finally:
        for child in (load, server):
            if child is not None:
                child.kill()
                child.wait()
