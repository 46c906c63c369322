"""The benches that measure a pair of processes, and the list of all."""

import statistics
import time

import browsers
import fanout
import ice
import micro
import simulated
import tunnel
import turn
from base import Bench, Pair, Unavailable, bulk, percentile

WARM_UP = 1.0
MEMORY_SETTLE = 4.0


class Setup(Bench):
    name = "setup"

    def settings(self, arguments):
        count = arguments.burst or arguments.count or 50
        return {"count": count, "at_once": bool(arguments.burst), "cached_certificate": arguments.cached_certificate,
                "runs": arguments.runs}

    def summary(self, arguments):
        s = self.settings(arguments)
        kind = "one cached certificate" if s["cached_certificate"] else "a new certificate each"
        return f"{s['count']} connections {'at once' if s['at_once'] else 'one after another'}, {kind}"

    def run(self, peer, arguments):
        settings = self.settings(arguments)
        options = ["--cached-certificate"] if arguments.cached_certificate else []
        count = settings["count"]
        if not settings["at_once"]:
            options.append("--close")
        with Pair(peer, *options) as pair:
            pair.open(min(3, count), 1)
            before = pair.sample()
            start = time.monotonic()
            times = pair.open(count, count if settings["at_once"] else 1)
            taken = time.monotonic() - start
            after = pair.sample()
        cpu = [(b["cpu_s"] - a["cpu_s"]) * 1000 / count for a, b in zip(before, after)]
        rows = {"setup_ms_median": (statistics.median(times), "ms"), "setup_ms_p90": (percentile(times, 0.9), "ms"),
                "setup_ms_p99": (percentile(times, 0.99), "ms"), "setup_cpu_ms_offerer": (cpu[0], "ms"),
                "setup_cpu_ms_answerer": (cpu[1], "ms")}
        if settings["at_once"]:
            rows["all_open_ms"] = (taken * 1000, "ms")
            rows["opened"] = (len(times), "connections")
        return rows


class DataChannel(Bench):
    name = "datachannel"
    latency = simulated.Latency()

    def settings(self, arguments):
        if arguments.latency:
            return self.latency.settings(arguments)
        return {"message_size": arguments.message_size, "channels": arguments.channels,
                "ordered": not arguments.unordered, "seconds": arguments.seconds, "runs": arguments.runs}

    def summary(self, arguments):
        if arguments.latency:
            return self.latency.summary(arguments)
        order = "unordered" if arguments.unordered else "ordered"
        return f"{arguments.channels} {order} reliable channel(s), messages of {arguments.message_size} bytes"

    def run(self, peer, arguments):
        if arguments.latency:
            return self.latency.run(peer, arguments)
        options = ["--channels", str(arguments.channels), "--message-size", str(arguments.message_size)]
        if arguments.unordered:
            options.append("--unordered")
        with Pair(peer, *options) as pair:
            return bulk(pair, WARM_UP, arguments.seconds)


class Memory(Bench):
    name = "memory"

    def settings(self, arguments):
        return {"count": arguments.count or 1000, "seconds": arguments.seconds, "runs": arguments.runs}

    def summary(self, arguments):
        return f"{self.settings(arguments)['count']} idle connections with one channel each"

    def run(self, peer, arguments):
        count = min(self.settings(arguments)["count"], peer.most_connections)
        with Pair(peer) as pair:
            # The first connections bring in code and tables that all share.
            first = min(10, max(1, count // 10))
            pair.open(first, 1)
            time.sleep(1)
            before = pair.sample()
            pair.open(count - first, 10, 120)
            time.sleep(MEMORY_SETTLE)
            opened = pair.sample()
            time.sleep(arguments.seconds)
            after = pair.sample()
        window = after[0]["at"] - opened[0]["at"]
        rows = {}
        for side, name in enumerate(("offerer", "answerer")):
            grown = (opened[side]["rss_kib"] - before[side]["rss_kib"]) / (count - first)
            idle = (after[side]["cpu_s"] - opened[side]["cpu_s"]) / window * 100 / count * 100
            rows[f"kib_per_connection_{name}"] = (grown, "KiB")
            rows[f"idle_cpu_percent_per_100_{name}"] = (idle, "%")
        return rows


class Rtp(Bench):
    name = "rtp"

    def settings(self, arguments):
        return {"count": arguments.count or 100, "frame_size": 10300, "frames_per_second": 30,
                "seconds": arguments.seconds, "runs": arguments.runs}

    def summary(self, arguments):
        s = self.settings(arguments)
        return f"{s['count']} connections, each with 30 frames of {s['frame_size']} bytes a second, H.264, defaults on"

    def run(self, peer, arguments):
        settings = self.settings(arguments)
        count = settings["count"]
        with Pair(peer, "--video", "--frame-size", str(settings["frame_size"])) as pair:
            first = min(2, count)
            pair.open(first, 1)
            start = pair.sample()
            if count > first:
                pair.open(count - first, 10, 120)
            pair.offerer.say("send")
            time.sleep(WARM_UP * 2)
            before = pair.sample()
            time.sleep(arguments.seconds)
            after = pair.sample()
            pair.offerer.say("stop")
        return self.rows(settings, start, before, after, first)

    def rows(self, settings, start, before, after, first):
        window = after[0]["at"] - before[0]["at"]
        rows = {}
        # What arrived counts for both: not every sender counts its packets.
        packets = after[1]["packets"] - before[1]["packets"]
        frames = after[0]["sent_units"] - before[0]["sent_units"]
        if packets <= 0 or frames <= 0:
            raise Unavailable("nothing arrived")
        for side, name in enumerate(("sender", "receiver")):
            cpu = after[side]["cpu_s"] - before[side]["cpu_s"]
            rows[f"us_per_packet_{name}"] = (cpu / packets * 1e6, "us")
            rows[f"cpu_percent_{name}"] = (cpu / window * 100, "%")
            if settings["count"] > first:
                grown = (after[side]["rss_kib"] - start[side]["rss_kib"]) / (settings["count"] - first)
                rows[f"kib_per_connection_{name}"] = (grown, "KiB")
        rows["packets_per_frame"] = (packets / frames, "packets")
        got = after[1]["received_units"] - before[1]["received_units"]
        rows["loss"] = (max(0.0, 1 - got / frames) * 100, "% of frames")
        return rows


BENCHES = {bench.name: bench for bench in (Setup(), DataChannel(), Memory(), Rtp(), fanout.Fanout(), micro.Micro(),
                                           micro.Size(), simulated.LongPath(), simulated.RoundTrips(),
                                           tunnel.Tunnel(), browsers.Browser(), turn.Turn(), ice.Ice(), ice.Mux())}
