"""What the test runs count and remember; see run.py."""

import concurrent.futures
import hashlib
import json
import os
import subprocess
import threading
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


class Cell:
    """Cases that passed, failed and were skipped."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []

    def add(self, name, ok, detail=""):
        if ok:
            self.passed += 1
        else:
            self.failed.append(name)
            print(f"FAILED {name}\n{detail.rstrip()}", flush=True)

    def skip(self, name, why):
        self.skipped.append(name)
        print(f"skipped {name}: {why}", flush=True)


class Tally(Cell):
    """All cases of a run. In a full run they are gathered in cells, and a cell that has passed at this version is not run
    again: its counts come from the file of an earlier run."""

    def __init__(self, full):
        super().__init__()
        self.full, self.seconds, self.known = full, 0.0, {}
        self.lock = threading.Lock()
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

    def cell(self, name, work):
        """Runs `work(cell)`, which adds cases to the cell, unless it is known to pass."""
        if self.reuse(name):
            return
        start, cell = time.monotonic(), Cell()
        work(cell)
        seconds = time.monotonic() - start
        say(f"{name}: {cell.passed} passed, {len(cell.failed)} failed, {len(cell.skipped)} skipped, {seconds:.1f} s")
        with self.lock:
            self.passed += cell.passed
            self.failed += cell.failed
            self.skipped += cell.skipped
            self.remember(name, cell.passed, cell.failed, cell.skipped, seconds)

    def cells(self, works):
        """The same for many (name, work), side by side: most tests keep one core busy."""
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda one: self.cell(*one), works))

    def reuse(self, name):
        cell = self.known.get(name)
        if cell is None:
            return False
        with self.lock:
            self.passed += cell["passed"]
            self.skipped += cell["skipped"]
            self.seconds += cell["seconds"]
        return True

    def remember(self, name, passed, failed, skipped, seconds):
        self.seconds += seconds
        if self.full and not failed:
            with open(MEMORY, "a", encoding="utf-8") as file:
                file.write(json.dumps({"name": name, "passed": passed, "skipped": skipped, "seconds": seconds}) + "\n")
