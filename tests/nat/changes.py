"""Kaon with other stacks: ICE restarts, checks of an old generation, consent that expires, and conflicting roles."""

import asyncio
import re
import time

from cells import FRAME_MS, SETTLED, STUN, UDP, Cell, Clock, call, connected, flows, must, reports
from lab import PORT_RESTRICTED, Lab, sh
from wire import ERROR, REQUEST, SUCCESS, Stun, Wire

CONSENT_SECONDS = 30  # RFC 7675 §5.1


def lab_of(prefix, folder):
    return Lab(prefix, {"A": [PORT_RESTRICTED], "B": [PORT_RESTRICTED]}, folder)


class Generations:
    """Takes the ufrags out of the descriptions on their way: {peer's name: [ufrag, …]}."""

    def __init__(self, change=lambda sender, line: line):
        self.ufrags, self.also = {"offerer": [], "answerer": []}, change

    def __call__(self, sender, line):
        if "description" in line:
            ufrag = re.search(r"a=ice-ufrag:(\S+)", line["description"]["sdp"])[1]
            known = self.ufrags[sender.name]
            if not known or known[-1] != ufrag:
                known.append(ufrag)
        return self.also(sender, line)

    async def reach(self, number):
        while min(map(len, self.ufrags.values())) < number:
            await asyncio.sleep(0.01)


def from_inside(packet):
    """Whether it came from the host behind the router whose inner side is tapped."""
    return packet["from"][0].startswith("10.")


def ours(stacks):
    """The names of Kaon's peers, and the hosts they are on."""
    return [(("offerer", "A"), ("answerer", "B"))[at] for at, stack in enumerate(stacks) if stack == "kaon"]


def restart_cell(stacks):
    """Each side restarts once, while media goes on. Checks with the old credentials stop, and those that come are not answered."""

    async def run(prefix, folder):
        with lab_of(prefix, folder) as lab:
            lab.serve("kaon")
            name, host = ours(stacks)[0]
            seen = Generations(clock := Clock())
            async with await Wire.tap(lab, f"{host}0", "lan") as wire:

                async def script(offerer, answerer):
                    await connected(offerer, answerer, clock)
                    await asyncio.sleep(SETTLED)
                    figures = []
                    for generation, restarting in ((2, offerer), (3, answerer)):
                        await reports(offerer, answerer)
                        begin = time.monotonic()
                        await restarting.ask("restart")
                        await seen.reach(generation)
                        await asyncio.sleep(2.5)
                        told = await reports(offerer, answerer)
                        flows(told, 2.5)
                        own = seen.ufrags[name]
                        other = seen.ufrags["answerer" if name == "offerer" else "offerer"]
                        must(len(set(own)) == len(set(other)) == generation, f"ufrags {seen.ufrags}")
                        late = [packet for packet in wire.packets if packet["at"] > begin + 2 and from_inside(packet)]
                        users = [stun.username for stun in map(Stun, late) if stun.type == REQUEST and stun.username]
                        stale = [user for user in users if user != f"{other[-1]}:{own[-1]}"]
                        must(not stale, f"checks with old credentials 2 s after the restart: {stale[:3]}")
                        gap = max(report.get("gapMs", 0) for report in told)
                        must(gap < 1000, f"{gap} ms without media")
                        lost = sum(report["missing"] for report in told)
                        figures.append(f"{restarting.name} restarts: {lost} frames lost, longest gap {gap} ms")
                    answered = await replay(wire, seen, name)
                    await reports(offerer, answerer)
                    await asyncio.sleep(0.5)
                    flows(await reports(offerer, answerer), 0.5)
                    return "; ".join(figures) + f"; {answered}"

                return await call(lab, stacks, ([STUN, UDP],) * 2, script, change=seen)

    return Cell(f"restart.{'-'.join(stacks)}", run, frozenset(stacks) - {"kaon"})


