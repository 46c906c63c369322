#!/usr/bin/env python3
"""What only a libcrypto with ML-KEM can show: lines of "ok", "fail" or "skip", name and detail.

    tests/mlkem/run.py            the tests of crypto and dtls, then X25519MLKEM768 against Pion

Distributions have older ones, so OpenSSL 3.5 is built once under build/mlkem, out of a crate that holds its source. The
programs that were built with the system's library are started with this one in its place.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from crates import Broken, fetch, run  # noqa: E402

BUILD = ROOT / "build/mlkem"
RELEASE = ROOT / "build/release"
# The first line of OpenSSL with ML-KEM, which is maintained until 2030; this one is 3.5.5.
CRATE, VERSION = "openssl-src", "300.5.5"
CHECKSUM = "3f1787d533e03597a7934fd0a765f0d28e94ecc5fb7789f8053b1e699a56f709"
# The crate leaves out what shared libraries are made with, so they are made out of the archives.
OPTIONS = ["no-shared", "no-module", "no-tests", "no-docs", "no-apps", "no-engine", "no-quic", "no-legacy", "--libdir=lib"]
TOOLS = ("cargo", "perl", "make", "cc")


def tell(verdict, name, detail=""):
    print(verdict, name, " | ".join(detail.strip().split("\n")), sep="\t", flush=True)


def build_openssl():
    """The folder with libcrypto.so.3 and libssl.so.3."""
    folder, libraries = BUILD / f"openssl-{VERSION}", BUILD / f"lib-{VERSION}"
    if (libraries / "libssl.so.3").exists():
        return libraries
    source = fetch(BUILD / "fetch", CRATE, VERSION, CHECKSUM) / "openssl"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "Makefile").exists():
        run(["perl", source / "Configure", *OPTIONS], folder)
    run(["make", f"-j{os.cpu_count() or 1}", "build_libs"], folder)
    made = BUILD / "lib.new"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    # Programs ask for versions of symbols; a library without any serves them all.
    for name, needs in (("libcrypto", []), ("libssl", ["-L.", "-l:libcrypto.so.3"])):
        run(["cc", "-shared", "-o", f"{name}.so.3", f"-Wl,-soname,{name}.so.3", "-Wl,-Bsymbolic", "-Wl,--whole-archive",
             folder / f"{name}.a", "-Wl,--no-whole-archive", *needs, "-ldl", "-pthread"], made)
    shutil.rmtree(libraries, ignore_errors=True)
    made.rename(libraries)
    return libraries


def run_gtest(module, env):
    program = RELEASE / f"kaon/{module}/kaon_{module}_test"
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        done = subprocess.run([program, f"--gtest_output=json:{report.name}"], env=env, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
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
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        tell("skip", "mlkem", f"{missing[0]} is not installed")
        return 0
    try:
        libraries = build_openssl()
    except Broken as why:
        tell("fail", "build", str(why))
        return 1
    env = dict(os.environ, LD_LIBRARY_PATH=str(libraries))
    for module in ("crypto", "dtls"):
        run_gtest(module, env)
    # Its lines are ours.
    return subprocess.run([sys.executable, ROOT / "tests/interop/dtls/run.py", "--ml-kem"], env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
