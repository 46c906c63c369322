#!/usr/bin/env python3
"""Builds and runs the tests; see ./test. Every part adds its cases to one tally, which is the last line printed."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORES = os.cpu_count() or 2
TSAN_MODULES = ["base", "io", "webrtc", "sfu"]


class Tally:
    """Cases that passed, failed and were skipped (with the reason)."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def add(self, name, ok, detail=""):
        if ok:
            self.passed += 1
        else:
            self.failed.append(name)
            print(f"FAILED {name}\n{detail.rstrip()}", flush=True)

    def skip(self, name, why):
        self.skipped.append(name)
        print(f"skipped {name}: {why}", flush=True)


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def run(command, **options):
    """Output of a command with its exit status; both streams together."""
    return subprocess.run(command, cwd=ROOT, text=True, errors="replace", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)


def install(*groups):
    done = subprocess.run([ROOT / "tools/deps.sh", *groups], cwd=ROOT)
    if done.returncode != 0:
        sys.exit(done.returncode)


def build(preset, targets=()):
    """Configures and builds; ends the run if that fails, because nothing after it can be trusted."""
    say(f"building {preset}")
    for command in (["cmake", "--preset", preset], ["ninja", "-C", f"build/{preset}", *targets]):
        done = run(command)
        if done.returncode != 0:
            lines = done.stdout.splitlines()
            wanted = [line for line in lines if "error" in line or "FAILED" in line or "warning" in line]
            print("\n".join(wanted[:60] + lines[-40:]))
            print(f"\n0 passed, 1 failed, 0 skipped: {' '.join(command)} failed")
            sys.exit(1)
    return ROOT / "build" / preset


