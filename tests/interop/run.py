#!/usr/bin/env python3
"""Kaon against other WebRTC stacks: every case of cases.py with every stack of stacks.py in both roles.

    tests/interop/run.py [WORD...]     only cases with one of the words in their name, which is STACK.CASE.ROLE

ROLE is what the other stack does; Kaon does the opposite. KAON_PEER names Kaon's own program.
"""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from cases import CASES  # noqa: E402
from session import Fault, run_pair  # noqa: E402
from stacks import BUILD, KNOWN_FAULTS, ROOT, STACKS, Broken, Missing  # noqa: E402

KAON = Path(os.environ.get("KAON_PEER", ROOT / "build/release/tests/interop/peers/kaon/kaon_peer"))
AT_ONCE = 3
SECONDS = 25
ROLES = ("offerer", "answerer")


class Report:
    """Verdicts as lines, and kept."""

    def __init__(self):
        self.verdicts = {}

    def tell(self, verdict, name, detail=""):
        self.verdicts[name] = verdict
        print(verdict, name, " | ".join(detail.split("\n")), sep="\t", flush=True)

    def failed(self):
        return "fail" in self.verdicts.values()


async def run_case(report, stack, case, role, slots):
    name = f"{stack.name}.{case.name}.{role}"
    theirs = {**case.options, **stack.options.get(case.name, {})}
    command = {role: stack.command, ROLES[1 - ROLES.index(role)]: [KAON]}
    options = {role: theirs, ROLES[1 - ROLES.index(role)]: theirs}
    async with slots:
        start = time.monotonic()
        try:
            results = await run_pair(command["offerer"], command["answerer"], [options[r] for r in ROLES], SECONDS)
            faults = list(case.judge(case, *results))
        except Fault as fault:
            faults = [str(fault)]
    known = KNOWN_FAULTS.get((stack.name, case.name, role))
    if faults and not known:
        report.tell("fail", name, "\n".join(faults))
    elif known and not faults:
        report.tell("fail", name, f"works now, but is in the list of known faults: {known}")
    else:
        report.tell("ok", name, f"known fault: {known}" if known else f"{time.monotonic() - start:.1f} s")


async def prepare(report, function, names):
    """False if the stacks that it prepares cannot be tried."""
    try:
        await asyncio.to_thread(function)
        return True
    except Missing as why:
        for name in names:
            report.tell("skip", name, str(why))
    except Broken as why:
        for name in names:
            report.tell("fail", f"{name}.build", str(why))
    return False


async def run_stacks(report, prepare_function, chosen, slots):
    """The chosen (stack, case, role) of all stacks that are prepared by one function."""
    names = sorted({stack.name for stack, _, _ in chosen})
    if await prepare(report, prepare_function, names):
        await asyncio.gather(*(run_case(report, *one, slots) for one in chosen))


async def run_all(report, words):
    slots = asyncio.Semaphore(AT_ONCE)
    groups = {}
    for stack in STACKS:
        for case in CASES:
            for role in ROLES:
                name = f"{stack.name}.{case.name}.{role}"
                if case.needs <= stack.can and (not words or any(word in name for word in words)):
                    groups.setdefault(stack.prepare, []).append((stack, case, role))
    await asyncio.gather(*(run_stacks(report, function, chosen, slots) for function, chosen in groups.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD")
    arguments = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    report = Report()
    asyncio.run(run_all(report, arguments.words))
    return 1 if report.failed() else 0


if __name__ == "__main__":
    sys.exit(main())
