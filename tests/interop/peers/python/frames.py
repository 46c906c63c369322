"""The encoded frames that a media case sends and expects, and what is told of received ones."""

import hashlib
import json


class Samples:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            sample = json.load(file)
        self.codec, self.clock_rate, self.duration = sample["codec"], sample["clockRate"], sample["duration"]
        self.channels, self.fmtp = sample["channels"], sample["fmtp"]
        self.frames = [bytes.fromhex(frame) for frame in sample["frames"]]
        self.kind = "audio" if self.channels else "video"

    def frame(self, number):
        return self.frames[number % len(self.frames)]

    def seconds(self):
        return self.duration / self.clock_rate


def mark_of(frame):
    """The first 16 digits of its SHA-256: how peers tell which frame they got."""
    return hashlib.sha256(frame).hexdigest()[:16]


class Received:
    """Counts and marks frames; tells the result when there are enough."""

    def __init__(self, lines, wanted, form):
        self.lines, self.wanted, self.form = lines, wanted, form
        self.marks = []
        self.sent = 0
        self.more = {}

    def add(self, mark):
        if len(self.marks) < self.wanted:
            self.marks.append(mark)
            if len(self.marks) == self.wanted:
                self.tell()

    def tell(self):
        self.lines.result({"sent": self.sent, "received": self.marks, "form": self.form, **self.more})


class Tone:
    """The frequency of a tone out of pieces of sound of one channel: the median over pieces of 100 ms."""

    def __init__(self):
        self.piece, self.found = [], []

    def add(self, samples, rate):
        self.piece.extend(samples)
        if len(self.piece) >= rate // 10:
            rising = sum(a < 0 <= b for a, b in zip(self.piece, self.piece[1:]))
            self.found.append(rising * rate / len(self.piece))
            self.piece = []

    def hz(self):
        return sorted(self.found)[len(self.found) // 2] if self.found else 0
