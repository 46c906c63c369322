"""The paths of `longpath` in real time, at a rate that this machine carries: real programs, and the kernel's TCP, over tun_link."""

import concurrent.futures
import json
import os
import time

from base import Bench, Pair, Process, Unavailable
from peers import BUILD
from simulated import STRETCH, run

RATE = 100
RTTS = (20, 100, 300)
# Name, its size in products of rate and round trip, and the losses in percent that are tried with it.
QUEUES = (("deep", 2, (0, 0.1, 1)), ("shallow", 0.1, (0,)))


class Link(Process):
    """tun_link, and what a command begins with that runs at one of its ends."""

    def __init__(self, rtt, loss, queue, seed):
        super().__init__([str(BUILD / "benchmarks" / "tun_link"), "--rate", str(RATE), "--rtt", str(rtt), "--loss", str(loss),
                          "--queue", str(queue), "--seed", str(seed)])
        ready = self.hear("ready")
        self.ends = [["nsenter", f"--net={ready[end]}"] for end in ("left", "right")]


class Tunnel(Bench):
    name = "tunnel"

    def __init__(self):
        self.repetitions = {}

    def refuses(self, peer):
        return super().refuses(peer) or ("" if peer.simulated or os.geteuid() == 0 else "network namespaces and TUN devices need root")

    def settings(self, arguments):
        return {"rate_mbit": RATE, "rtts_ms": ",".join(map(str, RTTS)), "deep_queue_bdp": 2, "shallow_queue_bdp": 0.1,
                "seconds": STRETCH * arguments.seconds, "runs": arguments.runs}

    def summary(self, _arguments):
        return f"one bulk transfer in real time, {RATE} Mbit/s; the model of TCP CUBIC in simulated time"

    def run(self, peer, arguments):
        seed = self.repetitions[peer.name] = self.repetitions.get(peer.name, 0) + 1
        seconds = STRETCH * arguments.seconds
        rows = {}
        for cells in groups(peer):
            with concurrent.futures.ThreadPoolExecutor(len(cells)) as pool:
                measured = pool.map(lambda cell: (simulate if peer.simulated else measure)(peer, seconds, seed, *cell[1:]), cells)
                for (name, *_), (utilisation, queue_ms) in zip(cells, measured):
                    rows[f"{name}_utilisation"] = (utilisation, "of the rate")
                    rows[f"{name}_queue_ms"] = (queue_ms, "ms")
        return rows


def groups(peer):
    """Cells that are measured at the same time: those with loss, which need little of the machine, twice as many as of those behind a
    deep queue; those behind a shallow one alone, where a delay of milliseconds is a loss."""
    cells = [(f"{rtt}ms_loss{loss}_{queue}", rtt, loss, size) for queue, size, losses in QUEUES for rtt in RTTS for loss in losses]
    lossy = [cell for cell in cells if cell[2]]
    deep = [cell for cell in cells if not cell[2] and cell[3] >= 1]
    shallow = [cell for cell in cells if cell[3] < 1]
    return [*parts(lossy, 2 * peer.full_tunnels), *parts(deep, peer.full_tunnels), *parts(shallow, 1)]


def parts(cells, size):
    return [cells[first:first + size] for first in range(0, len(cells), size)]


def measure(peer, seconds, seed, rtt, loss, queue):
    link = Link(rtt, loss, queue, seed)
    try:
        with Pair(peer, prefixes=[[*end, *peer.priority] for end in link.ends]) as pair:
            pair.open(1, 1)
            pair.offerer.say("send")
            time.sleep(seconds / 4)
            before, link_before = pair.answerer.sample(), link.sample()
            time.sleep(seconds * 3 / 4)
            after, link_after = pair.answerer.sample(), link.sample()
            pair.offerer.say("stop")
    finally:
        link.end()
    window = after["at"] - before["at"]
    utilisation = (after["received_bytes"] - before["received_bytes"]) * 8e-6 / window / RATE
    packets = link_after["packets"] - link_before["packets"]
    if utilisation <= 0 or packets <= 0:
        raise Unavailable("nothing arrived")
    if link_after["refused"]:
        raise Unavailable(f"the kernel refused {link_after['refused']} packets of the link")
    late = (link_after["late_ms"] - link_before["late_ms"]) / packets
    if late > 1:
        print(f"{rtt} ms, {loss} %: the link was {late:.1f} ms late on average, {link_after['latest_ms']:.0f} at most", flush=True)
    return utilisation, (link_after["queued_ms"] - link_before["queued_ms"]) / packets


def simulate(peer, seconds, seed, rtt, loss, queue):
    row, = json.loads(run("sim_longpath", "--json", "--rate", RATE, "--rtt", rtt, "--loss", loss, "--queue", queue, "--controllers",
                          peer.controllers, "--seconds", seconds, "--seed", seed))
    return row["utilisation"], row["queue_ms"]
