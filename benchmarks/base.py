"""What the benches share: two processes of one peer, and how they are talked to."""

import json
import queue
import socket
import subprocess
import threading
import time

from machine import resident_kib


def better_is_higher(metric):
    return metric == "opened" or metric.endswith(("mbit_s", "utilisation"))


class Unavailable(Exception):
    """The peer cannot do this work; the text says why."""


class Process:
    """One side: words in, JSON lines out."""

    def __init__(self, command, signals=None):
        # Descriptor 3 is the way to the other side, whatever number it has here (of more than one digit, which not every sh knows).
        if signals:
            command = ["bash", "-c", f'exec "$@" 3<&{signals.fileno()}', "bash", *command]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                      pass_fds=[signals.fileno()] if signals else [])
        if signals:
            signals.close()
        self.lines = queue.Queue()
        self.errors = []
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            if line.startswith("{"):
                self.lines.put(json.loads(line))
        self.lines.put(None)

    def _read_errors(self):
        for line in self.child.stderr:
            self.errors = (self.errors + [line.rstrip()])[-20:]

    def say(self, words):
        self.child.stdin.write(words + "\n")
        self.child.stdin.flush()

    def hear(self, event, seconds=30):
        """The next event of this kind; others are passed over, failures end the run."""
        end = time.monotonic() + seconds
        while True:
            try:
                line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise Unavailable(f"no '{event}' within {seconds} s") from None
            if line is None:
                raise Unavailable(f"it ended early: {' '.join(self.errors[-3:]) or 'without a word'}")
            if line["event"] == "failed":
                raise Unavailable(f"a connection failed: {line.get('why', '')}")
            if line["event"] == event:
                return line

    def sample(self):
        self.say("sample")
        sample = self.hear("sample")
        sample["rss_kib"] = resident_kib(self.child.pid)
        sample["at"] = time.monotonic()
        return sample

    def end(self):
        try:
            self.say("quit")
            self.child.wait(timeout=5)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.child.kill()
            self.child.wait()


class Pair:
    """An offering and an answering process of one peer, joined by a socket for their signalling. `prefixes` are what the two commands
    begin with; `answerer` is another peer for the second."""

    def __init__(self, peer, *options, prefixes=((), ()), answerer=None):
        ours, theirs = socket.socketpair()
        self.offerer = Process([*prefixes[0], *peer.command(), "offer", *options], ours)
        self.answerer = Process([*prefixes[1], *(answerer or peer).command(), "answer", *options], theirs)

    def __enter__(self):
        try:
            for side in (self.offerer, self.answerer):
                side.hear("ready", 60)
        except Unavailable:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for side in (self.offerer, self.answerer):
            side.end()

    def open(self, count, parallel, seconds=60):
        """Opens more connections; milliseconds of each."""
        self.offerer.say(f"open {count} {parallel}")
        return [self.offerer.hear("open", seconds)["ms"] for _ in range(count)]

    def sample(self):
        return self.offerer.sample(), self.answerer.sample()


def bulk(pair, warm_up, seconds):
    """Opens one connection and sends over it: rate, and CPU of each side."""
    pair.open(1, 1)
    pair.offerer.say("send")
    time.sleep(warm_up)
    before = pair.sample()
    time.sleep(seconds)
    after = pair.sample()
    pair.offerer.say("stop")
    received = after[1]["received_bytes"] - before[1]["received_bytes"]
    if received <= 0:
        raise Unavailable("nothing arrived")
    cpu = [(b["cpu_s"] - a["cpu_s"]) / received * 1e9 for a, b in zip(before, after)]
    return {"mbit_s": (received * 8e-6 / (after[1]["at"] - before[1]["at"]), "Mbit/s"),
            "cpu_s_per_gb_sender": (cpu[0], "s/GB"), "cpu_s_per_gb_receiver": (cpu[1], "s/GB")}


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Bench:
    """Base of those that measure a pair of processes."""

    name = ""

    def refuses(self, peer):
        """Why this peer cannot take part; empty if it can."""
        return "" if self.name in peer.benches else peer.refusals.get(self.name, f"it has no part in {self.name}")
