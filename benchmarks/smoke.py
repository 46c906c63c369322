#!/usr/bin/env python3
"""That ./bench works, not how fast anything is: a tiny run of each bench with Kaon alone. Tells lines of "ok" or "fail", the name
and a detail."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SMALL = {"setup": ["--count", "3"], "datachannel": [], "memory": ["--count", "12"], "rtp": ["--count", "3"],
         "fanout": ["--count", "5"], "micro": [], "size": [], "turn": ["--count", "3"], "longpath": [],
         "roundtrips": ["--count", "5"], "ice": ["--count", "20"], "mux": ["--count", "100"],
         "datachannel --latency": []}
if os.geteuid() == 0:
    SMALL["tunnel"] = []
LEAST_QUEUE_MS = 5
# What is wrong, and what of the list of right ones the answer must name.
WRONG = [(["nonsense"], "fanout"), (["setup", "--peers", "nobody"], "libwebrtc"), (["setup", "--nonsense"], "--burst")]


def run(*command, timeout):
    return subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout,
                          check=False)


def fault_of(name, file):
    """What is wrong with the figures of a bench; empty if nothing is."""
    try:
        result = json.load(file)
        rows = result["rows"]
        missing = {"bench", "machine", "settings", "rows"} - set(result)
        if missing or result["bench"] != name or not rows:
            return f"not what a result should be: {result}"
        for row in rows:
            least = 0 if re.search(r"loss|idle|allocations|kib_", row["metric"]) else 1e-9
            if row["value"] < least or row["peer"] != "kaon" or len(row["runs"]) != 1 or not row["unit"]:
                return f"not a figure: {row}"
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        return f"malformed: {error!r}"
    return ""


def faults_of_model():
    """Where the committed figures of the model of TCP are off from the kernel's by more than a tenth. Queues of a few packets are
    those of the kernel's timers."""
    result = json.loads((ROOT / "benchmarks" / "results" / "tunnel.json").read_text(encoding="utf-8"))
    values = {(row["metric"], row["peer"]): row for row in result["rows"]}
    for (metric, peer), row in values.items():
        kernel = values[metric, "tcp"]["value"]
        if peer != "tcp-cubic" or (row["unit"] == "ms" and kernel < LEAST_QUEUE_MS):
            continue
        if abs(row["value"] / kernel - 1) > 0.1:
            yield f"{metric}: {row['value']:.4g}, the kernel's is {kernel:.4g}"


def cases():
    """Name, whether it is right, and what was said."""
    for label, options in SMALL.items():
        name, *more = label.split()
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            done = run("./bench", name, "--peers", "kaon", "--runs", "1", "--seconds", "0.5", "--json", file.name, *more,
                       *options, timeout=120)
            fault = f"ended with {done.returncode}" if done.returncode else fault_of(name, file)
        yield label.replace(" --", "."), not fault, f"{fault}\n{done.stdout}" if fault else ""
    for wrong, known in WRONG:
        done = run("./bench", *wrong, timeout=60)
        right = done.returncode == 2 and known in done.stdout
        yield f"says_what_it_knows.{wrong[-1]}", right, "" if right else done.stdout
    faults = list(faults_of_model())
    yield "model_of_tcp", not faults, "; ".join(faults)
    done = run(sys.executable, "benchmarks/tables.py", "--check", timeout=60)
    yield "tables", done.returncode == 0, done.stdout


def main():
    failed = False
    for name, right, detail in cases():
        failed = failed or not right
        print("ok" if right else "fail", name, " | ".join(detail.strip().split("\n")), sep="\t", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
