#!/usr/bin/env python3
"""Builds and runs the tests; see ./test. Every part adds its cases to one tally, which is the last line printed.

A full run remembers under build/ what has passed at this commit, cell by cell, and goes on from there when it is started again."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time

from tally import ROOT, Tally, run, say, version

TSAN_MODULES = ["base", "io", "webrtc", "sfu"]
SEEDS_PER_CELL = 500


def install(*groups):
    done = subprocess.run([ROOT / "tools/deps.sh", *groups], cwd=ROOT)
    if done.returncode != 0:
        sys.exit(done.returncode)


def build(preset, targets=(), folder=None, options=()):
    """Configures and builds; ends the run if that fails, because nothing after it can be trusted."""
    folder = folder or preset
    say(f"building {folder}")
    for command in (["cmake", "--preset", preset, "-B", f"build/{folder}", *options],
                    ["ninja", "-C", f"build/{folder}", *targets]):
        done = run(command)
        if done.returncode != 0:
            lines = done.stdout.splitlines()
            wanted = [line for line in lines if "error" in line or "FAILED" in line or "warning" in line]
            print("\n".join(wanted[:60] + lines[-40:]))
            print(f"\n0 passed, 1 failed, 0 skipped: {' '.join(command)} failed")
            sys.exit(1)
    return ROOT / "build" / folder


def run_gtest(cell, program, prefix, extra_env=None, timeout=900, only="*"):
    """Runs one GoogleTest program and adds each of its cases to the cell."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        env = dict(os.environ, GTEST_BRIEF="1", **(extra_env or {}))
        try:
            done = run([program, f"--gtest_output=json:{report.name}", f"--gtest_filter={only}"], env=env, timeout=timeout)
        except subprocess.TimeoutExpired as late:
            cell.add(f"{prefix}.{program.name}", False, f"no end after {timeout} s\n{late.stdout or ''}")
            return
        try:
            suites = json.load(report)["testsuites"]
        except json.JSONDecodeError:
            cell.add(f"{prefix}.{program.name}", False, done.stdout[-6000:])
            return
    failed = False
    for suite in suites:
        for case in suite["testsuite"]:
            name = f"{prefix}.{suite['name']}.{case['name']}"
            if case.get("result") == "SKIPPED":
                cell.skip(name, "it says so itself")
            else:
                failures = "\n".join(f["failure"] for f in case.get("failures", []))
                failed = failed or bool(failures)
                cell.add(name, not failures, failures)
    if done.returncode != 0 and not failed:
        cell.add(f"{prefix}.{program.name}.exit", False, done.stdout[-6000:])


def units(prefix, folder, modules=None, env=None):
    """The cells of the modules' tests."""
    for program in sorted(folder.glob("kaon/*/kaon_*_test")):
        module = program.parent.name
        if modules is None or module in modules:
            yield f"{prefix}.{module}", lambda cell, p=program, m=module: run_gtest(cell, p, f"{prefix}.{m}", env)


def examples(cell, folder):
    done = run(["ctest", "--test-dir", folder, "-L", "example", "--output-on-failure"])
    for name, verdict in re.findall(r"Test +#\d+: (\S+) \.* *(Passed|\*\*\*\S+)", done.stdout):
        cell.add(name, verdict == "Passed", done.stdout)


def part_unit(tally, full):
    folder = build("release")
    sctp = folder / "kaon/sctp/kaon_sctp_test"
    long = [*seeded("unit.sctp.chaos", sctp, "Chaos.EveryByte*", 1000),
            *seeded("unit.sctp.commands", sctp, "Chaos.RandomCommands*", 100000)]
    tally.cells([*units("unit", folder, env={"KAON_RECORDS": "10000000"} if full else None), *(long if full else []),
                 ("unit.fuzz", lambda cell: run_gtest(cell, folder / "fuzz/kaon_fuzz_replay", "unit.fuzz"))])
    tally.cell("unit.examples", lambda cell: examples(cell, folder))