async def replay(wire, seen, name):
    """Sends the peer's checks of older generations to Kaon once more: from where they came, and from a stranger."""
    own = seen.ufrags[name]
    requests = [packet for packet in wire.packets if not from_inside(packet) and Stun(packet).type == REQUEST]
    old = [packet for packet in requests if Stun(packet).username.split(":")[0] in own[:-1]]
    must(len(old) >= 2, f"only {len(old)} checks of older generations were seen")
    begin = time.monotonic()
    for packet in old:
        wire.send(packet["from"], packet["to"], packet["data"])
        wire.send(["203.0.113.77", 7777], packet["to"], packet["data"])
    await asyncio.sleep(0.5)
    transactions = {Stun(packet).transaction for packet in old}
    after = [(packet, Stun(packet)) for packet in wire.packets if packet["at"] > begin and from_inside(packet)]
    good = [packet for packet, stun in after if stun.type == SUCCESS and stun.transaction in transactions]
    must(not good, f"{len(good)} of {len(old)} old checks were answered")
    lured = [packet for packet, stun in after if packet["to"][0] == "203.0.113.77" and stun.type != ERROR]
    must(not lured, f"{len(lured)} packets went to a stranger who replayed old checks")
    return f"{2 * len(old)} replayed checks of old generations accepted by nobody"


def consent_cell(stacks):
    """From one moment on nothing passes the router any more. What Kaon still sends, and until when."""

    async def run(prefix, folder):
        with lab_of(prefix, folder) as lab:
            lab.serve("kaon")
            name, host = ours(stacks)[0]
            clock = Clock()
            async with await Wire.tap(lab, f"{host}0", "lan") as wire:

                async def script(offerer, answerer):
                    await connected(offerer, answerer, clock)
                    await asyncio.sleep(2)
                    remote = (await (offerer if name == "offerer" else answerer).ask("report"))["remote"]
                    sh(f"ip netns exec {prefix}-{host}0 nft 'insert rule ip kaon through drop'")
                    cut = time.monotonic()
                    await asyncio.sleep(CONSENT_SECONDS + 12)
                    sent = [packet for packet in wire.packets if from_inside(packet) and packet["to"][0] == remote["address"]]
                    media = max(packet["at"] - cut for packet in sent if Stun(packet).type is None)
                    checks = max(packet["at"] - cut for packet in sent if Stun(packet).type is not None)
                    figures = f"the last media packet left after {media:.1f} s, the last check after {checks:.1f} s"
                    # The last answer may have come a consent interval, up to six seconds, before the cut.
                    must(CONSENT_SECONDS - 7 < media and max(media, checks) < CONSENT_SECONDS + 0.5, figures)
                    return figures

                return await call(lab, stacks, ([STUN],) * 2, script, 90, clock)

    return Cell(f"consent.{'-'.join(stacks)}", run, frozenset(stacks) - {"kaon"})


def lite(sender, line):
    """An offer on its way becomes that of a lite agent, so that the answerer controls as well (RFC 8445 §6.1.1)."""
    if line.get("description", {}).get("type") != "offer":
        return line
    sdp = line["description"]["sdp"]
    return {"description": {"type": "offer", "sdp": sdp.replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n", 1)}}


def conflict_cell(stacks):
    """Both sides control at first. Until each has given way once. (The other way round Kaon would not give way, ever: a lite agent,
    as which the other one is told, cannot control.)"""

    async def run(prefix, folder):
        roles, times = [], []
        with lab_of(prefix, folder) as lab:
            lab.serve("kaon")
            while len(set(roles)) < 2:
                must(len(roles) < 16, f"Kaon became the same sixteen times: {roles[:1]}")
                clock = Clock(lite)

                async def script(offerer, answerer):
                    times.append(await connected(offerer, answerer, clock))
                    await asyncio.sleep(SETTLED)
                    await reports(offerer, answerer)
                    await asyncio.sleep(0.3)
                    told = await reports(offerer, answerer)
                    flows(told, 0.3)
                    # Pion tells the role that it was given, not the one that it has.
                    must("pion" in stacks or told[0]["role"] != told[1]["role"], f"both are {told[0]['role']}")
                    return told[stacks.index("kaon")]["role"]

                roles.append(await call(lab, stacks, ([STUN],) * 2, script, change=clock))
        return f"Kaon became {', '.join(roles)}; up to {max(times)} ms"

    return Cell(f"role_conflict.{'-'.join(stacks)}", run, frozenset(stacks) - {"kaon"})


def cells():
    for other in ("pion", "chromium"):
        yield conflict_cell(("kaon", other))
        for stacks in (("kaon", other), (other, "kaon")):
            yield restart_cell(stacks)
            yield consent_cell(stacks)
