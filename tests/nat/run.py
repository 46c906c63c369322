#!/usr/bin/env python3
"""Peers behind NATs, in network namespaces with veth and nftables: lines of "ok", "fail" or "skip", name and detail.

    tests/nat/run.py [--full] [WORD...]     with words: all cells with one of them in their name

As root; everything runs in namespaces (network, mounts, processes) that end with it. KAON names the command, KAON_PEER the peer's
program, KAON_PASSED the cells that may be left out.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cells
import changes
import lab
import switches

sys.path.append(str(lab.ROOT / "tests/interop"))
import stacks  # noqa: E402

INSIDE = "KAON_NAT_INSIDE"
AT_ONCE = max(2, (os.cpu_count() or 2) - 1)
UNSHARE = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
# The names of network namespaces are files; these are our own, so that none is left behind.
ENTER = "mkdir -p /run/netns && mount -t tmpfs none /run/netns && ip link set lo up && exec \"$@\""


def tell(verdict, name, detail=""):
    print(verdict, name, " | ".join(str(detail).split("\n")), sep="\t", flush=True)


def obstacle():
    """Why this machine cannot make such networks; empty if it can."""
    for program in ("ip", "nft", "unshare", "openssl"):
        if not shutil.which(program):
            return f"there is no '{program}' on this machine"
    if os.getuid() != 0:
        return "network namespaces want root"
    table = "table ip t { chain c { type nat hook postrouting priority 100; masquerade fully-random\n }\n }"
    script = f"ip link add t0 type veth peer name t1 && ip link add t2 type bridge && nft '{table}'"
    done = subprocess.run([*UNSHARE, "bash", "-c", script], text=True, capture_output=True)
    return "" if done.returncode == 0 else f"this machine makes no such networks: {done.stderr.strip().splitlines()[0]}"


def prepare_coturn():
    program = stacks.BUILD / "coturn/usr/bin/turnserver"
    if not program.exists() and not shutil.which("turnserver"):
        stacks.unpack("coturn")


def prepare_chromium():
    stacks.need("/usr/bin/chromium")
    stacks.need("node")
    stacks.need("npm")
    folder = lab.ROOT / "tests/browser"
    if not (folder / "node_modules").exists():
        stacks.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder, stacks.Missing)


PREPARE = {"coturn": prepare_coturn, "pion": stacks.prepare_go, "chromium": prepare_chromium}


def prepare(chosen):
    """Outside, where there is a network: (why some of what the cells need is missing, and whether something is broken)."""
    missing, broken = {}, False
    stacks.BUILD.mkdir(parents=True, exist_ok=True)
    for need in sorted({need for cell in chosen for need in cell.needs}):
        try:
            PREPARE[need]()
        except stacks.Missing as why:
            missing[need] = str(why)
        except stacks.Broken as why:
            tell("fail", f"{need}.build", why)
            missing[need], broken = "it does not build", True
    return missing, broken


async def run_cell(number, cell, slots):
    async with slots:
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                detail = await cell.run(f"k{number}", folder)
            except Exception as error:
                tell("fail", cell.name, f"{type(error).__name__}: {error}")
                return False
    tell("ok", cell.name, f"{detail} ({time.monotonic() - start:.1f} s)")
    return True


async def run_all(chosen, missing):
    slots, running = asyncio.Semaphore(AT_ONCE), []
    for number, cell in enumerate(chosen):
        if lacks := sorted(cell.needs & missing.keys()):
            tell("skip", cell.name, f"{lacks[0]}: {missing[lacks[0]]}")
        else:
            running.append(run_cell(number, cell, slots))
    return all(await asyncio.gather(*running))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("words", nargs="*", metavar="WORD")
    arguments = parser.parse_args()
    passed = os.environ.get("KAON_PASSED", "").splitlines()
    chosen = [cell for cell in (*cells.cells(), *changes.cells(), *switches.cells()) if cell.name not in passed and
              (any(word in cell.name for word in arguments.words) if arguments.words else arguments.full or cell.short)]
    if INSIDE in os.environ:
        os.environ["PATH"] += f":{stacks.BUILD}/coturn/usr/bin"
        return 0 if asyncio.run(run_all(chosen, json.loads(os.environ[INSIDE]))) else 1
    if why := obstacle():
        for cell in chosen:
            tell("skip", cell.name, why)
        return 0
    missing, broken = prepare(chosen)
    command = [*UNSHARE, "bash", "-c", ENTER, "-", sys.executable, *sys.argv]
    done = subprocess.run(command, env={**os.environ, INSIDE: json.dumps(missing)})
    return 1 if done.returncode == 0 and broken else done.returncode


if __name__ == "__main__":
    sys.exit(main())