def seeded(prefix, program, only, seeds, env=None):
    """The cells of a test that goes through seeds: small enough that no core is idle."""
    size = min(SEEDS_PER_CELL, -(-seeds // (os.cpu_count() or 1)))
    for first in range(1, seeds + 1, size):
        some = f"{first}-{min(first + size - 1, seeds)}"
        one = dict(env or {}, KAON_SEED=some)
        yield f"{prefix}.seeds-{some}", lambda cell, e=one: run_gtest(cell, program, prefix, e, 3600, only)


def scenario(prefix, folder, seeds, transfers, env=None):
    program = folder / "tests/scenario/kaon_scenario_test"
    yield from seeded(prefix, program, "Scenario.*", seeds, env)
    yield from seeded(f"{prefix}.transfer", program, "Transfer.*", transfers, env)
    yield prefix, lambda cell: run_gtest(cell, program, prefix, env, only="-Scenario.*:Transfer.*")


def part_scenario(tally, full):
    tally.cells(scenario("scenario", build("release"), 10000 if full else 100, 1000 if full else 30))


def part_sanitize(tally, full):
    install("sanitize")
    modules = sorted({test.relative_to(ROOT).parts[1] for test in ROOT.glob("kaon/**/*_test.cc")})
    folder = build("asan-ubsan", [*(f"kaon_{m}_test" for m in modules), "kaon_scenario_test"])
    env = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1"}
    lists = seeded("asan.sctp.commands", folder / "kaon/sctp/kaon_sctp_test", "Chaos.RandomCommands*", 100000, env)
    tally.cells([*units("asan", folder, env=env), *(lists if full else []),
                 *scenario("asan.scenario", folder, 200 if full else 10, 30 if full else 4, env)])
    folder = build("tsan", [f"kaon_{m}_test" for m in TSAN_MODULES])
    tally.cells(units("tsan", folder, TSAN_MODULES, {"TSAN_OPTIONS": "halt_on_error=0 exitcode=66"}))


def part_wide(tally, full):
    """What encrypts, in a build whose AES-GCM is Intel's for wide vectors."""
    install("wide")
    modules = ["crypto", "dtls", "srtp"]
    folder = build("release", [f"kaon_{m}_test" for m in modules], "wide", ["-DKAON_IPSEC_MB=ON"])
    tally.cells(units("wide", folder, modules))


class Program:
    """A part that is a program. It tells its cases as lines of "ok", "fail" or "skip", the name and a detail, with tabs
    between; other lines are shown. `--full` asks for the long form. KAON names the built command, and KAON_PASSED lists the
    cases, one a line, that have passed: it may leave these out."""

    def __init__(self, name, command, packages=None, preset="release", targets=("kaon",)):
        self.name, self.command, self.packages, self.preset, self.targets = name, command, packages, preset, targets

    def __call__(self, tally, full):
        if self.packages:
            install(*self.packages.split())
        if self.preset:
            build(self.preset, self.targets)
        say(self.name)
        known = [cell.removeprefix(f"{self.name}.") for cell in tally.known if cell.startswith(f"{self.name}.")]
        for name in known:
            tally.reuse(f"{self.name}.{name}")
        env = dict(os.environ, KAON=str(ROOT / f"build/{self.preset}/apps/kaon/kaon"), KAON_PASSED="\n".join(known))
        process = subprocess.Popen([*self.command, *(["--full"] if full else [])], cwd=ROOT, text=True, errors="replace",
                                   stdout=subprocess.PIPE, env=env)
        before, last = len(tally.failed), time.monotonic()
        for line in process.stdout:
            now = time.monotonic()
            if self.tell(tally, line.rstrip("\n"), known, now - last):
                last = now
        if process.wait() not in (0, 1) or (process.returncode == 1 and len(tally.failed) == before):
            tally.add(f"{self.name}.exit", False, f"the {self.name} tests ended early")

    def tell(self, tally, line, known, seconds):
        verdict, name, *detail = line.split("\t") if "\t" in line else (line, "")
        if verdict not in ("ok", "fail", "skip"):
            print(line, flush=True)
        elif name not in known:
            cell = f"{self.name}.{name}"
            if verdict == "skip":
                tally.skip(cell, " ".join(detail))
            else:
                tally.add(cell, verdict == "ok", "\n".join(detail))
                if verdict == "ok":
                    say(f"{cell}: {' '.join(detail) or 'passed'}")
                tally.remember(cell, 1, verdict == "fail", [], seconds)
            return True
        return False


PARTS = {
    "unit": part_unit,
    "scenario": part_scenario,
    "interop": Program("interop", [sys.executable, "tests/interop/run.py"], "interop", targets=("interop_kaon",)),
    "dtls": Program("dtls", [sys.executable, "tests/interop/dtls/run.py"], "dtls", targets=("interop_dtls", "interop_dtls_stacks")),
    "bogo": Program("bogo", [sys.executable, "tests/bogo/run.py"], targets=("bogo_shim",)),
    "mlkem": Program("mlkem", [sys.executable, "tests/mlkem/run.py"], "mlkem",
                     targets=("kaon_crypto_test", "kaon_dtls_test", "kaon_peer_test", "interop_dtls")),
    "srtp": Program("srtp", [sys.executable, "tests/interop/srtp/run.py"], targets=("interop_srtp",)),
    "bench": Program("bench", [sys.executable, "benchmarks/smoke.py"], targets=("kaon_benchmarks", "kaon_command_static")),
    "server": Program("server", [sys.executable, "tests/server/run.py"]),
    "turn": Program("turn", [sys.executable, "tests/interop/turn/run.py"], "turn"),
    "nat": Program("nat", [sys.executable, "tests/nat/run.py"], "nat turn browser", targets=("kaon", "interop_kaon")),
    "browser": Program("browser", ["node", "tests/browser/run.mjs"], "browser", targets=("kaon", "interop_kaon")),
    "package": Program("package", [sys.executable, "tests/package/run.py"], "package", targets=("kaon", "kaon_shared")),
    "lint": Program("lint", [sys.executable, "tests/lint/lint.py"], "lint docs", preset=None),
    "sanitize": part_sanitize,
    "wide": part_wide,
    "fuzz": Program("fuzz", [sys.executable, "tests/fuzz.py"], "sanitize", "asan-ubsan", ("kaon_fuzzers",)),
}


# Only by name and in a full run: they want tools and libraries that Kaon does not.
BY_NAME = {"interop", "mlkem", "wide"}


def write_verification(tally, what):
    """Counts of a full run, with date and commit, as the last line of docs/verification.md."""
    with open(ROOT / "docs/verification.md", "a", encoding="utf-8") as page:
        page.write(f"| {time.strftime('%Y-%m-%d')} | {version()} | {what} | {tally.passed} | {len(tally.failed)} | "
                   f"{len(tally.skipped)} | {tally.seconds / 60:.0f} min |\n")


def main():
    parser = argparse.ArgumentParser(prog="./test", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="NAME", help=f"one of: {' '.join(PARTS)} full")
    parser.add_argument("--minutes", help="of fuzzing, per target")
    parser.add_argument("--target", help="the one to fuzz")
    args = parser.parse_args()
    for option, value in (("--minutes", args.minutes), ("--target", args.target)):
        PARTS["fuzz"].command += [option, value] if value else []
    wanted = args.parts
    full = "full" in wanted
    wanted = [name for name in wanted if name != "full"]
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        parser.error(f"unknown part '{unknown[0]}'; the parts are: {' '.join(PARTS)} full")
    start = time.monotonic()
    tally = Tally(full)
    for name in wanted or [name for name in PARTS if full or name not in BY_NAME]:
        PARTS[name](tally, full)
    if full:
        write_verification(tally, " ".join(wanted) or "all")
    say(f"took {(time.monotonic() - start) / 60:.1f} minutes")
    if tally.failed:
        print("failed: " + ", ".join(tally.failed))
    print(f"{tally.passed} passed, {len(tally.failed)} failed, {len(tally.skipped)} skipped")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
