#!/usr/bin/env python3
"""Kaon's DTLS under BoringSSL's runner: lines of "ok" or "fail", name and detail.

    tests/bogo/run.py [--full] [PATTERN...]     only cases with a name like that; * and ? as in a shell
    tests/bogo/run.py --disabled                the cases that config.json disables: which of them pass?

The runner comes out of a crate that holds BoringSSL's source, by cargo; its keys are made here. KAON_BOGO_SHIM names the
shim.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from crates import BORINGSSL, Broken, fetch, run  # noqa: E402

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build/bogo"
SHIM = Path(os.environ.get("KAON_BOGO_SHIM", ROOT / "build/release/tests/bogo/bogo_shim"))
KEYS = {
    "rsa_2048_key.pem": ["RSA", "rsa_keygen_bits:2048"],
    "rsa_1024_key.pem": ["RSA", "rsa_keygen_bits:1024"],
    "ecdsa_p256_key.pem": ["EC", "ec_paramgen_curve:P-256"],
    "ecdsa_p384_key.pem": ["EC", "ec_paramgen_curve:P-384"],
    "ecdsa_p521_key.pem": ["EC", "ec_paramgen_curve:P-521"],
    "ed25519_key.pem": ["ED25519"],
    "channel_id_key.pem": ["EC", "ec_paramgen_curve:P-256"],
}
# Where the runner has made all its cases.
CASES_ARE_MADE = "\ttoAppend, err := convertToSplitHandshakeTests(testCases)\n"
# Where it reads what is sent again, and no longer looks whether the record before was filled up.
SENT_AGAIN = "\texpected := slices.Clone(c.retransmitNeeded)\n\tfor len(expected) > 0 {\n"
PATCHES = {"runner.go": (CASES_ARE_MADE, f"\tadaptToKaon()\n{CASES_ARE_MADE}"),
           "dtls.go": (SENT_AGAIN, f"{SENT_AGAIN}\t\tc.conn.lastRecordInFlight = nil\n")}
TOOLS = ("cargo", "go", "openssl")
# Disabled cases that end the runner, because they rely on tickets, or hold it up for minutes.
NEVER = ["KeyUpdate-ProcessInOrder-DTLS", "KeyUpdate-ExtraMessage*", "KeyUpdate-Max*", "KeyUpdate-*Overflow-DTLS"]


def tell(verdict, name, detail=""):
    print(verdict, name, " | ".join(detail.strip().split("\n")), sep="\t", flush=True)


def build_runner():
    """Lays out the runner with what is ours, and compiles it."""
    source, tree = fetch(BUILD / "fetch", *BORINGSSL) / "deps/boringssl", BUILD / "boringssl"
    for part in ("ssl/test/runner", "util/testresult"):
        shutil.copytree(source / part, tree / part, dirs_exist_ok=True)
    for part in ("go.mod", "go.sum"):
        shutil.copy(source / part, tree / part)
    folder = tree / "ssl/test/runner"
    for name, (algorithm, *options) in KEYS.items():
        if not (folder / name).exists():
            more = [word for option in options for word in ("-pkeyopt", option)]
            run(["openssl", "genpkey", "-algorithm", algorithm, *more, "-out", folder / name], folder)
    shutil.copy(HERE / "kaon.go", folder)
    for name, (old, new) in PATCHES.items():
        text = (folder / name).read_text()
        if text.count(old) != 1:
            raise Broken(f"{name} is not as expected")
        (folder / name).write_text(text.replace(old, new))
    run(["go", "test", "-c", "-o", BUILD / "runner", "."], folder)


def run_cases(patterns, disabled):
    """Lines of the runner, and its verdicts by case."""
    report = BUILD / "report.json"
    report.unlink(missing_ok=True)
    command = [BUILD / "runner", "-shim-path", SHIM, "-shim-config", HERE / "config.json", "-json-output", report, "-pipe",
               "-allow-unimplemented", "-idle-timeout", "5s", "-num-workers", str(2 * (os.cpu_count() or 2))]
    if disabled:
        command += ["-include-disabled", "-skip", ";".join(NEVER)]
        patterns = [*patterns, *json.loads((HERE / "config.json").read_text())["DisabledTests"]]
    if patterns:
        command += ["-test", ";".join(patterns)]
    done = subprocess.run(command, text=True, errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if not report.exists():
        panics = re.findall(r"^(?:Test .* panicked\.|panic: .*)$", done.stdout, re.M)
        raise Broken("\n".join(panics) or done.stdout[-2000:])
    return done.stdout, json.loads(report.read_text())["tests"]


def explanations(output):
    """What the runner says of each case that failed."""
    blocks = re.split(r"^(?=(?:PASSED|FAILED|UNIMPLEMENTED) \()", output, flags=re.M)
    return {block[8:block.index(")\n")]: block.split("\n", 1)[1] for block in blocks if block.startswith("FAILED (")}


def judge(output, tests):
    """Tells the failed cases and the sum."""
    why = explanations(output)
    passed = [name for name, test in tests.items() if test["actual"] == "PASS"]
    failed = [name for name, test in tests.items() if test["actual"] == "FAIL"]
    skipped = len(tests) - len(passed) - len(failed)
    for name in failed:
        tell("fail", name, why.get(name, ""))
    remarks = re.findall(r"^kaon: (.*)$", output, re.M)
    stale = [line for line in remarks if line.endswith("matches no case")]
    for line in stale:
        tell("fail", "config", line)
    # Else a shim that refuses everything would look well.
    refused = skipped >= max(1, len(passed))
    if refused:
        tell("fail", "runner", f"the shim refuses {skipped} cases and passes only {len(passed)}")
    if not failed and not stale and not refused:
        tell("ok", "runner", f"{len(passed)} passed, {skipped} left to a newer libcrypto; {remarks[0]}")
    return bool(failed or stale or refused)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*")
    parser.add_argument("--full", action="store_true", help="the same, for ./test")
    parser.add_argument("--disabled", action="store_true")
    args = parser.parse_args()
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        tell("skip", "runner", f"no {missing[0]} here")
        return 0
    try:
        build_runner()
        output, tests = run_cases(args.patterns, args.disabled)
    except Broken as why:
        tell("fail", "build", str(why))
        return 1
    if args.disabled:
        print("\n".join(name for name, test in tests.items() if test["actual"] == "PASS"))
        return 0
    return judge(output, tests)


if __name__ == "__main__":
    sys.exit(main())