def run_gtest(tally, program, prefix, extra_env=None, timeout=900):
    """Runs one GoogleTest program and adds each of its cases."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        env = dict(os.environ, GTEST_BRIEF="1", **(extra_env or {}))
        try:
            done = run([program, f"--gtest_output=json:{report.name}"], env=env, timeout=timeout)
        except subprocess.TimeoutExpired as late:
            tally.add(f"{prefix}.{program.name}", False, f"no end after {timeout} s\n{late.stdout or ''}")
            return
        try:
            suites = json.load(report)["testsuites"]
        except json.JSONDecodeError:
            tally.add(f"{prefix}.{program.name}", False, done.stdout[-6000:])
            return
    for suite in suites:
        for case in suite["testsuite"]:
            name = f"{prefix}.{suite['name']}.{case['name']}"
            if case.get("result") == "SKIPPED":
                tally.skip(name, "it says so itself")
            else:
                failures = "\n".join(f["failure"] for f in case.get("failures", []))
                tally.add(name, not failures, failures)
    if done.returncode != 0 and not any(name.startswith(prefix) for name in tally.failed):
        tally.add(f"{prefix}.{program.name}.exit", False, done.stdout[-6000:])


def unit_programs(folder, modules=None):
    programs = sorted(folder.glob("kaon/*/kaon_*_test"))
    return [p for p in programs if modules is None or p.parent.name in modules]


def part_unit(tally, full):
    folder = build("release")
    for program in unit_programs(folder):
        run_gtest(tally, program, f"unit.{program.parent.name}")
    examples = run(["ctest", "--test-dir", folder, "-L", "example", "--output-on-failure"])
    for name, verdict in re.findall(r"Test +#\d+: (\S+) \.* *(Passed|\*\*\*\S+)", examples.stdout):
        tally.add(name, verdict == "Passed", examples.stdout)


def scenario(tally, folder, prefix, seeds):
    for program in sorted(folder.glob("tests/scenario/*_test")):
        run_gtest(tally, program, prefix, {"KAON_SEEDS": str(seeds)}, timeout=3600)


def part_scenario(tally, full):
    scenario(tally, build("release"), "scenario", 10000 if full else 100)


def part_sanitize(tally, full):
    install("sanitize")
    folder = build("asan-ubsan")
    env = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1"}
    for program in unit_programs(folder):
        run_gtest(tally, program, f"asan.{program.parent.name}", env)
    scenario(tally, folder, "asan.scenario", 200 if full else 10)
    folder = build("tsan", [f"kaon_{m}_test" for m in TSAN_MODULES])
    for program in unit_programs(folder, TSAN_MODULES):
        run_gtest(tally, program, f"tsan.{program.parent.name}", {"TSAN_OPTIONS": "halt_on_error=0 exitcode=66"})


def part_lint(tally, full):
    install("lint")
    say("lint")
    done = subprocess.Popen([sys.executable, ROOT / "tests/lint/lint.py", *(["--full"] if full else [])], cwd=ROOT,
                            text=True, stdout=subprocess.PIPE)
    for line in done.stdout:
        verdict, name, *detail = line.rstrip("\n").split("\t")
        tally.add(f"lint.{name}", verdict == "ok", "\n".join(detail))
    if done.wait() not in (0, 1):
        tally.add("lint.exit", False, "the lint program itself failed")


def tell_lines(tally, part, process):
    """Adds the cases that a program tells as lines of VERDICT, NAME and DETAIL with tabs between."""
    for line in process.stdout:
        verdict, name, *detail = line.rstrip("\n").split("\t")
        if verdict == "skip":
            tally.skip(f"{part}.{name}", " ".join(detail))
        elif verdict in ("ok", "fail"):
            tally.add(f"{part}.{name}", verdict == "ok", "\n".join(detail))
            if verdict == "ok" and any(detail):
                print(f"  {name}: {' '.join(detail)}", flush=True)
        else:
            print(line, end="", flush=True)
    if process.wait() not in (0, 1):
        tally.add(f"{part}.exit", False, f"the {part} tests ended early")


def part_browser(tally, full):
    script = ROOT / "tests/browser/run.mjs"
    install("browser")
    folder = build("release")
    if not (ROOT / "tests/browser/node_modules").exists():
        say("installing the browser drivers")
        done = run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", "tests/browser"])
        if done.returncode != 0:
            tally.add("browser.npm", False, done.stdout[-3000:])
            return
    say("browser")
    done = subprocess.Popen(["node", script, *(["--full"] if full else [])], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, env=dict(os.environ, KAON=str(folder / "apps/kaon/kaon")))
    tell_lines(tally, "browser", done)


def run_told(tally, part, **programs):
    """Runs tests/PART/run.py, which gets the built programs by the names of environment variables."""
    folder = build("release")
    say(part)
    env = dict(os.environ, **{name: str(folder / program) for name, program in programs.items()})
    done = subprocess.Popen([sys.executable, ROOT / f"tests/{part}/run.py"], cwd=ROOT, text=True, stdout=subprocess.PIPE,
                            env=env)
    tell_lines(tally, part, done)


def part_server(tally, full):
    run_told(tally, "server", KAON="apps/kaon/kaon")


def part_interop(tally, full):
    run_told(tally, "interop", KAON_PEER="tests/interop/peers/kaon/kaon_peer")


def part_bench(tally, full):
    """That ./bench works, not how fast anything is: a tiny run of each bench with Kaon alone."""
    build("release")
    say("bench")
    small = {"setup": ["--count", "3"], "datachannel": [], "memory": ["--count", "12"], "rtp": ["--count", "3"],
             "fanout": ["--count", "4"], "micro": [], "size": []}
    for name, options in small.items():
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            done = run([ROOT / "bench", name, "--peers", "kaon", "--runs", "1", "--seconds", "0.5", "--json", file.name,
                        *options], timeout=120)
            fault = "" if done.returncode else bench_fault(name, file)
            tally.add(f"bench.{name}", done.returncode == 0 and not fault, f"{done.stdout}\n{fault}")
    for wrong, known in ((["nonsense"], "fanout"), (["setup", "--peers", "nobody"], "libwebrtc"),
                         (["setup", "--nonsense"], "--burst")):
        done = run([ROOT / "bench", *wrong], timeout=60)
        tally.add(f"bench.says_what_it_knows.{wrong[-1]}", done.returncode == 2 and known in done.stdout, done.stdout)
    done = run([sys.executable, "benchmarks/tables.py", "--check"])
    tally.add("bench.tables", done.returncode == 0, done.stdout)


def bench_fault(name, file):
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


PARTS = {"unit": part_unit, "scenario": part_scenario, "interop": part_interop, "server": part_server,
         "bench": part_bench, "browser": part_browser, "lint": part_lint, "sanitize": part_sanitize}


def write_verification(tally, seconds):
    """Counts of a full run, with date and commit, as the last lines of docs/verification.md."""
    commit = run(["git", "rev-parse", "--short", "HEAD"]).stdout.strip()
    with open(ROOT / "docs/verification.md", "a", encoding="utf-8") as page:
        page.write(f"| {time.strftime('%Y-%m-%d')} | {commit} | {tally.passed} | {len(tally.failed)} | "
                   f"{len(tally.skipped)} | {seconds / 60:.0f} min |\n")


def main():
    parser = argparse.ArgumentParser(prog="./test", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="NAME", help=f"one of: {' '.join(PARTS)} full")
    wanted = parser.parse_args().parts
    full = "full" in wanted
    wanted = [name for name in wanted if name != "full"]
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        parser.error(f"unknown part '{unknown[0]}'; the parts are: {' '.join(PARTS)} full")
    start = time.monotonic()
    tally = Tally()
    for name in wanted or PARTS:
        if name == "browser" and not (ROOT / "tests/browser/run.mjs").exists():
            continue
        PARTS[name](tally, full)
    if full:
        write_verification(tally, time.monotonic() - start)
    say(f"took {(time.monotonic() - start) / 60:.1f} minutes")
    if tally.failed:
        print("failed: " + ", ".join(tally.failed))
    print(f"{tally.passed} passed, {len(tally.failed)} failed, {len(tally.skipped)} skipped")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
