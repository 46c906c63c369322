"""What is measured in simulated time: the same figures on every machine, another draw of losses with each repetition."""

import json
import subprocess

import openssl35
from base import Bench, Unavailable
from crates import Broken
from peers import BUILD

# Simulated seconds for one of --seconds; the last three quarters of them are measured: from second 10 to 40 by default.
STRETCH = 5


def run(program, *options, env=None):
    done = subprocess.run([BUILD / "benchmarks" / program, *map(str, options)], text=True, capture_output=True, env=env, check=False)
    if done.returncode != 0:
        raise Unavailable(f"{program}: {done.stderr[-500:]}")
    return done.stdout


class Simulated(Bench):
    """Counts repetitions, which are the seeds."""

    def __init__(self):
        self.repetitions = {}

    def seed(self, peer):
        self.repetitions[peer.name] = self.repetitions.get(peer.name, 0) + 1
        return self.repetitions[peer.name]


class LongPath(Simulated):
    name = "longpath"
    RTTS = "20,100,300"
    # Name, its size in products of rate and round trip, and the losses in percent that are tried with it.
    QUEUES = (("deep", 2, "0,0.1,1"), ("shallow", 0.1, "0"))

    def settings(self, arguments):
        return {"rate_mbit": 1000, "rtts_ms": self.RTTS, "deep_queue_bdp": 2, "shallow_queue_bdp": 0.1,
                "simulated_seconds": STRETCH * arguments.seconds, "runs": arguments.runs}

    def summary(self, _arguments):
        return ("one bulk transfer over SCTP, simulated, 1 Gbit/s; the column kaon is CUBIC, the default, and delay_cubic the same with a bound "
                "on the queue")

    def run(self, peer, arguments):
        seed = self.seed(peer)
        rows = {}
        for queue, size, losses in self.QUEUES:
            out = run("sim_longpath", "--json", "--rtt", self.RTTS, "--loss", losses, "--queue", size, "--controllers",
                      peer.controllers, "--seconds", STRETCH * arguments.seconds, "--seed", seed)
            for row in json.loads(out):
                path = f"{row['rtt_ms']}ms_loss{row['loss_percent']}_{queue}"
                who = "delay_cubic_" if row["who"] == "delay-cubic" else ""
                rows[f"{path}_{who}utilisation"] = (row["utilisation"], "of the rate")
                rows[f"{path}_{who}queue_ms"] = (row["queue_ms"], "ms")
        return rows


class RoundTrips(Simulated):
    name = "roundtrips"
    LOSSES = "0,5,25"
    COUNT = 200

    def settings(self, arguments):
        return {"rtt_ms": 200, "losses_percent": self.LOSSES, "count": arguments.count or self.COUNT,
                "libcrypto": f"OpenSSL {openssl35.OPENSSL}" if arguments.openssl35 else "the system's", "runs": arguments.runs}

    def summary(self, _arguments):
        return ("round trips from an offer until media may be sent and a channel is open, simulated, 200 ms; descriptions take half a round "
                "trip each and are not lost; 0 to 25 % of the packets are")

    def run(self, peer, arguments):
        try:
            env = openssl35.environment() if arguments.openssl35 else None
        except (openssl35.ToolMissing, Broken) as why:
            raise Unavailable(str(why)) from why
        rows = {}
        for line in run("sim_roundtrips", "--loss", self.LOSSES, "--count", self.settings(arguments)["count"], "--seed",
                        self.seed(peer), env=env).splitlines():
            told = json.loads(line)
            for metric, value in told.items():
                # Without losses every connection takes the same time; with them the side that offers is enough.
                told_elsewhere = metric.endswith("_p95") if told["loss_percent"] == 0 else metric.startswith("answerer_")
                if "rtts_" in metric and not told_elsewhere:
                    rows[f"{told['way']}_loss{told['loss_percent']}_{metric}"] = (value, "round trips")
        return rows


class Latency(Simulated):
    """./bench datachannel --latency."""

    name = "datachannel"

    def settings(self, arguments):
        return {"rate_mbit": 100, "rtt_ms": 50, "queue_bdp": 4, "small_message": 100, "bulk_message": 65536,
                "simulated_seconds": STRETCH * arguments.seconds, "runs": arguments.runs}

    def summary(self, _arguments):
        return ("round trip of a message of 100 bytes beside a bulk transfer, simulated, 100 Mbit/s and 50 ms; delay-sensitive congestion control, "
                "interleaving on")

    def run(self, peer, arguments):
        if peer.name != "kaon":
            raise Unavailable("only Kaon can be simulated")
        rows = {}
        for line in run("sim_latency", "--seconds", STRETCH * arguments.seconds, "--seed", self.seed(peer)).splitlines():
            for metric, value in json.loads(line).items():
                rows[metric] = (value, "Mbit/s" if metric.endswith("mbit_s") else "ms")
        return rows
