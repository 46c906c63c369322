#!/usr/bin/env python3
"""What only a libcrypto with ML-KEM can show: lines of "ok", "fail" or "skip", name and detail.

    tests/mlkem/run.py            the tests of crypto and dtls and some of peer, then X25519MLKEM768 against Pion

The programs that were built with the system's library are started with that of tests/openssl35.py in its place.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests"))
import openssl35  # noqa: E402
from crates import Broken  # noqa: E402

RELEASE = ROOT / "build/release"


def tell(verdict, name, detail=""):
    print(verdict, name, " | ".join(detail.strip().split("\n")), sep="\t", flush=True)


def run_gtest(module, env, chosen="-*WideGcm*"):
    program = RELEASE / f"kaon/{module}/kaon_{module}_test"
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        # Those of WideGcm are left out: they run in the part "wide", whose build they want.
        done = subprocess.run([program, f"--gtest_output=json:{report.name}", f"--gtest_filter={chosen}"], env=env, text=True,
                              errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        try:
            suites = json.load(report)["testsuites"]
        except json.JSONDecodeError:
            return tell("fail", module, done.stdout[-2000:])
    for suite in suites:
        for case in suite["testsuite"]:
            name = f"{module}.{suite['name']}.{case['name']}"
            failures = "\n".join(each["failure"] for each in case.get("failures", []))
            if case.get("result") == "SKIPPED":
                failures = "skipped, though this libcrypto is there for it"
            tell("fail" if failures else "ok", name, failures)


def main():
    try:
        env = openssl35.environment()
    except openssl35.ToolMissing as why:
        tell("skip", "mlkem", str(why))
        return 0
    except Broken as why:
        tell("fail", "build", str(why))
        return 1
    for module in ("crypto", "dtls"):
        run_gtest(module, env)
    run_gtest("peer", env, "*PostQuantum*")
    # Its lines are ours.
    return subprocess.run([sys.executable, ROOT / "tests/interop/dtls/run.py", "--ml-kem"], env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
