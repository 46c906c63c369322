#!/usr/bin/env python3
"""Kaon against other WebRTC stacks: every case of cases.py with every stack of stacks.py in both roles.

    tests/interop/run.py [WORD...]     cases with one of the words in their name, which is STACK.CASE.ROLE; without words
                                       data and one kind of media with each
    tests/interop/run.py --full        all; writes docs/interop.md, too

ROLE is what the other stack does; Kaon does the opposite. KAON_PEER names Kaon's own program.
"""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import page  # noqa: E402
from cases import CASES  # noqa: E402
from lossy import LossyPath  # noqa: E402
from session import Fault, run_pair  # noqa: E402
from stacks import BUILD, KNOWN_FAULTS, ROOT, STACKS, Broken, Missing  # noqa: E402

KAON = Path(os.environ.get("KAON_PEER", ROOT / "build/release/tests/interop/peers/kaon/interop_kaon"))
AT_ONCE = max(2, (os.cpu_count() or 2) - 1)
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


async def faults_of(stack, case, role):
    """Sentences: what is wrong with one connection."""
    commands = [stack.command if each == role else [KAON] for each in ROLES]
    options = [case.options_for(stack, role, each == role) for each in ROLES]
    try:
        async with LossyPath(case.loss) as path:
            offerer, answerer = await run_pair(commands, options, case.seconds, **({"change": path.change} if case.loss else {}))
        if case.loss and path.lost < 0.5 * case.loss * path.passed:
            raise Fault(f"{path.lost} packets were lost and {path.passed} were not: they found another path")
        return list(case.judge(case, stack, {"offerer": offerer, "answerer": answerer, "stack": role}))
    except Fault as fault:
        return [str(fault)]
    except Exception as error:  # a result of another form than agreed
        return [f"{type(error).__name__}: {error}"]


async def run_case(report, stack, case, role, slots):
    name = f"{stack.name}.{case.name}.{role}"
    async with slots:
        start = time.monotonic()
        runs = case.runs(stack)
        faults = []
        for run in runs:
            faults += [f"{fault} {run.options if len(runs) > 1 else ''}".rstrip() for fault in await faults_of(stack, run, role)]
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


async def run_stacks(report, prepare_function, chosen, slots, building):
    """The chosen (stack, case, role) of all stacks that are prepared by one function, one after another: each uses all cores."""
    names = sorted({stack.name for stack, _, _ in chosen})
    async with building:
        ready = await prepare(report, prepare_function, names)
    if ready:
        await asyncio.gather(*(run_case(report, *one, slots) for one in chosen))


async def run_all(report, words, full):
    slots, building = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(1)
    groups = {}
    for stack in STACKS:
        for case in CASES:
            for role in ROLES:
                name = f"{stack.name}.{case.name}.{role}"
                wanted = any(word in name for word in words) if words else full or case.short
                if case.fits(stack, role) and wanted:
                    groups.setdefault(stack.prepare, []).append((stack, case, role))
    await asyncio.gather(*(run_stacks(report, function, chosen, slots, building) for function, chosen in groups.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--full", action="store_true", help="all cases; write docs/interop.md, too")
    arguments = parser.parse_args()
    if not KAON.exists():
        parser.error(f"there is no {KAON}; ninja makes it as interop_kaon, and KAON_PEER may name another")
    BUILD.mkdir(parents=True, exist_ok=True)
    report = Report()
    asyncio.run(run_all(report, arguments.words, arguments.full))
    if arguments.full and not arguments.words:
        page.write(report)
    return 1 if report.failed() else 0


if __name__ == "__main__":
    sys.exit(main())
