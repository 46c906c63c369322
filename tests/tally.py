"""What the test runs count and remember; see run.py."""

import hashlib
import json
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEMORY = ROOT / "build/test-full.jsonl"


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def run(command, **options):
    """Output of a command with its exit status; both streams together."""
    return subprocess.run(command, cwd=ROOT, text=True, errors="replace", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)


def version():
    """The commit, with a digest of what is not committed yet. The table that a full run adds a row to does not count."""
    but = ["--", ".", ":!docs/verification.md"]
    commit = run(["git", "rev-parse", "--short", "HEAD"]).stdout.strip()
    changes = run(["git", "diff", "HEAD", *but]).stdout + run(["git", "status", "--porcelain", *but]).stdout
    return commit + ("+" + hashlib.sha256(changes.encode()).hexdigest()[:8] if changes else "")


class Tally:
    """Cases that passed, failed and were skipped. In a full run they are gathered in cells, and a cell that has passed at
    this version is not run again: its counts come from the file of an earlier run."""

    def __init__(self, full):
        self.full = full
        self.passed, self.failed, self.skipped, self.seconds = 0, [], [], 0.0
        self.known = {}
        if full:
            self.recall()

    def recall(self):
        lines = MEMORY.read_text().splitlines() if MEMORY.exists() else []
        if lines and lines[0] == version():
            self.known = {cell["name"]: cell for cell in map(json.loads, lines[1:])}
            say(f"going on with {version()}: {len(self.known)} cells have passed")
        else:
            MEMORY.parent.mkdir(exist_ok=True)
            MEMORY.write_text(version() + "\n")

    def add(self, name, ok, detail=""):
        if ok:
            self.passed += 1
        else:
            self.failed.append(name)
            print(f"FAILED {name}\n{detail.rstrip()}", flush=True)

    def skip(self, name, why):
        self.skipped.append(name)
        print(f"skipped {name}: {why}", flush=True)

    def cell(self, name, work):
        """Runs `work`, which adds cases, unless it is known to pass."""
        if self.reuse(name):
            return
        start, before = time.monotonic(), (self.passed, len(self.failed), len(self.skipped))
        work()
        seconds = time.monotonic() - start
        passed, failed, skipped = self.passed - before[0], len(self.failed) - before[1], self.skipped[before[2]:]
        say(f"{name}: {passed} passed, {failed} failed, {len(skipped)} skipped, {seconds:.1f} s")
        self.remember(name, passed, failed, skipped, seconds)

    def reuse(self, name):
        cell = self.known.get(name)
        if cell is None:
            return False
        self.passed += cell["passed"]
        self.skipped += cell["skipped"]
        self.seconds += cell["seconds"]
        return True

    def remember(self, name, passed, failed, skipped, seconds):
        self.seconds += seconds
        if self.full and not failed:
            with open(MEMORY, "a", encoding="utf-8") as file:
                file.write(json.dumps({"name": name, "passed": passed, "skipped": skipped, "seconds": seconds}) + "\n")
