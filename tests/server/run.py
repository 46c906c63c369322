#!/usr/bin/env python3
"""Tests of the built program from outside: its HTTP interface, its command line, and its UDP port under noise.

A case is a function test_* in cases/*.py; its name says what must hold. One that takes `kaon` gets a running server.
Functions with the attribute `background` run beside the others, because they mostly wait.

round_trip.py sends the media files through `kaon whip`, `serve` and `record` and back; its cases are told as ours.

    tests/server/run.py [WORD...]     only cases with one of the words in their name

Cases that the environment variable KAON_PASSED lists are left out.
"""

import importlib
import inspect
import os
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import kaon  # noqa: E402

ROUND_TRIP = Path(__file__).parent / "round_trip.py"
failures = []
printing = threading.Lock()


def tell(verdict, name, detail=""):
    with printing:
        print(verdict, name, " | ".join(detail.split("\n")), sep="\t", flush=True)
        if verdict == "fail":
            failures.append(name)


def run_case(name, function):
    start = time.monotonic()
    try:
        if inspect.signature(function).parameters:
            with kaon.Server() as server:
                detail = function(server)
        else:
            detail = function()
        seconds = time.monotonic() - start
        tell("ok", name, detail or (f"{seconds:.1f} s" if seconds > 5 else ""))
    except Exception as error:
        where = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)][-3:]
        tell("fail", name, f"{type(error).__name__}: {error}\n{' '.join(where)}")


def cases():
    for path in sorted(Path(__file__).parent.glob("cases/*.py")):
        module = importlib.import_module(f"cases.{path.stem}")
        for name, function in vars(module).items():
            if name.startswith("test_"):
                yield f"{path.stem}.{name.removeprefix('test_')}", function


def run_round_trip():
    done = subprocess.Popen([sys.executable, ROUND_TRIP], text=True, stdout=subprocess.PIPE,
                            env=dict(os.environ, KAON=str(kaon.PROGRAM)))
    for line in done.stdout:
        verdict, name, *detail = line.rstrip("\n").split("\t")
        tell(verdict, f"round_trip.{name.replace(' ', '_')}", " ".join(detail))
    if done.wait() not in (0, 1):
        tell("fail", "round_trip.exit", f"ended early with {done.returncode}")


def main():
    words = [word for word in sys.argv[1:] if word != "--full"]
    passed = os.environ.get("KAON_PASSED", "").splitlines()
    chosen = [(name, function) for name, function in cases()
              if name not in passed and (not words or any(word in name for word in words))]
    beside = [threading.Thread(target=run_case, args=case) for case in chosen if hasattr(case[1], "background")]
    if (not words or "round_trip" in words) and ROUND_TRIP.exists():
        beside.append(threading.Thread(target=run_round_trip))
    for thread in beside:
        thread.start()
    for name, function in chosen:
        if not hasattr(function, "background"):
            run_case(name, function)
    for thread in beside:
        thread.join()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
