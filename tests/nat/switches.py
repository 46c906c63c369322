"""A host that changes its interface in a call: Kaon with Kaon by renomination, with Pion by an ICE restart, and over relays only by
another allocation."""

import asyncio
import time

from cells import FRAME_MS, KAON, STUN, UDP, Cell, Clock, call, connected, flows, must, over_relay, path_of, reports
from lab import PORT_RESTRICTED, Lab, sh

# How a host changes: both interfaces are there from the beginning, or the second one comes half a second before the first one
# goes, or a moment after it.
SWITCHES = ("both_up", "new_first", "old_first")
NOTHING_SECONDS = 0.1
ALLOWED_MS = 300  # of lost media, beside that moment


async def switch(lab, host, how):
    """Gives back for how many milliseconds the host had no interface."""
    if how == "new_first":
        sh(lab.plug(host, 1))
        await asyncio.sleep(0.5)
    begin = time.monotonic()
    sh(lab.unplug(host, 0))
    if how != "old_first":
        return 0
    await asyncio.sleep(NOTHING_SECONDS)
    sh(lab.plug(host, 1))
    return round((time.monotonic() - begin) * 1000)


def end_of(report):
    return report["local"]["address"], report["local"]["port"]


def switch_cell(stacks, host, how, restart=False, relay=None):
    """The host, a Kaon's, loses the interface of its path and goes on over another one, with an ICE restart if that is wanted; with
    `relay` by that server alone."""

    async def run(prefix, folder):
        uplinks = {each: [PORT_RESTRICTED] * (2 if each == host else 1) for each in "AB"}
        with Lab(prefix, uplinks, folder) as lab:
            lab.serve(relay or "kaon")
            if how != "both_up":
                sh(lab.unplug(host, 1))
            clock = Clock()

            async def script(offerer, answerer):
                await connected(offerer, answerer, clock)
                await asyncio.sleep(1.5)
                before = await reports(offerer, answerer)
                mine = 0 if host == "A" else 1
                must(over_relay(before[mine]) == bool(relay), f"{path_of(before[mine])} before the switch")
                nothing = await switch(lab, host, how)
                if restart:
                    await (offerer, answerer)[mine].ask("restart")
                await asyncio.sleep(2)
                told = await reports(offerer, answerer)
                must("local" in told[mine] and end_of(told[mine]) != end_of(before[mine]), f"the path is {told[mine]}")
                await asyncio.sleep(0.5)
                flows(await reports(offerer, answerer), 0.5)
                return nothing, told

            nothing, told = await call(lab, stacks, ([UDP],) * 2 if relay else ([STUN, UDP],) * 2, script, change=clock,
                                       options={"ice-transport-policy": "relay"} if relay else None)
            lost = max(report["missing"] for report in told) * FRAME_MS
            gap = max(report["gapMs"] for report in told)
            # Kaon's gaps are those between frames in order, for which it waits a moment.
            figures = f"{lost} ms of media lost, longest gap {gap} ms{f', no interface for {nothing} ms' if nothing else ''}"
            must(lost < ALLOWED_MS + nothing, figures)
            return figures

    name = f"switch.{'-'.join(stacks)}.{host}_moves.{how}{'.restart' if restart else ''}{f'.relay.{relay}' if relay else ''}"
    return Cell(name, run, frozenset({*stacks, relay}) - {"kaon", None})


def cells():
    for how in SWITCHES:
        for host in "AB":
            yield switch_cell(KAON, host, how)
            for relay in ("kaon", "coturn"):
                yield switch_cell(KAON, host, how, relay=relay)
        yield switch_cell(("kaon", "pion"), "A", how, restart=True)
        yield switch_cell(("pion", "kaon"), "B", how, restart=True)
